"""Asks every process how it is: all at once, and none for long."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import psutil
import urllib3

from services.common.clock import utc_now
from services.common.settings import PORTS, CommonSettings
from services.dashboard_creator.system_models import ServiceRow

_TIMEOUT: Final = urllib3.Timeout(connect=0.3, read=1.0)
#: Where the health of a process is asked that does not answer on the port of its name.
_OPS: Final = {"pubsub_local": "pubsub_local_ops", "web": "web_ops"}
_WITHOUT_HTTP: Final = frozenset({"mongodb"})
_MEGABYTE: Final = 1024 * 1024


class Supervised(NamedTuple):
    """What the supervisor has written down."""

    started_at: datetime | None
    restarts: Mapping[str, int]
    states: Mapping[str, str]


class Processes:
    """The processes of this instance."""

    def __init__(self, settings: CommonSettings) -> None:
        self._settings = settings
        self._http = urllib3.PoolManager(maxsize=1, num_pools=20, retries=False)
        self._pool = ThreadPoolExecutor(max_workers=12, thread_name_prefix="health")

    def supervised(self) -> Supervised:
        """The supervisor's record; nothing where there is none."""
        try:
            found = json.loads((self._settings.mt_home / ".data/run/supervisor.json").read_bytes())
            rows = {str(row["name"]): row for row in found["processes"]}
            started_at = datetime.fromisoformat(found["started_at"])
        except (OSError, ValueError, KeyError, TypeError):
            return Supervised(None, {}, {})
        return Supervised(
            started_at,
            {name: int(row.get("restarts", 0)) for name, row in rows.items()},
            {name: str(row.get("state", "")) for name, row in rows.items()},
        )

    def rows(self) -> list[ServiceRow]:
        """Every process, in the order of their names."""
        known = self.supervised()
        names = sorted(known.restarts or (name for name in PORTS if name not in _OPS.values()))
        return list(self._pool.map(lambda name: self._row(name, known), names))

    def _row(self, name: str, known: Supervised) -> ServiceRow:
        report = self._ask(name)
        pid = report.get("pid") or self._written_pid(name)
        process = _process(pid)
        lacking = [
            f"{what}: {answer.get('detail', '')}"
            for what, answer in (report.get("dependencies") or {}).items()
            if not answer.get("ok")
        ]
        detail = "; ".join(lacking) or known.states.get(name, "").replace("up", "")
        alive = bool(report) or (name in _WITHOUT_HTTP and process is not None)
        state = "DOWN" if not alive else ("UP" if report.get("ready", True) else "NOT_READY")
        return ServiceRow.model_validate(
            {
                "name": name,
                "state": state,
                "detail": detail if alive else detail or "it does not answer",
                "uptime_s": report.get("uptime_s") or _uptime(process),
                "memory_mb": _memory(process),
                "restarts": known.restarts.get(name),
                "version": report.get("version"),
                "layout": report.get("layout"),
                "log": f"/api/v1/system/logs/{name}" if self._log_of(name).exists() else None,
            }
        )

    def _ask(self, name: str) -> dict[str, Any]:
        if name in _WITHOUT_HTTP or name not in PORTS:
            return {}
        place = f"{self._settings.host_of(name)}:{self._settings.port(_OPS.get(name, name))}"
        try:
            answer = self._http.request(
                "GET", f"http://{place}/health", timeout=_TIMEOUT, retries=False
            )
            found = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _written_pid(self, name: str) -> int | None:
        try:
            found = json.loads((self._settings.mt_home / "logs/pids" / f"{name}.pid").read_bytes())
            return int(found["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _log_of(self, name: str) -> Path:
        return self._settings.mt_home / "logs" / f"{name}.log"


def _process(pid: object) -> psutil.Process | None:
    try:
        return psutil.Process(int(pid)) if isinstance(pid, int) else None
    except (psutil.Error, ValueError):
        return None


def _memory(process: psutil.Process | None) -> float | None:
    try:
        return None if process is None else round(float(process.memory_info().rss) / _MEGABYTE, 1)
    except psutil.Error:
        return None


def _uptime(process: psutil.Process | None) -> float | None:
    if process is None:
        return None
    try:
        return round(max(0.0, utc_now().timestamp() - float(process.create_time())), 1)
    except psutil.Error:
        return None
