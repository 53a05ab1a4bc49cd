"""How an instance is: every process, its dependencies, database and bus, asked at the same time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil

from scripts.launcher import drain, probes, record
from scripts.launcher.errors import ScriptError
from scripts.launcher.home import Home
from scripts.launcher.identity import Identity
from scripts.launcher.record import ProcessRecord
from scripts.launcher.table import ORDER
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.versions import mixture
from services.domain.errors import ConfigurationError

_LOOK_S = 3.0
_MEBIBYTE = 1024 * 1024
State = dict[str, Any]


def look(home: Home) -> State:
    """Ask everything, at the same time, and put it in one document."""
    running = drain.running(home)
    supervisor = running.pop(drain.SUPERVISOR, None)
    if not running and not supervisor:
        return {"home": str(home.root), "state": "stopped", "all_well": False, "processes": []}
    known = record.read(home)
    recorded = {each.name: each for each in known.processes} if known else {}
    names = sorted({*recorded, *running}, key=_position)
    with ThreadPoolExecutor(max_workers=16) as pool:
        database, bus = pool.submit(_database, recorded.get("mongodb")), pool.submit(_bus)
        processes = list(
            pool.map(lambda name: _process(name, recorded.get(name), running.get(name)), names)
        )
    document: State = {
        "home": str(home.root),
        "state": _state(supervisor, known),
        "trading_mode": known.trading_mode if known else None,
        "web_ui": _web_ui(recorded.get("web")),
        "supervisor": _vitals(supervisor),
        "processes": processes,
        "mixture": mixture({each["name"]: each["version"] for each in processes}),
        "database": database.result(),
        "bus": bus.result(),
    }
    parts = (*processes, document["database"], document["bus"])
    started = document["state"] == "running"
    document["all_well"] = started and all(part["ok"] for part in parts)
    return document


def _web_ui(known: ProcessRecord | None) -> str | None:
    """What people open; the port that its process tells its state on is another."""
    return f"http://{known.host}:{known.ports[-1]}/" if known else None


def _state(supervisor: Identity | None, known: record.Record | None) -> str:
    if not supervisor:
        return "without supervisor"
    return known.state if known else "starting"


def _process(name: str, known: ProcessRecord | None, living: Identity | None) -> State:
    answer = probes.Answer(False, "not running", {})
    if living and known:
        answer = _ask(known)
    elif living:
        answer = probes.Answer(False, "runs, but the supervisor's record tells no port", {})
    if known and known.state == "misconfigured":
        answer = answer._replace(detail=f"wrong setting, not started again: see logs/{name}.out")
    state = "ready" if answer.ready else "not ready"
    dead = known.state if known and known.state != "up" else "down"
    return {
        "name": name,
        "ok": bool(living) and answer.ready,
        "state": state if living else dead,
        "detail": answer.detail,
        "port": known.port if known else None,
        "url": known.url if known else None,
        "restarts": known.restarts if known else 0,
        "version": answer.report.get("version"),
        "layout": answer.report.get("layout"),
        **_vitals(living),
        "dependencies": answer.report.get("dependencies") or {},
    }


def _ask(known: ProcessRecord) -> probes.Answer:
    if known.probe == "mongodb":
        return probes.embedded_database(known.port)
    return probes.health(known.host, known.port)


def _vitals(living: Identity | None) -> State:
    vitals: State = {"pid": None, "uptime_s": None, "memory_mb": None}
    if not living:
        return vitals
    try:
        process = psutil.Process(living.pid)
        vitals["pid"] = living.pid
        vitals["uptime_s"] = round(time.time() - process.create_time(), 1)
        vitals["memory_mb"] = round(process.memory_info().rss / _MEBIBYTE, 1)
    except psutil.Error:
        pass  # it has ended meanwhile
    return vitals


def _database(embedded: ProcessRecord | None) -> State:
    if embedded:
        answer = probes.embedded_database(embedded.port)
        return {"ok": answer.ready, "detail": f"{embedded.url} (embedded): {answer.detail}"}
    try:
        settings = load(CommonSettings)
        probes.check_database(settings, timeout_s=_LOOK_S)
    except (ConfigurationError, ScriptError) as error:
        return {"ok": False, "detail": str(error)}
    return {"ok": True, "detail": f"{probes.hosts(settings.database_uri)}: ready"}


def _bus() -> State:
    try:
        answer = probes.bus(load(CommonSettings))
    except ConfigurationError as error:
        return {"ok": False, "detail": str(error)}
    return {"ok": answer.ready, "detail": answer.detail}


def _position(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)
