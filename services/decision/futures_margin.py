"""Margin of futures: an amount for each contract, published by the exchange, never a percentage."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Final

from services.decision.margin_lines import Line, Requirement
from services.domain.risk import FuturesMargin
from services.domain.signals import plain

_AS_ON: Final = date(2022, 1, 21)
_SOURCE: Final = "QuantConnect Lean, 2022-01-21"


def _figures(symbol: str, initial: int, maintenance: int) -> FuturesMargin:
    return FuturesMargin(
        symbol=symbol,
        initial=Decimal(initial),
        maintenance=Decimal(maintenance),
        as_on=_AS_ON,
        source=_SOURCE,
    )


#: Old figures, for backtests and a first look: operators store those of today, brokers preview.
BUILT_IN: Final[dict[str, FuturesMargin]] = {
    each.symbol: each
    for each in (
        _figures("ES", 11_880, 10_800),
        _figures("NQ", 16_500, 15_000),
        _figures("CL", 7_480, 6_800),
        _figures("GC", 6_600, 6_000),
        _figures("ZN", 1_650, 1_500),
    )
}


def per_contract(line: Line, figures: FuturesMargin) -> Requirement:
    """Contracts × figure; the figure grows with the price since it was published, never shrinks.

    Exchanges set margins by risk, which grows with the price; figures of a lower price would ask
    too little.
    """
    growth = Decimal(1)
    if figures.price is not None and line.price > figures.price:
        growth = line.price / figures.price
    times = abs(line.quantity) * line.fx_rate * growth
    grown = f" × {growth:.4f} for the price since" if growth > 1 else ""
    words = (
        f"{plain(abs(line.quantity))} {figures.symbol} × {plain(figures.initial)}{grown} "
        f"({figures.source})"
    )
    initial = figures.initial * times
    return Requirement(initial, figures.maintenance * times, initial, words)
