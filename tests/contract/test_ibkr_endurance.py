"""The IBKR adapter over days: nothing dies in silence, nothing piles up, nothing is said again."""

import asyncio
import logging
import os
import threading
import time

import pytest

from brokers.errors import BrokerUnavailable, OrderRejected, OrderStateUnknown
from brokers.ibkr.book import Book
from brokers.ibkr.changing import Changing
from brokers.ibkr.reports import reports_of
from brokers.ibkr.tracks import Track
from services.domain.orders import OrderTerms
from services.domain.words import OrderStatus, TimeInForce
from tests.contract.ibkr_support import link, say
from tests.support.broker_orders import collect, eventually, held, limit, order, status_of, until

pytestmark = pytest.mark.servers
S = OrderStatus
RESTING = limit(1, "149")


def lines(caplog, level=logging.INFO):
    return [each.getMessage() for each in caplog.records if each.levelno >= level]


async def _tasks():
    return len(asyncio.all_tasks())


def test_a_link_that_is_lost_again_and_again_leaves_no_thread_task_or_socket(bench, broker):
    arrived = collect(broker)
    broker.place_order(RESTING)

    def again():
        link(bench, "RST")
        eventually(lambda: not broker.is_connected())
        eventually(broker.is_connected)

    def counted():
        tasks = broker._thread.run(_tasks(), timeout=10)
        return threading.active_count(), tasks, len(os.listdir("/proc/self/fd"))

    again()
    first = counted()
    for _ in range(25):
        again()
    eventually(counted, lambda found: all(a <= b for a, b in zip(found, first, strict=True)))
    assert broker.cancel_order(RESTING).status is S.CANCELED
    assert until(arrived, lambda report: report.status is S.CANCELED)


def test_a_gateway_that_is_away_for_long_is_said_once(bench, broker, caplog, monkeypatch):
    monkeypatch.setattr("brokers.ibkr.session._BACK_OFF_SECONDS", (0.01, 0.02))
    with caplog.at_level(logging.INFO, "brokers.ibkr"):
        bench.kill()
        eventually(lambda: not broker.is_connected())
        for _ in range(30):
            with pytest.raises(BrokerUnavailable):
                broker.open_orders()
            time.sleep(0.02)
        said = lines(caplog)
        bench.start()
        eventually(broker.is_connected)
    assert len(said) <= 3, said
    assert sum("again and again" in each for each in said) <= 2


def test_one_order_that_cannot_be_told_does_not_end_the_stream(bench, broker, monkeypatch, caplog):
    broken = limit(2, "148")

    def made(track, *rest):
        if track.ref == broken.client_order_id:
            raise ValueError("nobody has thought of that")
        return reports_of(track, *rest)

    monkeypatch.setattr("brokers.ibkr.streams.reports_of", made)
    arrived = collect(broker)
    broker.place_order(broken)
    eventually(lambda: lines(caplog, logging.ERROR))
    broker.place_order(order(3))
    assert until(arrived, lambda each: each.status is S.FILLED).client_order_id == (
        order(3).client_order_id
    )
    assert len(lines(caplog, logging.ERROR)) == 1
    monkeypatch.undo()
    assert until(arrived, lambda each: each.client_order_id == broken.client_order_id)


def test_whatever_goes_wrong_on_connecting_it_is_tried_again(bench, broker, monkeypatch):
    def broken(*_arguments):
        raise ValueError("nobody has thought of that")

    monkeypatch.setattr(Book, "end_look", broken)
    link(bench, "RST")
    eventually(lambda: not broker.is_connected())
    with pytest.raises(BrokerUnavailable, match="nobody has thought of that"):
        broker.open_orders()
    monkeypatch.undo()
    eventually(broker.is_connected)


def test_a_heartbeat_that_dies_ends_the_link_and_the_next_one_has_its_own(
    bench, monkeypatch, caplog
):
    monkeypatch.setattr("brokers.ibkr.session._HEARTBEAT_SECONDS", 0.1)
    broker = bench.connected()
    fine = broker._made.session.line.server_time

    async def broken(_patience):
        monkeypatch.setattr(broker._made.session.line, "server_time", fine)
        raise ValueError("nobody has thought of that")

    monkeypatch.setattr(broker._made.session.line, "server_time", broken)
    eventually(lambda: any("is lost" in each for each in lines(caplog)))
    assert eventually(broker.is_connected)


