"""Margin by asset class where the broker has not been asked, and to check what it answered.

Sources and what is left out: docs/decisions/0008-margin.md. Rates change: a broker's own preview
always comes first. What is not known raises; it never counts as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from pydantic import Field

from services.decision.futures_margin import BUILT_IN, per_contract
from services.decision.margin_lines import Line, MarginUnknown, Requirement, together
from services.decision.options_margin import options_requirement
from services.domain.risk import FuturesMargin
from services.domain.signals import plain
from services.domain.values import ZERO, Frozen, Positive
from services.domain.words import InstrumentType, MarginModel

__all__ = [
    "Line",
    "MarginRules",
    "MarginUnknown",
    "Requirement",
    "added",
    "requirement",
]

_I = InstrumentType
#: Federal Reserve Regulation T, 12 CFR 220.12: half of the market value, long or short.
_REG_T: Final = Decimal("0.5")
#: FINRA rule 4210(c): a quarter to keep a long position.
_KEEP_LONG: Final = Decimal("0.25")
#: FINRA rule 4210(c) for shorts, by price: from, share of the value, dollars a share at least.
_KEEP_SHORT: Final = (
    (Decimal("16.67"), Decimal("0.3"), ZERO),
    (Decimal(5), ZERO, Decimal(5)),
    (Decimal("2.5"), Decimal(1), ZERO),
    (ZERO, ZERO, Decimal("2.5")),
)
#: Interactive Brokers' forex haircuts by currency; the larger of a pair's two is asked.
_FOREX: Final[dict[str, Decimal]] = {
    **dict.fromkeys(("USD", "EUR", "JPY", "CHF", "GBP", "AUD", "CAD"), Decimal("0.025")),
    **dict.fromkeys(("SEK", "NOK", "NZD", "DKK"), Decimal("0.0333")),
    **dict.fromkeys(("CNH", "CZK", "HKD", "HUF", "ILS", "MXN", "SGD"), Decimal("0.05")),
    "KRW": Decimal("0.1"),
}
_STOCKS: Final = frozenset({_I.STOCK, _I.ETF})


class MarginRules(Frozen):
    """Whose rules hold, and the figures that they need.

    Attributes:
        futures: per contract, by symbol.
        underlying_prices: of what uncovered options are written on, by symbol.
    """

    model: MarginModel = MarginModel.REG_T
    futures: dict[str, FuturesMargin] = Field(default_factory=lambda: dict(BUILT_IN))
    underlying_prices: dict[str, Positive] = Field(default_factory=dict)

    def with_futures(self, stored: Mapping[str, FuturesMargin | None]) -> MarginRules:
        """These rules with an operator's own figures; None takes a figure away."""
        if not stored:
            return self
        futures = {**self.futures, **stored}
        known = {symbol: each for symbol, each in futures.items() if each is not None}
        return self.model_copy(update={"futures": known})


def requirement(lines: Sequence[Line], rules: MarginRules) -> Requirement:
    """What lines that are held together need; options and what covers them are taken together.

    Args:
        lines: of one account; each counts by itself but for options and stock of the same symbol.
        rules: of the account.

    Returns: amounts in account currency; twice the quantities need twice as much.

    Raises:
        MarginUnknown: of one of them nothing is known.
    """
    symbols = {each.instrument.symbol for each in lines if _is_option(each)}
    groups: dict[str, list[Line]] = {}
    found = []
    for line in lines:
        if not line.quantity:
            continue
        if _is_option(line) or (_is_stock(line) and line.instrument.symbol in symbols):
            groups.setdefault(line.instrument.symbol, []).append(line)
        else:
            found.append(_alone(line, rules))
    for symbol, group in groups.items():
        found += _with_options(symbol, group, rules)
    return together(found)


