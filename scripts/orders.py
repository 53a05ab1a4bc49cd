#!/usr/bin/env python3
"""Look at orders, cancel or change one, and decide on one whose outcome is not known.

    python3 scripts/orders.py list [--account X] [--strategy X] [--working | --unknown] [--json]
    python3 scripts/orders.py show ORDER [--json]
    python3 scripts/orders.py cancel ORDER --reason TEXT
    python3 scripts/orders.py modify ORDER [--quantity Q] [--limit P] [--stop P] --reason TEXT
    python3 scripts/orders.py resolve ORDER --resend|--absent --reason TEXT [--yes]

What is asked for is written on the order; execution carries it out within a second, and `show`
says what became of it. `resolve` is for UNKNOWN orders, and for those that are missing at the
broker: look at its own screen first. `--absent` says that the broker does not have the order (any
more) and it is given up; `--resend` that it is to be sent again, which doubles it if you are wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from pymongo import DESCENDING

from scripts.tool import add_signature, run
from services.common.order_requests import (
    Change,
    Resolution,
    request_cancel,
    request_modify,
    resolve,
)
from services.common.signed import Signed
from services.common.store import Document, Store, from_document
from services.domain.errors import ConfigurationError
from services.domain.orders import Order
from services.domain.signals import plain
from services.domain.words import OrderStatus

_LISTED = 50


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1 where nothing was changed, 2 where it cannot be understood."""
    return run("orders", _parser(), argv, _run)


def _run(store: Store, arguments: argparse.Namespace) -> int:
    if arguments.command == "list":
        return _list(store, arguments)
    if arguments.command == "show":
        return _show(store, arguments.order, as_json=arguments.json)
    signed = Signed(arguments.by, arguments.reason)
    if arguments.command == "cancel":
        print(request_cancel(store, arguments.order, signed))
    elif arguments.command == "modify":
        change = Change(arguments.quantity, arguments.limit, arguments.stop)
        terms = request_modify(store, arguments.order, change, signed)
        print(f"{arguments.order} is to have {_pairs(terms.model_dump(exclude_none=True))}")
    else:
        decision = Resolution.RESEND if arguments.resend else Resolution.ABSENT
        if not (arguments.yes or _says_yes(store, arguments.order, decision)):
            raise ConfigurationError("nothing was changed: it is resolved only with a yes")
        print(resolve(store, arguments.order, decision, signed))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")
    listing = commands.add_parser("list", help=f"the last {_LISTED}, or all that work")
    listing.add_argument("--account", metavar="X", help="of one account")
    listing.add_argument("--strategy", metavar="X", help="of one strategy")
    which = listing.add_mutually_exclusive_group()
    which.add_argument("--working", action="store_true", help="not at their end")
    which.add_argument("--unknown", action="store_true", help="without a known outcome")
    listing.add_argument("--json", action="store_true", help="for machines")
    for name, words in (
        ("show", "one order: what it is, its road, its children and fills"),
        ("cancel", "have it canceled"),
        ("modify", "have it changed while it works at the broker"),
        ("resolve", "decide on an order whose outcome is not known"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("order", metavar="ORDER", help="client_order_id")
        if name == "show":
            command.add_argument("--json", action="store_true", help="for machines")
        else:
            add_signature(command)
    changing = commands.choices["modify"]
    for option in ("quantity", "limit", "stop"):
        changing.add_argument(f"--{option}", metavar="NUMBER")
    resolving = commands.choices["resolve"]
    decision = resolving.add_mutually_exclusive_group(required=True)
    decision.add_argument("--resend", action="store_true", help="the broker lacks it: send again")
    decision.add_argument("--absent", action="store_true", help="the broker lacks it: give it up")
    resolving.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _says_yes(store: Store, order_id: str, decision: Resolution) -> bool:
    if not sys.stdin.isatty():
        return False
    what = line(_found(store, order_id))
    print(f"{what}\n{decision}: the broker does not have it; yes? ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _list(store: Store, arguments: argparse.Namespace) -> int:
    query: Document = {}
    if arguments.working:
        query["working"] = True
    if arguments.unknown:
        query["status"] = OrderStatus.UNKNOWN
    for name in ("account", "strategy"):
        if (named := getattr(arguments, name)) is not None:
            query[f"{name}_id"] = named
    found = store["orders"].find(query).sort("created_at", DESCENDING)
    if not (arguments.working or arguments.unknown):
        found = found.limit(_LISTED)
    if arguments.json:
        _print_json(list(found))
        return 0
    for row in found:
        print(line(row))
    return 0


def _show(store: Store, order_id: str, *, as_json: bool) -> int:
    row = _found(store, order_id)
    of_signal = {"signal_id": row["signal_id"]}
    children = [
        each
        for each in store["orders"].find(of_signal).sort("created_at")
        if each["order"].get("parent_order_id") == order_id
    ]
    fills = [
        each
        for each in store["execution_confirmations"].find(of_signal).sort("occurred_at")
        if each["client_order_id"] == order_id
    ]
    if as_json:
        _print_json({"order": row, "children": children, "fills": fills})
        return 0
    for each in _told(row, children, fills):
        print(each)
    return 0


def _found(store: Store, order_id: str) -> Document:
    row = store["orders"].find_one({"_id": order_id})
    if row is None:
        raise ConfigurationError(f"there is no order {order_id!r}")
    return row


def line(row: Document) -> str:
    """An order on one line."""
    order = from_document(Order, row["order"])
    prices = {"limit": order.limit_price, "stop": order.stop_price}
    words = [
        f"{row['_id']}  {row['status']:<16}  {row['created_at']:%Y-%m-%d %H:%M:%S} UTC",
        f"{order.account_id}  {order.strategy_id}",
        f"{order.role} {order.intent} {order.side} {plain(order.quantity)} "
        f"{order.instrument.symbol} {order.order_type} {order.time_in_force}",
        *(f"{name} {plain(price)}" for name, price in prices.items() if price is not None),
    ]
    if row["filled_quantity"]:
        words.append(f"filled {plain(row['filled_quantity'])} at {plain(row['avg_fill_price'])}")
    if row.get("cancel_requested_at") is not None and row.get("working"):
        words.append("to be canceled")
    return "  ".join(words)


def _told(row: Document, children: Sequence[Document], fills: Sequence[Document]) -> Iterator[str]:
    yield line(row)
    yield f"  signal {row['signal_id']}, at the broker {row['broker_order_id'] or 'not known'}"
    if row.get("cancel_reason"):
        yield f"  cancel: {row['cancel_reason']}"
    for name in ("modify_requested", "resolution"):
        if row.get(name):
            yield f"  {name.replace('_', ' ')}: {_pairs(row[name])}"
    for each in row["events"]:
        text = f"  {each['text']}" if each["text"] else ""
        yield f"  {each['occurred_at']:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"  {each['status']}{text}"
    for each in fills:
        yield (
            f"  fill {each['execution_id']}: {each['side']} {plain(each['quantity'])} at "
            f"{plain(each['price'])}, commission {plain(each['commission'])}"
            f"{'  taken back' if each.get('void') else ''}"
        )
    for each in children:
        yield f"  child {line(each)}"


def _pairs(fields: Document) -> str:
    return ", ".join(
        f"{name} {_pairs(value) if isinstance(value, dict) else _word(value)}"
        for name, value in fields.items()
        if value is not None
    )


def _word(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return plain(value) if isinstance(value, Decimal) else str(value)


def _print_json(found: object) -> None:
    """For machines: decimals and times are strings."""

    def told(value: object) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    print(json.dumps(found, indent=2, default=told))


if __name__ == "__main__":
    sys.exit(main())
