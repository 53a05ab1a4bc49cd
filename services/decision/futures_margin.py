"""Margin of futures: so much for a contract, never a share of what the contract is worth."""

from __future__ import annotations

from services.decision.margin_terms import Line, MarginRules, MarginUnknown, Requirement
from services.decision.waterfall import money
from services.domain.signals import plain


def futures_requirement(line: Line, rules: MarginRules) -> Requirement:
    """Figure of the table × contracts, long or short; every expiry by itself, no spread credit.

    Where the price of the day of the figure is known and today's is higher, the figure grows in
    proportion; it never shrinks, because margin does not fall with the price alone.

    Raises:
        MarginUnknown: the symbol is not in the table.
    """
    symbol = line.instrument.symbol
    figure = rules.futures.get(symbol)
    if figure is None:
        raise MarginUnknown(f"the margin of one contract of the future {symbol} is not known")
    contracts = abs(line.quantity)
    amount = contracts * line.fx_rate
    sentence = (
        f"{symbol} future: {plain(contracts)} × {money(figure.initial)} ({figure.source},"
        f" figures of {figure.as_on})"
    )
    initial, maintenance = figure.initial * amount, figure.maintenance * amount
    if figure.price is not None and line.price > figure.price:
        initial = initial * line.price / figure.price
        maintenance = maintenance * line.price / figure.price
        sentence += f", scaled up from a price of {plain(figure.price)} to {plain(line.price)}"
    return Requirement(initial, maintenance, initial, sentence)
