"""Makes the daily report, once a day, and keeps it; whoever sends it takes it from there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from services.common.clock import utc_now
from services.common.problems import Refusal
from services.common.store import Document, from_document
from services.dashboard_creator.daily_report import as_html, as_text, changes_of
from services.dashboard_creator.overview_models import Figures, Overview, Range
from services.dashboard_creator.overview_page import figures_of_day, main_type
from services.dashboard_creator.overview_service import OverviewPages
from services.dashboard_creator.overview_store import OverviewStore
from services.dashboard_creator.report_models import (
    DailyReport,
    ReportChange,
    ReportDenial,
    ReportFigures,
    ReportIncident,
    ReportStrategy,
    ReportTrade,
)
from services.dashboard_creator.results_store import ResultsStore
from services.dashboard_creator.road import instrument_in_words
from services.dashboard_creator.summary_days import StrategyDay
from services.dashboard_creator.summary_store import SummaryStore
from services.domain.instruments import Instrument
from services.domain.values import ZERO

#: Fills and refusals that a report lists; it counts all.
_MOST_LISTED: Final = 100
#: Events of more days than these before are no part of a report.
_LONGEST: Final = timedelta(days=4)


class Reports:
    """Daily reports.

    Args:
        store: where they are kept.
        facts, summaries: what they are made of.
        overview: figures of today.
        trading_mode: paper or live.
        clock: what time it is.
    """

    def __init__(
        self,
        store: ResultsStore,
        facts: OverviewStore,
        summaries: SummaryStore,
        overview: OverviewPages,
        *,
        trading_mode: str,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._facts = facts
        self._summaries = summaries
        self._overview = overview
        self._trading_mode = trading_mode
        self._clock = clock

    def report(self, day: date | None) -> DailyReport:
        """The kept report of a day, None = the newest; one of a day without one is made, not kept.

        Raises: Refusal: the day has not come yet, or nothing was ever reported.
        """
        found = (
            self._store.report(day.isoformat())
            if day
            else self._store.newest_report(self._clock().date())
        )
        if found is not None:
            return DailyReport.model_validate({**found, "date": found["_id"]})
        today = self._clock().date()
        if day is not None and day > today:
            sentence = f"date must not be later than today ({today} UTC), was {day}"
            raise Refusal(422, "REPORT_IN_FUTURE", sentence, field="date")
        return self._made(day or today)

    def any_made(self) -> bool:
        """Whether there is a report of any day."""
        return self._store.any_report()

    def make_planned(self, planned_at: datetime) -> bool:
        """Make and keep the report of a planned time; False where that day has one already."""
        if self._store.report(planned_at.date().isoformat()) is not None:
            return False
        return self._store.keep_report(_document(self._made(planned_at.date())))

    def make_anew(self, day: date, *, by: str) -> DailyReport:
        """Make the report of a day again, and keep it instead. Raises: Refusal as `report`."""
        today = self._clock().date()
        if day > today:
            sentence = f"date must not be later than today ({today} UTC), was {day}"
            raise Refusal(422, "REPORT_IN_FUTURE", sentence, field="date")
        report = self._made(day)
        self._store.replace_report(_document(report), by=by)
        return report

    def _made(self, day: date) -> DailyReport:
        figures = self._figures(day)
        return DailyReport(
            date=day.isoformat(),
            made_at=self._clock(),
            text=as_text(figures),
            html=as_html(figures),
            figures=figures,
        )

    def _figures(self, day: date) -> ReportFigures:
        now = self._clock()
        midnight = datetime.combine(day, time(0), UTC)
        until = min(now, midnight + timedelta(days=1))
        first = self._covered_until(day) or midnight
        page = self._overview.fresh(Range.DAY)
        is_today = day == now.date()
        rows = {row.strategy_id: row for row in self._summaries.on(day.isoformat())}
        accounts = [each.account_id for each in self._facts.accounts()]
        fills = self._store.fills_between(accounts, first, until)
        codes, denials = self._store.refusals_between(first, until, _MOST_LISTED)
        return ReportFigures(
            date=day.isoformat(),
            covers_from=first,
            covers_until=until,
            day_is_over=not is_today,
            trading_mode=self._trading_mode,
            trading_state=page.trading_state,
            figures=page.figures if is_today else self._figures_of(day),
            strategies=tuple(self._today(page, rows) if is_today else self._earlier(day, rows)),
            trades_total=len(fills),
            trades=tuple(_trade(row, instrument) for row, instrument in fills[-_MOST_LISTED:]),
            denials_by_code=codes,
            denials=tuple(ReportDenial.model_validate(row) for row in denials),
            incidents=tuple(_incident(row) for row in self._store.incidents_between(first, until)),
            allocation_changes=tuple(self._changes(first, until)),
            needs_person=page.needs_person,
        )

    def _covered_until(self, day: date) -> datetime | None:
        """Where the report before ended; None where there is none of the last days."""
        before = self._store.report_before(day)
        if before is None:
            return None
        until: datetime = before["figures"]["covers_until"]
        recent = datetime.combine(day, time(0), UTC) - until <= _LONGEST
        return until if recent else None

    def _figures_of(self, day: date) -> Figures:
        account_type = main_type(self._facts.accounts())
        return figures_of_day(self._overview.fund_days(account_type), day, account_type)

    def _today(self, page: Overview, rows: dict[str, StrategyDay]) -> list[ReportStrategy]:
        return [
            ReportStrategy(
                strategy_id=line.strategy_id,
                currency=line.currency,
                today_pnl=line.today_pnl,
                mtd_pnl=line.mtd_pnl,
                unknown=line.unknown,
                **_counts(rows.get(line.strategy_id)),
            )
            for line in page.strategies
        ]

    def _earlier(self, day: date, rows: dict[str, StrategyDay]) -> list[ReportStrategy]:
        """Of a day that is over, by our own records."""
        names = sorted({row["_id"] for row in self._facts.strategies()} | rows.keys())
        month: dict[str, Decimal] = {}
        made: dict[str, Document] = {}
        for row in self._facts.live_rows(names, day.replace(day=1).isoformat()):
            if row["date"] <= day.isoformat():
                month[row["strategy_id"]] = month.get(row["strategy_id"], ZERO) + row["pnl"]
            if row["date"] == day.isoformat():
                made[row["strategy_id"]] = row
        return [
            ReportStrategy(
                strategy_id=name,
                currency=str(made[name].get("currency", "USD")) if name in made else "USD",
                today_pnl=made[name]["pnl"] if name in made else None,
                mtd_pnl=month.get(name),
                unknown="" if name in made else "our own record has no such day",
                **_counts(rows.get(name)),
            )
            for name in names
        ]

    def _changes(self, first: datetime, until: datetime) -> list[ReportChange]:
        versions = [
            (
                {each["strategy_id"]: each["ratio"] for each in row["allocations"]},
                ReportChange(
                    at=row["approved_at"],
                    strategy_id="",
                    before_pct=None,
                    after_pct=None,
                    by=str(row.get("approved_by", "")),
                    reason=str(row.get("reason", "")),
                ),
            )
            for row in self._store.allocation_changes(first, until)
        ]
        if versions and versions[0][1].at >= first:  # nothing was ever approved before
            versions.insert(0, ({}, versions[0][1]))
        return changes_of(versions)


def _counts(row: StrategyDay | None) -> dict[str, int]:
    if row is None:
        return {"signals": 0, "fills": 0, "refused": 0}
    refused = row.denied + row.quarantined + row.rejected + row.expired
    return {"signals": row.received, "fills": row.fills, "refused": refused}


def _trade(row: Document, instrument: Instrument | None) -> ReportTrade:
    symbol, currency = row["instrument_key"], row.get("commission_currency", "")
    if instrument is not None:
        symbol, currency = instrument_in_words(instrument), instrument.currency
    return ReportTrade(
        at=row["occurred_at"],
        strategy_id=row["strategy_id"],
        account_id=row["account_id"],
        side=row["side"],
        quantity=row["quantity"],
        symbol=symbol,
        price=row["price"],
        pnl=row["realized_pnl"],
        currency=currency,
    )


def _incident(row: Document) -> ReportIncident:
    return from_document(ReportIncident, {**row, "open": row["status"] == "OPEN"})


def _document(report: DailyReport) -> Document:
    fields = report.model_dump()
    return {"_id": fields.pop("date"), **fields}
