"""start.py inside `.venv`: check, confirm, start the supervisor, follow it until all is ready."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from scripts.launcher import drain, ui_build
from scripts.launcher.errors import EXIT_CONFIGURATION, ScriptError
from scripts.launcher.home import REPOSITORY, Home
from scripts.launcher.instance import Instance, Options, add_arguments, options_of
from scripts.launcher.report import Reporter
from scripts.launcher.table import ORDER
from services.common.settings import WebSettings
from services.common.settings_file import load

_EXIT_INTERRUPTED = 130


def main() -> int:
    """Start one instance; the exit code."""
    arguments = _parser().parse_args()
    options = options_of(arguments)
    try:
        instance = Instance.load(options)
        instance.check_not_running()
        if options.live and not arguments.yes_live:
            _confirm_live()
        instance.home.make()
    except ScriptError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(f"Starting Mathematricks Trader in {instance.home.root}", flush=True)
    builds = not (options.no_ui or load(WebSettings).web_ui_dir)
    if arguments.foreground:
        if builds:
            _build_beside(instance.home)
        return instance.run(Reporter())
    exit_code = _start_detached(instance.home, options)
    if exit_code == 0 and builds:
        _build(instance.home)
    return exit_code


def _build(home: Home) -> None:
    """Build the UI after everything runs, so that nothing waits for it."""
    try:
        built = ui_build.build_for(home, lambda line: print(f"  ..  {line}", flush=True))
    except KeyboardInterrupt:
        print("\nthe web UI is not built; all else runs", file=sys.stderr)
        return
    if built:
        print("  ok  the web UI is ready", flush=True)


def _build_beside(home: Home) -> None:
    """The same while we are the supervisor, which must look after its processes."""
    subprocess.Popen(
        [sys.executable, "-m", "scripts.launcher.ui_build"],
        cwd=REPOSITORY,
        env={**os.environ, "MT_HOME": str(home.root), "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="start.py",
        description="Start every process of this instance and wait until all are ready.",
        epilog="State is kept under MT_HOME (default: the repository); MT_PORT_OFFSET shifts every "
        "port. Exit codes: 0 all ready, 78 a setting is wrong, 1 anything else.",
    )
    add_arguments(parser)
    parser.add_argument("--yes-live", action="store_true", help="answer the question of --live")
    parser.add_argument(
        "--foreground", action="store_true", help="stay attached; Ctrl-C or SIGTERM drains"
    )
    return parser


def _confirm_live() -> None:
    if not sys.stdin.isatty():
        raise ScriptError(
            "--live asks for a confirmation and there is no terminal: add --yes-live",
            exit_code=EXIT_CONFIGURATION,
        )
    print("This places orders with REAL MONEY. Type LIVE to go on: ", end="", flush=True)
    if sys.stdin.readline().strip() != "LIVE":
        raise ScriptError("not confirmed: nothing was started")


def _start_detached(home: Home, options: Options) -> int:
    receiving, sending = os.pipe()
    with (home.logs / "supervisor.log").open("ab") as log:
        supervisor = subprocess.Popen(
            [
                *(sys.executable, "-m", "scripts.launcher", "--progress-fd", str(sending)),
                *options.arguments(),
            ],
            cwd=REPOSITORY,
            env={**os.environ, "MT_HOME": str(home.root), "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(sending,),
            start_new_session=True,
        )
    os.close(sending)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with os.fdopen(receiving, encoding="utf-8") as progress:
            last = _follow(progress)
    except KeyboardInterrupt:
        return _give_up(home, supervisor)
    if last is None:
        return _after_death(home, supervisor)
    if last["exit"] == 0:
        supervisor.returncode = 0  # it lives on without us; Popen shall not complain
        return 0
    supervisor.wait(timeout=30)
    print(last["sentence"], file=sys.stderr)
    return int(last["exit"])


def _follow(progress: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a text stream
    """Show progress; the last message, or None where the supervisor ended without one."""
    for text in progress:
        message: dict[str, Any] = json.loads(text)
        if "exit" in message:
            return message
        print(message["line"], flush=True)
    return None


def _give_up(home: Home, supervisor: subprocess.Popen[bytes]) -> int:
    print("\nstopping what has been started ...", file=sys.stderr, flush=True)
    supervisor.terminate()
    try:
        supervisor.wait(timeout=len(ORDER) * drain.GRACE_S)
    except subprocess.TimeoutExpired:
        supervisor.kill()
    _end_leftovers(home)
    print("not started: nothing is left running", file=sys.stderr)
    return _EXIT_INTERRUPTED


def _after_death(home: Home, supervisor: subprocess.Popen[bytes]) -> int:
    code = supervisor.wait(timeout=30)
    _end_leftovers(home)
    log = home.logs / "supervisor.log"
    print(f"the supervisor died (exit code {code}), see {log}", file=sys.stderr)
    return 1


def _end_leftovers(home: Home) -> None:
    drain.end(drain.running(home).items(), tell=print, deadline=time.monotonic() + 30)
    drain.forget(home)
