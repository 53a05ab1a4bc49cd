"""Our own records: made anew each night from what happened, the same each time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.problems import Refusal
from services.common.store import Store
from services.domain.errors import TraderError
from services.domain.values import Frozen, Instant
from services.portfolio_builder.live_comparison import Comparison, Verdict, compare
from services.portfolio_builder.live_pnl import Rates, Unknown, daily_pnl
from services.portfolio_builder.live_record import Funding, live_record
from services.portfolio_builder.live_store import LiveStore
from services.portfolio_builder.record_store import CLAIMS, LIVE, RecordStore

_log = logging.getLogger(__name__)
_TOLD: Final = 100
#: After midnight in UTC, when the last prices of the day have been kept.
_MINUTE: Final = 10
_LATE_SECONDS: Final = 6 * 3600


class UnknownDay(Frozen):
    """A day that is not in the record, because nobody knows what it made."""

    date: date
    reason: str


class LiveReport(Frozen):
    """What the last run came to.

    Attributes:
        until: last day that was looked at.
        days: in the record.
        currency: of its P&L; None where nothing was ever traded.
        pnl: of all days.
        changed: rows that this run wrote or removed.
        unknown_count: days that are missing, `unknown` has the newest 100.
        verdict: of the record beside what the developer claims; None where nothing is claimed.
        verdict_sentences: the verdict in words, a rule each.
    """

    strategy_id: str
    made_at: Instant
    until: date
    days: int
    currency: str | None
    pnl: Decimal
    changed: int
    unknown_count: int
    unknown: tuple[UnknownDay, ...]
    notes: tuple[str, ...]
    verdict: Verdict | None = None
    verdict_sentences: tuple[str, ...] = ()


class LiveRecords:
    """Makes our own record of each strategy once a day, and when somebody asks."""

    def __init__(self, store: Store) -> None:
        self._store = LiveStore(store)
        self._records = RecordStore(store)
        self._scheduler = BackgroundScheduler(timezone="UTC")
        self._stopping = threading.Event()

    def start(self) -> None:
        """Run each night, and once now: the process may have been away at night."""
        self._scheduler.add_job(
            self.rebuild_all,
            CronTrigger(hour=0, minute=_MINUTE, timezone="UTC"),
            misfire_grace_time=_LATE_SECONDS,
            coalesce=True,
            max_instances=1,
        )
        self._scheduler.add_job(self.rebuild_all)
        self._scheduler.start()

    def stop(self) -> None:
        """End after the strategy that is being looked at; the next run does the others."""
        self._stopping.set()
        self._scheduler.shutdown()

    def rebuild_all(self) -> None:
        """Make the record of every strategy that has traded; a failure of one leaves the others."""
        try:
            names = self._store.strategy_ids()
        except PyMongoError as error:
            _log.warning("live records could not be made: %s", type(error).__name__)
            return
        for name in names:
            if self._stopping.is_set():
                return
            try:
                self.rebuild(name)
            except (PyMongoError, TraderError, Refusal) as error:
                _log.warning("the live record of %s could not be made: %s", name, error)

    def rebuild(
        self, strategy_id: str, *, until: date | None = None, anew_by: str | None = None
    ) -> LiveReport:
        """Make one record from the first fill on.

        Args:
            strategy_id: whose.
            until: last day; None = yesterday, because today is not over.
            anew_by: who has the capital forgotten that days were told with before; None = it
                stays, although accounts or weights have changed since.

        Raises:
            Refusal: there is no such strategy, or its accounts have several currencies.
        """
        strategy = self._store.strategy(strategy_id)
        if strategy is None:
            sentence = f"there is no strategy named {strategy_id!r} that can be read"
            raise Refusal(404, "UNKNOWN_STRATEGY", sentence)
        until = until or utc_now().date() - timedelta(days=1)
        history = self._store.history(strategy_id)
        currency = _one_currency(strategy_id, history.currencies)
        days, unpriced = daily_pnl(
            history.holdings,
            Rates(currency or "USD", history.rates),
            every_day=history.every_day,
            until=until,
        )
        stored = [] if anew_by else self._store.rows(strategy_id)
        funding = Funding(
            approved=self._store.approved(strategy_id),
            bases=self._store.bases(strategy),
            kept={date.fromisoformat(row["date"]): row["capital"] for row in stored},
        )
        rows, unfunded, notes = live_record(days, funding)
        report = LiveReport(
            strategy_id=strategy_id,
            made_at=utc_now(),
            until=until,
            days=len(rows),
            currency=currency,
            pnl=sum((row.pnl for row in rows), Decimal(0)),
            changed=self._store.replace(strategy_id, rows, currency or "USD"),
            unknown_count=len(unpriced) + len(unfunded),
            unknown=_told([*unpriced, *unfunded]),
            notes=(*notes, *history.unexplained),
            **self._verdict(strategy_id),
        )
        self._store.save_report(strategy_id, report.model_dump(mode="json"), anew_by=anew_by)
        return report

    def _verdict(self, strategy_id: str) -> dict[str, Any]:
        """The verdict on the developer's own live record, else on their backtest."""
        for source in reversed(CLAIMS):
            if self._records.current(strategy_id, source) is not None:
                found = self.compare(strategy_id, source)
                return {"verdict": found.verdict, "verdict_sentences": found.sentences}
        return {}

    def report(self, strategy_id: str) -> LiveReport:
        """What the last run came to. Raises: Refusal (404)."""
        found = self._store.report(strategy_id)
        if found is None:
            sentence = f"no live record of {strategy_id} was made yet"
            raise Refusal(404, "UNKNOWN_RECORD", sentence)
        fields = LiveReport.model_fields
        return LiveReport.model_validate({name: found[name] for name in found if name in fields})

    def compare(self, strategy_id: str, source: str) -> Comparison:
        """Our own record beside a claim. Raises: Refusal: there is no such strategy or claim."""
        if source not in CLAIMS:
            sentence = f"source must be {' or '.join(CLAIMS)}, was {source!r}"
            raise Refusal(422, "BAD_SOURCE", sentence, field="source")
        if self._store.strategy(strategy_id) is None:
            sentence = f"there is no strategy named {strategy_id!r} that can be read"
            raise Refusal(404, "UNKNOWN_STRATEGY", sentence)
        claimed = self._records.days(strategy_id, source)
        if claimed is None:
            sentence = f"strategy {strategy_id} has no record {source!r} to compare with"
            raise Refusal(404, "UNKNOWN_RECORD", sentence)
        live = self._records.days(strategy_id, LIVE) or []
        return compare(
            {day.on: float(day.ratio) for day in live},
            {day.on: float(day.ratio) for day in claimed},
        )


def _one_currency(strategy_id: str, currencies: Mapping[str, str]) -> str | None:
    found = sorted(set(currencies.values()))
    if len(found) > 1:
        names = ", ".join(f"{name} in {currency}" for name, currency in sorted(currencies.items()))
        sentence = (
            f"{strategy_id} trades in accounts of several currencies ({names}): there is no rate "
            "between accounts by day, so its record cannot be made"
        )
        raise Refusal(409, "SEVERAL_CURRENCIES", sentence)
    return found[0] if found else None


def _told(unknown: list[Unknown]) -> tuple[UnknownDay, ...]:
    newest = sorted(unknown, reverse=True)[:_TOLD]
    return tuple(UnknownDay(date=each.on, reason=each.reason) for each in newest)
