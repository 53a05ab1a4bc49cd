"""Puts the overview together; each range is made at most once in `refresh_seconds`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from services.common.clock import utc_now
from services.common.kept import Kept
from services.common.store import Document, from_document
from services.dashboard_creator.cadence import GAPS, silence
from services.dashboard_creator.fund_days import POINT_SPANS, KeptFundDays, KeptFundPoints
from services.dashboard_creator.overview import shared_currency
from services.dashboard_creator.overview_models import (
    Overview,
    OverviewPoint,
    Range,
    ServiceState,
    StrategyLine,
)
from services.dashboard_creator.overview_page import (
    FundDays,
    Terms,
    account_rate,
    daily_points,
    equal_weight,
    figures_of,
    first_day,
    main_type,
    needs_of,
    points_of,
)
from services.dashboard_creator.overview_store import OverviewStore
from services.dashboard_creator.pages import LastSignal
from services.dashboard_creator.summary_days import StrategyDay
from services.dashboard_creator.summary_store import SummaryStore
from services.dashboard_creator.valuation import (
    Made,
    Marks,
    Place,
    Rate,
    Valued,
    exposure_of,
    made_today,
    valued,
)
from services.domain.accounts import AccountSnapshot
from services.domain.books import Position
from services.domain.values import ZERO
from services.domain.words import AccountType, StrategyMode

#: What changes once a night, and how often a strategy sends.
_SLOW_SECONDS: Final = 60.0


class Books(NamedTuple):
    """What is held and moved, and the prices and rates to value it with."""

    currency: str
    positions: dict[str, list[Position]]
    days: dict[str, StrategyDay]
    marks: Mapping[Place, Marks]
    rate: Rate
    currencies: Mapping[str, str]
    worths: list[Valued]

    def made(self, strategy_id: str, currency: str) -> Made:
        """What a strategy has made today."""
        day = self.days.get(strategy_id)
        moved = day.moved if day else ()
        positions = self.positions.get(strategy_id, [])
        return made_today(positions, moved, self.marks, currency=currency, rate=self.rate)


class _Known(NamedTuple):
    """What is known of a strategy beside its books.

    Attributes:
        report: of its own record; None = none was made.
        recorded: P&L of the month in it, today left out.
        traded: where there is no report: whether anything filled this month before today.
        last_signal_at: of the newest signal that was counted.
    """

    ratio: Decimal | None
    report: Document | None
    recorded: Decimal
    traded: bool
    last_signal_at: datetime | None


class PageTerms(NamedTuple):
    """How pages are made.

    Attributes:
        trading_mode: paper or live.
        max_age_seconds: from which age on figures are stale.
        refresh_seconds: how old an answer may be.
        clock: what time it is.
    """

    trading_mode: str
    max_age_seconds: float
    refresh_seconds: float
    clock: Callable[[], datetime] = utc_now


class OverviewPages:
    """The overview, and what other pages take from it.

    Args:
        store: documents.
        summaries: rows of days.
        terms: how they are made.
        services: what the processes say of themselves.
    """

    def __init__(
        self,
        store: OverviewStore,
        summaries: SummaryStore,
        terms: PageTerms,
        *,
        services: Callable[[], Sequence[ServiceState]] = tuple,
    ) -> None:
        self._store = store
        self._summaries = summaries
        self._trading_mode = terms.trading_mode
        self._max_age_seconds = terms.max_age_seconds
        self._services = services
        self._clock = terms.clock
        self.fund_days = KeptFundDays(store)
        self._points = KeptFundPoints(store)
        self.page = Kept(self._build, seconds=terms.refresh_seconds)
        slow = _SLOW_SECONDS if terms.refresh_seconds else 0.0
        self._times = Kept(self._signal_times, seconds=slow)
        self._recorded = Kept(self._month_before, seconds=slow)
        self._benchmark = Kept(self._equal_weight, seconds=slow)

    def _signal_times(self, strategy_id: str) -> list[datetime]:
        total = self._summaries.total(strategy_id)
        last_at = total.last_signal_at if total else None
        return self._summaries.signal_times(strategy_id, last_at, GAPS + 1) if last_at else []

    def _month_before(self, span: tuple[str, str]) -> dict[str, Decimal]:
        """P&L of each strategy's own record from one day on, and before another."""
        recorded: dict[str, Decimal] = defaultdict(Decimal)
        names = [row["_id"] for row in self._store.strategies()]
        for row in self._store.live_rows(names, span[0]):
            if row["date"] < span[1]:
                recorded[row["strategy_id"]] += row["pnl"]
        return recorded

    def _equal_weight(self, since: str) -> dict[date, float]:
        names = [row["_id"] for row in self._store.strategies()]
        rows = self._store.live_rows(names, since)
        known = [row for row in rows if row.get("return") is not None]
        return equal_weight(
            [(date.fromisoformat(row["date"]), float(row["return"])) for row in known]
        )

    def books(self, accounts: Sequence[AccountSnapshot], currency: str, now: datetime) -> Books:
        """Positions, what moved today, prices; `currency` is what worth is counted in."""
        days = {day.strategy_id: day for day in self._summaries.on(now.date().isoformat())}
        found = {_id(each): each for each in self._store.open_positions()}
        touched = {
            "|".join((day.strategy_id, each.account_id, each.instrument_key))
            for day in days.values()
            for each in day.moved
        }
        closed = touched - found.keys()
        if closed:
            found |= {_id(each): each for each in self._store.positions(closed)}
        by_id = {each.account_id: each for each in accounts}
        marks = self._store.marks({each.account_id for each in found.values()}, now.date())
        positions: dict[str, list[Position]] = defaultdict(list)
        for each in found.values():
            positions[each.strategy_id].append(each)

        def rate(account_id: str, source: str, target: str) -> Decimal | None:
            return account_rate(by_id, account_id, source, target)

        return Books(
            currency=currency,
            positions=positions,
            days=days,
            marks=marks,
            rate=rate,
            currencies={each.account_id: each.currency for each in accounts},
            worths=valued(found.values(), marks, currency=currency, rate=rate),
        )

    def fresh(self, span: Range) -> Overview:
        """The overview as of now, for what is kept."""
        return self._build(span)

    def _build(self, span: Range) -> Overview:
        now = self._clock()
        accounts = self._store.accounts()
        account_type = main_type(accounts)
        fund = self._store.fund(account_type)
        days = self.fund_days(account_type)
        figures = figures_of(
            fund,
            days.days,
            accounts,
            Terms(account_type, self._store.margin_limit(), self._max_age_seconds, now),
        )
        books = self.books(accounts, figures.currency, now)
        waiting = self._store.waiting()
        return Overview(
            generated_at=now,
            trading_mode=self._trading_mode,
            trading_state=self._store.trading_state(),
            range=span,
            figures=figures,
            curve=self._curve(span, account_type, days, now),
            strategies=tuple(self._strategies(books, now)),
            exposure=exposure_of(books.worths, currency=figures.currency, equity=figures.equity),
            needs_person=needs_of(
                waiting, accounts, max_age_seconds=self._max_age_seconds, now=now
            ),
            services=tuple(self._services()),
        )

    def _curve(
        self, span: Range, account_type: AccountType, days: FundDays, now: datetime
    ) -> tuple[OverviewPoint, ...]:
        if span in POINT_SPANS:
            return points_of(self._points(account_type, span, now), span)
        first = first_day(span, now)
        return daily_points(days, first, self._benchmark(first.isoformat()))

    def _strategies(self, books: Books, now: datetime) -> list[StrategyLine]:
        documents = {row["_id"]: row for row in self._store.strategies()}
        ratios, reports = self._store.allocation_ratios(), self._store.live_reports()
        names = sorted(documents.keys() | {each.strategy_id for each in books.worths})
        month, today = now.date().replace(day=1).isoformat(), now.date().isoformat()
        recorded = self._recorded((month, today))
        totals = self._summaries.totals()
        traded = {
            name
            for name in names
            if name not in reports
            and name in totals
            and totals[name].fills
            and self._summaries.traded_between(name, month, today)
        }
        return [
            self._line(
                name,
                documents.get(name) or {"name": name, "accounts": ()},
                books,
                _Known(
                    ratios.get(name),
                    reports.get(name),
                    recorded.get(name, ZERO),
                    name in traded,
                    totals[name].last_signal_at if name in totals else None,
                ),
                now,
            )
            for name in names
        ]

    def _line(
        self, name: str, document: Document, books: Books, known: _Known, now: datetime
    ) -> StrategyLine:
        own = [books.currencies.get(each["account_id"]) for each in document["accounts"]]
        held = [books.currencies.get(each.account_id) for each in books.positions.get(name, [])]
        currency = shared_currency(each for each in (own or held) if each)
        made = books.made(name, currency)
        mine = [each for each in books.worths if each.strategy_id == name]
        unvalued = [each.reason for each in mine if each.worth is None]
        mtd, why = _month(made, known, now)
        last, times = self._last(name, known.last_signal_at)
        report = known.report or {}
        reasons = [each for each in (made.unknown, why, *unvalued) if each]
        return StrategyLine(
            strategy_id=name,
            name=document["name"],
            status=document.get("status"),
            mode=document.get("mode", StrategyMode.PAPER) if "status" in document else None,
            allocation_ratio=known.ratio,
            currency=currency,
            exposure=None if unvalued else sum((abs(e.worth or ZERO) for e in mine), ZERO),
            today_pnl=made.pnl,
            mtd_pnl=mtd,
            unknown="; ".join(dict.fromkeys(reasons)),
            verdict=report.get("verdict"),
            verdict_sentences=tuple(report.get("verdict_sentences") or ()),
            last_signal=from_document(LastSignal, last) if last else None,
            silence=silence(times, now),
        )

    def _last(
        self, strategy_id: str, counted_at: datetime | None
    ) -> tuple[Document | None, list[datetime]]:
        """The newest signal, and the times of the last ones, newest first."""
        if counted_at is None:
            return None, []
        newest = self._summaries.newest_signal(strategy_id, counted_at)
        times = self._times(strategy_id)
        if newest is not None and (not times or newest["received_at"] > times[0]):
            times = [newest["received_at"], *times]
        return newest, times


def _month(made: Made, known: _Known, now: datetime) -> tuple[Decimal | None, str]:
    """P&L of the calendar month: our own record until last night, and today; or why not."""
    if made.pnl is None:
        return None, ""
    if now.day == 1:
        return made.pnl, ""
    if known.report is None:
        if made.carried or known.traded:
            return None, "our own record has not been made yet"
        return made.pnl, ""
    yesterday = (now.date() - timedelta(days=1)).isoformat()
    if known.report["until"] < yesterday:
        return None, f"our own record ends on {known.report['until']}"
    return made.pnl + known.recorded, ""


def _id(position: Position) -> str:
    return "|".join((position.strategy_id, position.account_id, position.instrument.key))
