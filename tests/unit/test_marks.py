"""Which signals have moved, by what their orders looked like at two looks."""

import pytest

from services.execution.marks import Mark, moved_signals


def mark(signal_id="sig_1", status="FILLED", child=None, held=None):
    return Mark(signal_id, {"status": status}, [child], held)


SAME = {"MT1": mark(), "MT2": mark("sig_2")}


@pytest.mark.parametrize(
    ("now", "moved"),
    [
        (SAME, set()),
        (SAME | {"MT1": mark(status="CANCELED")}, {"sig_1"}),
        (SAME | {"MT1": mark(child={"status": "FILLED"})}, {"sig_1"}),
        (SAME | {"MT2": mark("sig_2", held={"quantity": 1})}, {"sig_2"}),
        # The other leg of the first signal has come, or is looked after no more.
        (SAME | {"MT3": mark()}, {"sig_1"}),
        ({"MT2": mark("sig_2")}, {"sig_1"}),
        ({}, {"sig_1", "sig_2"}),
    ],
)
def test_a_signal_has_moved_where_one_of_its_orders_looks_different(now, moved):
    assert moved_signals(SAME, now) == moved
