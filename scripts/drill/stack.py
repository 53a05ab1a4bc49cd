"""The system under drill: every process of it, in a scratch home and at ports of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import urllib3

from scripts.drill.plan import PRICE, SYMBOLS
from scripts.launcher import state
from scripts.launcher.home import REPOSITORY, Home
from scripts.launcher.ports import free_offset
from services.common.clock import utc_now
from services.common.credentials import create_key
from services.common.settings import CommonSettings
from services.common.store import Store

CASH: Final = Decimal(1_000_000)
#: Patience of the system, short enough to see each run out within a drill.
_SETTINGS: Final = {
    "ABSENCE_PROOF_S": "6",
    "ORDER_TIMEOUT_S": "2",
    "RECONCILE_INTERVAL_S": "1",
    "RECONCILE_BOOKS_S": "5",
    "ACCOUNT_POLL_S": "5",
    "RATE_LIMIT_STRATEGY_PER_MIN": "0",
    "RATE_LIMIT_ADDRESS_PER_MIN": "0",
    "REPEATED_ORDERS_MAX": "100000",
    "EQUITY_JUMP_PCT": "100",
    "INCIDENT_HALT_AFTER_S": "0",
    "MOCK_INITIAL_CASH": str(CASH),
}
#: All that the drill takes from where it is started: never a database, a bus or a secret.
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "VIRTUAL_ENV", "PYTHONPATH")


class Stack:
    """One scratch instance.

    Attributes:
        keys: strategy → key, of those that were added.
    """

    def __init__(self, home: Path, port_offset: int | None, skews: Mapping[str, float]) -> None:
        offset = free_offset() if port_offset is None else port_offset
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        os.environ.clear()
        os.environ |= kept | _SETTINGS | {"MT_HOME": str(home), "MT_PORT_OFFSET": str(offset)}
        if skews:
            os.environ["CLOCK_SKEW"] = ",".join(f"{name}={by}" for name, by in skews.items())
        self.home = Home(home)
        self.settings = CommonSettings()
        self.keys: dict[str, str] = {}
        self._http = urllib3.PoolManager(retries=False, timeout=10)

    def start(self, strategies: Sequence[str], accounts: Sequence[str]) -> None:
        """Start all processes, add accounts and strategies, and wait until every desk trades."""
        self._script("start.py", "--no-ui", "--demo")
        self._add(strategies, accounts)
        self.broker("PUT", "/v1/market", {"spread_bps": 2})
        for symbol in SYMBOLS:
            self.broker("PUT", f"/v1/prices/STOCK:{symbol}:USD", {"price": str(PRICE)})
        prices = {f"STOCK:{symbol}:USD": str(PRICE) for symbol in SYMBOLS}
        self.broker("POST", "/v1/feeds", {"kind": "WALK", "prices": prices, "volatility_bps": 3})
        self._wait_for_desks(accounts)

    def stop(self) -> None:
        """End everything."""
        self._script("stop.py")

    def store(self) -> Store:
        """Its database; the caller closes it."""
        return Store.connect(self.settings)

    def url(self, service: str, path: str = "") -> str:
        """Where one of its services listens."""
        return f"http://127.0.0.1:{self.settings.port(service)}{path}"

    def broker(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Ask or command the mock broker; its answer, None where it has none.

        Raises:
            urllib3.exceptions.HTTPError: it does not answer, or refuses.
        """
        answer = self._http.request(method, self.url("mock_broker", path), json=body)
        if answer.status >= 400:
            raise urllib3.exceptions.HTTPError(f"{method} {path}: {answer.status} {answer.data!r}")
        return answer.json() if answer.data else None

    def pid(self, name: str) -> int | None:
        """Process id; None while it does not run."""
        path = self.home.pids / f"{name}.pid"
        try:
            return int(json.loads(path.read_text())["pid"])
        except (OSError, ValueError, KeyError):
            return None

    def is_well(self) -> bool:
        """Whether every process answers and is ready."""
        return bool(state.look(self.home)["all_well"])

    def restarts(self) -> int:
        """How often the supervisor started a process again."""
        return sum(each["restarts"] for each in state.look(self.home)["processes"])

    def _script(self, name: str, *options: str) -> None:
        command = [sys.executable, str(REPOSITORY / "scripts" / name), *options]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise SystemExit(f"{name} of the drill failed: {ended.stdout}{ended.stderr}")

    def _add(self, strategies: Sequence[str], accounts: Sequence[str]) -> None:
        store = self.store()
        demo = store["trading_accounts"].find_one({"_id": "Mock-1"}) or {}
        bare = {"equity": None, "cash": None, "as_of": None, "recorded_at": None}
        for account_id in accounts:
            if account_id != "Mock-1":
                row = {**demo, **bare, "_id": account_id, "account_id": account_id}
                store["trading_accounts"].replace_one({"_id": account_id}, row, upsert=True)
        share = Decimal("1.5") / len(strategies)
        for number, strategy_id in enumerate(strategies):
            self.keys[strategy_id], credential = create_key()
            # Every third trades in two accounts.
            mine = [accounts[number % len(accounts)]]
            if number % 3 == 2 and len(accounts) > 1:
                mine.append(accounts[(number + 1) % len(accounts)])
            weight = Decimal(1) / len(mine)
            store["strategies"].insert_one(
                {
                    "_id": strategy_id,
                    "strategy_id": strategy_id,
                    "name": strategy_id,
                    "status": "ACTIVE",
                    "accounts": [{"account_id": each, "weight_ratio": weight} for each in mine],
                    "instrument_types": [],
                    "max_signal_age_seconds": None,
                    "credentials": [credential],
                    "created_at": utc_now(),
                }
            )
        ratios = [{"strategy_id": each, "ratio": share} for each in strategies]
        changed = {"version": 2, "allocations": ratios}
        store["current_allocation"].update_one({"_id": "current"}, {"$set": changed}, upsert=True)
        store.close()

    def _wait_for_desks(self, accounts: Sequence[str]) -> None:
        store, until = self.store(), time.monotonic() + 90
        asked = {"_id": {"$in": list(accounts)}, "equity": {"$ne": None}}
        while time.monotonic() < until:
            health = json.dumps(self._http.request("GET", self.url("execution", "/health")).json())
            polled = store["trading_accounts"].count_documents(asked)
            if polled == len(accounts) and all(f"{each}: trading" in health for each in accounts):
                store.close()
                return
            time.sleep(0.3)
        raise SystemExit("the accounts of the drill did not open within 90 s")
