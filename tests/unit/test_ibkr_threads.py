"""The IBKR adapter's threads: none waits for nothing, none fills the log or the memory."""

import asyncio
import logging
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.errors import BrokerUnavailable
from brokers.ibkr.loop import LoopClosed, LoopThread
from brokers.ibkr.streams import Reader
from brokers.ibkr.tracks import Track
from services.domain.errors import TransientError
from services.domain.orders import OrderReport
from services.domain.words import OrderStatus
from tests.support.broker_orders import eventually

AT = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


def report(number=1):
    return OrderReport(
        client_order_id=f"MT{number:018d}",
        status=OrderStatus.SUBMITTED,
        filled_quantity=Decimal(0),
        occurred_at=AT,
    )


@pytest.fixture
def reading(monkeypatch):
    """Starts readers whose handler may fail; they are stopped."""
    monkeypatch.setattr("brokers.ibkr.streams._PAUSE_SECONDS", 0.01)
    made = []

    def start(handler):
        made.append(Reader("reports-X", handler))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()


@pytest.mark.parametrize("error", [TransientError("not open"), BrokerUnavailable("not open")])
def test_a_desk_that_is_closed_is_said_once_and_is_no_error(reading, caplog, error):
    calls = []

    def handler(told, _cursor):
        calls.append(told)
        if len(calls) < 5:
            raise error

    with caplog.at_level(logging.INFO, "brokers.ibkr"):
        reading(handler).tell(Track(changed_at=AT), report())
        eventually(lambda: len(calls) == 5)
    assert [(each.levelname, each.exc_info) for each in caplog.records] == [("INFO", None)]


def test_a_handler_that_is_broken_is_said_once_with_where(reading, caplog):
    calls = []

    def handler(told, _cursor):
        calls.append(told)
        if len(calls) < 5:
            raise ValueError("broken")

    with caplog.at_level(logging.INFO, "brokers.ibkr"):
        reading(handler).tell(Track(changed_at=AT), report())
        eventually(lambda: len(calls) == 5)
    (record,) = caplog.records
    assert (record.levelname, record.exc_info[0]) == ("ERROR", ValueError)


def test_what_was_told_of_orders_that_are_forgotten_is_forgotten():
    reader = Reader("reports-X", lambda *_told: None)
    kept = Track(changed_at=AT)
    reader.tell(kept, report(0))
    for number in range(1, 200):
        reader.tell(Track(changed_at=AT), report(number))
    assert len(reader._told) == 1
    assert reader._queue.qsize() == 200
    reader.tell(kept, report(0))
    assert reader._queue.qsize() == 200


def test_what_is_asked_while_the_thread_ends_is_answered_at_once(monkeypatch):
    loop_thread = LoopThread("ibkr-X")
    stopping = threading.Event()

    async def slow_to_end():
        try:
            stopping.set()
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(1)

    def run_slow():
        with pytest.raises(LoopClosed):
            loop_thread.run(slow_to_end(), timeout=30)

    slow = threading.Thread(target=run_slow)
    slow.start()
    assert stopping.wait(10)
    submit = asyncio.run_coroutine_threadsafe
    stopper = threading.Thread(target=loop_thread.stop)

    def submit_late(work, loop):
        stopper.start()
        time.sleep(0.3)
        return submit(work, loop)

    monkeypatch.setattr("brokers.ibkr.loop.asyncio.run_coroutine_threadsafe", submit_late)
    with pytest.raises(LoopClosed):
        loop_thread.run(asyncio.sleep(60), timeout=5)
    stopper.join(timeout=10)
    slow.join(timeout=10)
    assert not stopper.is_alive()
    assert not slow.is_alive()
