"""All queries of the summaries: documents of a day in, rows of days and months out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING
from pymongo.change_stream import ChangeStream

from services.common.clock import utc_now
from services.common.store import Document, Store, from_document, to_document
from services.dashboard_creator.paging import BEGINNING, Activity, Wanted, newest_first
from services.dashboard_creator.summary_days import (
    StrategyDay,
    StrategyMonth,
    StrategyTotal,
    Tally,
    Traded,
    strategy_day,
    strategy_month,
    strategy_total,
)
from services.domain.instruments import Instrument
from services.domain.words import FillOrigin

_CHECKPOINT: Final = "summaries"
_SIGNALS: Final = "signal_store"
_FILLS: Final = "execution_confirmations"
#: What a row is made of; the rest of a signal is large.
_OF_SIGNALS: Final = {
    "status": 1,
    "received_at": 1,
    "stages": 1,
    "decision.outcome": 1,
    "decision.code": 1,
    "quarantine.code": 1,
}
_AWAIT_MS: Final = 250
#: Signals from longer before the last one say nothing of how often one comes.
_LONGEST_QUIET: Final = timedelta(days=400)
#: Clocks of brokers may be ahead, and nothing is lost by looking there.
_AHEAD: Final = timedelta(days=400)
_LONGEST_WINDOW: Final = timedelta(days=64)
#: Which strategy's which day (ISO).
Key = tuple[str, str]


class SummaryStore:
    """Reads what happened, writes what it came to.

    Args:
        store: the database.
        await_ms: how long a look for changes waits for one.
    """

    def __init__(self, store: Store, *, await_ms: int = _AWAIT_MS) -> None:
        self._store = store
        self._await_ms = await_ms

    def watch(self, token: Any | None) -> ChangeStream[Document]:  # noqa: ANN401 - opaque
        """Changes of signals and fills from just after `token`, or from now."""
        match = {"ns.coll": {"$in": [_SIGNALS, _FILLS]}}
        return self._store.database.watch(
            [{"$match": match}], resume_after=token, max_await_time_ms=self._await_ms
        )

    def checkpoint(self) -> tuple[Any | None, list[Key]]:
        """How far changes have been read, and rows that still have to be made of them.

        Without a token every row has to be made anew.
        """
        found = self._store["checkpoints"].find_one({"_id": _CHECKPOINT})
        if found is None:
            return None, []
        return found["token"], [(row[0], row[1]) for row in found["waiting"]]

    def save_checkpoint(
        self,
        token: Any,  # noqa: ANN401 - opaque
        waiting: Sequence[Key],
        *,
        at: datetime,
    ) -> None:
        """Everything up to here is in the rows, or waits."""
        row = {"token": token, "waiting": [list(key) for key in waiting], "saved_at": at}
        self._store["checkpoints"].replace_one({"_id": _CHECKPOINT}, row, upsert=True)

    def forget_token(self) -> None:
        """Have all rows made anew."""
        self._store["checkpoints"].delete_one({"_id": _CHECKPOINT})

    def keys_of_signals(self, ids: Sequence[str]) -> set[Key]:
        """Rows that these signals are in."""
        fields = {"strategy_id": 1, "received_at": 1}
        found = self._store[_SIGNALS].find({"_id": {"$in": list(ids)}}, fields)
        return {(row["strategy_id"], day_of(row["received_at"])) for row in found}

    def keys_of_fills(self, ids: Sequence[str]) -> set[Key]:
        """Rows that these fills are in, or may have been in.

        A trade of no order of ours may have been given from one strategy to the next: every row of
        its day may have had it.
        """
        fields = {"strategy_id": 1, "occurred_at": 1, "origin": 1}
        keys: set[Key] = set()
        given: set[str] = set()
        for row in self._store[_FILLS].find({"_id": {"$in": list(ids)}}, fields):
            on = day_of(row["occurred_at"])
            keys.add((row["strategy_id"], on))
            if row.get("origin", FillOrigin.ORDER) != FillOrigin.ORDER:
                given.add(on)
        for on in sorted(given):
            found = self._store["strategy_days"].find({"date": on}, {"strategy_id": 1})
            keys |= {(row["strategy_id"], on) for row in found}
        return keys

    def remake(self, key: Key) -> StrategyDay:
        """Make one row anew, and the month that it is part of."""
        strategy_id, on = key
        first = datetime.combine(date.fromisoformat(on), datetime.min.time(), UTC)
        span = {"$gte": first, "$lt": first + timedelta(days=1)}
        fills = self._fills(strategy_id, span)
        row = strategy_day(
            strategy_id,
            on,
            signals=self._store[_SIGNALS].find(
                {"strategy_id": strategy_id, "received_at": span}, _OF_SIGNALS
            ),
            fills=fills,
            traded=self._traded(strategy_id, fills),
        )
        self._put("strategy_days", f"{strategy_id}|{on}", row, keep=not row.empty)
        return row

    def remake_month(self, strategy_id: str, month: str) -> None:
        """Sum the days of a month up again."""
        days = self.days(strategy_id, f"{month}-01", f"{month}-31")
        row = strategy_month(strategy_id, month, days)
        self._put("strategy_months", f"{strategy_id}|{month}", row, keep=bool(days))

    def remake_total(self, strategy_id: str) -> None:
        """Sum the months of a strategy up again."""
        months = self.months(strategy_id)
        row = strategy_total(strategy_id, months)
        self._put("strategy_totals", strategy_id, row, keep=bool(months))

    def _put(self, collection: str, key: str, row: Tally, *, keep: bool) -> None:
        if keep:
            self._store[collection].replace_one({"_id": key}, to_document(row), upsert=True)
        else:
            self._store[collection].delete_one({"_id": key})

    def _fills(self, strategy_id: str, span: Document) -> list[Document]:
        found = self._store[_FILLS].find({"strategy_id": strategy_id, "occurred_at": span})
        return [row for row in found if not row.get("void") and not row.get("busted")]

    def _traded(self, strategy_id: str, fills: Iterable[Document]) -> dict[tuple[str, str], Traded]:
        keys = {(row["account_id"], str(row["instrument_key"])) for row in fills}
        ids = ["|".join((strategy_id, *key)) for key in keys]
        found = self._store["positions"].find({"_id": {"$in": ids}}) if ids else ()
        traded = {}
        for row in found:
            instrument = from_document(Instrument, row["instrument"])
            key = (row["account_id"], str(row["instrument_key"]))
            traded[key] = Traded(currency=instrument.currency, multiplier=instrument.multiplier)
        return traded

    def days(self, strategy_id: str, first: str, last: str) -> list[StrategyDay]:
        """Rows of a strategy, oldest first; both ends counted."""
        query = {"strategy_id": strategy_id, "date": {"$gte": first, "$lte": last}}
        found = self._store["strategy_days"].find(query).sort("date", ASCENDING)
        return [from_document(StrategyDay, row) for row in found]

    def months(self, strategy_id: str) -> list[StrategyMonth]:
        """All months of a strategy, oldest first."""
        found = self._store["strategy_months"].find({"strategy_id": strategy_id})
        return [from_document(StrategyMonth, row) for row in found.sort("month", ASCENDING)]

    def on(self, day: str) -> list[StrategyDay]:
        """The rows of all strategies on a day."""
        found = self._store["strategy_days"].find({"date": day})
        return [from_document(StrategyDay, row) for row in found]

    def since(self, first: str) -> list[StrategyDay]:
        """The rows of all strategies from a day on."""
        found = self._store["strategy_days"].find({"date": {"$gte": first}})
        return [from_document(StrategyDay, row) for row in found]

    def totals(self) -> dict[str, StrategyTotal]:
        """Everything that each strategy ever did."""
        found = self._store["strategy_totals"].find({})
        return {row["_id"]: from_document(StrategyTotal, row) for row in found}

    def total(self, strategy_id: str) -> StrategyTotal | None:
        """Everything that a strategy ever did; None = nothing."""
        found = self._store["strategy_totals"].find_one({"_id": strategy_id})
        return from_document(StrategyTotal, found) if found else None

    def traded_between(self, strategy_id: str, first: str, before: str) -> bool:
        """Whether a strategy had a fill from `first` on, and before `before`."""
        query = {"strategy_id": strategy_id, "date": {"$gte": first, "$lt": before}}
        found = self._store["strategy_days"].find(query, {"fills": 1})
        return any(row["fills"] for row in found)

    def all_keys(self) -> Iterator[Key]:
        """Every row that there is or should be, each once, the newest days first.

        Found in windows of time by an index, because nothing may go through all signals at once: a
        question to the database has seconds, and they are millions.
        """
        fields = {"strategy_id": 1, "date": 1}
        stored = self._store["strategy_days"].find({}, fields)
        seen = {(str(row["strategy_id"]), str(row["date"])) for row in stored}
        yield from sorted(seen, key=lambda key: (key[1], key[0]), reverse=True)
        held = self._store["positions"].find({}, {"account_id": 1})
        accounts = sorted({str(row["account_id"]) for row in held})
        sources: list[tuple[str, str, Document]] = [
            (_SIGNALS, "received_at", {}),
            *((_FILLS, "occurred_at", {"account_id": each}) for each in accounts),
        ]
        for collection, field, prefix in sources:
            for keys in self._windows(collection, field, prefix):
                yield from sorted(keys - seen)
                seen |= keys

    def _windows(self, collection: str, field: str, prefix: Document) -> Iterator[set[Key]]:
        """Keys of all documents of a collection, a window of time after the other."""
        upper, length = utc_now() + _AHEAD, timedelta(days=1)
        while upper > BEGINNING:
            lower = upper - length
            query = {**prefix, field: {"$gte": lower, "$lt": upper}}
            found = self._store[collection].find(query, {"strategy_id": 1, field: 1})
            keys = {(str(row["strategy_id"]), day_of(row[field])) for row in found}
            if keys:
                yield keys
            upper = lower
            length = timedelta(days=1) if keys else min(2 * length, _LONGEST_WINDOW)

    def signal_times(self, strategy_id: str, last_at: datetime, limit: int) -> list[datetime]:
        """When the last signals came, newest first; in windows, as all lists (`paging`)."""
        read = self._store[_SIGNALS]

        def window(after: datetime, until: datetime, most: int | None) -> list[Document]:
            query = {"strategy_id": strategy_id, "received_at": {"$gt": after, "$lte": until}}
            found = read.find(query, {"received_at": 1}).sort("received_at", DESCENDING)
            return list(found.limit(most or 0))

        since = last_at - _LONGEST_QUIET
        wanted = Wanted(limit=limit, field="received_at", until=last_at, since=since)
        return [row["received_at"] for row in newest_first(window, wanted, Activity({})).rows]

    def newest_signal(self, strategy_id: str, last_at: datetime) -> Document | None:
        """The newest signal of a strategy, where the newest that was counted came at `last_at`."""
        query = {"strategy_id": strategy_id, "received_at": {"$gte": last_at}}
        fields = {"signal_id": 1, "status": 1, "received_at": 1}
        found = self._store[_SIGNALS].find(query, fields)
        return max(found, key=lambda row: (row["received_at"], row["_id"]), default=None)


def day_of(moment: datetime) -> str:
    """The day (UTC) that a time is of."""
    return moment.astimezone(UTC).date().isoformat()
