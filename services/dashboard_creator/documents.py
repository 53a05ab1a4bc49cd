"""From stored documents to the models of the pages: names and shapes only, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.dashboard_creator.models import (
    FillView,
    OrderView,
    PathView,
    PositionView,
    QuarantinedSignal,
    SignalPage,
    SignalRecord,
    SignalSummary,
)
from services.dashboard_creator.pages import DeadLetter, Incident
from services.dashboard_creator.road import headline, road
from services.domain.books import Position
from services.domain.incidents import CLOSED_BY_PERSONS

Document = Mapping[str, Any]


def order_view(document: Document) -> OrderView:
    """A stored order, its own fields laid beside those of its life."""
    quantity = document["order"]["quantity"]
    return OrderView.model_validate(
        {
            **document["order"],
            **document,
            "working": document.get("working", False),
            "leaves_quantity": quantity - document["filled_quantity"],
        }
    )


def position_view(document: Document) -> PositionView:
    """A stored position with the money it ties up."""
    known = {name: document[name] for name in Position.model_fields if name in document}
    position = Position.model_validate(known)
    return PositionView.model_validate(
        {
            **position.model_dump(),
            "instrument_key": position.instrument.key,
            "deployed": position.deployed,
        }
    )


def signal_summary(record: SignalRecord, orders: Sequence[OrderView]) -> SignalSummary:
    """A signal as a line of a list."""
    return SignalSummary.model_validate(_summary(record, orders))


def signal_page(
    record: SignalRecord,
    orders: Sequence[OrderView],
    fills: Sequence[FillView],
    positions: Sequence[PositionView],
    paths: Sequence[Document],
) -> SignalPage:
    """Everything of one signal."""
    signal = record.signal
    return SignalPage(
        **_summary(record, orders),
        raw_id=record.raw_id,
        paths=tuple(PathView.model_validate(path) for path in paths),
        replay_of=signal.replay_of if signal else None,
        replays=record.replays,
        environment=signal.environment if signal else None,
        sender_equity=signal.sender_equity if signal else None,
        legs=signal.legs if signal else (),
        warnings=signal.warnings if signal else (),
        quarantine=record.quarantine,
        decision=record.decision,
        orders=tuple(orders),
        fills=tuple(fills),
        positions=tuple(positions),
    )


def quarantined(record: SignalRecord) -> QuarantinedSignal:
    """A signal that could not be read."""
    reason = record.quarantine
    return QuarantinedSignal(
        signal_id=record.signal_id,
        strategy_id=record.strategy_id,
        raw_id=record.raw_id,
        code=reason.code if reason else "",
        sentence=reason.sentence if reason else "",
        field=reason.field if reason else "",
        received_at=record.received_at,
    )


def incident(document: Document) -> Incident:
    """A stored incident."""
    closable = document["kind"] in CLOSED_BY_PERSONS
    facts = document.get("facts") or {}
    if halted := document.get("halted"):
        facts = {**facts, "entries_stopped": halted["sentence"]}
    return Incident.model_validate(
        {**document, "incident_id": document["_id"], "closable": closable, "facts": facts}
    )


def dead_letter(document: Document) -> DeadLetter:
    """A stored failed message."""
    return DeadLetter.model_validate({**document, "dead_letter_id": document["_id"]})


def _summary(record: SignalRecord, orders: Sequence[OrderView]) -> dict[str, Any]:
    decision, signal = record.decision, record.signal
    said = signal.intent if signal else None
    reason = record.quarantine.code if record.quarantine else ""
    return {
        "signal_id": record.signal_id,
        "strategy_id": record.strategy_id,
        "external_id": record.external_id,
        "status": record.status,
        "intent": said or (decision.intent if decision else None),
        "code": decision.code if decision else reason,
        "sentence": headline(record, orders),
        "received_at": record.received_at,
        "road": road(record.received_at, record.stages),
    }
