#!/usr/bin/env python3
"""Show how a signal was decided, step by step, or decide stored signals again and compare.

    python3 scripts/decisions.py show SIGNAL
    python3 scripts/decisions.py replay SIGNAL
    python3 scripts/decisions.py replay --days 7

`replay` decides on the context that was stored with each decision, and says what comes out
otherwise; the same rules give the same decision, bit for bit. Nothing is changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.tool import operate
from services.common.clock import utc_now
from services.common.store import Document, Store, from_document
from services.decision.record import differences, replay
from services.domain.decisions import ENGINE_VERSION
from services.domain.errors import ConfigurationError, InvalidMessage
from services.domain.signals import Signal, plain


def waterfall(decision: Document) -> Iterator[str]:
    """A stored decision, a line for each step."""
    reason = f": {decision['reason']}" if decision.get("reason") else ""
    code = f" {decision['code']}" if decision.get("code") else ""
    yield f"{decision['outcome']}{code}{reason}"
    place = None
    for step in decision.get("steps", ()):
        if step.get("account_id") != place:
            place = step.get("account_id")
            yield f"{place}:"
        yield f"  {'!' if step.get('bound') else ' '} {step['name']:22}{_numbers(step)}"
    for each in decision.get("passable", ()):
        yield f"  {plain(each['quantity'])} would have passed in {each['account_id']}"


def _numbers(step: Document) -> str:
    numbers = [plain(step[name]) if name in step else "" for name in ("before", "after")]
    shown = " → ".join(_short(each) for each in numbers if each)
    rule = f" [{step['rule']}]" if step.get("rule") else ""
    return f"{shown:>24}  {step['sentence']}{rule}"


def _short(number: str) -> str:
    return number if len(number) <= 14 else f"{float(number):.8g}"


def again(store: Store, rows: Iterable[Document]) -> Iterator[tuple[str, list[str]]]:
    """Each decided signal, and what a replay of it makes otherwise."""
    for row in rows:
        decision = row.get("decision")
        if not decision:
            continue
        # What execution made for them (guards, slices, closings) was not decided.
        found = store["orders"].find({"signal_id": row["_id"], "order.parent_order_id": None})
        # And what was cut at the gate or changed since is compared as it was decided.
        orders = [each["order"] | each.get("as_decided", {}) for each in found]
        try:
            made = replay(from_document(Signal, row["signal"]), decision)
        except InvalidMessage as error:
            yield row["_id"], [str(error)]
            continue
        yield row["_id"], differences(made, decision, orders)


def show(store: Store, signal_id: str) -> int:
    """Print one waterfall."""
    for line in waterfall(_found(store, signal_id)["decision"]):
        print(line)
    return 0


def compare(store: Store, signal_id: str | None, days: float) -> int:
    """Print what comes out otherwise; exit code 1 where anything does."""
    query: dict[str, Any] = {"received_at": {"$gte": utc_now() - timedelta(days=days)}}
    rows = [_found(store, signal_id)] if signal_id else store["signal_store"].find(query)
    same = other = 0
    for name, found in again(store, rows):
        same, other = same + (not found), other + bool(found)
        for line in found:
            print(f"{name}: {line}")
    print(f"{same} decided the same by version {ENGINE_VERSION} of the rules, {other} otherwise")
    return 1 if other else 0


def _found(store: Store, signal_id: str) -> Document:
    row = store["signal_store"].find_one({"_id": signal_id})
    if row is None or not row.get("decision"):
        raise ConfigurationError(f"there is no decided signal {signal_id!r}")
    return row


def main(argv: Sequence[str] | None = None) -> int:
    """Read what is asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    shown = commands.add_parser("show", help="the steps of one decision")
    shown.add_argument("signal", help="our signal_id")
    replayed = commands.add_parser("replay", help="decide again and compare")
    replayed.add_argument("signal", nargs="?", help="our signal_id; else all of the last days")
    replayed.add_argument("--days", type=float, default=7, help="how far back (default 7)")
    arguments = parser.parse_args(argv)
    if arguments.command == "show":
        return operate("decisions", lambda store: show(store, arguments.signal))
    return operate("decisions", lambda store: compare(store, arguments.signal, arguments.days))


if __name__ == "__main__":
    sys.exit(main())
