"""Equity over time, of accounts and of funds: by the day for ever, by the minute for two weeks.

Only figures that nobody doubts are part of a curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pymongo import ASCENDING, DESCENDING, UpdateOne
from pymongo.client_session import ClientSession

from services.account_data.held import DailyMark
from services.common.store import Document, Store, to_document
from services.domain.marks import day_open
from services.domain.risk import EquityMarks
from services.domain.values import ZERO


class Curve(NamedTuple):
    """Where the curves of one kind of owner are."""

    history: str
    points: str
    owner: str


ACCOUNTS: Final = Curve("equity_history", "equity_points", "account_id")
FUNDS: Final = Curve("fund_history", "fund_points", "account_type")


class Look(NamedTuple):
    """One look at an equity that is believed.

    Attributes:
        flow: what was paid in, less what was paid out, since the look before.
        marks: as they are with it.
        more: fields that a point keeps beside it.
    """

    at: datetime
    equity: Decimal
    currency: str
    marks: EquityMarks
    flow: Decimal = ZERO
    more: dict[str, Any] = {}  # noqa: RUF012 - never changed


def keep(store: Store, curve: Curve, key: str, look: Look, session: ClientSession) -> None:
    """Add a look to the day and to the minute that it is of."""
    day = _day(look.at)
    store[curve.history].update_one(
        {"_id": f"{key}|{day}"},
        {
            "$setOnInsert": {curve.owner: key, "date": day, "open": look.equity},
            "$max": {"high": look.equity},
            "$min": {"low": look.equity},
            "$set": {
                "close": look.equity,
                "currency": look.currency,
                "as_of": look.at,
                "start": day_open(look.marks),
            },
            "$inc": {"flows": look.flow},
        },
        upsert=True,
        session=session,
    )
    point = {
        curve.owner: key,
        "at": look.at,
        "equity": look.equity,
        "currency": look.currency,
        "marks": to_document(look.marks),
        **look.more,
    }
    minute = f"{key}|{look.at:%Y-%m-%dT%H:%M}"
    store[curve.points].update_one({"_id": minute}, {"$set": point}, upsert=True, session=session)


def keep_marks(
    store: Store,
    account_id: str,
    marks: Sequence[DailyMark],
    at: datetime,
    session: ClientSession,
) -> None:
    """Write the last prices of the day of what is held."""
    if not marks:
        return
    day = _day(at)
    store["daily_marks"].bulk_write(
        [
            UpdateOne(
                {"_id": f"{account_id}|{each.instrument.key}|{day}"},
                {
                    "$set": {
                        "account_id": account_id,
                        "instrument_key": each.instrument.key,
                        "date": day,
                        "price": each.price,
                        "currency": each.instrument.currency,
                        "fx_rate": each.fx_rate,
                        "as_of": at,
                    }
                },
                upsert=True,
            )
            for each in marks
        ],
        ordered=False,
        session=session,
    )


def add_flow(
    store: Store, curve: Curve, key: str, at: datetime, flow: Decimal, session: ClientSession
) -> None:
    """Say of a day that is known already what was paid on it.

    Where nobody looked that day, the next one's close has the money, as the days before it had not.
    """
    day, fields = _day(at), {"_id": 1, "date": 1}
    around = [
        store[curve.history].find_one(
            {curve.owner: key, "date": dates}, fields, sort=[("date", order)], session=session
        )
        for dates, order in (({"$lt": day}, DESCENDING), ({"$gte": day}, ASCENDING))
    ]
    before, row = around
    if row is None or (before is None and row["date"] != day):
        return
    # What the day began with, at the size that it has now, is not known until it is made anew.
    change = {"$inc": {"flows": flow}, "$unset": {"start": ""}}
    store[curve.history].update_one({"_id": row["_id"]}, change, session=session)


def keep_starts(
    store: Store, curve: Curve, key: str, marks: Iterable[EquityMarks], session: ClientSession
) -> None:
    """Write what days began with, from their last marks as they are made anew."""
    starts = {each.day: day_open(each) for each in marks}
    if starts:
        store[curve.history].bulk_write(
            [
                UpdateOne({"_id": f"{key}|{day}"}, {"$set": {"start": start}})
                for day, start in starts.items()
            ],
            ordered=False,
            session=session,
        )


def points_since(
    store: Store,
    curve: Curve,
    key: str,
    since: datetime | None,
    session: ClientSession | None = None,
) -> list[Document]:
    """Looks since a time, None = all that are kept; oldest first."""
    query: Document = {curve.owner: key}
    if since is not None:
        query["at"] = {"$gte": since}
    return list(store[curve.points].find(query, session=session).sort("at", ASCENDING))


def _day(at: datetime) -> str:
    return at.date().isoformat()
