"""What a person asks of an order: written on its row, where its account's desk finds it.

Each is a compare-and-set with its line in the audit log, in one transaction. Nothing here calls a
broker; a request that comes too late says so.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final, NamedTuple

from pydantic import ValidationError
from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.scopes import check_storable, faults_of
from services.common.signed import Signed
from services.common.store import Document, Store, from_document, to_document
from services.domain.errors import ConfigurationError
from services.domain.orders import Order, OrderTerms
from services.domain.signals import plain
from services.domain.words import OrderStatus, OrderType

_AT_BROKER: Final = frozenset({OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED})
_LIMITS: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


class Resolution(StrEnum):
    """What a person knows of an order whose outcome nobody could learn."""

    RESEND = "RESEND"  # the broker does not have it: it is sent again
    ABSENT = "ABSENT"  # the broker does not have it, and is not to have it


class Change(NamedTuple):
    """Other terms of an order, as typed; None = stays."""

    quantity: str | None = None
    limit_price: str | None = None
    stop_price: str | None = None


def request_cancel(store: Store, order_id: str, signed: Signed) -> str:
    """Have an order canceled, in every state of the kill switch.

    An UNKNOWN one is canceled as soon as it is known; one that was not sent never is.

    Returns: what was asked for, in a sentence.

    Raises:
        ConfigurationError: there is no such order, it has ended, or somebody asked before.
        TransientError: the database does not answer.
    """
    signed = signed.checked()
    by, reason = signed.by, signed.reason

    def work(session: ClientSession) -> str:
        row = _working(store, order_id, session)
        before = row.get("cancel_requested_at")
        if before is not None:
            raise ConfigurationError(f"{order_id} is being canceled since {_at(before)}")
        marks = {"cancel_requested_at": utc_now(), "cancel_reason": f"canceled by {by}: {reason}"}
        _set(store, row, marks, session)
        _audit(store, "ORDER_CANCEL_REQUESTED", row, {"after": marks}, signed, session)
        return f"{order_id} ({row['status']}) is to be canceled"

    return store.transaction(work)


def request_modify(store: Store, order_id: str, change: Change, signed: Signed) -> OrderTerms:
    """Have the terms of an order changed that works at the broker.

    A quantity only gets smaller: a larger one would be an order that nobody has decided.

    Returns: the terms that were asked for.

    Raises:
        ConfigurationError: there is no such order, it does not work at the broker, the terms do not
            fit it, or another change is on its way.
        TransientError: the database does not answer.
    """
    signed = signed.checked()
    by, reason = signed.by, signed.reason

    def work(session: ClientSession) -> OrderTerms:
        row = _working(store, order_id, session)
        _check_changeable(row)
        terms = _terms(row, change)
        request = {"terms": to_document(terms), "at": utc_now(), "by": by, "reason": reason}
        _set(store, row, {"modify_requested": request}, session)
        before = {name: row["order"].get(name) for name in OrderTerms.model_fields}
        facts = {"before": before, "after": to_document(terms), "terms": to_document(terms)}
        _audit(store, "ORDER_MODIFY_REQUESTED", row, facts, signed, session)
        return terms

    return store.transaction(work)


def resolve(store: Store, order_id: str, decision: Resolution, signed: Signed) -> str:
    """Decide on an order without a known outcome, by what a person has seen at the broker.

    What worked at the broker and is not shown there any more can only be given up.

    Returns: what was decided, in a sentence.

    Raises:
        ConfigurationError: there is no such order, the broker has answered of it, or somebody
            decided before.
        TransientError: the database does not answer.
    """
    signed = signed.checked()
    by, reason = signed.by, signed.reason

    def work(session: ClientSession) -> str:
        row = _working(store, order_id, session)
        _check_undecided(row, decision)
        before = row.get("resolution")
        if before is not None:
            raise ConfigurationError(
                f"{order_id} was resolved by {before['by']} already: {before['decision']}"
            )
        if decision is Resolution.RESEND and row.get("cancel_requested_at") is not None:
            raise ConfigurationError(f"{order_id} is to be canceled: it is not sent again")
        resolution = {"decision": decision, "by": by, "reason": reason, "at": utc_now()}
        _set(store, row, {"resolution": resolution}, session)
        facts = {"decision": decision, "after": resolution}
        _audit(store, "ORDER_RESOLVED", row, facts, signed, session)
        return f"{order_id}: {decision}, by {by}: {reason}"

    return store.transaction(work)


def _working(store: Store, order_id: str, session: ClientSession) -> Document:
    row = store["orders"].find_one({"_id": order_id}, session=session)
    if row is None:
        raise ConfigurationError(f"there is no order {order_id!r}")
    if not row.get("working"):
        text = f": {row['text']}" if row.get("text") else ""
        raise ConfigurationError(f"{order_id} has ended: it is {row['status']}{text}")
    return row


def _check_undecided(row: Document, decision: Resolution) -> None:
    if row["status"] == OrderStatus.UNKNOWN:
        return
    if not row.get("missing"):
        sentence = f"{row['_id']} is {row['status']}, not UNKNOWN: it has answered"
        raise ConfigurationError(sentence)
    if decision is not Resolution.ABSENT:
        raise ConfigurationError(
            f"{row['_id']} was at the broker as {row['status']}: it is never sent again; "
            "give it up with --absent, and send a new signal"
        )


def _check_changeable(row: Document) -> None:
    order_id, status = row["_id"], OrderStatus(row["status"])
    if status not in _AT_BROKER:
        raise ConfigurationError(
            f"{order_id} is {status}: only what works at the broker can be changed"
        )
    if row.get("cancel_requested_at") is not None:
        raise ConfigurationError(f"{order_id} is being canceled")
    before = row.get("modify_requested")
    if before is not None:
        since = f"since {_at(before['at'])}, by {before['by']}"
        raise ConfigurationError(f"{order_id} is being changed {since}")


def _terms(row: Document, change: Change) -> OrderTerms:
    """The terms after a change. Raises: ConfigurationError: they do not fit the order."""
    order = from_document(Order, row["order"])
    fields = ("quantity", "limit_price", "stop_price")
    now = {name: getattr(order, name) for name in fields}
    asked = {name: _number(name, typed) for name, typed in change._asdict().items() if typed}
    if not asked:
        raise ConfigurationError("nothing to change: name a quantity, a limit or a stop")
    for name, kinds in (("limit_price", _LIMITS), ("stop_price", _STOPS)):
        if name in asked and order.order_type not in kinds:
            word = name.replace("_", " ")
            raise ConfigurationError(f"a {order.order_type} order has no {word}")
    try:
        terms = OrderTerms.model_validate({**now, **asked})
    except ValidationError as error:
        raise ConfigurationError(f"such terms are none: {faults_of(error)}") from error
    check_storable(terms)
    _check_quantity(order, row["filled_quantity"], terms.quantity)
    if terms == OrderTerms.model_validate(now):
        raise ConfigurationError("nothing to change: the order has these terms")
    return terms


def _check_quantity(order: Order, filled: Decimal, quantity: Decimal) -> None:
    if quantity > order.quantity:
        raise ConfigurationError(
            f"quantity may only get smaller than {plain(order.quantity)}, was {plain(quantity)}: "
            "more is a new decision"
        )
    if quantity <= filled:
        raise ConfigurationError(
            f"quantity must be above the {plain(filled)} that have filled, was {plain(quantity)}: "
            "cancel the rest instead"
        )
    if quantity % order.instrument.lot:
        raise ConfigurationError(
            f"quantity must be in lots of {plain(order.instrument.lot)}, was {plain(quantity)}"
        )


def _number(name: str, typed: str) -> Decimal:
    try:
        return Decimal(typed.strip())
    except InvalidOperation as error:
        raise ConfigurationError(f"{name} must be a number, was {typed!r}") from error


def _set(store: Store, row: Document, marks: Document, session: ClientSession) -> None:
    """The transaction has read the row, so whoever moves it meanwhile makes it run again."""
    changed = store["orders"].update_one(
        {"_id": row["_id"], "status": row["status"], "working": True},
        {"$set": marks},
        session=session,
    )
    if not changed.modified_count:
        raise ConfigurationError(f"{row['_id']} has moved meanwhile: look again")


def _audit(
    store: Store, what: str, row: Document, facts: Document, signed: Signed, session: ClientSession
) -> None:
    told = {"before": None, **facts, "client_order_id": row["_id"], "status": row["status"]}
    signed.record(store, what, told, session)


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
