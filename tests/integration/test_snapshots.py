"""What is at hand of accounts: read ahead while somebody asks, and never used when it is old."""

import time

import pytest
from pymongo.errors import AutoReconnect

from services.account_data import snapshot
from services.account_data.readings import Readings
from services.account_data.snapshot import Snapshots
from services.domain.errors import Declined
from tests.support.accounts import make_document, wait_until

pytestmark = pytest.mark.servers


@pytest.fixture
def snapshots(store):
    store["trading_accounts"].insert_one(make_document("A", secrets={"x": "sealed"}))
    made = Snapshots(store)
    yield made
    made.stop()


def test_without_its_thread_every_question_is_asked_of_the_store(store, snapshots):
    assert "secrets" not in snapshots.last().accounts["A"]
    store["trading_accounts"].insert_one(make_document("B"))
    assert set(snapshots.last().accounts) == {"A", "B"}


def test_while_somebody_asks_changes_come_by_themselves(store, snapshots):
    snapshots.start()
    assert set(snapshots.last().accounts) == {"A"}
    store["trading_accounts"].insert_one(make_document("B"))
    wait_until(lambda: set(snapshots.last().accounts) == {"A", "B"})


def test_a_store_that_does_not_answer_is_not_hidden_for_long(store, snapshots, monkeypatch):
    monkeypatch.setattr(snapshot, "_USABLE_SECONDS", 0.3)
    snapshots.start()
    snapshots.last()

    def away():
        raise AutoReconnect("gone")

    monkeypatch.setattr(snapshots, "_orders", away)

    def refused():
        try:
            snapshots.last()
        except AutoReconnect:
            return True
        return False

    assert wait_until(refused)


def test_reading_stops_when_nobody_asks_and_begins_again(store, snapshots, monkeypatch):
    monkeypatch.setattr(snapshot, "_IDLE_SECONDS", 0.1)
    snapshots.start()
    snapshots.last()
    wait_until(lambda: not snapshots._wanted.is_set())
    taken_at = snapshots._last.taken_at
    time.sleep(0.5)
    assert snapshots._last.taken_at == taken_at
    monkeypatch.setattr(snapshot, "_IDLE_SECONDS", 60)
    snapshots.last()
    wait_until(lambda: snapshots._last.taken_at > taken_at)


def test_an_account_that_was_just_added_is_found(store):
    readings = Readings(store, max_age_seconds=60)
    readings.start()
    try:
        with pytest.raises(Declined):
            readings.account("A")
        store["trading_accounts"].insert_one(make_document("A"))
        assert readings.account("A").account_id == "A"
    finally:
        readings.stop()
