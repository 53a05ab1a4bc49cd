"""The thread that tells reports: it goes on whatever happens, and says so once."""

import logging

import pytest

from brokers.errors import BrokerUnavailable
from brokers.zerodha.page import Page
from brokers.zerodha.stream import Stream
from tests.support.broker_orders import eventually


class Book:
    """Fails as often and as it is told; then it is empty."""

    def __init__(self, failures):
        self.failures = failures
        self.looked = 0

    def look(self, since=None):
        self.looked += 1
        if self.failures:
            raise self.failures.pop(0)
        return Page(())


@pytest.fixture
def follow(monkeypatch, caplog):
    """Follows a book until it has been read without a failure; what was logged."""
    monkeypatch.setattr("brokers.zerodha.stream._PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("brokers.zerodha.stream._GATHER_SECONDS", 0.0)
    caplog.set_level(logging.INFO, logger="brokers.zerodha.stream")

    def run(failures):
        book = Book(list(failures))
        stream = Stream("ZE-1", book, lambda *_: None, None)
        stream.start(None)
        eventually(lambda: book.looked > len(failures))
        stream.close()
        return [each.getMessage() for each in caplog.records]

    return run


def test_a_broker_that_is_away_all_night_is_told_once(follow):
    night = [BrokerUnavailable("away")] * 20
    logged = follow([*night, BrokerUnavailable("back, and slow"), BrokerUnavailable("away")])
    assert [each.rpartition(": ")[2] for each in logged] == ["away", "back, and slow", "away"]


def test_what_nobody_foresaw_is_told_once_with_where_it_came_from_and_ends_nothing(follow, caplog):
    assert len(follow([ValueError("?")] * 5)) == 1
    assert caplog.records[0].levelno == logging.ERROR
    assert caplog.records[0].exc_info is not None
