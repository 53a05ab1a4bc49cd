#!/usr/bin/env python3
"""The kill switch: stop everything, or one account, strategy, instrument or asset class.

    python3 scripts/kill.py status [--json]
    python3 scripts/kill.py halt   --reason TEXT               nothing goes out, exits neither
    python3 scripts/kill.py reduce --reason TEXT               exits only
    python3 scripts/kill.py resume --reason TEXT [--yes]       all goes again

    ... [--account X | --strategy X | --instrument X | --asset-class X] [--by NAME]

Without a scope it is everything. It acts within a second; orders that are at the broker stay there,
and can be canceled in every state. `resume` leaves overrides as they are (scripts/limits.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.tool import add_signature, operate, print_json, share_in_words
from services.common.controls import controls, set_control
from services.common.store import Store
from services.domain.risk import Control, scope_in_words
from services.domain.words import Override, Scope, TradingState

_STATES = {
    "halt": (TradingState.HALTED, "nothing goes out, exits neither"),
    "reduce": (TradingState.REDUCING, "exits only"),
    "resume": (TradingState.ACTIVE, "all goes again, but what an override holds back"),
}
_SCOPES = (Scope.ACCOUNT, Scope.STRATEGY, Scope.INSTRUMENT, Scope.ASSET_CLASS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1 where nothing was changed, 2 where it cannot be understood."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    if arguments.command == "status":
        return operate("kill", lambda store: _status(store, as_json=arguments.json))
    if arguments.command == "resume" and not _is_sure(arguments):
        print("kill: nothing was changed: everything resumes only with a yes", file=sys.stderr)
        return 1
    return operate("kill", lambda store: _set(store, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")
    status = commands.add_parser("status", help="every switch and override: who, why, when")
    status.add_argument("--json", action="store_true", help="for machines")
    for name, (_, words) in _STATES.items():
        command = commands.add_parser(name, help=words)
        which = command.add_mutually_exclusive_group()
        for scope in _SCOPES:
            which.add_argument(f"--{scope.lower().replace('_', '-')}", dest=scope, metavar="X")
        add_signature(command)
        command.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _scope(arguments: argparse.Namespace) -> tuple[Scope, str]:
    """What was named, an empty name too; everything only where nothing was."""
    for scope in _SCOPES:
        if (named := getattr(arguments, scope)) is not None:
            return scope, str(named)
    return Scope.GLOBAL, ""


def _is_sure(arguments: argparse.Namespace) -> bool:
    """Everything goes again only when a person says so twice."""
    if _scope(arguments)[0] is not Scope.GLOBAL or arguments.yes:
        return True
    if not sys.stdin.isatty():
        return False
    return input("all trading resumes; yes? ").strip().lower() in {"y", "yes"}


def _set(store: Store, arguments: argparse.Namespace) -> int:
    scope, scope_id = _scope(arguments)
    state = _STATES[arguments.command][0]
    set_control(
        store, scope, scope_id, by=arguments.by, reason=arguments.reason, trading_state=state
    )
    print(f"{scope_in_words(scope, scope_id)}: {state}")
    stopping = [each for each in controls(store) if _holds_back(each)]
    if state is TradingState.ACTIVE and stopping:
        print("still held back:")
    for control in stopping if state is TradingState.ACTIVE else ():
        print(f"  {in_words(control)}")
    return 0


def _status(store: Store, *, as_json: bool) -> int:
    found = controls(store)
    if as_json:
        print_json(found)
    else:
        for control in found:
            print(in_words(control))
    return 0


def _holds_back(control: Control) -> bool:
    return control.state is not TradingState.ACTIVE or control.scale_ratio != 1


def in_words(control: Control) -> str:
    """One control on one line: state, scope, override, who, when and why."""
    words = [f"{control.trading_state:<8}  {scope_in_words(control.scope, control.scope_id)}"]
    if control.override is not Override.NONE:
        words.append(f"override {control.override}")
    if control.scale_ratio != 1:
        words.append(f"entries × {share_in_words(control.scale_ratio)}")
    if control.set_by:
        words.append(f"by {control.set_by}")
    if control.set_at is not None:
        words.append(f"{control.set_at:%Y-%m-%d %H:%M:%S} UTC")
    if control.reason:
        words.append(control.reason)
    return "  ".join(words)


if __name__ == "__main__":
    sys.exit(main())
