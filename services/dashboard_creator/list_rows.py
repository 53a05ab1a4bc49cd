"""From stored rows to the rows of lists. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from services.dashboard_creator.list_models import DecisionRow, FillRow, OrderLine, SignalRow
from services.dashboard_creator.words import legs_in_words, milliseconds
from services.domain.words import OrderStatus

Document = Mapping[str, Any]
_DOING = "its outcome is not known: the broker is asked for it by its id, and it is not sent again"
_ABSENT = "the broker has not shown it since {}: it is asked until that proves it never arrived"


def signal_row(document: Document, fills: Iterable[Document]) -> SignalRow:
    """A signal as a line; `fills` are its own."""
    signal, decision = document.get("signal") or {}, document.get("decision") or {}
    stages = document.get("stages") or {}
    arrived = document["received_at"]
    legs = signal.get("legs") or []
    currencies = {(leg.get("instrument") or {}).get("currency", "USD") for leg in legs}
    currency = currencies.pop() if len(currencies) == 1 else None
    gains = [fill["realized_pnl"] for fill in fills]
    known = bool(gains) and currency is not None
    return SignalRow(
        signal_id=document["signal_id"],
        strategy_id=document["strategy_id"],
        external_id=document.get("external_id"),
        intent=intent_of(document),
        environment=signal.get("environment"),
        legs=legs_in_words(legs),
        status=document["status"],
        outcome=decision.get("outcome"),
        code=decision.get("code") or (document.get("quarantine") or {}).get("code", ""),
        received_at=arrived,
        decided_ms=milliseconds(arrived, stages.get("decided_at")),
        submitted_ms=milliseconds(arrived, stages.get("submitted_at")),
        filled_ms=milliseconds(arrived, stages.get("first_fill_at")),
        realized_pnl=sum(gains, Decimal(0)) if known else None,
        currency=currency,
    )


def decision_row(document: Document) -> DecisionRow:
    """A decided signal as a line of the list of decisions."""
    decision = document["decision"]
    return DecisionRow(
        signal_id=document["signal_id"],
        strategy_id=document["strategy_id"],
        intent=intent_of(document),
        legs=legs_in_words((document.get("signal") or {}).get("legs") or []),
        outcome=decision["outcome"],
        code=decision.get("code", ""),
        reason=decision.get("reason", ""),
        received_at=document["received_at"],
        decided_at=decision["decided_at"],
        decided_ms=milliseconds(document["received_at"], decision["decided_at"]),
    )


def order_line(document: Document) -> OrderLine:
    """An order as a line."""
    quantity = document["order"]["quantity"]
    return OrderLine.model_validate(
        {
            **document["order"],
            **document,
            "working": document.get("working", False),
            "leaves_quantity": quantity - document["filled_quantity"],
            "doing": doing(document),
        }
    )


def fill_row(document: Document, instrument: Document | None) -> FillRow:
    """An execution as a line."""
    return FillRow.model_validate({**document, "instrument": instrument})


def doing(document: Document) -> str:
    """What is being done about an order whose outcome nobody knows."""
    if document["status"] != OrderStatus.UNKNOWN:
        return ""
    since = document.get("absent_since")
    return _ABSENT.format(f"{since:%H:%M:%S} UTC") if since else _DOING


def intent_of(document: Document) -> str | None:
    """What a signal was taken to mean: said, or inferred by Cerebro."""
    said: str | None = (document.get("signal") or {}).get("intent")
    return said or document.get("intent") or (document.get("decision") or {}).get("intent")


def trades_in(document: Document, symbol: str) -> bool:
    """Whether a leg of a signal is of this symbol."""
    legs = (document.get("signal") or {}).get("legs") or []
    return any((leg.get("instrument") or {}).get("symbol") == symbol for leg in legs)


def is_decided_in(document: Document, account_id: str) -> bool:
    """Whether a signal was decided for this account."""
    steps = (document.get("decision") or {}).get("steps") or []
    return any(step.get("account_id") == account_id for step in steps)
