"""The stream: what is committed is told, once, to those whose it is, and without a gap."""

from __future__ import annotations

import time

import pytest

from services.common.clock import utc_now
from services.common.incidents import raise_incident
from services.common.store import Store
from services.dashboard_creator.stream_api import MOST_STREAMS
from tests.support.builders import STRATEGY, make_signal
from tests.support.documents import make_order_document, make_signal_document
from tests.support.reading import Stream, add_person, reading

#: What the issue asks for is 500 ms; a machine that runs three test processes gets more.
_GENEROUS_SECONDS = 5.0


@pytest.fixture
def olga(store: Store) -> dict:
    return add_person(store, "olga", "OPERATOR")


def insert_signal(store: Store, number: int, strategy_id: str = STRATEGY) -> str:
    signal = make_signal(signal_id=f"sig_{number}", received_at=utc_now())
    document = make_signal_document(signal=signal, strategy_id=strategy_id)
    store["signal_store"].insert_one(document)
    return signal.signal_id


def test_changes_are_told_to_operators_within_the_time(store: Store, olga: dict):
    with reading(store) as client:
        stream = Stream(client, olga)
        began = time.monotonic()
        insert_signal(store, 1)
        stream.wait(lambda: stream.events)
        took = time.monotonic() - began

        order = make_order_document()
        store["orders"].insert_one(order)
        store["orders"].update_one({"_id": order["_id"]}, {"$set": {"status": "CANCELED"}})
        raise_incident(store, kind="TEST", key="1", sentence="look here")
        stream.wait(lambda: stream.events[-1][0] == "incident")
    assert took < _GENEROUS_SECONDS
    kind, event = stream.events[0]
    assert (kind, event["id"], event["strategy_id"]) == ("signal", "sig_1", STRATEGY)
    # The update says nothing of whose the order is: that is known from before.
    last_order = [each for kind, each in stream.events if kind == "order"][-1]
    told = (last_order["status"], last_order["strategy_id"], last_order["account_id"])
    assert told == ("CANCELED", STRATEGY, "Mock-1")
    assert stream.events[-1][1]["id"] == "TEST|1"


def test_nothing_is_missed_while_away_also_over_a_new_start(store: Store, olga: dict):
    with reading(store) as client:
        stream = Stream(client, olga)
        insert_signal(store, 1)
        stream.wait(lambda: stream.events)
        stream.close()
        insert_signal(store, 2)
        again = Stream(client, olga, last_id=stream.ids[-1])
        again.wait(lambda: again.events)
        last = again.ids[-1]
        again.close()
    insert_signal(store, 3)
    with reading(store) as client:
        insert_signal(store, 4)
        third = Stream(client, olga, last_id=last)
        insert_signal(store, 5)
        third.wait(lambda: len(third.events) == 3)
    assert [event["id"] for _, event in stream.events] == ["sig_1"]
    assert [event["id"] for _, event in again.events] == ["sig_2"]
    assert [event["id"] for _, event in third.events] == ["sig_3", "sig_4", "sig_5"]


@pytest.mark.parametrize("token", ["00", "no token"])
def test_a_place_that_nobody_knows_begins_anew(store: Store, olga: dict, token: str):
    with reading(store) as client:
        stream = Stream(client, olga, last_id=token)
        stream.wait(lambda: stream.events)
        insert_signal(store, 1)
        stream.wait(lambda: len(stream.events) == 2)
    assert [kind for kind, _ in stream.events] == ["reset", "signal"]


def test_everybody_hears_only_what_is_theirs(store: Store, olga: dict):
    dev = add_person(store, "dev", "DEVELOPER", ("A",))
    ina = add_person(store, "ina", "INVESTOR")
    with reading(store) as client:
        streams = {name: Stream(client, h) for name, h in (("o", olga), ("d", dev), ("i", ina))}
        insert_signal(store, 1, "B")
        insert_signal(store, 2, "A")
        store["notifications"].insert_one({"_id": "n1", "user": "ina", "text": "for her"})
        store["notifications"].insert_one({"_id": "n2", "user": "dev", "text": "for him"})
        raise_incident(store, kind="TEST", key="1", sentence="of ours")
        for stream in streams.values():
            # Each hears something of its own that comes last, or nothing but signs of life.
            stream.wait(lambda s=stream: s.events)
        streams["o"].wait(lambda: streams["o"].events[-1][0] == "incident")
        streams["d"].wait(lambda: len(streams["d"].events) == 2)
    heard = {name: [event["id"] for _, event in s.events] for name, s in streams.items()}
    assert heard == {"o": ["sig_1", "sig_2", "TEST|1"], "d": ["sig_2", "n2"], "i": ["n1"]}


def test_a_line_on_which_nothing_happens_says_that_it_lives(store: Store, olga: dict, monkeypatch):
    monkeypatch.setattr("services.dashboard_creator.stream_api.PING_SECONDS", 0.3)
    with reading(store) as client:
        began = time.monotonic()
        stream = Stream(client, olga)
        stream.wait(lambda: stream.pings >= 4)
        # One at once, three after 0.3 s each; and each has the place that one goes on from.
        assert time.monotonic() - began < _GENEROUS_SECONDS
        stream.close()
        insert_signal(store, 1)
        again = Stream(client, olga, last_id=stream.ids[-1])
        again.wait(lambda: again.events)
        assert [event["id"] for _, event in again.events] == ["sig_1"]
        # While the changes themselves cannot be read, it does not say so.
        monkeypatch.setattr("services.dashboard_creator.stream.Feed.has_read_within", _never)
        silent = Stream(client, olga)
        time.sleep(1)
        assert silent.pings == 0


def _never(*_: object) -> bool:
    return False


def test_a_key_that_is_revoked_ends_its_stream(store: Store, olga: dict):
    with reading(store) as client:
        stream = Stream(client, olga)
        gone = {"$set": {"credentials.0.revoked_at": utc_now()}}
        store["users"].update_one({"_id": "olga"}, gone)
        stream.wait(lambda: stream.ended)
        insert_signal(store, 1)
    assert stream.events == []


def test_a_person_has_only_so_many_streams(store: Store, olga: dict):
    with reading(store) as client:
        open_ones = [Stream(client, olga) for _ in range(MOST_STREAMS)]
        refused = client.get("/api/v1/stream", headers=olga)
        assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_STREAMS")
        assert {stream.status for stream in open_ones} == {200}
