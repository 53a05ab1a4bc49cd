"""Prices over time, by the minute for a month: what charts draw fills on.

No market data feed: a point is what an account's broker said, with the poll of what is held and
with each quote that a decision wanted. So there are points of what was traded, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.errors import BulkWriteError

from services.account_data.equity_views import Span
from services.account_data.views import Amount
from services.common.store import Store, are_repeats
from services.domain.values import Frozen, Instant

_POINTS: Final = "price_points"
#: As many as a chart shows; of a longer time the last of each piece of it.
MOST_POINTS: Final = 1000


class PricePoint(Frozen):
    """The first price that was told within a minute, in the instrument's currency."""

    at: Instant
    price: Amount


class PricesView(Frozen):
    """Prices of an instrument by one account's broker, oldest first; a month is kept."""

    account_id: str
    instrument_key: str
    points: tuple[PricePoint, ...] = ()


def keep_prices(
    store: Store, account_id: str, prices: Sequence[tuple[str, Decimal]], at: datetime
) -> None:
    """Write what a broker says by instrument key, but where this minute has a point already.

    In no transaction: a point that is lost is a point of a chart. Raises: PyMongoError.
    """
    if not prices:
        return
    points = [
        {
            "_id": f"{account_id}|{key}|{at:%Y-%m-%dT%H:%M}",
            "account_id": account_id,
            "instrument_key": key,
            "at": at,
            "price": price,
        }
        for key, price in prices
    ]
    try:
        # An insert that may fail costs the embedded database a third of an upsert.
        store[_POINTS].insert_many(points, ordered=False)
    except BulkWriteError as error:
        if not are_repeats(error):
            raise


def read_prices(store: Store, account_id: str, instrument_key: str, span: Span) -> PricesView:
    """What is kept of a time."""
    query = {
        "account_id": account_id,
        "instrument_key": instrument_key,
        "at": {"$gte": span.first, "$lte": span.last},
    }
    rows = store[_POINTS].find(query, {"at": 1, "price": 1}).sort("at", ASCENDING)
    points = thinned(rows, span, MOST_POINTS)
    return PricesView(account_id=account_id, instrument_key=instrument_key, points=points)


def thinned(rows: Iterable[Mapping[str, Any]], span: Span, most: int) -> tuple[PricePoint, ...]:
    """The last point of each piece, where the span is cut into so many; pure."""
    piece = max((span.last - span.first) / most, timedelta(microseconds=1))
    last = {(row["at"] - span.first) // piece: row for row in rows}
    return tuple(PricePoint(at=row["at"], price=row["price"]) for row in last.values())