def test_a_change_of_what_ib_has_no_more_is_not_sent(bench, broker, monkeypatch):
    broker.place_order(RESTING)
    made = Changing._changed

    async def late(self, *arguments):
        wanted = await made(self, *arguments)
        await asyncio.to_thread(bench.call, "POST", "/v1/start-over")  # nothing is known of it
        await asyncio.to_thread(link, bench, "RST")
        while self._session.is_up:
            await asyncio.sleep(0.01)
        return wanted

    monkeypatch.setattr(Changing, "_changed", late)
    with pytest.raises(OrderRejected, match="has ended meanwhile"):
        broker.modify_order(RESTING, OrderTerms(quantity=7, limit_price=148))
    assert list(broker.open_orders()) == []
    assert held(broker) == {}


def test_what_was_not_taken_and_is_shown_all_the_same_may_have_been_taken(
    bench, broker, monkeypatch
):
    take = Track.take_word

    def slow_gateway(self, word, **how):
        working = word in {"PreSubmitted", "Submitted"}
        take(self, "PendingSubmit" if working else word, **how)

    monkeypatch.setattr(Track, "take_word", slow_gateway)
    caught = []

    def place():
        with pytest.raises(OrderStateUnknown, match="100") as error:
            broker.place_order(RESTING)
        caught.append(error)

    thread = threading.Thread(target=place)
    thread.start()
    eventually(broker.open_orders)
    say(bench, 100, RESTING)
    thread.join(timeout=20)
    assert len(caught) == 1
    monkeypatch.undo()
    assert status_of(broker, RESTING) is S.SUBMITTED


def test_an_order_that_filled_in_part_before_midnight_is_canceled_as_any_other(bench, broker):
    bench.make_thin("4")
    sent = limit(5, "150", time_in_force=TimeInForce.GTC)
    assert broker.place_order(sent).filled_quantity == 4
    bench.call("POST", "/v1/tws/midnight")
    after = bench.reopened(broker)
    found = after.find_order(sent.client_order_id)
    assert (found.status, found.filled_quantity, found.executions) == (S.PARTIALLY_FILLED, 4, ())
    report = after.cancel_order(sent)
    assert (report.status, report.filled_quantity) == (S.CANCELED, 4)


def test_figures_that_did_not_come_in_time_are_not_told_for_ever(bench):
    broker = bench.connected(timeout_seconds=0.5)
    bench.call("PUT", "/v1/tws/delay", {"seconds": 0.8})
    with pytest.raises(BrokerUnavailable):
        broker.account_state()
    bench.call("PUT", "/v1/tws/delay", {"seconds": 0})
    assert broker.account_state().cash > 0
    assert bench.call("GET", "/v1/tws/clients")["subscriptions"] == 0


def _cut(bench, broker):
    for action in ("RST", "FIN", "RST"):
        link(bench, action)
        time.sleep(0.15)


def _close(bench, broker):
    broker.close()


def _restart(bench, broker):
    bench.kill()
    bench.start()


@pytest.mark.parametrize("happens", [_cut, _close, _restart])
def test_what_calls_under_way_say_is_so_whatever_ends_the_link(bench, broker, happens):
    sent = [limit(number, "140", quantity="1") for number in range(48)]
    said = {}

    def place(mine):
        for one in mine:
            try:
                broker.place_order(one)
                said[one.client_order_id] = "taken"
            except (BrokerUnavailable, OrderStateUnknown) as error:
                said[one.client_order_id] = type(error).__name__

    threads = [threading.Thread(target=place, args=(sent[each::6],)) for each in range(6)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(said) > 5)
    happens(bench, broker)
    for thread in threads:
        thread.join(timeout=60)
    assert len(said) == len(sent)
    found = {each.report.client_order_id for each in bench.reopened(broker).open_orders()}
    assert {each for each, word in said.items() if word == "taken"} <= found
    assert not found & {each for each, word in said.items() if word == "BrokerUnavailable"}
