"""What fills cost, by Kite's virtual contract note: pure.

Zerodha charges by order (https://zerodha.com/charges), and its note is of an order as far as it has
filled. So a fill costs what the note of its order grows by with it: all fills together cost exactly
what the order does, however many they are and whenever they are asked about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from brokers.errors import BrokerUnavailable
from brokers.zerodha.numbers import exact, wire
from brokers.zerodha.rows import OrderRow, Trade
from services.domain.values import ZERO

#: What a trade is known by: ids of trades are unique at an exchange and on a day only.
TradeKey = tuple[str, str, str]


#: Of an average price, as Kite has them.
_DECIMALS: Final = 6


class Line(NamedTuple):
    """A line of a note to ask for: an order as far as it had filled with this trade."""

    trade: Trade
    fields: dict[str, Any]


def key_of(trade: Trade) -> TradeKey:
    """What a trade is known by."""
    return trade.exchange, trade.order_id, trade.trade_id


def lines(row: OrderRow, fills: Sequence[Trade], known: Mapping[TradeKey, Decimal]) -> list[Line]:
    """What to ask about an order, so that each of its fills gets a charge.

    Args:
        row: the order.
        fills: all of it, oldest first.
        known: charges that have been told already; they stay as they are.
    """
    told = [each for each in fills if key_of(each) in known]
    found = []
    for trade in fills:
        if key_of(trade) in known:
            continue
        told.append(trade)
        quantity = sum((each.quantity for each in told), ZERO)
        paid = sum((each.quantity * each.price for each in told), ZERO)
        fields = {
            "order_id": row.order_id,
            "exchange": trade.exchange,
            "tradingsymbol": trade.tradingsymbol,
            "transaction_type": str(trade.side),
            "variety": row.variety,
            "product": trade.product,
            "order_type": row.kite_type,
            "quantity": int(quantity),
            "average_price": wire(round(paid / quantity, _DECIMALS)),
        }
        found.append(Line(trade, fields))
    return found


def charged(
    asked: Sequence[Line], answer: object, known: Mapping[TradeKey, Decimal]
) -> dict[TradeKey, Decimal]:
    """The charge of each trade that was asked about.

    Raises:
        BrokerUnavailable: that is no answer to it.
    """
    try:
        totals = [exact(each["charges"]["total"]) for each in answer]  # type: ignore[attr-defined]
    except (LookupError, TypeError, ValueError) as error:
        raise BrokerUnavailable(f"Kite's contract note cannot be read: {error}") from error
    if len(totals) != len(asked):
        raise BrokerUnavailable(f"Kite's note has {len(totals)} lines, {len(asked)} were asked for")
    after = dict(known)
    for line, total in zip(asked, totals, strict=True):
        order_id = line.trade.order_id
        before = sum((paid for key, paid in after.items() if key[1] == order_id), ZERO)
        after[key_of(line.trade)] = total - before
    return {key: paid for key, paid in after.items() if key not in known}
