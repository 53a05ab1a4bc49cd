"""Books are closed in order: what is being booked is finished, and nothing is begun after."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.common.failpoints import FailPoint
from services.common.incidents import raise_incident
from services.common.leases import Lease
from services.domain.errors import TransientError
from services.domain.words import OrderRole, OrderStatus, OrderType
from services.execution import posting
from services.execution.bookkeeper import Bookkeeper, local
from services.execution.posting import Posting
from tests.fakes.account import AccountBroker
from tests.support.builders import make_order
from tests.support.desks import add_order, make_desk, stored, wait_for
from tests.support.rows import SilentPublisher, allow_trading

pytestmark = pytest.mark.servers


@pytest.fixture
def lease(store):
    held = Lease(store, "account|A", ttl_seconds=5)
    assert held.try_acquire()
    yield held
    held.stop()


def test_closing_waits_for_what_is_being_booked_and_lets_nothing_begin(store, lease):
    books = Bookkeeper("A", store, SilentPublisher())
    begun, go_on, booked = threading.Event(), threading.Event(), []

    def work(session):
        store["checkpoints"].insert_one({"_id": "booked"}, session=session)
        begun.set()
        assert go_on.wait(10)
        return "booked"

    hand = threading.Thread(target=lambda: booked.append(books.transact(lease, work)))
    hand.start()
    assert begun.wait(10)
    closing = threading.Thread(target=books.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    go_on.set()
    for thread in (hand, closing):
        thread.join(10)
    assert booked == ["booked"]
    assert store["checkpoints"].find_one({"_id": "booked"})
    with pytest.raises(TransientError, match="A is closed here"):
        books.transact(lease, work)


def test_a_report_that_brings_the_brokers_number_of_a_refused_order_is_no_repeat(store, lease):
    order = make_order(account_id="A")
    add_order(store, order, status="SUBMITTING")
    books = Bookkeeper("A", store, SilentPublisher())
    refusal = local(order, OrderStatus.REJECTED, "NO_MONEY: 1 is missing")
    books.book([(stored(store, order.client_order_id), refusal)], lease)
    told = refusal.model_copy(update={"broker_order_id": "B-1"})
    assert books.knows(refusal)
    assert not books.knows(told)
    books.book([(stored(store, order.client_order_id), told)], lease)
    assert stored(store, order.client_order_id)["broker_order_id"] == "B-1"
    assert books.knows(told)


def test_with_its_outcome_booked_nobody_is_asked_of_an_order_whatever_dies_then(store, lease):
    order = make_order(account_id="A")
    name = add_order(store, order, status="UNKNOWN")  # a reconnect has forgotten since when
    raise_incident(store, kind="ORDER_UNKNOWN", key=name, sentence="it was not answered")
    known = local(order, OrderStatus.SUBMITTED, "")
    Posting(store).book([(stored(store, name), known)], epoch=lease.epoch, session=lease.session)
    assert store["incidents"].find_one({"key": name})["status"] == "CLEARED"


def test_a_fill_that_was_booked_without_an_answer_is_guarded_all_the_same(store, monkeypatch):
    allow_trading(store)
    broker = AccountBroker("A")
    desk = make_desk(store, broker)
    desk.start()
    try:
        wait_for(desk._is_open)
        terms = {"order_type": OrderType.LIMIT, "limit_price": Decimal(150)}
        order = make_order(account_id="A", stop_loss=Decimal(140), **terms)
        name = add_order(store, order)
        desk.wake([name])
        wait_for(lambda: stored(store, name)["status"] == OrderStatus.SUBMITTED)
        wait_for(lambda: name in desk._tending._places and not desk._tending._due)
        transaction, here = store.transaction, threading.get_ident()

        def unanswered(work, *, session=None):
            done = transaction(work, session=session)
            if threading.get_ident() == here:
                raise TransientError("the database went away")
            return done

        with desk._counter.books._turns:  # the worker's own look must not come between
            report = broker.fill(name)
            monkeypatch.setattr(store, "transaction", unanswered)
            with pytest.raises(TransientError):
                desk._reports.take(report, "1")
            monkeypatch.undo()
        desk._reports.take(report, "1")
        assert stored(store, name)["status"] == OrderStatus.FILLED
        guard = {"order.parent_order_id": name, "order.role": OrderRole.STOP_LOSS}
        wait_for(lambda: store["orders"].find_one(guard))
    finally:
        desk.stop()


def test_orders_of_a_signal_that_end_at_once_in_two_accounts_end_it(store, lease, monkeypatch):
    other_lease = Lease(store, "account|B", ttl_seconds=5)
    assert other_lease.try_acquire()
    orders = [make_order(account_id=account_id) for account_id in ("A", "B")]
    for order in orders:
        add_order(store, order, status="SUBMITTED", sibling_count=2)
    known = {"status": "WORKING", "stages.submitted_at": utc_now() - timedelta(minutes=1)}
    store["signal_store"].update_one({"_id": orders[0].signal_id}, {"$set": known})

    def end(order, held):
        books = Bookkeeper(order.account_id, store, SilentPublisher())
        canceled = local(order, OrderStatus.CANCELED, "as asked")
        books.book([(stored(store, order.client_order_id), canceled)], held)

    second = threading.Thread(target=end, args=(orders[1], other_lease))

    def meanwhile(point):
        """All of the first is written and not committed: the second begins, and would end."""
        if point is FailPoint.BEFORE_BOOKING and second.ident is None:
            second.start()
            second.join(1)

    monkeypatch.setattr(posting, "failpoint", meanwhile)
    end(orders[0], lease)
    second.join(10)
    other_lease.stop()
    assert store["signal_store"].find_one({"_id": orders[0].signal_id})["status"] == "CANCELED"
