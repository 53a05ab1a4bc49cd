"""Entries and what builds on them, decided by Cerebro and answered by a broker's reports."""

import itertools
from datetime import timedelta
from decimal import Decimal

from services.common.clock import utc_now
from services.common.store import from_document, to_document
from services.domain.errors import PartlyDone
from services.domain.intake import take_in
from services.domain.orders import Execution, Order, OrderReport
from services.domain.words import OrderStatus
from services.execution.posting import Posting
from tests.support.rows import STRATEGY, add_signal, envelope, exit_fields

FILLED, CANCELED = OrderStatus.FILLED, OrderStatus.CANCELED
_numbers = itertools.count()


def waits(cerebro, *names):
    """Which of these signals wait after they were looked at."""
    try:
        cerebro.on_signals([{"signal_id": name} for name in names])
    except PartlyDone as error:
        return [names[place] for place in sorted(error.waiting)]
    return []


def orders_of(store, signal_id):
    return list(store["orders"].find({"signal_id": signal_id}))


def report(store, signal_id, status, quantity=None):
    """Have the broker of the one order of a signal say this; a quantity is what filled."""
    (stored,) = orders_of(store, signal_id)
    order = from_document(Order, stored["order"])
    quantity = order.quantity if quantity is None and status is FILLED else quantity
    executions = ()
    if quantity:
        fill = Execution(
            execution_id=f"X{next(_numbers)}",
            client_order_id=order.client_order_id,
            instrument=order.instrument,
            side=order.side,
            quantity=Decimal(quantity),
            price=Decimal(150),
            occurred_at=utc_now(),
        )
        executions = (fill,)
    said = OrderReport(
        client_order_id=order.client_order_id,
        status=status,
        executions=executions,
        occurred_at=utc_now(),
    )
    Posting(store).book([(stored, said)], epoch=1)


def entered(store, cerebro, name, quantity=10, **changes):
    """An entry that is decided and filled."""
    leg = {"quantity": quantity} | changes.pop("leg", {})
    add_signal(store, name, leg=leg, **changes)
    assert waits(cerebro, name) == []
    report(store, name, FILLED)


def leave(store, name, quantity=None, **changes):
    """A standardised exit: SELL `quantity`, or all."""
    fields = exit_fields()
    fields["leg"] = {**fields["leg"], "quantity": quantity, **changes.pop("leg", {})}
    add_signal(store, name, **(fields | changes))


def life(store, name):
    return store["signal_store"].find_one({"_id": name})


def answer(store, name):
    found = life(store, name)
    return found["status"], found["decision"]["outcome"], found["decision"]["code"]


def quantities(store, name):
    return [row["order"]["quantity"] for row in orders_of(store, name)]


def open_quantity(store):
    return sum(row["quantity"] for row in store["positions"].find({"strategy_id": STRATEGY}))


def grow_old(store, name, seconds):
    """As if the signal had come that much earlier."""
    found = life(store, name)
    moment = found["received_at"] - timedelta(seconds=seconds)
    times = dict.fromkeys(("received_at", "signal.received_at", "waiting_since"), moment)
    store["signal_store"].update_one({"_id": name}, {"$set": times})


def reverse(store, name="r"):
    """A sender long 10 turns short 4: stored as ingestion stores it; ids of exit and entry."""
    sent = envelope(
        name,
        prev_market_position="long",
        prev_market_position_size=10,
        market_position="short",
        market_position_size=4,
        leg={"action": "SELL", "direction": None},
    )
    del sent["signal_type"]
    taken = take_in(sent, strategy_id=STRATEGY, received_at=utc_now())
    for signal in taken.signals:
        store["signal_store"].insert_one(
            {
                "_id": signal.signal_id,
                "signal_id": signal.signal_id,
                "strategy_id": STRATEGY,
                "status": "STANDARDIZED",
                "undecided": True,
                "intent": signal.intent,
                "signal": to_document(signal),
                "received_at": signal.received_at,
                "stages": {},
            }
        )
    return [signal.signal_id for signal in taken.signals]
