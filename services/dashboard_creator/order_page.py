"""The page of one order: its life, what the broker said of it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from services.dashboard_creator.list_models import FillRow, OrderLine
from services.dashboard_creator.list_rows import doing
from services.dashboard_creator.models import Amount, OrderEvent, OrderView, View
from services.dashboard_creator.scrub import scrubbed
from services.dashboard_creator.words import milliseconds
from services.domain.values import Instant

Document = Mapping[str, Any]


class BrokerMessage(View):
    """What a broker said of an order, in its own words, as far as that is kept."""

    status: str
    text: str
    occurred_at: Instant
    recorded_at: Instant


class Change(View):
    """A change of a working order that was asked for and is not settled."""

    quantity: Amount | None = None
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    at: Instant | None = None
    by: str = ""


class OrderPage(OrderView):
    """Everything of one order.

    Attributes:
        doing: of one without a known outcome, what is being done about it.
        broker_messages: of the event list, what has words of the broker.
        sent_at: when it left; null while it has not.
        sent_ms: from its making until then.
        as_decided: terms that a change replaced; empty where there was none.
        children: orders that were made for it: guards, slices.
    """

    doing: str = ""
    fills: tuple[FillRow, ...] = ()
    broker_messages: tuple[BrokerMessage, ...] = ()
    sent_at: Instant | None = None
    sent_ms: float | None = None
    cancel_requested_at: Instant | None = None
    cancel_reason: str = ""
    change: Change | None = None
    as_decided: dict[str, str] = Field(default_factory=dict)
    children: tuple[OrderLine, ...] = ()
    resend_count: int = 0


def order_page(
    document: Document,
    order: OrderView,
    *,
    fills: Sequence[FillRow],
    children: Sequence[OrderLine],
) -> OrderPage:
    """A stored order with what belongs to it; the broker's words without secrets."""
    asked = document.get("modify_requested") or {}
    change = Change.model_validate({**(asked.get("terms") or {}), **asked}) if asked else None
    events = [
        event.model_copy(update={"text": scrubbed(event.text)})
        for event in sorted(order.events, key=lambda event: event.recorded_at)
    ]
    return OrderPage.model_validate(
        {
            **order.model_dump(),
            "text": scrubbed(order.text),
            "events": events,
            "doing": doing(document),
            "fills": fills,
            "broker_messages": [_message(event) for event in events if event.text],
            "sent_at": document.get("sent_at"),
            "sent_ms": milliseconds(document["created_at"], document.get("sent_at")),
            "cancel_requested_at": document.get("cancel_requested_at"),
            "cancel_reason": document.get("cancel_reason") or "",
            "change": change,
            "as_decided": {
                name: f"{value}" for name, value in (document.get("as_decided") or {}).items()
            },
            "children": children,
            "resend_count": document.get("resend_count", 0),
        }
    )


def _message(event: OrderEvent) -> BrokerMessage:
    return BrokerMessage(
        status=event.status,
        text=event.text,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
    )
