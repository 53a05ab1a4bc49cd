"""What an account already holds, as limits measure it: per account, strategy, instrument, class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from services.decision.margin import Line, MarginRules, MarginUnknown, requirement
from services.domain.accounts import AccountSnapshot, Exposure
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.orders import Reservation
from services.domain.risk import scope_key
from services.domain.values import ZERO
from services.domain.words import InstrumentType, Scope


class Holding(NamedTuple):
    """One open position, or one order under way, in account currency.

    Attributes:
        scopes: keys of every scope it counts in.
        notional: signed.
    """

    instrument_key: str
    scopes: frozenset[str]
    capital: Decimal
    notional: Decimal
    margin: Decimal


class FxUnknown(Exception):
    """Something is held in a currency without a rate; its text says what."""


def fx_rate(account: AccountSnapshot, currency: str) -> Decimal | None:
    """Account currency for one unit of `currency`; None where nobody has said."""
    if currency == account.currency:
        return Decimal(1)
    return account.fx_rates.get(currency)


def holdings_of(
    account: AccountSnapshot, positions: Sequence[Position], rules: MarginRules
) -> list[Holding]:
    """What these positions of one account count for; valued at their average prices.

    Options of one strategy on one underlying insure each other, so their margin is that of the
    whole group, told in equal parts of it. Where no margin is known the whole notional is counted.

    Raises:
        FxUnknown: the value of a position cannot be told in the account's currency.
    """
    groups: dict[tuple[str, str], list[Position]] = {}
    holdings = []
    for position in positions:
        if not position.quantity:
            continue
        if position.instrument.instrument_type is InstrumentType.OPTION:
            group = (position.strategy_id, position.instrument.symbol)
            groups.setdefault(group, []).append(position)
        else:
            holdings += _held(account, [position], rules)
    for together in groups.values():
        holdings += _held(account, together, rules)
    return holdings


def line_of(account: AccountSnapshot, position: Position) -> Line:
    """A position as the margin rules see it. Raises: FxUnknown."""
    instrument = position.instrument
    rate = fx_rate(account, instrument.currency)
    if rate is None:
        raise FxUnknown(
            f"{instrument.symbol} is held in {instrument.currency}, and no rate to "
            f"{account.currency} is known"
        )
    return Line(instrument, position.quantity, position.average_price, rate)


def _held(
    account: AccountSnapshot, positions: Sequence[Position], rules: MarginRules
) -> list[Holding]:
    lines = [line_of(account, position) for position in positions]
    notionals = [
        line.quantity * line.price * line.instrument.multiplier * line.fx_rate for line in lines
    ]
    try:
        needed = requirement(lines, rules)
    except MarginUnknown:
        margin = capital = sum(map(abs, notionals), ZERO) / len(lines)
    else:
        margin, capital = needed.initial / len(lines), needed.capital / len(lines)
    return [
        Holding(
            position.instrument.key,
            _scopes(position.account_id, position.strategy_id, position.instrument),
            capital,
            notional,
            margin,
        )
        for position, notional in zip(positions, notionals, strict=True)
    ]


def _scopes(account_id: str, strategy_id: str, instrument: Instrument) -> frozenset[str]:
    return frozenset(
        (
            scope_key(Scope.ACCOUNT, account_id),
            scope_key(Scope.STRATEGY, strategy_id),
            scope_key(Scope.INSTRUMENT, instrument.key),
            scope_key(Scope.INSTRUMENT, instrument.symbol),
            scope_key(Scope.ASSET_CLASS, instrument.instrument_type),
        )
    )


def reserved(reservations: Iterable[Reservation]) -> list[Holding]:
    """Entry orders under way, as if they had filled: what was sent counts from the first moment."""
    return [
        Holding(
            each.instrument_key,
            frozenset(
                (
                    scope_key(Scope.ACCOUNT, each.account_id),
                    scope_key(Scope.STRATEGY, each.strategy_id),
                    scope_key(Scope.INSTRUMENT, each.instrument_key),
                    scope_key(Scope.INSTRUMENT, each.symbol),
                    scope_key(Scope.ASSET_CLASS, each.instrument_type or ""),
                )
            ),
            each.capital,
            each.notional or each.capital,
            each.margin,
        )
        for each in reservations
        if not each.closing_quantity
    ]


def exposures(holdings: Sequence[Holding], keys: Collection[str]) -> dict[str, Exposure]:
    """Sums for each of these scopes."""
    sums: dict[str, list[Holding]] = {key: [] for key in keys}
    for holding in holdings:
        for key in holding.scopes & sums.keys():
            sums[key].append(holding)
    return {key: exposure_of(each) for key, each in sums.items()}


def exposure_of(holdings: Sequence[Holding]) -> Exposure:
    """One sum."""
    return Exposure(
        capital=sum((each.capital for each in holdings), ZERO),
        gross=sum((abs(each.notional) for each in holdings), ZERO),
        net=sum((each.notional for each in holdings), ZERO),
        margin=sum((each.margin for each in holdings), ZERO),
        instruments=len({each.instrument_key for each in holdings}),
    )
