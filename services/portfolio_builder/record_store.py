"""Stored track records: versions of what developers claim, and days of our own fills.

A claim is one document, compressed: it is there whole or not at all, and what was there before is
kept beside it. A transaction of 5,000 rows instead stops the embedded database for everybody, since
what is not committed does not fit into its cache (docs/decisions/0019).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pymongo import ASCENDING, DESCENDING
from pymongo.client_session import ClientSession

from services.common.store import Document, Store
from services.portfolio_builder.records.rows import Day

if TYPE_CHECKING:
    from services.portfolio_builder.study import Record

#: What developers may upload; `live` is made of our own fills.
CLAIMS: Final = ("backtest", "developer_live")
LIVE: Final = "live"
#: Whose word counts on a day that several have.
PRIORITY: Final = (LIVE, "developer_live", "backtest")
#: A record is called after its best source only where that has more than a quarter of a year.
_NAMED_AFTER_DAYS: Final = 63
#: Newest returns in the clear, for whoever needs no more: Cerebro estimates volatility of them.
RECENT_DAYS: Final = 250
_FIELDS: Final = ("ratio", "pnl", "notional", "margin", "equity")
_VERSIONS: Final = "record_versions"
_META: Final = {"payload": 0, "recent": 0}


class Series(NamedTuple):
    """Days of one strategy, oldest first, each day once.

    Attributes:
        source: the best one with more than a quarter of a year in it, else the best one.
        margins: ratios of equity, as far as they were measured.
    """

    strategy_id: str
    source: str
    dates: tuple[date, ...]
    returns: tuple[float, ...]
    margins: tuple[float, ...] | None


def packed(days: Sequence[Day]) -> bytes:
    """Days as they are stored: columns of exact texts, compressed."""
    columns: dict[str, list[str | None]] = {"on": [day.on.isoformat() for day in days]}
    for name in _FIELDS:
        values: list[Decimal | None] = [getattr(day, name) for day in days]
        if any(value is not None for value in values):
            columns[name] = [None if value is None else str(value) for value in values]
    return zlib.compress(json.dumps(columns).encode())


def unpacked(payload: bytes) -> list[Day]:
    """Days back, as exact as they were."""
    columns = _columns(payload)
    nothing: list[None] = [None] * len(columns["on"])
    texts = [columns.get(name, nothing) for name in _FIELDS[1:]]
    return [
        Day(date.fromisoformat(on), Decimal(ratio), *map(_exact, values))
        for on, ratio, *values in zip(columns["on"], columns["ratio"], *texts, strict=True)
    ]


def _exact(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _columns(payload: bytes) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = json.loads(zlib.decompress(payload))
    return found


class RecordStore:
    """All queries of track records."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_review(self, row: Document) -> None:
        """Keep a file that waits for its confirmation."""
        self._store["record_reviews"].insert_one(row)

    def review(self, review_id: str, session: ClientSession | None = None) -> Document | None:
        """A file that waits, or waited; None = there is none."""
        return self._store["record_reviews"].find_one({"_id": review_id}, session=session)

    def confirmed_as(self, review_id: str, session: ClientSession) -> int | None:
        """Number of the version that a file became; None = it waits still."""
        fields = {"number": 1}
        found = self._store["record_reviews"].find_one({"_id": review_id}, fields, session=session)
        return None if found is None else found.get("number")

    def reviews(self, strategy_id: str, *, most: int) -> list[Document]:
        """Files of a strategy without what is in them, the newest first."""
        found = self._store["record_reviews"].find({"strategy_id": strategy_id}, {"content": 0})
        return list(found.sort("uploaded_at", DESCENDING).limit(most))

    def confirm_review(self, review_id: str, changes: Document, session: ClientSession) -> bool:
        """End its wait; False where it was confirmed meanwhile."""
        changed = self._store["record_reviews"].update_one(
            {"_id": review_id, "status": "OPEN"},
            {"$set": changes, "$unset": {"content": ""}},
            session=session,
        )
        return bool(changed.modified_count)

    def current(
        self, strategy_id: str, source: str, session: ClientSession | None = None
    ) -> Document | None:
        """The version that counts, with its days; None = there is none."""
        query = {"strategy_id": strategy_id, "source": source, "current": True}
        return self._store[_VERSIONS].find_one(query, session=session)

    def version(
        self, strategy_id: str, source: str, number: int, session: ClientSession | None = None
    ) -> Document | None:
        """Any version, with its days."""
        query = {"_id": _version_id(strategy_id, source, number)}
        return self._store[_VERSIONS].find_one(query, session=session)

    def versions(self, strategy_id: str) -> list[Document]:
        """Every version of every source without its days, the newest first."""
        found = self._store[_VERSIONS].find({"strategy_id": strategy_id}, _META)
        return list(found.sort([("source", ASCENDING), ("number", DESCENDING)]))

    def add_version(self, row: Document, days: Sequence[Day], session: ClientSession) -> int:
        """Make days the record of a source; the one before is kept. Returns: its number.

        Raises: DuplicateKeyError: somebody else did at the same time.
        """
        strategy_id, source = row["strategy_id"], row["source"]
        own = {"strategy_id": strategy_id, "source": source}
        last = self._store[_VERSIONS].find_one(
            own, {"number": 1}, sort=[("number", DESCENDING)], session=session
        )
        number = int(last["number"]) + 1 if last else 1
        self._store[_VERSIONS].update_many(
            own | {"current": True}, {"$unset": {"current": ""}}, session=session
        )
        self._store[_VERSIONS].insert_one(
            {
                "_id": _version_id(strategy_id, source, number),
                **row,
                "number": number,
                "current": True,
                "days": len(days),
                "first_on": days[0].on,
                "last_on": days[-1].on,
                "recent": [day.ratio for day in days[-RECENT_DAYS:]],
                "payload": packed(days),
            },
            session=session,
        )
        return number

    def days(self, strategy_id: str, source: str) -> list[Day] | None:
        """Every day of one source, oldest first; None = there is no such record."""
        if source == LIVE:
            rows = self.live_rows(strategy_id)
            return [_live_day(row) for row in rows if row.get("return") is not None] or None
        found = self.current(strategy_id, source)
        return unpacked(found["payload"]) if found else None

    def live_rows(self, strategy_id: str) -> list[Document]:
        """Our own record, oldest first."""
        query = {"strategy_id": strategy_id, "source": LIVE}
        return list(self._store["strategy_returns"].find(query).sort("date", ASCENDING))

    def recorded(self, strategy_ids: Iterable[str]) -> set[str]:
        """Those of these strategies that have a record."""
        names = sorted(set(strategy_ids))
        query = {"current": True, "strategy_id": {"$in": names}}
        claimed = self._store[_VERSIONS].find(query, {"strategy_id": 1})
        found = {str(row["strategy_id"]) for row in claimed}
        live = self._store["strategy_returns"]
        return found | {
            name
            for name in names
            if name not in found and live.find_one({"strategy_id": name}, {"_id": 1})
        }

    def series(
        self, strategy_ids: Iterable[str], priority: Sequence[str] = PRIORITY
    ) -> list[Series]:
        """The record of each strategy that has one, in the order of the ids.

        Args:
            strategy_ids: whose.
            priority: sources; of a day that several have, the first of them counts.
        """
        names = sorted(set(strategy_ids))
        found: dict[str, dict[str, _Track]] = {name: {} for name in names}
        for row in self._current_of(names, priority):
            found[row["strategy_id"]][row["source"]] = _of_payload(row)
        if LIVE in priority:
            for row in self._live_of(names):
                track = found[row["strategy_id"]].setdefault(LIVE, _Track([], [], []))
                track.dates.append(_day(row["date"]))
                track.returns.append(float(row["return"]))
                track.margins.append(None)
        return [_joined(name, sources, priority) for name, sources in found.items() if sources]

    def load(self, strategy_ids: Iterable[str], priority: Sequence[str] = PRIORITY) -> list[Record]:
        """The same as arrays, for studies; brings numpy into the process."""
        import numpy as np  # noqa: PLC0415 - only where studies run

        from services.portfolio_builder.study import Record  # noqa: PLC0415 - the same

        return [
            Record(
                strategy_id=each.strategy_id,
                source=each.source,
                dates=each.dates,
                returns=np.array(each.returns, dtype=np.float64),
                margins=None if each.margins is None else np.array(each.margins, dtype=np.float64),
            )
            for each in self.series(strategy_ids, priority)
        ]

    def _current_of(self, names: Sequence[str], priority: Sequence[str]) -> Iterable[Document]:
        sources = [source for source in priority if source != LIVE]
        query = {"current": True, "strategy_id": {"$in": list(names)}, "source": {"$in": sources}}
        fields = {"strategy_id": 1, "source": 1, "payload": 1, "margin_is_derived": 1}
        return self._store[_VERSIONS].find(query, fields)

    def _live_of(self, names: Sequence[str]) -> Iterable[Document]:
        query = {"source": LIVE, "strategy_id": {"$in": list(names)}, "return": {"$ne": None}}
        fields = {"_id": 0, "strategy_id": 1, "date": 1, "return": 1}
        return self._store["strategy_returns"].find(query, fields).sort("date", ASCENDING)


