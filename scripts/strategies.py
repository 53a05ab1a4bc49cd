#!/usr/bin/env python3
"""Strategies: create, look, change, archive.

    python3 scripts/strategies.py list [--archived] [--json]
    python3 scripts/strategies.py show ID [--json]
    python3 scripts/strategies.py create ID [FIELD=VALUE ...] --reason TEXT
    python3 scripts/strategies.py set ID FIELD=VALUE ... --reason TEXT
    python3 scripts/strategies.py archive ID --reason TEXT
    python3 scripts/strategies.py restore ID --reason TEXT

Values are JSON, or plain words: accounts='[{"account_id": "Mock-1"}]'; `null` takes a field back to
its default. Keys to send with are made by credentials.py, track records are records.py, limits are
limits.py, allocations are approved by allocations.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.configure import value_of
from scripts.tool import add_signature, print_json, run
from services.common.store import Store
from services.domain.errors import ConfigurationError
from services.portfolio_builder.strategies import Strategies
from services.portfolio_builder.strategy_terms import SETTABLE, StrategyView


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1 where nothing was changed, 2 where it cannot be understood."""
    return run(
        "strategies", _parser(), argv, lambda store, asked: _COMMANDS[asked.command](store, asked)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")

    def add(name: str, words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words)
        command.add_argument("strategy_id", metavar="ID")
        return command

    every = commands.add_parser("list", help="every strategy, and what keeps it from trading")
    every.add_argument("--archived", action="store_true", help="those that are archived, too")
    show = add("show", "one strategy with everything that is set")
    for command in (every, show):
        command.add_argument("--json", action="store_true", help="for machines")
    for name, words, least in (
        ("create", "make a strategy", "*"),
        ("set", "change what is named, leave the rest", "+"),
    ):
        command = add(name, words)
        command.add_argument("changes", nargs=least, metavar="FIELD=VALUE")
        add_signature(command)
    add_signature(add("archive", "take out of use; its history stays"))
    add_signature(add("restore", "take back into use, INACTIVE"))
    return parser


def _list(store: Store, arguments: argparse.Namespace) -> None:
    found = Strategies(store).all(archived=arguments.archived)
    if arguments.json:
        print_json(list(found.strategies))
        return
    for each in found.strategies:
        accounts = ", ".join(account.account_id for account in each.accounts) or "no account"
        state = "ARCHIVED" if each.archived_at else each.status
        print(f"{each.strategy_id:24} {state:9} {each.mode:7} {accounts}")
        for warning in each.warnings:
            print(f"    {warning}")
    for broken in found.unreadable:
        print(f"{broken.strategy_id:24} cannot be read: {broken.sentence}")


def _show(store: Store, arguments: argparse.Namespace) -> None:
    _print(Strategies(store).one(arguments.strategy_id), as_json=arguments.json)


def _create(store: Store, arguments: argparse.Namespace) -> None:
    fields = {**_pairs(arguments.changes), "strategy_id": arguments.strategy_id}
    _print(Strategies(store).create(fields, by=arguments.by, reason=arguments.reason))


def _set(store: Store, arguments: argparse.Namespace) -> None:
    changes = _pairs(arguments.changes)
    view = Strategies(store).change(
        arguments.strategy_id, changes, version=None, by=arguments.by, reason=arguments.reason
    )
    _print(view)


def _archive(store: Store, arguments: argparse.Namespace) -> None:
    name, signed = arguments.strategy_id, {"by": arguments.by, "reason": arguments.reason}
    view = Strategies(store).archive(name, version=None, **signed)
    print(f"{view.strategy_id} is archived")


def _restore(store: Store, arguments: argparse.Namespace) -> None:
    name, signed = arguments.strategy_id, {"by": arguments.by, "reason": arguments.reason}
    view = Strategies(store).restore(name, version=None, **signed)
    print(f"{view.strategy_id} is back, and {view.status}")


def _pairs(words: Sequence[str]) -> dict[str, Any]:
    pairs = [each.partition("=") for each in words]
    wrong = next((name for name, equals, _ in pairs if not equals), None)
    if wrong is not None:
        raise ConfigurationError(f"expected FIELD=VALUE, found {wrong!r}")
    return {name: value_of(text) for name, _, text in pairs}


def _print(view: StrategyView, *, as_json: bool = False) -> None:
    if as_json:
        print_json([view])
        return
    print(f"{view.strategy_id}, version {view.version}")
    for name in SETTABLE:
        value = view.model_dump(mode="json")[name]
        if value not in ("", None, []):
            print(f"  {name} = {value}")
    for each in view.warnings:
        print(f"  ! {each}")


_COMMANDS = {
    "list": _list,
    "show": _show,
    "create": _create,
    "set": _set,
    "archive": _archive,
    "restore": _restore,
}


if __name__ == "__main__":
    sys.exit(main())
