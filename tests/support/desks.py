"""A desk of execution for tests, and orders for it as Cerebro leaves them."""

from __future__ import annotations

import time
from decimal import Decimal

from services.common.budget import Budget
from services.common.clock import utc_now
from services.common.leases import Lease
from services.common.orders import order_document
from services.common.store import to_document
from services.domain.orders import TERMINAL, Reservation
from services.execution.bookkeeper import Bookkeeper
from services.execution.counter import Counter
from services.execution.desk import Desk, Pace
from services.execution.store import ExecutionStore
from services.execution.throttle import Throttle
from tests.support.rows import SilentPublisher


def make_desk(
    store,
    broker,
    *,
    ttl_seconds=5.0,
    proof_seconds=0.3,
    books_seconds=60.0,
    most_repeated=60,
    publisher=None,
):
    """Not started. It looks at orders without an outcome ten times a second."""
    account_id = broker.account_id
    counter = Counter(
        account_id=account_id,
        broker=broker,
        store=store,
        queries=ExecutionStore(store),
        books=Bookkeeper(account_id, store, publisher or SilentPublisher()),
        lease=Lease(store, f"account|{account_id}", ttl_seconds=ttl_seconds),
        budget=Budget(broker.capabilities, time.monotonic),
    )
    return Desk(counter, Pace(0.1, proof_seconds, books_seconds), Throttle(most_repeated, 60))


def wait_for(condition, seconds=15):
    """Until it holds; a test fails where it does not come."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)
    return found


def add_order(store, order, status="PENDING", sibling_count=1, **fields):
    """An order with its reservation and its signal, as Cerebro saves them; its id."""
    now = utc_now()
    exits = order.intent.reduces_risk
    held = Reservation(
        client_order_id=order.client_order_id,
        account_id=order.account_id,
        strategy_id=order.strategy_id,
        instrument_key=order.instrument.key,
        capital=Decimal(0) if exits else Decimal(2550),
        closing_quantity=order.quantity if exits else Decimal(0),
        quantity=order.quantity,
    )
    life = {"status": "DECIDED", "stages": {"received_at": now}}
    store["signal_store"].update_one({"_id": order.signal_id}, {"$setOnInsert": life}, upsert=True)
    store["reservations"].insert_one({"_id": order.client_order_id, **to_document(held)})
    row = order_document(order, at=now, sibling_count=sibling_count)
    sent = {} if status == "PENDING" else {"sent": True}
    store["orders"].insert_one(row | {"status": status} | sent | fields)
    return order.client_order_id


def stored(store, order_id):
    """An order's row."""
    return store["orders"].find_one({"_id": order_id})


def settle(desk, store, *order_ids, seconds=15):
    """Ring for orders and wait until all of them have ended; their rows."""
    desk.wake(order_ids)

    def ended():
        rows = [stored(store, each) for each in order_ids]
        return rows if all(row["status"] in TERMINAL for row in rows) else None

    return wait_for(ended, seconds)


def books(store):
    """Quantity and P&L of the one position, and how much is still reserved."""
    (position,) = store["positions"].find()
    return position["quantity"], position["realized_pnl"], store["reservations"].count_documents({})
