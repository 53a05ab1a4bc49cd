"""A strategy's request after standardising: what Cerebro decides on."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import Field

from services.domain.instruments import Instrument
from services.domain.orders import Algo
from services.domain.values import Exact, Frozen, Instant, NonNegative, Positive
from services.domain.words import (
    Environment,
    GroupPolicy,
    Intent,
    OrderType,
    QuantityUnit,
    Side,
    TimeInForce,
)

#: An `entry_signal_id` that means "the last entry I sent".
PREVIOUS = "$PREVIOUS"


class Leg(Frozen):
    """One instrument of a signal; quantity refers to the sender's own account.

    Attributes:
        side: None on the way out where the sender left it to the position.
        quantity: None on the way out where all of it is meant.
        reference_price: the last price the sender saw, where they said one.
        trail_amount: TRAILING_STOP: distance from the best price, price units.
        trail_ratio: TRAILING_STOP: the same as a share of that price; one of the two.
        cancel_after_seconds: what has not filled so long after the decision is canceled.
        algo: how it is worked; `display_quantity` in the sender's units, as `quantity`.
    """

    leg_index: int
    instrument: Instrument
    side: Side | None
    quantity: Positive | None
    quantity_unit: QuantityUnit = QuantityUnit.UNITS
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    reference_price: Positive | None = None
    limit_price: Positive | None = None
    stop_price: Positive | None = None
    stop_loss: Positive | None = None
    take_profit: Positive | None = None
    trail_amount: Positive | None = None
    trail_ratio: Positive | None = None
    cancel_after_seconds: Positive | None = None
    algo: Algo | None = None

    @property
    def wanted(self) -> Decimal:
        """The quantity, 0 where none was said."""
        return self.quantity or Decimal(0)

    @property
    def own_price(self) -> Decimal | None:
        """The price it came with and would fill near: trigger, limit, or what the sender saw."""
        first = self.stop_price if self.order_type is OrderType.STOP else self.limit_price
        return first or self.limit_price or self.stop_price or self.reference_price


class WrongGuard(NamedTuple):
    """A guard that would close the position at once: its field, and the rest of a sentence."""

    field: Literal["stop_loss", "take_profit"]
    sentence: str


def wrong_guard(leg: Leg) -> WrongGuard | None:
    """The guard of an entry that is on the wrong side, by the prices that are known; else None.

    Of a LIMIT or MARKET entry the better of limit and last price counts: it fills there or better.
    Where a trailing stop enters nobody knows; its guards are compared with each other only.
    """
    if leg.side is None:
        return None
    sign, price = leg.side.sign, _entry_price(leg, leg.side)
    stop, target = leg.stop_loss, leg.take_profit
    where = ("below", "above") if sign > 0 else ("above", "below")
    if stop is not None and price is not None and (price - stop) * sign <= 0:
        words = f"of a {leg.side} must be {where[0]} its price {plain(price)}, was {plain(stop)}"
        return WrongGuard("stop_loss", words)
    if target is not None and price is not None and (target - price) * sign <= 0:
        words = f"of a {leg.side} must be {where[1]} its price {plain(price)}, was {plain(target)}"
        return WrongGuard("take_profit", words)
    if stop is not None and target is not None and (target - stop) * sign <= 0:
        words = f"of a {leg.side} must be {where[1]} stop_loss {plain(stop)}, was {plain(target)}"
        return WrongGuard("take_profit", words)
    return None


def _entry_price(leg: Leg, side: Side) -> Decimal | None:
    if leg.order_type in {OrderType.STOP, OrderType.STOP_LIMIT}:
        return leg.stop_price
    if leg.order_type is OrderType.TRAILING_STOP:
        return None
    limit = leg.limit_price if leg.order_type is OrderType.LIMIT else None
    known = [price for price in (limit, leg.reference_price) if price is not None]
    if not known:
        return None
    return min(known) if side is Side.BUY else max(known)


class PreviousPosition(Frozen):
    """What the sender held of the first leg's instrument before a signal, by their own account.

    Attributes:
        sign: 1 long, -1 short, 0 flat.
        size: units of the sender's account; None where only the side was said.
    """

    sign: Literal[-1, 0, 1]
    size: NonNegative | None = None


class Signal(Frozen):
    """One standardised signal.

    Attributes:
        intent: None where the sender did not say; Cerebro infers it from the strategy's position.
        sender_equity: equity of the account that the leg quantities refer to, account currency.
        entry_reference: the entry that an exit closes: our signal_id, the sender's id, `$PREVIOUS`.
        valid_for_seconds: an entry older than this is not traded any more.
        net_price: price of one unit of all legs together (option packages), where that is what the
            sender said; the legs then carry no prices of their own.
        group_policy: what becomes of an entry's legs where one cannot be had; None = as the
            strategy is set.
        sequence: the sender's own count of their signals, for finding gaps.
        previous_position: what the sender held before, for finding gaps.
        follows: signal_id of the exit of a reversal, without which its entry does not go.
        replay_of: signal_id of the earlier signal that an operator sent again.
        warnings: what was read in a way the sender may not have meant, in sentences.
    """

    signal_id: str
    strategy_id: str
    external_id: str | None = None
    intent: Intent | None
    legs: tuple[Leg, ...] = Field(min_length=1)
    environment: Environment = Environment.STAGING
    sender_equity: Positive | None = None
    entry_reference: str | None = None
    valid_for_seconds: Positive | None = None
    net_price: Exact | None = None
    group_policy: GroupPolicy | None = None
    sequence: int | None = None
    previous_position: PreviousPosition | None = None
    follows: str | None = None
    replay_of: str | None = None
    occurred_at: Instant | None = None
    received_at: Instant
    warnings: tuple[str, ...] = ()


def signal_id_for(strategy_name: str, idempotency_key: str) -> str:
    """Our id of a signal: the same for every repeat of it, so a repeat can do no harm."""
    digest = hashlib.sha256(f"{strategy_name}\x00{idempotency_key}".encode()).hexdigest()
    return f"sig_{digest[:24]}"


def plain(number: Exact) -> str:
    """A decimal as people write it: no exponent, no trailing zeros after the point."""
    text = f"{Decimal(number):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
