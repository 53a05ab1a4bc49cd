"""What an account holds by its broker's word, at the broker's prices. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from brokers.broker import AccountState, BrokerPosition, CurrencyBalance
from services.domain.instruments import Instrument
from services.domain.orders import Execution
from services.domain.values import ZERO, Exact, Frozen, NonNegative, Positive


class HeldPosition(Frozen):
    """One instrument; prices and amounts in its own currency, None = the broker names no price.

    Attributes:
        quantity: signed.
        fx_rate: what one unit of its currency is worth in the account's; None = nobody knows.
    """

    instrument: Instrument
    quantity: Exact
    average_price: NonNegative
    market_price: Exact | None = None
    market_value: Exact | None = None
    unrealized_pnl: Exact | None = None
    fx_rate: Positive | None = None


class DailyMark(NamedTuple):
    """The last price of a day that was named for something held."""

    instrument: Instrument
    price: Decimal
    fx_rate: Decimal | None


def held(
    positions: Iterable[BrokerPosition], currency: str, rates: Mapping[str, Decimal]
) -> tuple[HeldPosition, ...]:
    """Positions with what they are worth, in the order of their keys.

    Args:
        positions: by the broker.
        currency: of the account.
        rates: by currency, what one unit is worth in the account's.
    """
    found = [
        _valued(each, rate_of(each.instrument.currency, currency, rates)) for each in positions
    ]
    return tuple(sorted(found, key=lambda each: each.instrument.key))


def _valued(position: BrokerPosition, rate: Decimal | None) -> HeldPosition:
    price, size = position.market_price, position.quantity * position.instrument.multiplier
    return HeldPosition(
        instrument=position.instrument,
        quantity=position.quantity,
        average_price=position.average_price,
        market_price=price,
        market_value=None if price is None else price * size,
        unrealized_pnl=None if price is None else (price - position.average_price) * size,
        fx_rate=rate,
    )


def rate_of(currency: str, account_currency: str, rates: Mapping[str, Decimal]) -> Decimal | None:
    """What one unit of a currency is worth in the account's; None = nobody knows."""
    return Decimal(1) if currency == account_currency else rates.get(currency)


def balances_of(state: AccountState) -> dict[str, CurrencyBalance]:
    """By currency; where the broker keeps none apart, all is in the account's own."""
    if state.balances:
        return state.balances
    return {state.currency: CurrencyBalance(cash=state.cash, equity=state.equity)}


def unrealized_pnl(positions: Sequence[HeldPosition]) -> Decimal | None:
    """Of all of them, account currency; None where one is not known."""
    known = [
        each.unrealized_pnl * each.fx_rate
        for each in positions
        if each.unrealized_pnl is not None and each.fx_rate is not None
    ]
    return sum(known, ZERO) if len(known) == len(positions) else None


def realized_pnl(state: AccountState) -> Decimal | None:
    """By the broker's own count, account currency; None where it does not say."""
    amounts = []
    for currency, balance in state.balances.items():
        rate = rate_of(currency, state.currency, state.fx_rates)
        if balance.realized_pnl is None or rate is None:
            return None
        amounts.append(balance.realized_pnl * rate)
    return sum(amounts, ZERO) if amounts else None


def marks_of(
    before: Sequence[HeldPosition], after: Sequence[HeldPosition], fills: Sequence[Execution]
) -> tuple[DailyMark, ...]:
    """Prices of today: of what is held, and of what was closed the price that closed it.

    Args:
        before: what was held at the look before.
        after: what is held now.
        fills: of today, oldest first.
    """
    found = [
        DailyMark(each.instrument, each.market_price, each.fx_rate)
        for each in after
        if each.market_price is not None
    ]
    for gone in closed(before, after):
        prices = [each.price for each in fills if each.instrument.key == gone.instrument.key]
        if prices:
            found.append(DailyMark(gone.instrument, prices[-1], gone.fx_rate))
    return tuple(found)


def closed(
    before: Sequence[HeldPosition], after: Sequence[HeldPosition]
) -> tuple[HeldPosition, ...]:
    """What was held and is not any more."""
    now = {each.instrument.key for each in after}
    return tuple(each for each in before if each.instrument.key not in now)


def gain(
    before: Sequence[HeldPosition], after: Sequence[HeldPosition], fills: Sequence[Execution]
) -> Decimal:
    """What prices and fills explain of a change of equity between two looks, account currency.

    What has no price at one of the looks explains nothing.

    Args:
        before: what was held at the first look.
        after: at the second.
        fills: between the two, oldest first; what trades under the same key.
    """
    first = {each.instrument.key: each for each in before}
    last = {each.instrument.key: each for each in after}
    total = ZERO
    for key in first.keys() | last.keys() | {each.instrument.key for each in fills}:
        traded = [each for each in fills if each.instrument.key == key]
        total += _gain_of(first.get(key), last.get(key), traded)
    return total


def _gain_of(
    before: HeldPosition | None, after: HeldPosition | None, fills: Sequence[Execution]
) -> Decimal:
    known = after or before
    rate = known.fx_rate if known else None
    price = after.market_price if after else fills[-1].price if fills else None
    if known is None or rate is None or price is None:
        return ZERO
    amount = ZERO
    if before is not None:
        if before.market_price is None:
            return ZERO
        amount += before.quantity * (price - before.market_price)
    for fill in fills:
        amount += fill.quantity * fill.side.sign * (price - fill.price)
    return amount * known.instrument.multiplier * rate
