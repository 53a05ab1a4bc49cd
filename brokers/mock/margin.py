"""What this broker's clearing house asks for: margin, commissions, rates; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from services.domain.accounts import PreviewLeg
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.symbols import CURRENCIES
from services.domain.values import ZERO
from services.domain.words import InstrumentType

_HALF = Decimal("0.5")
#: This broker's own simple rule: initial margin as a share of notional, 1 where not named.
_MARGIN_RATIOS = {
    InstrumentType.STOCK: _HALF,
    InstrumentType.ETF: _HALF,
    InstrumentType.FUTURE: Decimal("0.1"),
    InstrumentType.FOREX: Decimal("0.05"),
}


class Refusal(NamedTuple):
    """Why the broker rejects an order, or a change of one."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class MarginChange(NamedTuple):
    """What legs would add to the margin of an account; negative where they take from it."""

    initial: Decimal
    maintenance: Decimal


class Holding(NamedTuple):
    """A position and what it is worth now."""

    position: Position
    price: Decimal

    @property
    def value(self) -> Decimal:
        """Market value, negative for a short."""
        return self.position.quantity * self.price * self.position.instrument.multiplier

    @property
    def margin(self) -> Decimal:
        """Initial margin of the position."""
        return margin_of(self.position.instrument, self.position.quantity, self.price)


def margin_of(instrument: Instrument, quantity: Decimal, price: Decimal) -> Decimal:
    """Initial margin of a signed quantity."""
    notional = abs(quantity) * price * instrument.multiplier
    return notional * _MARGIN_RATIOS.get(instrument.instrument_type, Decimal(1))


def maintenance_margin(initial: Decimal) -> Decimal:
    """What must stay there of an initial margin."""
    return initial * _HALF


def margin_change(
    legs: Sequence[PreviewLeg], held: Mapping[str, Decimal], prices: Mapping[str, Decimal]
) -> MarginChange:
    """Margin after all legs have filled less margin now: legs of one instrument net out first.

    Args:
        legs: what would be filled.
        held: signed position of the account by instrument key; none = 0.
        prices: where the market stands, by instrument key; of every leg.
    """
    instruments = {leg.instrument.key: leg.instrument for leg in legs}
    after = {key: held.get(key, ZERO) for key in instruments}
    for leg in legs:
        after[leg.instrument.key] += leg.quantity * leg.side.sign
    initial = sum(
        (
            margin_of(instrument, after[key], prices[key])
            - margin_of(instrument, held.get(key, ZERO), prices[key])
            for key, instrument in instruments.items()
        ),
        ZERO,
    )
    return MarginChange(initial, maintenance_margin(initial))


def short_of_funds(needed: Decimal, available: Decimal) -> Refusal | None:
    """Why margin and commission cannot be had, or None."""
    if needed <= available:
        return None
    text = f"{needed:.2f} margin and commission needed, {available:.2f} available"
    return Refusal("INSUFFICIENT_FUNDS", text)


def needed_for(leg: PreviewLeg, price: Decimal, *, held: Decimal, fee: Decimal) -> Decimal:
    """Margin and commission that a fill needs; 0 where it makes the position no larger.

    Args:
        leg: what fills.
        price: at which.
        held: signed position of the account in the instrument.
        fee: commission of the execution.
    """
    more = abs(held + leg.quantity * leg.side.sign) - abs(held)
    return margin_of(leg.instrument, more, price) + fee if more > 0 else ZERO


def pair_rates(currency: str, price: Callable[[str], Decimal | None]) -> dict[str, Decimal]:
    """What one unit of each other currency is worth in `currency`, by the prices of FOREX pairs.

    Either way round: EURUSD at 1.08 makes EUR 1.08 USD, USDJPY at 150 makes JPY 1 / 150 USD.

    Args:
        currency: of the account.
        price: of an instrument by its key; None = not known, and then there is no rate.
    """
    rates = {}
    for other in sorted(CURRENCIES - {currency}):
        if (direct := price(_pair(other, currency))) is not None:
            rates[other] = direct
        elif (inverse := price(_pair(currency, other))) is not None:
            rates[other] = 1 / inverse
    return rates


def _pair(base: str, quoted: str) -> str:
    return Instrument(
        instrument_type=InstrumentType.FOREX, symbol=base + quoted, currency=quoted
    ).key


def available_funds(cash: Decimal, holdings: Iterable[Holding]) -> Decimal:
    """Equity less initial margin."""
    return cash + sum((each.value - each.margin for each in holdings), ZERO)


def commission(quantity: Decimal, *, per_unit: Decimal, minimum: Decimal) -> Decimal:
    """What one execution costs."""
    return max(minimum, per_unit * quantity)


def no_price(instrument: Instrument) -> Refusal:
    """What cannot be priced is neither filled nor previewed."""
    return Refusal("NO_PRICE", f"no price is known for {instrument.symbol}")
