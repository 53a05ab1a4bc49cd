"""Replay: what never traded can be sent again by a person, what traded cannot."""

from datetime import timedelta

import pytest

from services.common.clock import utc_now
from services.common.incidents import raise_incident
from services.common.leases import Lease
from services.common.problems import Refusal
from services.domain.signals import signal_id_for
from services.signal_gateway.replay import replay
from services.signal_ingestion.service import Ingestion
from tests.support.rows import STRATEGY, SilentPublisher, add_strategy, envelope

pytestmark = pytest.mark.servers


@pytest.fixture
def ingestion(store):
    lease = Lease(store, "signal_ingestion", ttl_seconds=5)
    return Ingestion(store, SilentPublisher(), lease, overlap_seconds=60, catch_up_seconds=60)


def arrive(store, ingestion, **changes):
    """One direct signal, ingested; its id."""
    store["trading_signals_raw"].insert_one(
        {"received_at": utc_now() - timedelta(hours=1), **envelope(**changes)}
    )
    ingestion.catch_up(None)
    (life,) = store["signal_store"].find()
    return life["_id"]


def end(store, signal_id, status, outcome=None):
    changes = {"status": status} | ({"decision": {"outcome": outcome}} if outcome else {})
    store["signal_store"].update_one(
        {"_id": signal_id}, {"$set": changes, "$unset": {"undecided": ""}}
    )


def code_of(store, signal_id):
    with pytest.raises(Refusal) as caught:
        replay(store, signal_id, by="ops")
    return caught.value.code


def test_a_quarantined_signal_goes_once_its_cause_is_gone(store, ingestion):
    signal_id = arrive(store, ingestion)
    assert store["signal_store"].find_one()["quarantine"]["code"] == "UNKNOWN_STRATEGY"
    add_strategy(store)
    new_id = replay(store, signal_id, by="ops")
    assert ingestion.catch_up(None) == 1
    new = store["signal_store"].find_one({"_id": new_id})
    assert (new["status"], new["undecided"]) == ("STANDARDIZED", True)
    assert new["signal"]["replay_of"] == signal_id
    assert store["signal_store"].find_one({"_id": signal_id})["replays"] == [new_id]
    assert store["audit_log"].find_one({"what": "SIGNAL_REPLAYED"})["by"] == "ops"
    assert store["incidents"].find_one({"key": signal_id})["status"] == "CLEARED"


@pytest.mark.parametrize("outcome", ["APPROVED", "RESIZED"])
def test_what_traded_is_refused(store, ingestion, outcome):
    add_strategy(store)
    signal_id = arrive(store, ingestion)
    end(store, signal_id, "COMPLETED", outcome)
    assert code_of(store, signal_id) == "ALREADY_TRADED"


def test_what_may_still_trade_is_refused(store, ingestion):
    add_strategy(store)
    assert code_of(store, arrive(store, ingestion)) == "SIGNAL_ON_ITS_WAY"


def test_a_replay_is_replayed_only_after_it_has_ended_without_trading(store, ingestion):
    add_strategy(store)
    signal_id = arrive(store, ingestion)
    end(store, signal_id, "DENIED", "DENIED")
    first = replay(store, signal_id, by="ops")
    assert code_of(store, signal_id) == "SIGNAL_ON_ITS_WAY"  # not ingested yet
    ingestion.catch_up(None)
    assert code_of(store, signal_id) == "SIGNAL_ON_ITS_WAY"  # not decided yet
    end(store, first, "DENIED", "DENIED")
    second = replay(store, signal_id, by="ops")
    assert second != first
    ingestion.catch_up(None)
    end(store, second, "COMPLETED", "APPROVED")
    assert code_of(store, signal_id) == "ALREADY_TRADED"


def test_its_age_is_as_it_was_unless_a_person_wants_it_now(store, ingestion):
    add_strategy(store)
    sent_at = (utc_now() - timedelta(hours=1)).isoformat()
    signal_id = arrive(store, ingestion, timestamp=sent_at)
    end(store, signal_id, "EXPIRED", "DENIED")
    old = replay(store, signal_id, by="ops")
    ingestion.catch_up(None)
    assert (
        store["signal_store"].find_one({"_id": old})["signal"]["occurred_at"].isoformat()[:19]
        == (sent_at[:19])
    )
    end(store, old, "EXPIRED", "DENIED")
    fresh = replay(store, signal_id, by="ops", fresh=True)
    ingestion.catch_up(None)
    signal = store["signal_store"].find_one({"_id": fresh})["signal"]
    assert signal["occurred_at"] is None
    assert signal["received_at"] > utc_now() - timedelta(minutes=1)


