"""A signal that is split over two accounts, and ends in both of them at the same moment."""

from __future__ import annotations

from datetime import timedelta

from services.common.leases import Lease
from services.common.orders import order_document
from services.common.store import Store
from services.domain.errors import TransientError
from services.domain.words import OrderStatus
from services.execution.bookkeeper import local
from services.execution.posting import Posting
from tests.simulation.clock import VirtualClock
from tests.simulation.store import Memory
from tests.support.builders import make_order

ACCOUNTS = ("A", "B")


def test_a_signal_that_ends_in_both_accounts_at_once_has_ended():
    clock, crossing = VirtualClock(), []

    def touch(kind, _name):
        if kind == "commit" and crossing:
            crossing.pop()()

    with clock.rules():
        store = Store(Memory(clock, touch), "two")
        before = clock.now() - timedelta(seconds=9)
        stages = {"submitted_at": before}
        store["signal_store"].insert_one({"_id": "sig_1", "status": "WORKING", "stages": stages})
        books = {}
        for account_id in ACCOUNTS:
            order = make_order(signal_id="sig_1").model_copy(
                update={"account_id": account_id, "client_order_id": f"order {account_id}"}
            )
            row = order_document(order, at=before) | {"status": OrderStatus.SUBMITTED}
            store["orders"].insert_one(row | {"sibling_count": 2})
            lease = Lease(store, f"account|{account_id}", ttl_seconds=1e6)
            assert lease.try_acquire()
            books[account_id] = order, lease

        def end(account_id):
            order, lease = books[account_id]
            row = store["orders"].find_one({"_id": order.client_order_id})
            report = local(order, OrderStatus.CANCELED, "canceled")
            Posting(store).book([(row, report)], epoch=lease.epoch, session=lease.session)

        again = []

        def cross():
            try:
                end("B")
            except TransientError:  # the row of their signal is A's now: it comes again
                again.append("B")

        crossing.append(cross)  # between what A has read and its commit
        end("A")
        assert not crossing
        for account_id in again:
            end(account_id)
        assert store["signal_store"].find_one({"_id": "sig_1"})["status"] == "CANCELED"