def added(held: Sequence[Line], wanted: Sequence[Line], rules: MarginRules) -> Requirement:
    """What `wanted` needs on top of what is `held` already; never less than nothing.

    Raises: MarginUnknown.
    """
    if not held:
        return requirement(wanted, rules)
    before, after = requirement(held, rules), requirement([*held, *wanted], rules)
    return Requirement(
        max(ZERO, after.initial - before.initial),
        max(ZERO, after.maintenance - before.maintenance),
        max(ZERO, after.capital - before.capital),
        f"{after.initial:,.2f} with what is held, {before.initial:,.2f} without: {after.sentence}",
    )


def _is_option(line: Line) -> bool:
    return line.instrument.instrument_type is _I.OPTION


def _is_stock(line: Line) -> bool:
    return line.instrument.instrument_type in _STOCKS


def _with_options(symbol: str, group: Sequence[Line], rules: MarginRules) -> list[Requirement]:
    """Options and the stock that covers them; the stock needs its own margin all the same."""
    options = [each for each in group if _is_option(each)]
    stocks = [each for each in group if _is_stock(each)]
    if rules.model is MarginModel.INDIA and any(each.quantity < 0 for each in options):
        raise MarginUnknown(
            f"the margin of {symbol} options sold in India is known to brokers only"
        )
    price = rules.underlying_prices.get(symbol) or next((each.price for each in stocks), None)
    shares = sum((each.quantity for each in stocks), ZERO)
    return [
        *(_alone(each, rules) for each in stocks),
        options_requirement(options, shares=shares, underlying_price=price),
    ]


def _alone(line: Line, rules: MarginRules) -> Requirement:
    kind = line.instrument.instrument_type
    return _BY_TYPE[kind](line, rules)


def _stock(line: Line, rules: MarginRules) -> Requirement:
    value = line.value
    if rules.model is MarginModel.INDIA:
        return Requirement(value, value, value, f"all of {value:,.2f} (CNC)")
    initial = value * _REG_T
    keep = value * _KEEP_LONG if line.quantity > 0 else _keep_short(line)
    bound = " at most, by risk" if rules.model is MarginModel.PORTFOLIO else ""
    words = f"Regulation T, 50 % of {value:,.2f}{bound}"
    return Requirement(max(initial, keep), keep, value, words)


def _keep_short(line: Line) -> Decimal:
    if line.instrument.currency != "USD":
        return line.value * _KEEP_SHORT[0][1]
    ratio, dollars = next(
        (ratio, dollars) for least, ratio, dollars in _KEEP_SHORT if line.price > least or not least
    )
    return line.value * ratio + abs(line.quantity) * dollars * line.fx_rate


def _forex(line: Line, rules: MarginRules) -> Requirement:
    pair = line.instrument.symbol
    if rules.model is MarginModel.INDIA:
        raise MarginUnknown(f"the margin of {pair} in India is known to brokers only")
    base, quote = pair[:3], pair[3:]
    unknown = [each for each in (base, quote) if each not in _FOREX]
    if unknown:
        raise MarginUnknown(f"no margin is known for {' and '.join(unknown)} in {pair}")
    ratio = max(_FOREX[base], _FOREX[quote])
    margin = line.value * ratio
    words = f"{plain(ratio * 100)} % of {line.value:,.2f} {pair}"
    return Requirement(margin, margin, margin, words)


def _crypto(line: Line, _rules: MarginRules) -> Requirement:
    value = line.value
    return Requirement(value, value, value, f"all of {value:,.2f}")


def _future(line: Line, rules: MarginRules) -> Requirement:
    symbol = line.instrument.symbol
    if rules.model is MarginModel.INDIA:
        raise MarginUnknown(f"the margin of {symbol} futures in India is known to brokers only")
    figures = rules.futures.get(symbol)
    if figures is None:
        raise MarginUnknown(f"no margin is known for {symbol} futures: no broker was asked")
    return per_contract(line, figures)


_BY_TYPE: Final[dict[InstrumentType, Callable[[Line, MarginRules], Requirement]]] = {
    _I.STOCK: _stock,
    _I.ETF: _stock,
    _I.FOREX: _forex,
    _I.CRYPTO: _crypto,
    _I.FUTURE: _future,
}
