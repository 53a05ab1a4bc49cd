"""Margin by asset class where the broker has not been asked; what is not known stays unknown.

Sources: stocks 12 CFR 220.12 (Regulation T) and FINRA 4210(c) with the tiers that IBKR publishes
for cheap short stock; forex: IBKR's rates by currency; futures and options in their own modules.
Every figure grows in proportion to the quantity: minimums of an account are the broker's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from services.decision.futures_margin import futures_requirement
from services.decision.margin_terms import (
    BUILT_IN_FUTURES,
    NOTHING,
    Line,
    MarginRules,
    MarginUnknown,
    Requirement,
    together,
)
from services.decision.options_margin import options_requirement
from services.decision.waterfall import money
from services.domain.instruments import Instrument
from services.domain.signals import plain
from services.domain.values import ZERO
from services.domain.words import InstrumentType, MarginModel

__all__ = [
    "BUILT_IN_FUTURES",
    "Line",
    "MarginRules",
    "MarginUnknown",
    "Requirement",
    "added",
    "requirement",
]

#: Federal Reserve Regulation T (12 CFR 220.12): half of the market value, long or short.
_INITIAL: Final = Decimal("0.5")
_LONG_MAINTENANCE: Final = Decimal("0.25")
_SHORT_MAINTENANCE: Final = Decimal("0.30")
_SHARES: Final = frozenset({InstrumentType.STOCK, InstrumentType.ETF})
#: IBKR, by currency; of a pair the higher of the two counts.
_FOREX_RATIOS: Final[dict[str, Decimal]] = {
    **dict.fromkeys(("USD", "EUR", "JPY", "CHF", "GBP", "AUD", "CAD"), Decimal("0.025")),
    **dict.fromkeys(("SEK", "NOK", "NZD", "DKK"), Decimal("0.0333")),
    **dict.fromkeys(("CNH", "CZK", "HKD", "HUF", "ILS", "MXN", "SGD"), Decimal("0.05")),
    "KRW": Decimal("0.10"),
}


def requirement(lines: Sequence[Line], rules: MarginRules) -> Requirement:
    """What all lines, held together in one account, require.

    Lines of one instrument count as one, at the highest of their prices; options are set off
    against each other and against shares of the same symbol.

    Raises:
        MarginUnknown: one of the lines has no figure; nothing is guessed.
    """
    if len(lines) == 1 and not _is_option(lines[0].instrument):
        _check(lines[0])
        found = _of_line(lines[0], rules)
    else:
        found = together(_of_group(group, rules) for group in _groups(_netted(lines)).values())
    if rules.model is MarginModel.PORTFOLIO and found is not NOTHING:
        bound = (
            f"upper bound, by Reg T where the account is under portfolio margin: {found.sentence}"
        )
        return found._replace(sentence=bound)
    return found


def added(held: Sequence[Line], wanted: Sequence[Line], rules: MarginRules) -> Requirement:
    """What `wanted` requires on top of what is held; margin is never below 0.

    What is held is valued at the price of `wanted` where both have the same instrument, so that
    its profit or loss is no part of the answer. Only what shares a symbol with `wanted` is looked
    at: the rest would be on both sides. Capital is that of `wanted`, less what held shares or
    options cover, and never less than the premium that goes out.

    Raises:
        MarginUnknown: as `requirement`.
    """
    if not held and not any(_is_option(line.instrument) for line in wanted):
        return requirement(wanted, rules)
    touched = {_group_of(line.instrument) for line in wanted}
    quoted = {line.instrument.key: line for line in wanted}
    before = [
        _repriced(line, quoted.get(line.instrument.key))
        for line in held
        if _group_of(line.instrument) in touched
    ]
    less, both = requirement(before, rules), requirement([*before, *wanted], rules)
    sentence = both.sentence
    if less is not NOTHING:
        sentence = f"{sentence}; less {money(less.initial)} for what is held of it already"
    return Requirement(
        max(ZERO, both.initial - less.initial),
        max(ZERO, both.maintenance - less.maintenance),
        _added_capital(before, wanted, rules),
        sentence,
    )


def _repriced(line: Line, quoted: Line | None) -> Line:
    return line if quoted is None else line._replace(price=quoted.price, fx_rate=quoted.fx_rate)


def _added_capital(before: Sequence[Line], wanted: Sequence[Line], rules: MarginRules) -> Decimal:
    """Options as far as nothing held covers them; all else as if nothing were held."""
    options = _options_capital([*before, *wanted], rules) - _options_capital(before, rules)
    premium = sum(
        (_signed_notional(line) for line in wanted if _is_option(line.instrument)), start=ZERO
    )
    others = [line for line in wanted if not _is_option(line.instrument)]
    return requirement(others, rules).capital + max(ZERO, options, premium)


def _options_capital(lines: Sequence[Line], rules: MarginRules) -> Decimal:
    shares = [line for line in lines if not _is_option(line.instrument)]
    return requirement(lines, rules).capital - requirement(shares, rules).capital


def _signed_notional(line: Line) -> Decimal:
    return line.notional if line.quantity > 0 else -line.notional


def _is_option(instrument: Instrument) -> bool:
    return instrument.instrument_type is InstrumentType.OPTION


def _group_of(instrument: Instrument) -> str:
    """What is set off against each other: shares and options of one symbol; all else alone."""
    if instrument.instrument_type in _SHARES or _is_option(instrument):
        return f"{instrument.symbol} {instrument.currency}"
    return instrument.key


def _groups(lines: Iterable[Line]) -> dict[str, list[Line]]:
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(_group_of(line.instrument), []).append(line)
    return groups


def _netted(lines: Iterable[Line]) -> list[Line]:
    """One line for each instrument, without those that cancel out."""
    found: dict[str, Line] = {}
    for line in lines:
        _check(line)
        other = found.setdefault(line.instrument.key, line)
        if other is line:
            continue
        if other.instrument.multiplier != line.instrument.multiplier:
            raise MarginUnknown(
                f"{line.instrument.key} comes with two multipliers,"
                f" {plain(other.instrument.multiplier)} and {plain(line.instrument.multiplier)}"
            )
        found[line.instrument.key] = line._replace(
            quantity=other.quantity + line.quantity,
            price=max(other.price, line.price),
            fx_rate=max(other.fx_rate, line.fx_rate),
        )
    return [line for line in found.values() if line.quantity != 0]


def _check(line: Line) -> None:
    """Figures that are no figures make no margin. Raises: MarginUnknown."""
    key = line.instrument.key
    for name, figure in (("quantity", line.quantity), ("price", line.price)):
        if not figure.is_finite():
            raise MarginUnknown(f"the {name} of {key} must be a finite number, was {figure}")
    if not line.fx_rate.is_finite() or line.fx_rate <= 0:
        raise MarginUnknown(f"the exchange rate of {key} must be above 0, was {line.fx_rate}")
    kind = line.instrument.instrument_type
    if kind is InstrumentType.OPTION and line.price < 0:
        raise MarginUnknown(f"the premium of {key} must be 0 or more, was {plain(line.price)}")
    if kind not in {InstrumentType.OPTION, InstrumentType.FUTURE} and line.price <= 0:
        raise MarginUnknown(f"the price of {key} must be above 0, was {plain(line.price)}")


def _of_group(lines: Sequence[Line], rules: MarginRules) -> Requirement:
    options = [line for line in lines if _is_option(line.instrument)]
    others = [line for line in lines if not _is_option(line.instrument)]
    found = [_of_line(line, rules) for line in others]
    if options:
        if rules.model is MarginModel.INDIA:
            raise _only_the_broker(options[0])
        found.append(options_requirement(options, others, rules))
    return together(found)


def _of_line(line: Line, rules: MarginRules) -> Requirement:
    kind = line.instrument.instrument_type
    if kind is InstrumentType.CRYPTO:
        return _in_full(line, "spot")
    if rules.model is MarginModel.INDIA:
        if kind in _SHARES:
            return _in_full(line, "CNC (delivery)")
        raise _only_the_broker(line)
    if kind is InstrumentType.FUTURE:
        return futures_requirement(line, rules)
    if kind is InstrumentType.FOREX:
        return _forex(line)
    return _shares(line)


def _only_the_broker(line: Line) -> MarginUnknown:
    return MarginUnknown(
        f"the margin of {line.instrument.key} is SPAN and exposure, which only the broker knows"
    )


def _in_full(line: Line, why: str) -> Requirement:
    amount = line.notional
    sentence = f"{line.instrument.symbol}: {why}, 100 % of {money(amount)}"
    return Requirement(amount, amount, amount, sentence)


def _forex(line: Line) -> Requirement:
    """The higher rate of the pair's two currencies, of the notional; initial = maintenance."""
    symbol = line.instrument.symbol
    base = "".join(each for each in symbol if each.isalpha())[:3]
    ratios = []
    for currency in (base, line.instrument.currency):
        if currency not in _FOREX_RATIOS:
            raise MarginUnknown(f"the margin rate of {currency} is not known, for {symbol}")
        ratios.append(_FOREX_RATIOS[currency])
    margin = max(ratios) * line.notional
    sentence = f"{symbol}: IBKR {plain(max(ratios) * 100)} % of {money(line.notional)}"
    return Requirement(margin, margin, margin, sentence)


def _shares(line: Line) -> Requirement:
    initial = _INITIAL * line.notional
    sentence = f"{line.instrument.symbol}: Reg T 50 % of {money(line.notional)}"
    if line.quantity > 0:
        maintenance = _LONG_MAINTENANCE * line.notional
        return Requirement(initial, maintenance, line.notional, sentence)
    maintenance = _short_maintenance(line)
    if maintenance > initial:
        sentence = f"{line.instrument.symbol}: cheap stock sold short, {money(maintenance)}"
    return Requirement(max(initial, maintenance), maintenance, line.notional, sentence)


def _short_maintenance(line: Line) -> Decimal:
    """30 %, at least 5 a share; all of it from 2.50 to 5, 2.50 a share below that (IBKR, USD)."""
    if line.instrument.currency != "USD":
        return _SHORT_MAINTENANCE * line.notional
    least = min(Decimal(5), max(line.price, Decimal("2.5")))
    a_share = max(_SHORT_MAINTENANCE * line.price, least)
    return abs(line.quantity) * a_share * line.instrument.multiplier * line.fx_rate
