"""Incidents: counted whenever they are seen, logged where they are news."""

import logging

import pytest
from pymongo.errors import PyMongoError

from services.common.incidents import clear_incident, raise_incident

pytestmark = pytest.mark.servers


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO, logger="services.common.incidents")
    return lambda: [each.getMessage() for each in caplog.records]


def seen(store, sentence="it is missing"):
    raise_incident(store, kind="ORDER_MISSING", key="MT1", sentence=sentence)


def test_what_is_seen_again_all_night_is_counted_and_logged_once(store, logged):
    for _ in range(5):
        seen(store)
    assert logged() == ["incident ORDER_MISSING MT1: it is missing"]
    row = store["incidents"].find_one({"_id": "ORDER_MISSING|MT1"})
    assert (row["count"], row["status"], row["sentence"]) == (5, "OPEN", "it is missing")
    assert row["opened_at"] <= row["last_seen_at"]


def test_other_words_and_a_return_are_news(store, logged):
    seen(store)
    seen(store, "it is still missing")
    clear_incident(store, kind="ORDER_MISSING", key="MT1")
    seen(store, "it is still missing")
    assert len(logged()) == 3
    assert store["incidents"].find_one({"_id": "ORDER_MISSING|MT1"})["status"] == "OPEN"


def test_what_cannot_be_recorded_is_logged(logged):
    class Away:
        def __getitem__(self, _name):
            raise PyMongoError("away")

    with pytest.raises(PyMongoError):
        seen(Away())
    assert logged() == ["incident ORDER_MISSING MT1: it is missing"]
