"""Ingestion: every raw signal once, also those that arrive while nobody watches."""

import json
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from bson import ObjectId

from services.common.clock import utc_now
from services.common.leases import Lease
from services.domain.signals import signal_id_for
from services.signal_ingestion.service import Ingestion
from tests.support.rows import STRATEGY, add_strategy, envelope

pytestmark = pytest.mark.servers


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


def by_gateway(key="e1", *, body, **fields):
    """A raw document as the gateway stores it."""
    return {
        "_id": ObjectId(),
        "strategy_name": STRATEGY,
        "idempotency_key": key,
        "signal_ids": [signal_id_for(STRATEGY, key)],
        "body": body,
        "reader": "text",
        "source": "webhook",
        "received_at": utc_now(),
        "paths": [{"source": "webhook", "received_at": utc_now()}],
    } | fields


def paths(store):
    return sorted(
        path["source"]
        for raw in store["trading_signals_raw"].find()
        for path in raw.get("paths", [])
    )


def test_the_same_signal_written_directly_confirms_it(store, ingestion, publisher):
    first = by_gateway(body=json.dumps(envelope()))
    second = raw(source="collector")
    store["trading_signals_raw"].insert_many([first, second])
    assert ingestion.ingest(first)
    assert not ingestion.ingest(second)
    assert not ingestion.ingest(second)
    assert paths(store) == ["collector", "webhook"]
    assert len(publisher.rung) == 1


def test_a_key_used_twice_is_quarantined_not_lost(store, ingestion):
    documents = [raw(), raw(leg={"quantity": 11})]
    store["trading_signals_raw"].insert_many(documents)
    assert ingestion.catch_up(None) == 2
    found = sorted(each["status"] for each in signals(store).values())
    assert found == ["QUARANTINED", "STANDARDIZED"]
    assert store["incidents"].find_one({"kind": "SIGNAL_QUARANTINED"})["facts"]["code"] == (
        "KEY_REUSED"
    )
    assert ingestion.catch_up(None) == 0


def test_a_reversal_becomes_two_signals(store, ingestion, publisher):
    text = (
        "ticker: AAPL\ninstrument type: STOCK\naction: sell\nquantity: 15\n"
        "market position: short\nmarket position size: 5\n"
        "prev market position: long\nprev market position size: 10\n"
    )
    assert ingestion.ingest(by_gateway(body=text))
    intents = sorted(each["intent"] for each in signals(store).values())
    assert intents == ["ENTRY", "EXIT"]
    assert [rung[2]["signal_id"] for rung in publisher.rung][-1] == signal_id_for(STRATEGY, "e1")


def test_an_alert_the_gateway_refused_is_quarantined_with_its_reason(store, ingestion):
    reason = {"code": "BROKEN_JSON", "sentence": "a comma too many", "field": ""}
    document = by_gateway("refused:1", body=json.dumps(envelope()), refused=reason)
    assert ingestion.ingest(document)
    (found,) = signals(store).values()
    assert found["quarantine"] == reason
    assert found["_id"] == document["signal_ids"][0]


def test_a_document_without_id_or_time_is_itself_its_identity(store, ingestion):
    plain = {"strategy_name": STRATEGY, "ticker": "AAPL", "action": "BUY", "quantity": 1}
    store["trading_signals_raw"].insert_many([{**plain}, {**plain}])
    assert ingestion.catch_up(None) == 2
    assert ingestion.catch_up(None) == 0
    assert len(signals(store)) == 2


def test_the_strategys_defaults_hold_in_ingestion_too(store, ingestion):
    defaults = {"account_equity": Decimal(5000), "environment": "production"}
    store["strategies"].update_one({"_id": STRATEGY}, {"$set": {"signal_defaults": defaults}})
    body = "ticker: AAPL\naction: BUY\nquantity: 1\n"
    assert ingestion.ingest(by_gateway(body=body))
    (found,) = signals(store).values()
    assert found["signal"]["sender_equity"] == Decimal(5000)
    assert found["signal"]["environment"] == "production"


def test_values_that_only_a_database_holds_are_read(store, ingestion):
    document = raw(
        timestamp=datetime(2026, 11, 20, tzinfo=UTC),
        entry_signal_id=ObjectId("6924ccd0c21b280908de908c"),
        account_equity=Decimal("500000"),
        signal_type="EXIT",
        leg={"action": "SELL"},
    )
    store["trading_signals_raw"].insert_one(document)
    assert ingestion.catch_up(None) == 1
    (found,) = signals(store).values()
    assert found["signal"]["entry_reference"] == "6924ccd0c21b280908de908c"
    assert found["signal"]["occurred_at"] == datetime(2026, 11, 20, tzinfo=UTC)


def test_the_quarantined_stay_so_until_a_person_replays_them(store, ingestion):
    store["trading_signals_raw"].insert_one(raw(strategy_name="Later"))
    assert ingestion.catch_up(None) == 1
    add_strategy(store, "Later")
    assert ingestion.catch_up(None) == 0
    assert [each["status"] for each in signals(store).values()] == ["QUARANTINED"]


def test_a_passphrase_that_a_collector_stored_is_removed(store, ingestion):
    documents = [raw(passphrase="secret-1"), raw("e2", strategy_name="Nobody", token="secret-1")]
    store["trading_signals_raw"].insert_many(documents)
    assert ingestion.catch_up(None) == 2
    everything = [list(store[name].find()) for name in ("trading_signals_raw", "signal_store")]
    assert "secret-1" not in str(everything)