def _version_id(strategy_id: str, source: str, number: int) -> str:
    return f"{strategy_id}|{source}|{number}"


def _live_day(row: Document) -> Day:
    return Day(date.fromisoformat(row["date"]), row["return"], row.get("pnl"))


class _Track(NamedTuple):
    """Days of one source, oldest first."""

    dates: list[date]
    returns: list[float]
    margins: list[float | None]


#: Strategies share their days; reading each of them once saves most of the time.
_day: Final = lru_cache(maxsize=100_000)(date.fromisoformat)


def _of_payload(row: Mapping[str, Any]) -> _Track:
    """Returns and margin ratios; what was computed from returns is no margin."""
    columns = _columns(row["payload"])
    dates, returns = list(map(_day, columns["on"])), list(map(float, columns["ratio"]))
    margin, equity = columns.get("margin"), columns.get("equity")
    if margin is None or equity is None or row.get("margin_is_derived"):
        return _Track(dates, returns, [None] * len(dates))
    margins = [
        None if held is None or of is None else float(held) / float(of)
        for held, of in zip(margin, equity, strict=True)
    ]
    return _Track(dates, returns, margins)


def _joined(name: str, sources: Mapping[str, _Track], priority: Sequence[str]) -> Series:
    ranked = [source for source in priority if source in sources]
    track = sources[ranked[0]] if len(ranked) == 1 else _merged([sources[each] for each in ranked])
    known = [each for each in track.margins if each is not None]
    long = [source for source in ranked if len(sources[source].dates) > _NAMED_AFTER_DAYS]
    return Series(
        strategy_id=name,
        source=(long or ranked)[0],
        dates=tuple(track.dates),
        returns=tuple(track.returns),
        margins=tuple(known) if len(known) == len(track.margins) else None,
    )


def _merged(ranked: Sequence[_Track]) -> _Track:
    """Every day once, from the first that has it."""
    days: dict[date, tuple[float, float | None]] = {}
    for track in reversed(ranked):
        pairs = zip(track.returns, track.margins, strict=True)
        days.update(zip(track.dates, pairs, strict=True))
    ordered = sorted(days)
    return _Track(ordered, [days[each][0] for each in ordered], [days[each][1] for each in ordered])
