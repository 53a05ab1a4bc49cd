"""HTTP of orders for people: cancel, change, and decide on one without a known outcome."""

from __future__ import annotations

from decimal import Decimal

from fastapi import FastAPI

from services.common.idempotency import IdempotencyKey, Repeatable, once
from services.common.order_requests import (
    Change,
    Resolution,
    request_cancel,
    request_modify,
    resolve,
)
from services.common.problems import Refusal
from services.common.store import Document, Store, from_document
from services.dashboard_creator.acting import ACTS, Reason, Trader, refused_as, signed
from services.dashboard_creator.models import Amount
from services.domain.orders import Order
from services.domain.signals import plain
from services.domain.values import Frozen, Positive
from services.domain.words import Side


class CancelOrder(Frozen):
    """Why an order is to be canceled."""

    reason: Reason


class ModifyOrder(Frozen):
    """Other terms of an order that works at the broker; what is not sent stays.

    Attributes:
        quantity: only smaller: more would be a new decision.
    """

    quantity: Positive | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: Reason


class OrderSeen(Frozen):
    """What a person repeats of an order before it is decided on."""

    side: Side
    quantity: Positive


class ResolveOrder(Frozen):
    """What a person has seen at the broker of an order that is UNKNOWN, or missing there.

    Attributes:
        decision: RESEND: the broker does not have it and it is sent again, which doubles it if
            that is wrong; ABSENT: the broker does not have it, and it is given up.
    """

    decision: Resolution
    confirm: OrderSeen
    reason: Reason


class OrderAsked(Frozen):
    """What was asked for; execution carries it out within a second."""

    client_order_id: str
    sentence: str


class OrderTermsAsked(OrderAsked):
    """The terms that an order is to have."""

    quantity: Amount
    limit_price: Amount | None = None
    stop_price: Amount | None = None


def add_order_acts(app: FastAPI, store: Store) -> None:
    """Write on the row of an order what a person wants, where its account's desk finds it."""

    @app.post("/api/v1/orders/{order_id}/cancel", status_code=202, responses=ACTS, tags=["acts"])
    def cancel_order(
        order_id: str, asked: CancelOrder, caller: Trader, idempotency_key: IdempotencyKey = None
    ) -> OrderAsked:
        """Have an order canceled, in every state of the kill switch; 409 where it has ended."""

        def act() -> OrderAsked:
            _existing(store, order_id)
            with refused_as("ORDER_NOT_CANCELABLE"):
                sentence = request_cancel(store, order_id, signed(caller, asked.reason))
            return OrderAsked(client_order_id=order_id, sentence=sentence)

        def recall(line: Document) -> OrderAsked:
            sentence = f"{order_id} ({line['facts']['status']}) is to be canceled"
            return OrderAsked(client_order_id=order_id, sentence=sentence)

        request = Repeatable(caller.name, idempotency_key, f"cancel {order_id}", asked)
        return once(store, request, OrderAsked, act, recall)

    @app.post("/api/v1/orders/{order_id}/modify", status_code=202, responses=ACTS, tags=["acts"])
    def modify_order(
        order_id: str, asked: ModifyOrder, caller: Trader, idempotency_key: IdempotencyKey = None
    ) -> OrderTermsAsked:
        """Have a smaller quantity or other prices of an order that works at the broker."""

        def act() -> OrderTermsAsked:
            _existing(store, order_id)
            numbers = (asked.quantity, asked.limit_price, asked.stop_price)
            change = Change(*(None if each is None else f"{each:f}" for each in numbers))
            with refused_as("ORDER_NOT_CHANGEABLE"):
                terms = request_modify(store, order_id, change, signed(caller, asked.reason))
            return _terms_asked(order_id, terms.model_dump())

        def recall(line: Document) -> OrderTermsAsked:
            return _terms_asked(order_id, line["facts"]["terms"])

        request = Repeatable(caller.name, idempotency_key, f"modify {order_id}", asked)
        return once(store, request, OrderTermsAsked, act, recall)

    @app.post("/api/v1/orders/{order_id}/resolve", status_code=202, responses=ACTS, tags=["acts"])
    def resolve_order(
        order_id: str, asked: ResolveOrder, caller: Trader, idempotency_key: IdempotencyKey = None
    ) -> OrderAsked:
        """Decide on an order without a known outcome, by what the broker's own screen shows."""

        def act() -> OrderAsked:
            _check_seen(_existing(store, order_id), asked.confirm)
            with refused_as("ORDER_NOT_RESOLVABLE"):
                sentence = resolve(store, order_id, asked.decision, signed(caller, asked.reason))
            return OrderAsked(client_order_id=order_id, sentence=sentence)

        def recall(line: Document) -> OrderAsked:
            sentence = f"{order_id}: {asked.decision}, by {line['by']}: {line['facts']['reason']}"
            return OrderAsked(client_order_id=order_id, sentence=sentence)

        request = Repeatable(caller.name, idempotency_key, f"resolve {order_id}", asked)
        return once(store, request, OrderAsked, act, recall)


def _terms_asked(order_id: str, terms: Document) -> OrderTermsAsked:
    sentence = f"{order_id} is to have other terms"
    return OrderTermsAsked(client_order_id=order_id, sentence=sentence, **terms)


def _existing(store: Store, order_id: str) -> Order:
    """Raises: Refusal (404)."""
    found = store["orders"].find_one({"_id": order_id}, {"order": 1})
    if found is None:
        raise Refusal(404, "UNKNOWN_ORDER", f"there is no order {order_id!r}")
    return from_document(Order, found["order"])


def _check_seen(order: Order, seen: OrderSeen) -> None:
    if (order.side, order.quantity) != (seen.side, seen.quantity):
        sentence = (
            f"the order is {order.side} {plain(order.quantity)} {order.instrument.symbol}, not "
            f"{seen.side} {plain(seen.quantity)}: look at it again"
        )
        raise Refusal(409, "FIGURES_CHANGED", sentence, field="confirm")
