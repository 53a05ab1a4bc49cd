"""All queries of our own record: fills, prices, equity and allocations in, rows of days out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from pydantic import ValidationError
from pymongo import ASCENDING, DeleteOne, ReplaceOne
from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.store import Document, Store, from_document
from services.domain.accounts import Strategy
from services.domain.instruments import Instrument
from services.domain.values import ZERO
from services.domain.words import AccountType, EquityBase, InstrumentType, Side
from services.portfolio_builder.live_pnl import Holding, Traded
from services.portfolio_builder.live_record import AccountEquity, Approved, LiveDay

_LIVE: Final = "live"
#: A transaction of thousands of rows stops the embedded database (docs/decisions/0019).
_MOST_WRITES: Final = 500
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class History(NamedTuple):
    """Everything that a strategy ever did, and the prices and rates to value it with.

    Attributes:
        rates: by account and currency, by day, in the account's currency.
        currencies: of the accounts that it traded in.
        every_day: whether it traded what is traded on weekends.
        unexplained: positions that differ from the sum of their fills, in words.
    """

    holdings: tuple[Holding, ...]
    rates: Mapping[tuple[str, str], Mapping[date, Decimal]]
    currencies: Mapping[str, str]
    every_day: bool
    unexplained: tuple[str, ...]


class LiveStore:
    """Reads what happened, writes what it came to."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def strategy_ids(self) -> list[str]:
        """Strategies that have traded."""
        found = self._store["positions"].find({}, {"strategy_id": 1})
        known = {row["_id"] for row in self._store["strategies"].find({}, {"_id": 1})}
        return sorted({row["strategy_id"] for row in found} & known)

    def history(self, strategy_id: str) -> History:
        """Fills of a strategy with the marks of what it held."""
        positions = list(self._store["positions"].find({"strategy_id": strategy_id}))
        fills = self._fills(strategy_id)
        accounts = sorted({row["account_id"] for row in positions})
        marks, rates = self._marks(accounts)
        holdings, unexplained, every_day = [], [], False
        for row in positions:
            instrument = from_document(Instrument, row["instrument"])
            key = row["account_id"], str(row["instrument_key"])
            mine = tuple(fills.get(key, ()))
            every_day = every_day or instrument.instrument_type is InstrumentType.CRYPTO
            rest = row["quantity"] - sum((fill.quantity for fill in mine), ZERO)
            if rest:
                unexplained.append(f"{rest} {key[1]} in {key[0]} come from no fill")
            holdings.append(
                Holding(*key, instrument.currency, instrument.multiplier, mine, marks.get(key, {}))
            )
        return History(
            tuple(holdings), rates, self._currencies(accounts), every_day, tuple(unexplained)
        )

    def _fills(self, strategy_id: str) -> dict[tuple[str, str], list[Traded]]:
        query = {"strategy_id": strategy_id}
        rows = self._store["execution_confirmations"].find(query).sort("occurred_at", ASCENDING)
        found: dict[tuple[str, str], list[Traded]] = {}
        for row in rows:
            if row.get("void"):  # corrected, or taken back
                continue
            fill = Traded(
                row["occurred_at"],
                row["quantity"] * Side(row["side"]).sign,
                row["price"],
                row["commission"],
                row["commission_currency"],
            )
            found.setdefault((row["account_id"], str(row["instrument_key"])), []).append(fill)
        return found

    def _marks(
        self, accounts: Sequence[str]
    ) -> tuple[
        dict[tuple[str, str], dict[date, Decimal]], dict[tuple[str, str], dict[date, Decimal]]
    ]:
        """Prices by account and instrument, rates by account and currency; each by day."""
        marks: dict[tuple[str, str], dict[date, Decimal]] = {}
        rates: dict[tuple[str, str], dict[date, Decimal]] = {}
        query = {"account_id": {"$in": list(accounts)}}
        for row in self._store["daily_marks"].find(query).sort("_id", ASCENDING):
            day = date.fromisoformat(row["date"])
            key = row["account_id"], str(row["instrument_key"])
            marks.setdefault(key, {})[day] = row["price"]
            if row.get("fx_rate") is not None:
                rates.setdefault((row["account_id"], row["currency"]), {})[day] = row["fx_rate"]
        return marks, rates

    def _currencies(self, accounts: Sequence[str]) -> dict[str, str]:
        query = {"_id": {"$in": list(accounts)}}
        found = self._store["trading_accounts"].find(query, {"currency": 1})
        return {row["_id"]: row.get("currency", "USD") for row in found}

    def strategy(self, strategy_id: str) -> Strategy | None:
        """As Cerebro reads it; None where there is none, or it cannot be read."""
        found = self._store["strategies"].find_one({"_id": strategy_id})
        try:
            return from_document(Strategy, found) if found else None
        except ValidationError:
            return None

    def approved(self, strategy_id: str) -> tuple[Approved, ...]:
        """Its ratio in every version of the allocation, oldest first."""
        rows = list(self._store["allocation_history"].find({}).sort("_id", ASCENDING))
        current = self._store["current_allocation"].find_one({"_id": "current"})
        if current is not None and not rows:
            rows = [current]
        found = [
            Approved(
                row.get("approved_at") or _LONG_AGO,
                next(
                    (e["ratio"] for e in row["allocations"] if e["strategy_id"] == strategy_id),
                    ZERO,
                ),
            )
            for row in rows
        ]
        return tuple(sorted(found, key=lambda each: each.at))

    def bases(self, strategy: Strategy) -> tuple[AccountEquity, ...]:
        """Equity by day of what its allocation is a share of."""
        if strategy.equity_base is EquityBase.FUND:
            names = [each.account_id for each in strategy.accounts]
            row = self._store["trading_accounts"].find_one({"_id": {"$in": names}}) or {}
            kind = str(row.get("account_type", AccountType.PAPER))
            rows = self._store["fund_history"].find({"account_type": kind})
            return (_equity(f"the {kind} fund", Decimal(1), rows),)
        return tuple(
            _equity(
                each.account_id,
                each.weight_ratio,
                self._store["equity_history"].find({"account_id": each.account_id}),
            )
            for each in strategy.accounts
        )

    def rows(self, strategy_id: str) -> list[Document]:
        """The record as it is stored, oldest first."""
        query = {"strategy_id": strategy_id, "source": _LIVE}
        return list(self._store["strategy_returns"].find(query).sort("date", ASCENDING))

    def replace(self, strategy_id: str, days: Sequence[LiveDay], currency: str) -> int:
        """Make these days the record; what is so already is left alone.

        In transactions of some hundred rows: each row follows from what happened, so that whatever
        is cut off is finished by the next run.

        Returns: how many rows were written or removed.
        """
        wanted = {row["_id"]: row for row in (_row(strategy_id, day, currency) for day in days)}
        stored = {row["_id"]: row for row in self.rows(strategy_id)}
        changes: list[ReplaceOne[Document] | DeleteOne] = [
            ReplaceOne({"_id": key}, row, upsert=True)
            for key, row in wanted.items()
            if stored.get(key) != row
        ]
        changes += [DeleteOne({"_id": key}) for key in stored if key not in wanted]
        for start in range(0, len(changes), _MOST_WRITES):
            self._write(changes[start : start + _MOST_WRITES])
        return len(changes)

    def _write(self, changes: Sequence[ReplaceOne[Document] | DeleteOne]) -> None:
        def work(session: ClientSession) -> None:
            self._store["strategy_returns"].bulk_write(changes, session=session)

        self._store.transaction(work)

    def save_report(self, strategy_id: str, report: Document, *, anew_by: str | None) -> None:
        """What a run came to; one that forgot earlier capital is somebody's act."""

        def work(session: ClientSession) -> None:
            self._store["live_reports"].replace_one(
                {"_id": strategy_id}, report, upsert=True, session=session
            )
            if anew_by:
                facts = {"strategy": strategy_id, "changed": report["changed"]}
                audit(
                    self._store,
                    "LIVE_RECORD_MADE_ANEW",
                    service="portfolio_builder",
                    by=anew_by,
                    facts=facts,
                    session=session,
                )

        self._store.transaction(work)

    def report(self, strategy_id: str) -> Document | None:
        """What the last run came to; None before the first one."""
        return self._store["live_reports"].find_one({"_id": strategy_id})


def _equity(name: str, weight: Decimal, rows: Iterable[Document]) -> AccountEquity:
    known = [(date.fromisoformat(row["date"]), row) for row in rows]
    opens = {day: row["open"] for day, row in known if row.get("open") is not None}
    closes = {day: row["close"] for day, row in known if row.get("close") is not None}
    return AccountEquity(name, weight, opens, closes)


def _row(strategy_id: str, day: LiveDay, currency: str) -> Document:
    on = day.on.isoformat()
    return {
        "_id": f"{strategy_id}|{_LIVE}|{on}",
        "strategy_id": strategy_id,
        "source": _LIVE,
        "date": on,
        "return": day.ratio,
        "pnl": day.pnl,
        "capital": day.capital,
        "currency": currency,
        "covers": day.covers,
    }
