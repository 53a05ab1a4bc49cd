"""Which signals have moved, by what their orders looked like at two looks."""

import pytest

from services.execution.sightings import Sighting, moved_signals


def sighting(signal_id="sig_1", status="FILLED", child=None, held=None):
    return Sighting(signal_id, {"status": status}, [child], held)


SAME = {"MT1": sighting(), "MT2": sighting("sig_2")}


@pytest.mark.parametrize(
    ("now", "moved"),
    [
        (SAME, set()),
        (SAME | {"MT1": sighting(status="CANCELED")}, {"sig_1"}),
        (SAME | {"MT1": sighting(child={"status": "FILLED"})}, {"sig_1"}),
        (SAME | {"MT2": sighting("sig_2", held={"quantity": 1})}, {"sig_2"}),
        # The other leg of the first signal has come, or is looked after no more.
        (SAME | {"MT3": sighting()}, {"sig_1"}),
        ({"MT2": sighting("sig_2")}, {"sig_1"}),
        ({}, {"sig_1", "sig_2"}),
    ],
)
def test_a_signal_has_moved_where_one_of_its_orders_looks_different(now, moved):
    assert moved_signals(SAME, now) == moved
