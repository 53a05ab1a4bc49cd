"""Whatever calls take, Kite never sees more of them than it allows."""

import bisect
import fcntl
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.errors import BrokerUnavailable
from brokers.zerodha.pacing import ORDERS, QUOTES, Pacer, Window, wait_seconds


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


def pacer(tmp_path, clock, windows):
    return Pacer(windows, tmp_path / "calls", clock=clock, sleep=clock.sleep)


@settings(deadline=None)
@given(
    calls=st.lists(
        st.tuples(st.floats(0, 0.4), st.floats(0, 1), st.floats(0, 0.3)), min_size=1, max_size=60
    )
)
def test_no_window_of_arrivals_ever_holds_more_than_is_allowed(calls, tmp_path_factory):
    """A call arrives at some share of the time between its start and its answer."""
    clock = Clock()
    paced = pacer(tmp_path_factory.mktemp("pace"), clock, (Window(3, 1.0), Window(8, 5.0)))
    arrivals = []
    for took, share, pause in calls:
        with paced.turn(100):
            arrivals.append(clock.now + took * share)
            clock.sleep(took)
        clock.sleep(pause)
    for most, seconds in ((3, 1.0), (8, 5.0)):
        for at in arrivals:
            within = bisect.bisect_left(arrivals, at + seconds) - bisect.bisect_left(arrivals, at)
            assert within <= most


def test_ten_orders_go_at_once_and_the_next_waits_its_second(tmp_path, clock):
    paced = pacer(tmp_path, clock, ORDERS)
    began = clock.now
    for _ in range(10):
        with paced.turn(0.5):
            pass
    assert clock.now == began
    with pytest.raises(BrokerUnavailable, match=r"nothing was sent.*0\.5 s"), paced.turn(0.5):
        pytest.fail("an eleventh order in one second")
    with paced.turn(2):
        assert clock.now - began == pytest.approx(1.01)


def test_two_hundred_orders_a_minute(tmp_path, clock):
    paced = pacer(tmp_path, clock, ORDERS)
    began = clock.now
    for _ in range(200):
        with paced.turn(2):
            pass
    with pytest.raises(BrokerUnavailable), paced.turn(2):
        pytest.fail("one more than 200 in a minute")
    clock.now = began + 61
    with paced.turn(2):
        pass


def test_entries_leave_some_of_every_window_to_what_matters_more(tmp_path, clock):
    paced = pacer(tmp_path, clock, ORDERS)
    began = clock.now
    for _ in range(180):
        with paced.turn(2, spare=0.1):
            pass
    with pytest.raises(BrokerUnavailable), paced.turn(2, spare=0.1):
        pytest.fail("an entry in the place of an exit")
    for _ in range(20):
        with paced.turn(2):
            pass
    assert clock.now - began < 40


def test_processes_share_what_kite_allows(tmp_path, clock):
    first, second = (pacer(tmp_path, clock, QUOTES) for _ in range(2))
    with first.turn(1):
        pass
    assert not second.is_free(1)
    began = clock.now
    with second.turn(2):
        assert clock.now - began == pytest.approx(1.01)


def test_a_call_without_an_answer_keeps_its_place_until_nobody_can_hear_of_it(tmp_path, clock):
    paced, other = (pacer(tmp_path, clock, QUOTES) for _ in range(2))
    dying = paced.turn(1)
    dying.__enter__()
    clock.now += 30
    with pytest.raises(BrokerUnavailable), other.turn(1):
        pytest.fail("a call beside one that may still arrive")
    clock.now += 31
    with other.turn(1):
        pass


def test_a_torn_file_is_begun_anew(tmp_path, clock):
    (tmp_path / "calls").write_text('{"1-2-3": [1000', encoding="utf-8")
    with pacer(tmp_path, clock, QUOTES).turn(1):
        pass
    counted = json.loads((tmp_path / "calls").read_text(encoding="utf-8"))
    assert "1-2-3" not in counted


def test_calls_that_cannot_be_counted_are_not_made(tmp_path, clock):
    (tmp_path / "file").write_text("")
    paced = Pacer(QUOTES, tmp_path / "file" / "calls", clock=clock, sleep=clock.sleep)
    with pytest.raises(BrokerUnavailable, match="cannot be counted"), paced.turn(1):
        pytest.fail("an uncounted call")


def test_a_failing_call_gives_its_place_back(tmp_path, clock):
    paced = pacer(tmp_path, clock, QUOTES)
    with pytest.raises(ZeroDivisionError), paced.turn(1):
        raise ZeroDivisionError
    clock.now += 1.02
    assert paced.is_free(1)


def test_more_than_a_window_holds_is_never_free():
    assert wait_seconds([], (Window(3, 1.0),), 0.0, wanted=4) > 0


def test_a_call_that_was_made_is_never_said_not_to_have_been(tmp_path, clock, caplog):
    """The disk is full, say: what Kite has answered stays answered."""
    paced = pacer(tmp_path, clock, QUOTES)
    with paced.turn(1):
        (tmp_path / "calls").unlink()
        (tmp_path / "calls").mkdir()
    assert "cannot be counted" in caplog.text


def test_a_process_that_is_halted_while_it_counts_holds_up_nobody_for_ever(
    tmp_path, clock, monkeypatch
):
    monkeypatch.setattr("brokers.zerodha.pacing._LOCK_SECONDS", 0.05)
    with (tmp_path / "calls").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with (
            pytest.raises(BrokerUnavailable, match="locked"),
            pacer(tmp_path, clock, QUOTES).turn(1),
        ):
            pytest.fail("an uncounted call")
