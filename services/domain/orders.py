"""Orders: their identity, their life, and the money held for them."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Final

from pydantic import Field

from services.domain.errors import IllegalTransition
from services.domain.instruments import Instrument
from services.domain.values import ZERO, Exact, Frozen, Instant, NonNegative, Positive
from services.domain.words import (
    AlgoName,
    Environment,
    GroupPolicy,
    InstrumentType,
    Intent,
    OrderRole,
    OrderStatus,
    OrderType,
    QuantityUnit,
    Side,
    TimeInForce,
)

#: In place of a strategy, for what an account holds that is none's.
UNATTRIBUTED: Final = "UNATTRIBUTED"
_S = OrderStatus
#: RFC 4648's alphabet, and where each of 18 letters is in 90 bits.
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SHIFTS = range(85, -1, -5)
_OUR_FORM = re.compile("MT[A-Z2-7]{18}")
_BROKER_ENDINGS = {_S.CANCELED, _S.REJECTED, _S.EXPIRED}
_FILLS = {_S.PARTIALLY_FILLED, _S.FILLED}

#: The one table of legal moves. A fill is legal in every state, because brokers do fill after a
#: cancel, a reject or an expiry; whoever applies one to an ended order raises an incident.
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    # SUBMITTED and fills: a broker may show late what it did not have when it was asked.
    _S.PENDING: frozenset({_S.SUBMITTING, _S.DENIED, _S.CANCELED, _S.EXPIRED, _S.SUBMITTED})
    | _FILLS,
    _S.SUBMITTING: frozenset({_S.SUBMITTED, _S.UNKNOWN, _S.PENDING, _S.CANCEL_PENDING, _S.DENIED})
    | _FILLS
    | _BROKER_ENDINGS,
    _S.UNKNOWN: frozenset({_S.SUBMITTED, _S.PENDING, _S.CANCEL_PENDING}) | _FILLS | _BROKER_ENDINGS,
    _S.SUBMITTED: frozenset({_S.CANCEL_PENDING, _S.UNKNOWN}) | _FILLS | _BROKER_ENDINGS,
    _S.PARTIALLY_FILLED: frozenset({_S.CANCEL_PENDING, _S.UNKNOWN}) | _FILLS | _BROKER_ENDINGS,
    _S.CANCEL_PENDING: frozenset({_S.SUBMITTED, _S.UNKNOWN}) | _FILLS | _BROKER_ENDINGS,
    _S.CANCELED: frozenset(_FILLS),
    _S.REJECTED: frozenset(_FILLS),
    _S.EXPIRED: frozenset(_FILLS),
    _S.FILLED: frozenset(_FILLS),
    _S.DENIED: frozenset(),
}

#: Orders that will not move any more by themselves.
TERMINAL = frozenset({_S.FILLED, _S.DENIED, _S.REJECTED, _S.CANCELED, _S.EXPIRED})


def check_transition(before: OrderStatus, after: OrderStatus) -> None:
    """Raise unless an order may move from `before` to `after`.

    Raises:
        IllegalTransition: the table has no such move.
    """
    if after not in TRANSITIONS[before]:
        raise IllegalTransition(f"an order in {before} cannot become {after}")


def client_order_id_for(signal_id: str, leg_index: int, account_id: str, attempt: int) -> str:
    """Our id of an order, the same for every repeat of the same decision.

    20 upper-case letters and digits, because Kite's `tag` allows no more; 90 bits of SHA-256.
    """
    return _id_of(signal_id, str(leg_index), account_id, str(attempt))


def child_order_id_for(parent_order_id: str, role: OrderRole, number: int) -> str:
    """Our id of an order that execution makes for another: the same for every repeat.

    Args:
        parent_order_id: client_order_id of the order that it is made for.
        role: what for.
        number: which of that role, e.g. of a slice; counts up from 0.
    """
    return _id_of(parent_order_id, role, str(number))


def _id_of(*parts: str) -> str:
    seed = "\x00".join(parts)
    digest = hashlib.sha256(seed.encode()).digest()
    bits = int.from_bytes(digest[:12]) >> 6  # the first 90
    return "MT" + "".join([_BASE32[bits >> shift & 31] for shift in _SHIFTS])


def has_our_form(client_order_id: str) -> bool:
    """Whether an id is one as only we make them; says nothing about whether we know it."""
    return _OUR_FORM.fullmatch(client_order_id) is not None


class Algo(Frozen):
    """How an order is worked: as child orders of it, none larger than what is left.

    Attributes:
        duration_seconds: TWAP, VWAP: from the first child to the last.
        slices: TWAP: how many children.
        profile: VWAP: share of each child in turn; only their ratio counts.
        display_quantity: ICEBERG: the largest part that is shown.
    """

    name: AlgoName
    duration_seconds: Positive | None = None
    slices: int | None = Field(None, ge=1, le=1000)
    profile: tuple[NonNegative, ...] = ()
    display_quantity: Positive | None = None


class Order(Frozen):
    """One order of one leg in one account, as Cerebro decided it, or as execution made it for one.

    Attributes:
        trail_amount: TRAILING_STOP: distance from the best price since, price units.
        trail_ratio: TRAILING_STOP: the same as a share of that price; one of the two.
        sender_quantity: what it is in the sender's own account, in `sender_unit`; None = not known.
        entry_signal_id: of exits: the entry whose lots it closes first; None = the oldest.
        cancel_at: what has not filled by then is canceled; None = never.
        algo: it is worked as child orders, and does not go to the broker itself.
        group_policy: what becomes of it when another leg of its signal cannot be had.
        role: who made it; every role but LEG is made by execution.
        parent_order_id: of those: the order that it was made for.
        oco_group: orders of one group: what fills of one is taken off the others (FIX: OCO).
    """

    client_order_id: str
    signal_id: str
    strategy_id: str
    account_id: str
    leg_index: int
    attempt: int = 1
    intent: Intent
    instrument: Instrument
    side: Side
    quantity: Positive
    order_type: OrderType
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Positive | None = None
    stop_price: Positive | None = None
    trail_amount: Positive | None = None
    trail_ratio: Positive | None = None
    stop_loss: Positive | None = None
    take_profit: Positive | None = None
    reference_price: Positive | None = None
    sender_quantity: Positive | None = None
    sender_unit: QuantityUnit = QuantityUnit.UNITS
    entry_signal_id: str | None = None
    environment: Environment
    expires_at: Instant | None = None
    cancel_at: Instant | None = None
    algo: Algo | None = None
    group_policy: GroupPolicy = GroupPolicy.HOLD
    role: OrderRole = OrderRole.LEG
    parent_order_id: str | None = None
    oco_group: str | None = None


def exit_of(  # noqa: PLR0913 - what an exit is made of, by name
    entry: Order,
    role: OrderRole,
    number: int,
    *,
    quantity: Decimal,
    order_type: OrderType,
    time_in_force: TimeInForce,
    limit_price: Decimal | None = None,
    stop_price: Decimal | None = None,
    oco_group: str | None = None,
) -> Order:
    """An order that closes what an entry has opened; nothing but these terms is the entry's.

    What it closes in the sender's own account follows from the lots (`sender_quantity` is None).
    """
    return Order(
        client_order_id=child_order_id_for(entry.client_order_id, role, number),
        signal_id=entry.signal_id,
        strategy_id=entry.strategy_id,
        account_id=entry.account_id,
        leg_index=entry.leg_index,
        intent=Intent.EXIT,
        instrument=entry.instrument,
        side=entry.side.opposite,
        quantity=quantity,
        order_type=order_type,
        time_in_force=time_in_force,
        limit_price=limit_price,
        stop_price=stop_price,
        reference_price=entry.reference_price,
        sender_unit=entry.sender_unit,
        entry_signal_id=entry.signal_id,
        environment=entry.environment,
        role=role,
        parent_order_id=entry.client_order_id,
        oco_group=oco_group,
    )


class OrderTerms(Frozen):
    """What of an order can be changed while it works (FIX: Order Cancel/Replace)."""

    quantity: Positive
    limit_price: Positive | None = None
    stop_price: Positive | None = None


class Reservation(Frozen):
    """Capital (entries) or position (exits) held for an order until it is filled or dead.

    Attributes:
        capital: money of the strategy's allocation held, account currency.
        margin: initial margin held, account currency.
        notional: signed (below 0 = sold), account currency; 0 for exits.
        closing_quantity: for exits: how much of the position this order is closing.
        sender_quantity: for exits: what that is in the sender's own account; None = not known.
        entry_signal_id: for exits: the entry whose lots it closes first; None = the oldest.
    """

    client_order_id: str
    account_id: str
    strategy_id: str
    instrument_key: str
    capital: NonNegative = ZERO
    margin: NonNegative = ZERO
    notional: Exact = ZERO
    instrument_type: InstrumentType | None = None
    symbol: str = ""
    closing_quantity: NonNegative = ZERO
    sender_quantity: NonNegative | None = None
    entry_signal_id: str | None = None
    quantity: Positive

    @classmethod
    def of(
        cls,
        order: Order,
        *,
        capital: Decimal = ZERO,
        margin: Decimal = ZERO,
        notional: Decimal = ZERO,
    ) -> Reservation:
        """What an order holds until it has ended: money of an entry, quantity of an exit."""
        closes = order.intent.reduces_risk
        return cls(
            client_order_id=order.client_order_id,
            account_id=order.account_id,
            strategy_id=order.strategy_id,
            instrument_key=order.instrument.key,
            instrument_type=order.instrument.instrument_type,
            symbol=order.instrument.symbol,
            capital=capital,
            margin=margin,
            notional=notional,
            closing_quantity=order.quantity if closes else ZERO,
            sender_quantity=order.sender_quantity if closes else None,
            entry_signal_id=order.entry_signal_id,
            quantity=order.quantity,
        )

    def after_fill(self, filled_quantity: Decimal) -> Reservation | None:
        """What is still held once `filled_quantity` of the order has filled; None = nothing."""
        if filled_quantity >= self.quantity:
            return None
        left = (self.quantity - filled_quantity) / self.quantity
        theirs = self.sender_quantity
        return self.model_copy(
            update={
                "capital": self.capital * left,
                "margin": self.margin * left,
                "notional": self.notional * left,
                "closing_quantity": self.closing_quantity * left,
                "sender_quantity": None if theirs is None else theirs * left,
            }
        )


class OrderReport(Frozen):
    """What a broker says of one order, at one moment.

    Attributes:
        executions: the executions the broker knows of (all, or those new since the last report).
        filled_quantity: cumulative, by the broker's own count.
        terms: as the broker has them now; None = it does not say.
        text: the broker's own words, e.g. why it rejected.
    """

    client_order_id: str
    broker_order_id: str | None = None
    status: OrderStatus
    filled_quantity: NonNegative = ZERO
    executions: tuple[Execution, ...] = ()
    terms: OrderTerms | None = None
    text: str = ""
    occurred_at: Instant


class Execution(Frozen):
    """One fill as the broker reported it. `commission` ≥ 0 costs us money, < 0 is a rebate.

    Attributes:
        execution_id: the same for every revision of the fill.
        revision: 0 as first told; a correction of it has a later one, and replaces it.
        busted: the broker has taken it back: it counts as if it had never been.
        client_order_id: empty where the broker's order is none of ours.
    """

    execution_id: str
    client_order_id: str
    instrument: Instrument
    side: Side
    quantity: Positive
    price: Positive
    commission: Exact = ZERO
    commission_currency: str = "USD"
    revision: int = Field(0, ge=0)
    busted: bool = False
    occurred_at: Instant


OrderReport.model_rebuild()
