"""What a change stream never brought is found by a scan, whoever's clock is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bson import ObjectId

from services.common.leases import Lease
from services.common.store import Store
from services.domain.signals import signal_id_for
from services.signal_ingestion.service import Ingestion
from tests.simulation.clock import VirtualClock
from tests.simulation.store import Memory
from tests.support.rows import STRATEGY, SilentPublisher, add_strategy, envelope


@pytest.mark.parametrize("slow", [0, 20])
def test_a_lost_change_is_found_though_the_clock_of_its_gateway_is_slow(slow):
    clock, lost = VirtualClock(), []

    def touch(kind, _name):
        if kind == "change":
            lost.append(clock.seconds)
            return "skip"
        return None

    with clock.rules():
        store = Store(Memory(clock, touch), "lost")
        add_strategy(store)
        lease = Lease(store, "signal_ingestion", ttl_seconds=1e6)
        assert lease.try_acquire()
        ingestion = Ingestion(
            store, SilentPublisher(), lease, overlap_seconds=60, catch_up_seconds=5
        )
        reading = ingestion.reading()
        next(reading)
        clock.advance(30)
        next(reading)  # the scan before it
        written = clock.now() - timedelta(seconds=slow)
        raw = {"_id": ObjectId.from_datetime(written), "received_at": written, **envelope("e1")}
        store["trading_signals_raw"].insert_one(raw)
        for _ in range(40):
            clock.advance(1)
            next(reading)
        assert lost
        assert [row["_id"] for row in store["signal_store"].find()] == [
            signal_id_for(STRATEGY, "e1")
        ]
