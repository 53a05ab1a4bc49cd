#!/usr/bin/env python3
"""Our books beside the broker's: show, compare now, and say whose a trade or a position is.

    python3 scripts/books.py show [--account X] [--json]
    python3 scripts/books.py reconcile --account X [--wait SECONDS]
    python3 scripts/books.py adopt --execution ID --to STRATEGY --reason TEXT
    python3 scripts/books.py adopt --account X --instrument KEY --quantity Q --price P --to STRATEGY --reason TEXT
    python3 scripts/books.py cash --account X --reason TEXT

`--to UNATTRIBUTED` is nobody. A quantity is signed: -5 is a short of 5. `cash` counts from the
broker's next figure: what is a dividend or a deposit is no difference any more. The broker's figures
are those of the last look; `reconcile` asks for a new one.
"""  # noqa: E501 - one command, one line

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.tool import add_signature, run
from services.common.clock import utc_now
from services.common.scopes import check_exists
from services.common.store import Document, Store
from services.domain.errors import ConfigurationError
from services.domain.words import Scope
from services.execution.adoption import (
    Signature,
    Trade,
    accept_cash,
    adopt_execution,
    adopt_position,
)
from services.execution.reconciler import request_look
from services.execution.statement import Statement, statement, statement_in_words

_POLL_SECONDS = 0.1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1 where it failed or broker and books differ."""
    return run(
        "books", _parser(), argv, lambda store, asked: _COMMANDS[asked.command](store, asked)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")
    show = commands.add_parser("show", help="positions by strategy, the broker's figure, cash")
    show.add_argument("--account", help="of this account only")
    show.add_argument("--json", action="store_true", help="for machines")
    look = commands.add_parser("reconcile", help="ask the broker now")
    look.add_argument("--account", required=True)
    look.add_argument("--wait", type=float, default=30, metavar="SECONDS", help="for the answer")
    adopt = commands.add_parser("adopt", help="say whose a trade or a position is")
    adopt.add_argument(
        "--execution", metavar="ID", help="a trade by hand, as its incident names it"
    )
    adopt.add_argument("--account", help="where a position is held that nobody knows")
    adopt.add_argument("--instrument", metavar="KEY", help="key or symbol")
    adopt.add_argument("--quantity", type=_number, help="signed")
    adopt.add_argument("--price", type=_number, help="what was paid, instrument currency")
    adopt.add_argument("--to", required=True, metavar="STRATEGY", help="or UNATTRIBUTED")
    cash = commands.add_parser("cash", help="count cash from the broker's next figure")
    cash.add_argument("--account", required=True)
    for command in (look, adopt, cash):
        add_signature(command, reason=command is not look)
    return parser


def _number(word: str) -> Decimal:
    try:
        return Decimal(word.strip())
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{word!r} is no number") from error


def _show(store: Store, arguments: argparse.Namespace) -> int:
    if arguments.account:
        check_exists(store, Scope.ACCOUNT, arguments.account)
        names = [arguments.account]
    else:
        found = store["trading_accounts"].find({}, {"_id": 1}).sort("_id", 1)
        names = [str(row["_id"]) for row in found]
    statements = [statement(store, name) for name in names]
    if arguments.json:
        print(json.dumps([each.model_dump(mode="json") for each in statements], indent=2))
        return 0
    for each in statements:
        _print(each)
    return 0


def _print(shown: Statement) -> None:
    for line in statement_in_words(shown, utc_now()):
        print(line)


def _reconcile(store: Store, arguments: argparse.Namespace) -> int:
    account_id = arguments.account
    check_exists(store, Scope.ACCOUNT, account_id)
    request_id = uuid.uuid4().hex
    request_look(store, account_id, request_id=request_id, by=arguments.by)
    until = time.monotonic() + arguments.wait
    row: Document = {}
    while row.get("answered") != request_id or row.get("unsettled"):
        if time.monotonic() > until:
            state = "is not settled" if row.get("answered") == request_id else "has no answer"
            raise ConfigurationError(
                f"{account_id} {state} after {arguments.wait:g} s: look whether execution runs and "
                "its broker answers (scripts/status.py)"
            )
        time.sleep(_POLL_SECONDS)
        row = store["reconciliations"].find_one({"_id": account_id}) or {}
    shown = statement(store, account_id)
    _print(shown)
    return 0 if shown.agrees else 1


def _adopt(store: Store, arguments: argparse.Namespace) -> int:
    names = ("account", "instrument", "quantity", "price")
    given = [name for name in names if getattr(arguments, name) is not None]
    if bool(arguments.execution) == bool(given) or (given and len(given) < len(names)):
        wanted = ", ".join(f"--{name}" for name in names)
        raise ConfigurationError(f"adopt takes --execution, or all of {wanted}")
    signed = Signature(arguments.by, arguments.reason)
    if arguments.execution:
        position = adopt_execution(store, arguments.execution, to=arguments.to, signed=signed)
    else:
        trade = Trade(arguments.instrument, arguments.quantity, arguments.price)
        position = adopt_position(store, arguments.account, trade, to=arguments.to, signed=signed)
    print(
        f"{position.strategy_id} holds {position.quantity:f} {position.instrument.symbol} at "
        f"{position.average_price:f} in {position.account_id}"
    )
    return 0


def _cash(store: Store, arguments: argparse.Namespace) -> int:
    accept_cash(store, arguments.account, signed=Signature(arguments.by, arguments.reason))
    print(f"the cash of {arguments.account} counts from the broker's next figure")
    return 0


_COMMANDS = {"show": _show, "reconcile": _reconcile, "adopt": _adopt, "cash": _cash}

if __name__ == "__main__":
    sys.exit(main())
