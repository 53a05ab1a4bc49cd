"""Doorbells that nobody waits for are rung together, in order, and none is kept at the end."""

import threading

from services.common.bell import Bell
from services.common.bus import Ring


class SlowPublisher:
    """A bus that answers when it is let."""

    def __init__(self):
        self.requests: list[tuple[str, list[str]]] = []
        self.asked, self.let = threading.Event(), threading.Event()

    def ring(self, topic, rings):
        self.asked.set()
        assert self.let.wait(10)
        self.requests.append((topic, [each.key for each in rings]))
        if self.requests[-1][1] == ["breaks"]:
            raise KeyError("a bug")
        return True


def test_what_gathers_while_the_bus_answers_is_rung_with_one_request():
    publisher = SlowPublisher()
    bell = Bell(publisher)
    bell.start()
    bell.ring("a", [Ring("breaks", {})])
    assert publisher.asked.wait(10)
    for number in range(3):
        assert bell.ring("a", [Ring(f"s{number}", {})])
    bell.ring("b", [Ring("other", {})])
    publisher.let.set()
    bell.stop()
    assert publisher.requests == [("a", ["breaks"]), ("a", ["s0", "s1", "s2"]), ("b", ["other"])]


def test_what_is_too_much_is_left_to_the_sweeper():
    bell = Bell(SlowPublisher())  # not started: nobody takes anything up
    assert bell.ring("a", [Ring("s", {})] * 10_000)
    assert not bell.ring("a", [Ring("s", {})])
