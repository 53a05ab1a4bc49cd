"""The daily report: what somebody reads in the evening, or on their way home."""

from __future__ import annotations

from services.dashboard_creator.models import Amount, View
from services.dashboard_creator.overview_models import Figures, Needs
from services.domain.values import Instant


class ReportStrategy(View):
    """One strategy's day (UTC); null = not known, `unknown` says why."""

    strategy_id: str
    currency: str
    today_pnl: Amount | None
    mtd_pnl: Amount | None
    signals: int
    fills: int
    refused: int
    unknown: str = ""


class ReportTrade(View):
    """One fill; `pnl` is what it realized, gross."""

    at: Instant
    strategy_id: str
    account_id: str
    side: str
    quantity: Amount
    symbol: str
    price: Amount
    pnl: Amount
    currency: str


class ReportDenial(View):
    """A signal that did not trade."""

    at: Instant
    strategy_id: str
    code: str
    sentence: str


class ReportIncident(View):
    """Something that opened, or was seen again."""

    kind: str
    sentence: str
    opened_at: Instant
    open: bool


class ReportChange(View):
    """An allocation that was approved; percent of equity."""

    at: Instant
    strategy_id: str
    before_pct: float | None
    after_pct: float | None
    by: str
    reason: str


class ReportFigures(View):
    """All of a report, for machines.

    Attributes:
        date: the day (UTC) that figures and strategies are of, from midnight on.
        covers_from: from when on trades, denials, incidents and changes are listed: the end of the
            report before, so that nothing falls between two of them.
        covers_until: up to when.
        trades_total: how many fills there were; `trades` has the newest.
        denials_by_code: all of them; `denials` has the newest.
        day_is_over: whether figures are those of the whole day, by its last look.
    """

    date: str
    covers_from: Instant
    covers_until: Instant
    day_is_over: bool
    trading_mode: str
    trading_state: str
    figures: Figures
    strategies: tuple[ReportStrategy, ...] = ()
    trades_total: int = 0
    trades: tuple[ReportTrade, ...] = ()
    denials_by_code: dict[str, int]
    denials: tuple[ReportDenial, ...] = ()
    incidents: tuple[ReportIncident, ...] = ()
    allocation_changes: tuple[ReportChange, ...] = ()
    needs_person: Needs = Needs()


class DailyReport(View):
    """A report as it was made and is sent."""

    date: str
    made_at: Instant
    text: str
    html: str
    figures: ReportFigures
