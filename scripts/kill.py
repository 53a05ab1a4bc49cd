#!/usr/bin/env python3
"""The kill switch: stop everything, or one account, strategy, instrument or asset class.

    python3 scripts/kill.py status [--json]
    python3 scripts/kill.py halt    --reason TEXT              nothing goes out, exits neither
    python3 scripts/kill.py reduce  --reason TEXT              exits only
    python3 scripts/kill.py cancel  --reason TEXT [--yes]      and all working orders are canceled
    python3 scripts/kill.py flatten --reason TEXT [--yes]      and all positions are closed
    python3 scripts/kill.py resume  --reason TEXT [--yes]      all goes again

    ... [--account X | --strategy X | --instrument X | --asset-class X] [--by NAME]

    python3 scripts/kill.py runs [--json]                      what was canceled and flattened
    python3 scripts/kill.py show RUN [--json]
    python3 scripts/kill.py abandon RUN --reason TEXT          end a run that is not done

Without a scope it is everything. A switch acts within a second; under `halt` and `reduce` orders
that are at the broker stay there, and can be canceled in every state. `cancel` and `flatten` wait
until the broker itself shows no order and no position of the scope: only then the exit code is 0.
`resume` leaves overrides as they are (scripts/limits.py).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.kill_report import held, line, report
from scripts.tool import add_signature, operate, print_json, share_in_words
from services.common.clock import utc_now
from services.common.controls import controls, set_control
from services.common.kills import (
    ConfirmationMissing,
    KillRequest,
    abandon,
    end_released,
    kill_run,
    kill_runs,
    note_overdue,
    request_kill,
)
from services.common.scopes import plain_scope_id
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.domain.errors import ConfigurationError
from services.domain.kills import KillRun, KillStage, RunState
from services.domain.risk import Control, scope_in_words
from services.domain.words import Override, Scope, TradingState

_STATES = {
    "halt": (TradingState.HALTED, "nothing goes out, exits neither"),
    "reduce": (TradingState.REDUCING, "exits only"),
    "resume": (TradingState.ACTIVE, "all goes again, but what an override holds back"),
}
_STAGES = {
    "cancel": (KillStage.CANCEL, "exits only, and all working orders are canceled"),
    "flatten": (KillStage.FLATTEN, "exits only, orders are canceled, positions are closed"),
}
_SCOPES = (Scope.ACCOUNT, Scope.STRATEGY, Scope.INSTRUMENT, Scope.ASSET_CLASS)
_POLL_SECONDS = 0.2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1 where it is not done, 2 where it cannot be understood."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    if arguments.command == "resume" and not _may_resume(arguments):
        print("kill: nothing was changed: everything resumes only with a yes", file=sys.stderr)
        return 1
    return operate("kill", lambda store: _run(store, arguments))


def _run(store: Store, arguments: argparse.Namespace) -> int:
    command = arguments.command
    if command == "status":
        return _status(store, as_json=arguments.json)
    if command == "runs":
        return _runs(store, as_json=arguments.json)
    if command == "show":
        return _show(_found(store, arguments.run), as_json=arguments.json)
    if command == "abandon":
        run = abandon(store, arguments.run, by=arguments.by, reason=arguments.reason)
        print(f"{run.run_id}: {run.why}; the switch stays as it is")
        return 0
    if command in _STAGES:
        return _kill(store, arguments)
    return _set(store, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")
    status = commands.add_parser("status", help="every switch and override: who, why, when")
    status.add_argument("--json", action="store_true", help="for machines")
    for name, (_, words) in (_STATES | _STAGES).items():
        command = commands.add_parser(name, help=words)
        which = command.add_mutually_exclusive_group()
        for scope in _SCOPES:
            which.add_argument(f"--{scope.lower().replace('_', '-')}", dest=scope, metavar="X")
        add_signature(command)
        command.add_argument("--yes", action="store_true", help="do not ask")
        if name in _STAGES:
            command.add_argument("--json", action="store_true", help="for machines")
            command.add_argument("--no-wait", action="store_true", help="do not wait for the proof")
    runs = commands.add_parser("runs", help="what was canceled and flattened, newest first")
    runs.add_argument("--json", action="store_true", help="for machines")
    show = commands.add_parser("show", help="one run: every account, and what remains")
    show.add_argument("run", help="its id")
    show.add_argument("--json", action="store_true", help="for machines")
    ending = commands.add_parser("abandon", help="end a run that is not done")
    ending.add_argument("run", help="its id")
    add_signature(ending)
    return parser


def _scope(arguments: argparse.Namespace) -> tuple[Scope, str]:
    """What was named, an empty name too; everything only where nothing was."""
    for scope in _SCOPES:
        if (named := getattr(arguments, scope)) is not None:
            return scope, str(named)
    return Scope.GLOBAL, ""


def _may_resume(arguments: argparse.Namespace) -> bool:
    """Everything goes again only when a person says so twice."""
    if _scope(arguments)[0] is not Scope.GLOBAL or arguments.yes:
        return True
    return _says_yes("all trading resumes; yes? ")


def _says_yes(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _kill(store: Store, arguments: argparse.Namespace) -> int:
    """Start a run, and wait for its proof."""
    stage = _STAGES[arguments.command][0]
    scope, named = _scope(arguments)
    asked = KillRequest(
        scope=scope,
        scope_id=plain_scope_id(scope, named),
        stage=stage,
        by=arguments.by,
        reason=arguments.reason,
        confirmed=arguments.yes,
    )
    timeout = load(CommonSettings).kill_timeout_s
    try:
        run = request_kill(store, asked, timeout_seconds=timeout)
    except ConfirmationMissing as missing:
        if not _says_yes(_question(store, asked)):
            raise ConfigurationError(f"nothing was changed: {missing}") from missing
        confirmed = asked.model_copy(update={"confirmed": True})
        run = request_kill(store, confirmed, timeout_seconds=timeout)
    if not arguments.json:
        print(f"{run.run_id}: no entries any more for {scope_in_words(scope, run.scope_id)}")
    if not arguments.no_wait:
        run = _wait(store, run)
    _show(run, as_json=arguments.json)
    return 0 if run.state is RunState.DONE else 1


def _question(store: Store, asked: KillRequest) -> str:
    where = scope_in_words(asked.scope, asked.scope_id)
    if asked.stage is not KillStage.FLATTEN:
        return f"all working orders of {where} are canceled; yes? "
    lines = [f"  {each}\n" for each in held(store, asked.scope, asked.scope_id)]
    return f"{where} is flattened at market, by our books:\n{''.join(lines) or '  nothing'}yes? "


def _wait(store: Store, run: KillRun) -> KillRun:
    """Until it is proven, ended, or its time is up."""
    try:
        while run.state is RunState.RUNNING:
            time.sleep(_POLL_SECONDS)
            run = _found(store, run.run_id)
            if run.at(utc_now()) != run:
                note_overdue(store, run, utc_now())
    except KeyboardInterrupt:
        print(f"kill: {run.run_id} goes on: kill.py show {run.run_id}", file=sys.stderr)
    return run


def _found(store: Store, run_id: str) -> KillRun:
    run = kill_run(store, run_id)
    if run is None:
        raise ConfigurationError(f"there is no kill run {run_id!r}")
    return run


def _show(run: KillRun, *, as_json: bool) -> int:
    """Print a run; exit code 1 unless it is proven."""
    if as_json:
        print(json.dumps(run.model_dump(mode="json") | {"seconds": run.took_seconds}, indent=2))
    else:
        for each in report(run.at(utc_now())):
            print(each)
    return 0 if run.state is RunState.DONE else 1


def _runs(store: Store, *, as_json: bool) -> int:
    runs = kill_runs(store)
    if as_json:
        print_json(runs)
    else:
        for run in runs:
            print(line(run.at(utc_now())))
    return 0


def _set(store: Store, arguments: argparse.Namespace) -> int:
    scope, scope_id = _scope(arguments)
    state = _STATES[arguments.command][0]
    control = set_control(
        store, scope, scope_id, by=arguments.by, reason=arguments.reason, trading_state=state
    )
    print(f"{scope_in_words(scope, scope_id)}: {state}")
    if state is TradingState.ACTIVE:
        for run_id in end_released(store, control):
            print(f"{run_id} ends: its switch is released")
    stopping = [each for each in controls(store) if _holds_back(each)]
    if state is TradingState.ACTIVE and stopping:
        print("still held back:")
    for each in stopping if state is TradingState.ACTIVE else ():
        print(f"  {in_words(each)}")
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
    if control.expires_at is not None:
        words.append(f"until {control.expires_at:%Y-%m-%d %H:%M} UTC")
    if control.set_by:
        words.append(f"by {control.set_by}")
    if control.set_at is not None:
        words.append(f"{control.set_at:%Y-%m-%d %H:%M:%S} UTC")
    if control.reason:
        words.append(control.reason)
    return "  ".join(words)


if __name__ == "__main__":
    sys.exit(main())
