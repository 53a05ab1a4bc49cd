"""Ingestion: every raw signal once, also those that arrive while nobody watches."""

import threading
import time

import pytest
from bson import ObjectId

from services.common.clock import utc_now
from services.common.leases import Lease
from services.domain.signals import signal_id_for
from services.signal_ingestion.service import Ingestion
from tests.support.rows import STRATEGY, SilentPublisher, add_strategy, envelope

pytestmark = pytest.mark.servers


@pytest.fixture
def publisher():
    return SilentPublisher()


@pytest.fixture
def ingestion(store, publisher):
    add_strategy(store)
    lease = Lease(store, "signal_ingestion", ttl_seconds=5)
    lease.try_acquire()
    made = Ingestion(store, publisher, lease, overlap_seconds=60, catch_up_seconds=60)
    yield made
    if made._thread.is_alive():
        made.stop()


def wait_for(condition, seconds=15):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def raw(signal_id="e1", **changes):
    return {"received_at": utc_now(), **envelope(signal_id, **changes)}


def signals(store):
    return {each["_id"]: each for each in store["signal_store"].find()}


def test_a_new_raw_signal_becomes_a_standardised_one(store, ingestion, publisher):
    ingestion.start()
    wait_for(lambda: ingestion._caught_up)
    store["trading_signals_raw"].insert_one(raw())
    signal_id = signal_id_for(STRATEGY, "e1")
    wait_for(lambda: signal_id in signals(store))
    found = signals(store)[signal_id]
    assert (found["status"], found["undecided"]) == ("STANDARDIZED", True)
    wait_for(lambda: publisher.rung)
    assert publisher.rung[0][2] == {"signal_id": signal_id}


def test_what_arrived_while_nobody_watched_is_caught_up(store, ingestion):
    store["trading_signals_raw"].insert_many([raw(f"e{number}") for number in range(20)])
    ingestion.start()
    wait_for(lambda: len(signals(store)) == 20)


def test_restart_neither_misses_nor_doubles(store, ingestion, publisher):
    ingestion.start()
    wait_for(lambda: ingestion._caught_up)
    store["trading_signals_raw"].insert_one(raw("before"))
    wait_for(lambda: len(signals(store)) == 1)
    ingestion.stop()
    store["trading_signals_raw"].insert_one(raw("between"))
    again = Ingestion(store, publisher, ingestion._lease, overlap_seconds=60, catch_up_seconds=60)
    again.start()
    wait_for(lambda: len(signals(store)) == 2)
    store["trading_signals_raw"].insert_one(raw("after"))
    wait_for(lambda: len(signals(store)) == 3)
    again.stop()
    assert len(publisher.rung) == 3


def test_a_lost_token_costs_a_scan_and_no_signal(store, ingestion):
    store["checkpoints"].insert_one(
        {"_id": "signal_ingestion", "token": {"_data": "82FFFF"}, "saved_at": utc_now()}
    )
    store["trading_signals_raw"].insert_one(raw())
    ingestion.start()
    wait_for(lambda: len(signals(store)) == 1)


def test_poison_is_quarantined_and_the_next_flow_on(store, ingestion):
    ingestion.start()
    wait_for(lambda: ingestion._caught_up)
    poison = [
        {"nothing": 1},
        {"strategy_name": 7, "signal": "AAPL"},
        {"_id": "text id", "strategy_name": STRATEGY, "body": 5},
        {"strategy_name": STRATEGY, "body": "{"},
        raw("bad", leg={"quantity": float("nan")}),
        raw("unknown", strategy_name="nobody"),
        raw("good"),
    ]
    for document in poison:
        store["trading_signals_raw"].insert_one(document)
    wait_for(lambda: len(signals(store)) == 7)
    found = signals(store).values()
    codes = sorted(each["quarantine"]["code"] for each in found if "quarantine" in each)
    assert codes == [
        "BAD_NUMBER",
        "BAD_TEXT",
        "BROKEN_JSON",
        "MISSING_FIELD",
        "UNKNOWN_STRATEGY",
        "UNKNOWN_STRATEGY",
    ]
    assert store["incidents"].count_documents({"kind": "SIGNAL_QUARANTINED"}) == 6
    assert [each["status"] for each in found if "signal" in each] == ["STANDARDIZED"]


def test_a_document_of_another_collector_is_the_signal_itself(store, ingestion):
    document = {"_id": ObjectId(), **envelope("direct"), "received_at": utc_now()}
    assert ingestion.ingest(document)
    assert not ingestion.ingest(document)
    assert signal_id_for(STRATEGY, "direct") in signals(store)


def test_two_replicas_make_one_signal(store, publisher):
    add_strategy(store)
    leases = [Lease(store, "signal_ingestion", ttl_seconds=5) for _ in range(2)]
    replicas = [
        Ingestion(store, publisher, lease, overlap_seconds=60, catch_up_seconds=60)
        for lease in leases
    ]
    for lease, replica in zip(leases, replicas, strict=True):
        lease.start()
        replica.start()
    wait_for(lambda: any(replica._caught_up for replica in replicas))
    inserts = [
        threading.Thread(target=store["trading_signals_raw"].insert_one, args=(raw(f"e{n}"),))
        for n in range(10)
    ]
    for thread in inserts:
        thread.start()
    for thread in inserts:
        thread.join()
    wait_for(lambda: len(signals(store)) == 10)
    for lease, replica in zip(leases, replicas, strict=True):
        replica.stop()
        lease.stop()
    assert len(publisher.rung) == 10
