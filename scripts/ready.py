#!/usr/bin/env python3
"""Go or no-go before the markets open, with the fix for whatever is missing.

    python3 scripts/ready.py            # exit code 0 = go, 1 = no-go
    python3 scripts/ready.py --json

Looked at: every process, what waits, dead letters and incidents, the kill switch, clocks, and of
each active account its broker, the age of its figures, books, locks, margin, the log-in of the day,
contracts that end, and whether its exchange trades today. Changes nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.tool import operate
from services.common.controls import controls
from services.common.settings import DashboardSettings
from services.common.settings_file import load
from services.common.store import Store
from services.dashboard_creator.readiness import Check
from services.dashboard_creator.system_models import ServiceRow, System
from services.dashboard_creator.systems import Systems
from services.domain.risk import Control
from services.domain.words import Scope, TradingState

_MARKS = {"GREEN": "ok", "AMBER": "!!", "RED": "NO"}
#: Not there in every system, and told by whoever needs it.
_OPTIONAL = frozenset({"mock_broker", "pubsub_local", "mongodb"})


def main(argv: Sequence[str] | None = None) -> int:
    """Print every check; exit code 1 where one says no."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    arguments = parser.parse_args(argv)

    def work(store: Store) -> int:
        system = Systems(store, load(DashboardSettings)).system()
        found = list(checks_of(system, controls(store)))
        go = all(check.state != "RED" for _, check in found)
        if arguments.json:
            _print_json(found, go=go)
        else:
            _print(found, go=go)
        return 0 if go else 1

    return operate("ready", work)


def checks_of(system: System, switches: Sequence[Control]) -> Iterator[tuple[str, Check]]:
    """Of what, and the check; a process or a switch that stops trading says no."""
    for service in system.services:
        if service.name not in _OPTIONAL or service.state == "NOT_READY":
            yield service.name, _process(service)
    for switch in switches:
        if switch.trading_state is not TradingState.ACTIVE:
            yield f"{switch.scope} {switch.scope_id}".strip(), _switch(switch)
    yield from _troubles(system)
    yield from (("system", check) for check in system.checks)
    for account in system.accounts:
        yield from ((account.account_id, check) for check in account.checks)
    if not system.accounts:
        fix = "python3 scripts/accounts.py add"
        yield "accounts", Check(name="accounts", state="RED", sentence="there are none", fix=fix)


def _process(service: ServiceRow) -> Check:
    if service.state == "UP":
        return Check(name="process", state="GREEN", sentence="runs")
    fix = f"logs/{service.name}.log and .out"
    return Check(name="process", state="RED", sentence=service.detail, fix=fix)


def _switch(switch: Control) -> Check:
    return Check(
        name="switch",
        state="RED" if switch.scope is Scope.GLOBAL else "AMBER",
        sentence=f"{switch.trading_state}: {switch.reason}",
        fix="python3 scripts/kill.py status, then resume",
    )


def _troubles(system: System) -> Iterator[tuple[str, Check]]:
    found = [
        (
            f"{queue.overdue} {queue.name}, for {queue.oldest_age_s:.0f} s",
            "orders.py list --working",
        )
        for queue in system.queues
        if queue.overdue
    ]
    counts = {"open incidents": system.incidents, "dead letters": system.dead_letters}
    found += [
        (f"{count} {name}", "status.py, and the table in docs/operations.md")
        for name, count in counts.items()
        if count
    ]
    for sentence, script in found:
        fix = f"python3 scripts/{script}"
        yield "system", Check(name="trouble", state="AMBER", sentence=sentence, fix=fix)


def _print(found: Sequence[tuple[str, Check]], *, go: bool) -> None:
    for subject, check in found:
        print(f"  {_MARKS[check.state]}  {subject:<20} {check.name:<10} {check.sentence}")
        if check.state != "GREEN" and check.fix:
            print(f"      fix: {check.fix}")
    warnings = sum(check.state == "AMBER" for _, check in found)
    print(f"\n{'GO' if go else 'NO-GO'}, {warnings} to look at")


def _print_json(found: Sequence[tuple[str, Check]], *, go: bool) -> None:
    rows = [{"subject": subject, **check.model_dump(mode="json")} for subject, check in found]
    print(json.dumps({"go": go, "checks": rows}, indent=2))


if __name__ == "__main__":
    sys.exit(main())
