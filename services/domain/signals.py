"""A strategy's request after standardising: what Cerebro decides on."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Literal

from pydantic import Field

from services.domain.instruments import Instrument
from services.domain.values import Exact, Frozen, Instant, NonNegative, Positive
from services.domain.words import (
    Environment,
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

    @property
    def wanted(self) -> Decimal:
        """The quantity, 0 where none was said."""
        return self.quantity or Decimal(0)


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
