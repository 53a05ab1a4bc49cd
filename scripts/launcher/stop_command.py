"""stop.py inside `.venv`: end what this instance started, with or without its supervisor."""

from __future__ import annotations

import argparse
import signal
import time

from scripts.launcher import drain, identity, ports, record
from scripts.launcher.errors import ScriptError
from scripts.launcher.home import Home
from scripts.launcher.identity import Identity
from scripts.launcher.table import ORDER


def main() -> int:
    """Stop the instance; 0 when nothing of it runs any more."""
    parser = argparse.ArgumentParser(
        prog="stop.py", description="Drain and stop every process that this instance started."
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=len(ORDER) * drain.GRACE_S,
        metavar="SECONDS",
        help="after this long, what is left is killed (default %(default)g)",
    )
    timeout_s = parser.parse_args().timeout
    home = Home.from_environment()
    recorded = _recorded_ports(home)
    running = drain.running(home)
    if not running:
        print(f"nothing is running in {home.root}")
        _clean(home)
        return 0
    return _stop(home, recorded, deadline=time.monotonic() + timeout_s)


def _stop(home: Home, recorded: list[tuple[str, int, str]], *, deadline: float) -> int:
    began = time.monotonic()
    running = drain.running(home)
    supervisor = running.pop(drain.SUPERVISOR, None)
    if supervisor:
        print(f"  ..  the supervisor drains {len(running)} processes", flush=True)
        identity.send(supervisor, signal.SIGTERM)
        _follow(supervisor, running, deadline=deadline)
        drain.end([(drain.SUPERVISOR, supervisor)], tell=_tell, grace_s=5, deadline=deadline)
    drain.end(drain.running(home).items(), tell=_tell, deadline=deadline)
    left = drain.running(home)
    held = _still_held(recorded)
    for name, known in left.items():
        print(f"  !!  {name} (pid {known.pid}) is still there")
    for sentence in held:
        print(f"  !!  {sentence}")
    if left or held:
        return 1
    _clean(home)
    print(f"stopped in {time.monotonic() - began:.1f} s, {len(recorded)} ports are free")
    return 0


def _follow(supervisor: Identity, running: dict[str, Identity], *, deadline: float) -> None:
    """Tell of each process as it goes, until the supervisor goes or time is up."""
    while identity.is_alive(supervisor) and running and time.monotonic() < deadline:
        for name in [name for name, known in running.items() if not identity.is_alive(known)]:
            del running[name]
            _tell(f"  ok  {name:<18} stopped")
        time.sleep(0.05)


def _tell(line: str) -> None:
    print(line, flush=True)


def _clean(home: Home) -> None:
    drain.forget(home)
    home.record.unlink(missing_ok=True)


def _recorded_ports(home: Home) -> list[tuple[str, int, str]]:
    """Name, port and host of everything that the supervisor's record tells of."""
    known = record.read(home)
    processes = known.processes if known else ()
    return [(each.name, port, each.host.strip("[]")) for each in processes for port in each.ports]


def _still_held(recorded: list[tuple[str, int, str]]) -> list[str]:
    sentences = []
    for name, port, host in recorded:
        try:
            if not ports.is_free(host, port):
                sentences.append(f"port {port} of {name} is still held by {ports.holder(port)}")
        except ScriptError as error:
            sentences.append(str(error))
    return sentences