def test_one_half_of_a_reversal_is_replayed_alone(store, ingestion):
    add_strategy(store)
    key = "turn"
    ids = [signal_id_for(STRATEGY, f"{key}\x000"), signal_id_for(STRATEGY, key)]
    store["trading_signals_raw"].insert_one(
        {
            "strategy_name": STRATEGY,
            "idempotency_key": key,
            "signal_ids": ids,
            "reader": "text",
            "source": "webhook",
            "received_at": utc_now(),
            "body": "ticker: AAPL\ninstrument type: STOCK\naction: sell\nmarket position: short\n"
            "market position size: 5\nprev market position: long\nprev market position size: 9\n",
        }
    )
    ingestion.catch_up(None)
    end(store, ids[0], "DENIED", "DENIED")
    new_id = replay(store, ids[0], by="ops")
    ingestion.catch_up(None)
    assert store["signal_store"].find_one({"_id": new_id})["intent"] == "EXIT"
    assert store["signal_store"].count_documents({}) == 3
    end(store, ids[1], "DENIED", "DENIED")
    new_id = replay(store, ids[1], by="ops")
    ingestion.catch_up(None)
    entry = store["signal_store"].find_one({"_id": new_id})
    assert (entry["intent"], entry["signal"]["follows"]) == ("ENTRY", ids[0])


def test_a_half_of_a_reversal_that_no_gateway_named_is_found(store, ingestion):
    add_strategy(store)
    turn = {
        "prev_market_position": "long",
        "prev_market_position_size": 9,
        "market_position": "short",
        "market_position_size": 5,
    }
    sent = envelope(leg={"action": "SELL", "direction": None}, **turn)
    del sent["signal_type"]
    store["trading_signals_raw"].insert_one({"received_at": utc_now(), **sent})
    ingestion.catch_up(None)
    for intent in ("EXIT", "ENTRY"):
        life = store["signal_store"].find_one({"intent": intent})
        end(store, life["_id"], "DENIED", "DENIED")
        new_id = replay(store, life["_id"], by="ops")
        ingestion.catch_up(None)
        again = store["signal_store"].find_one({"_id": new_id})
        assert again["intent"] == intent
        assert again["signal"]["follows"] == life["signal"]["follows"]


def test_a_reversal_that_could_not_be_read_is_replayed_whole(store, ingestion):
    turn = {
        "prev_market_position": "long",
        "prev_market_position_size": 9,
        "market_position": "short",
        "market_position_size": 5,
    }
    sent = envelope(leg={"action": "SELL", "direction": None}, **turn)
    del sent["signal_type"]
    store["trading_signals_raw"].insert_one({"received_at": utc_now(), **sent})
    ingestion.catch_up(None)
    (life,) = store["signal_store"].find()
    add_strategy(store)
    new_id = replay(store, life["_id"], by="ops")
    ingestion.catch_up(None)
    entry = store["signal_store"].find_one({"_id": new_id})
    leave = store["signal_store"].find_one({"intent": "EXIT"})
    assert entry["signal"]["follows"] == leave["_id"]


def test_two_people_at_once_replay_it_once(store, ingestion):
    add_strategy(store)
    signal_id = arrive(store, ingestion)
    end(store, signal_id, "DENIED", "DENIED")
    raise_incident(store, kind="SIGNAL_QUARANTINED", key=signal_id, sentence="x")
    replay(store, signal_id, by="one")
    with pytest.raises(Refusal):
        replay(store, signal_id, by="two")
    query = {"idempotency_key": {"$regex": "^replay:"}}
    assert store["trading_signals_raw"].count_documents(query) == 1


def test_an_unknown_signal_is_named(store):
    assert code_of(store, "sig_none") == "UNKNOWN_SIGNAL"
