"""A decision as evidence: how it is stored, and how a stored one is decided again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from services.decision.decide import decide
from services.domain.accounts import DecisionContext
from services.domain.decisions import ENGINE_VERSION, Decision
from services.domain.errors import InvalidMessage
from services.domain.orders import Order
from services.domain.signals import Signal

#: What is kept beside the decision itself: rows of their own, text of its own, or nothing.
_APART: Final = {"orders", "reservations", "context", "questions"}


def decision_document(decision: Decision) -> dict[str, Any]:
    """The decision with its steps, and its context as JSON text, exact and cheap to keep.

    Orders and reservations are rows of their own.
    """
    document = decision.model_dump(exclude=_APART, exclude_none=True)
    return document | {"context": decision.context.model_dump_json()}


def context_of(document: Mapping[str, Any]) -> DecisionContext:
    """The context of a stored decision.

    Raises:
        InvalidMessage: it cannot be read any more, or never was there.
    """
    text = document.get("context")
    if not text:
        raise InvalidMessage("the decision was stored without its context")
    try:
        return DecisionContext.model_validate_json(text)
    except ValidationError as error:
        version = document.get("engine_version", 1)
        raise InvalidMessage(
            f"the context is of version {version} of the rules, these are {ENGINE_VERSION}: "
            f"{error.error_count()} fields do not fit"
        ) from error


def replay(signal: Signal, document: Mapping[str, Any]) -> Decision:
    """Decide a stored signal once more, on the context of its stored decision.

    Raises: InvalidMessage as `context_of`.
    """
    return decide(signal, context_of(document))


def differences(
    decision: Decision, document: Mapping[str, Any], orders: Iterable[Mapping[str, Any]]
) -> list[str]:
    """What a replay has made otherwise than what is stored; empty = the same, bit for bit.

    Args:
        decision: of the replay.
        document: the stored decision.
        orders: the stored orders, as decided.
    """
    made = decision_document(decision)
    # Which version decided is no outcome: an older one's must come out the same all the same.
    names = sorted((made.keys() | document.keys()) - {"context", "engine_version"})
    found = [
        f"{name}: {_text(document.get(name))} is stored, {_text(made.get(name))} is decided"
        for name in names
        if _text(document.get(name)) != _text(made.get(name))
    ]
    stored = {str(order["client_order_id"]): order for order in orders}
    again = {order.client_order_id: order for order in decision.orders}
    for name in sorted(stored.keys() | again.keys()):
        one = _text(_said(stored[name])) if name in stored else None
        other = _text(_as_stored(again[name], stored.get(name))) if name in again else None
        if one != other:
            found.append(f"order {name}: {one} is stored, {other} is decided")
    return found


def _as_stored(order: Order, stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """An order without the fields that came after the stored one, where they say nothing."""
    if stored is None:
        return _said(order.model_dump())
    later = {
        name
        for name, field in Order.model_fields.items()
        if name not in stored and getattr(order, name) == field.get_default()
    }
    return _said(order.model_dump(exclude=later))


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that say something: a stored order leaves out what is None."""
    return {
        name: _said(value) if isinstance(value, Mapping) else value
        for name, value in fields.items()
        if value is not None
    }


def _text(value: object) -> str:
    """Exact: 1.0 is not 1.00."""
    return json.dumps(value, default=str, sort_keys=True)
