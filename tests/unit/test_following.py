"""The loop around a change stream does not end with it."""

import threading

import pytest
from pymongo.errors import AutoReconnect, OperationFailure

from services.common.following import Pace, keep_following
from services.domain.errors import TransientError

GONE = OperationFailure("resume point may no longer be in the oplog", 286)


@pytest.mark.parametrize("forgets", ["well", "in vain"])
def test_it_goes_on_after_everything_and_forgets_its_place_only_where_history_is_gone(forgets):
    stop, ends, lost = threading.Event(), [], []
    happens = [None, AutoReconnect("away"), TransientError("later"), GONE, KeyError("a bug"), None]

    def follow():
        ends.append(happens[len(ends)])
        if len(ends) == len(happens):
            stop.set()
        if ends[-1] is not None:
            raise ends[-1]

    def forget():
        lost.append(ends[-1])
        if forgets == "in vain":
            raise AutoReconnect("away, too")

    keep_following("test", stop, follow, forget, pause_seconds=0)
    assert ends == happens
    assert lost == [GONE]


def test_looks_are_followed_by_a_rest_and_what_waits_already_is_not(monkeypatch):
    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            rests.append((now[0], timeout))
            return False

    rests, now = [], [100.0]
    monkeypatch.setattr("services.common.following.time.monotonic", lambda: now[0])
    pace = Pace(Stop(), 0.25)
    for _ in range(100):  # at hand: no time passes
        pace.keep()
    now[0] = 100.02  # the store was asked
    pace.keep()
    pace.keep()
    assert rests == [(100.02, 0.25)]
