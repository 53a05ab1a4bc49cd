"""What the mock broker's answers mean: bytes in, values or a broker error out; pure.

Whoever asks says which error an unreadable answer is: after a query nothing has happened
(`BrokerUnavailable`), after a placement or a cancel nobody knows (`OrderStateUnknown`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, Protocol, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from brokers.broker import AccountState, BrokerPosition, Capabilities, MarginQuote, OpenOrder
from brokers.errors import BrokerError, BrokerUnavailable, OrderRejected, OrderStateUnknown
from services.domain.accounts import PreviewLeg
from services.domain.instruments import Instrument
from services.domain.orders import Execution, Order, OrderReport
from services.domain.values import Frozen, Instant, Positive
from services.domain.words import OrderType, Side

T = TypeVar("T")
#: The code of an answer that says for certain: nothing was taken, nothing has happened.
NOT_TAKEN: Final = "NOT_TAKEN"
_REFUSING: Final = frozenset({429, 503})


class StreamedReport(Frozen):
    """One report of the stream and the cursor to resume after it."""

    cursor: str
    report: OrderReport


class LastPrice(Frozen):
    """The last price of an instrument, and when it was that."""

    price: Positive
    as_of: Instant


class _OrderRow(BaseModel):
    """A row of the order list: of the order's own fields what we ask for, and how it stands."""

    instrument: Instrument
    side: Side
    order_type: OrderType
    report: OrderReport


class _Rejection(BaseModel):
    """The broker's own refusal."""

    code: str
    message: str


class _Unreadable(BaseModel):
    """The broker could not even read the order: FastAPI's own form."""

    detail: list[Any]


REPORT: Final = TypeAdapter(OrderReport)
REPORTS: Final = TypeAdapter(list[OrderReport])
STREAM: Final = TypeAdapter(list[StreamedReport])
EXECUTIONS: Final = TypeAdapter(list[Execution])
POSITIONS: Final = TypeAdapter(list[BrokerPosition])
STATE: Final = TypeAdapter(AccountState)
LAST_PRICE: Final[TypeAdapter[LastPrice | None]] = TypeAdapter(LastPrice | None)
MARGIN: Final = TypeAdapter(MarginQuote)
CAPABILITIES: Final = TypeAdapter(Capabilities)
_LEGS: Final[TypeAdapter[Sequence[PreviewLeg]]] = TypeAdapter(Sequence[PreviewLeg])
_ORDERS: Final[TypeAdapter[Sequence[Order]]] = TypeAdapter(Sequence[Order])
_ORDER_ROWS: Final = TypeAdapter(list[_OrderRow])
_REFUSAL: Final[TypeAdapter[_Rejection | _Unreadable]] = TypeAdapter(_Rejection | _Unreadable)


def read(shape: TypeAdapter[T], answer: bytes, failure: type[BrokerError] = BrokerUnavailable) -> T:
    """The value in an answer. Raises: `failure` where it has another shape."""
    try:
        return shape.validate_json(answer)
    except ValidationError as error:
        raise failure(f"the answer cannot be read: {answer[:200]!r}") from error


def placed(status: int, answer: bytes) -> OrderReport:
    """The answer to an order.

    Raises:
        OrderRejected: the broker refused it.
        OrderStateUnknown: anything that is neither a report nor a refusal.
    """
    if status == 422:
        raise _rejection(answer, OrderStateUnknown)
    return read(REPORT, answer, OrderStateUnknown)


def placed_together(status: int, answer: bytes, wanted: Sequence[Order]) -> list[OrderReport]:
    """The answer to orders that were sent together: a report each, in their order.

    Raises:
        OrderRejected: the broker refused them.
        OrderStateUnknown: anything that is neither.
    """
    if status == 422:
        raise _rejection(answer, OrderStateUnknown)
    reports = read(REPORTS, answer, OrderStateUnknown)
    if [each.client_order_id for each in reports] != [each.client_order_id for each in wanted]:
        raise OrderStateUnknown(f"{len(reports)} reports that are not of the {len(wanted)} orders")
    return reports


def not_taken(status: int, answer: bytes) -> bool:
    """Whether the broker says for certain that it has taken nothing."""
    if status not in _REFUSING:
        return False
    try:
        return _Rejection.model_validate_json(answer).code == NOT_TAKEN
    except ValidationError:
        return False


def orders_body(orders: Sequence[Order]) -> bytes:
    """Orders that are sent together."""
    return _ORDERS.dump_json(orders)


def bracket_body(entry: Order, guards: Sequence[Order]) -> bytes:
    """An entry and what guards it."""
    return b'{"entry":%s,"guards":%s}' % (entry.model_dump_json().encode(), orders_body(guards))


def ids_body(client_order_ids: Sequence[str]) -> bytes:
    """The question after many orders."""
    return json.dumps(list(client_order_ids)).encode()


def by_id(answer: bytes) -> dict[str, OrderReport]:
    """How many orders stand. Raises: OrderStateUnknown: one of them is there twice."""
    reports = read(REPORTS, answer)
    found = {each.client_order_id: each for each in reports}
    if len(found) < len(reports):
        raise OrderStateUnknown(f"{len(reports)} orders of {len(found)} ids: doubled")
    return found


class Faulty(Protocol):
    """What a model, or a request, does not fit."""

    def errors(self) -> Sequence[Any]:
        """Each with `loc` and `msg`."""


def in_words(error: Faulty) -> str:
    """What cannot be read, field by field, on one line."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}" for each in error.errors()
    )


def legs_body(legs: Sequence[PreviewLeg]) -> bytes:
    """The question of a margin preview."""
    return _LEGS.dump_json(legs)


def previewed(status: int, answer: bytes) -> MarginQuote:
    """The answer to a margin preview.

    Raises:
        OrderRejected: the broker refused to name one, and says why.
        BrokerUnavailable: anything that is neither.
    """
    if status == 422:
        raise _rejection(answer, BrokerUnavailable)
    return read(MARGIN, answer)


def _rejection(answer: bytes, failure: type[BrokerError]) -> OrderRejected:
    refusal = read(_REFUSAL, answer, failure)
    if isinstance(refusal, _Unreadable):
        return OrderRejected("BAD_ORDER", f"the broker cannot read the order: {refusal.detail}")
    return OrderRejected(refusal.code, refusal.message)


def open_orders(answer: bytes) -> list[OpenOrder]:
    """How each order of the list stands. Raises: BrokerUnavailable."""
    return [OpenOrder(**dict(row)) for row in read(_ORDER_ROWS, answer)]


def only_order(
    client_order_id: str, answer: bytes, failure: type[BrokerError] = BrokerUnavailable
) -> OrderReport | None:
    """The one order of this id, None where there is none.

    Raises:
        OrderStateUnknown: there are several: it was sent more than once.
    """
    found = read(REPORTS, answer, failure)
    if len(found) > 1:
        raise OrderStateUnknown(f"the broker has {len(found)} orders {client_order_id}: doubled")
    return found[0] if found else None
