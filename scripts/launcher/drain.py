"""Ending processes one after the other, each given time to finish what it does."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable

from scripts.launcher import identity
from scripts.launcher.home import Home
from scripts.launcher.identity import Identity
from scripts.launcher.table import ORDER

SUPERVISOR = "supervisor"
GRACE_S = 15.0
_POLL_S = 0.02
Tell = Callable[[str], None]


def running(home: Home) -> dict[str, Identity]:
    """Processes of this instance that live, in the order in which they are to end."""
    found = {}
    for file in home.pids.glob("*.pid"):
        known = identity.read(file)
        if known and identity.is_alive(known):
            found[file.stem] = known
    return dict(sorted(found.items(), key=lambda each: _rank(each[0])))


def forget(home: Home) -> None:
    """Remove the pid files of processes that are gone."""
    for file in home.pids.glob("*.pid"):
        known = identity.read(file)
        if not known or not identity.is_alive(known):
            file.unlink(missing_ok=True)


def end(
    processes: Iterable[tuple[str, Identity]],
    *,
    tell: Tell,
    grace_s: float = GRACE_S,
    deadline: float | None = None,
) -> None:
    """SIGTERM, wait, SIGKILL, for each in turn.

    Args:
        processes: name and identity, the first one first.
        tell: takes one line for each.
        grace_s: seconds that each one gets.
        deadline: instant of the monotonic clock after which nobody gets any.
    """
    for name, known in processes:
        if not identity.is_alive(known):
            continue
        began = time.monotonic()
        identity.send(known, signal.SIGTERM)
        until = min(began + grace_s, deadline if deadline is not None else began + grace_s)
        if wait_gone(known, until=until):
            tell(f"  ok  {name:<18} stopped in {time.monotonic() - began:.1f} s")
            continue
        identity.send(known, signal.SIGKILL)
        wait_gone(known, until=time.monotonic() + 5)
        tell(f"  !!  {name:<18} killed: it had not ended {time.monotonic() - began:.0f} s later")


def wait_gone(known: Identity, *, until: float) -> bool:
    """Wait for the end of a process; whether it came in time."""
    while identity.is_alive(known):
        if time.monotonic() >= until:
            return False
        time.sleep(_POLL_S)
    return True


def _rank(name: str) -> int:
    """The supervisor ends first, unknown names next, then the table backwards."""
    if name == SUPERVISOR:
        return -len(ORDER) - 2
    return -ORDER.index(name) if name in ORDER else -len(ORDER) - 1
