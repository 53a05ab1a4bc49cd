"""The investor's view of what was loaded: results only. Pure: `now` comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from services.dashboard_creator.client_dashboard import client_performance, percent
from services.dashboard_creator.investor_models import (
    InvestorDay,
    InvestorMonth,
    InvestorPoint,
    InvestorShare,
    InvestorView,
)
from services.dashboard_creator.overview_page import FundDays
from services.dashboard_creator.report_models import DailyReport
from services.domain.performance import (
    compounded,
    drawdowns,
    index_of,
    known,
    months_of,
    performance_of,
)
from services.domain.values import ZERO
from services.domain.words import AccountType

_BEGIN: Final = 100.0
_MONTHS: Final = range(1, 13)
_UNUSED: Final = "not allocated"


def investor_view(
    fund: FundDays,
    ratios: Mapping[str, Decimal],
    *,
    account_type: AccountType,
    currency: str,
    show_names: bool,
    now: datetime,
) -> InvestorView:
    """Performance, curve, monthly table and allocation.

    Args:
        fund: its days; payments are left out of every return.
        ratios: approved share of equity by strategy.
        account_type: real money or paper.
        currency: of the fund.
        show_names: whether strategies are named; else they are numbered by their size.
        now: when it is made.
    """
    series = known(fund.days)
    last = fund.rows[-1] if fund.rows else None
    return InvestorView(
        generated_at=now,
        as_of=last["as_of"] if last else None,
        currency=currency,
        account_type=account_type,
        performance=client_performance(performance_of(fund.days, now.date())),
        curve=tuple(_curve(series)),
        months=tuple(_table(series)),
        allocation=tuple(_shares(ratios, show_names=show_names)),
    )


def investor_day(report: DailyReport) -> InvestorDay:
    """What an investor may know of a report: results, no amount, account, strategy or trade."""
    figures = report.figures.figures
    ratios = (
        ("Day", figures.today_ratio, "+.2%"),
        ("Month", figures.mtd_ratio, "+.2%"),
        ("Year", figures.ytd_ratio, "+.2%"),
        ("Below the peak", figures.drawdown_ratio, ".2%"),
    )
    lines = [
        f"{name}: {'not known' if ratio is None else format(ratio, form)}"
        for name, ratio, form in ratios
    ]
    known_ratios = (None if ratio is None else float(ratio) for _, ratio, _ in ratios)
    day, month, year, fallen = map(percent, known_ratios)
    return InvestorDay(
        date=report.date,
        made_at=report.made_at,
        day_is_over=report.figures.day_is_over,
        account_type=figures.account_type,
        day_pct=day,
        month_pct=month,
        year_pct=year,
        drawdown_pct=fallen,
        text="\n".join([f"Results of {report.date}", *lines]),
    )


def _curve(series: Sequence[tuple[date, float]]) -> list[InvestorPoint]:
    ratios = [ratio for _, ratio in series]
    return [
        InvestorPoint(
            date=on.isoformat(), index=round(_BEGIN * level, 6), drawdown_pct=percent(fallen) or 0.0
        )
        for (on, _), level, fallen in zip(series, index_of(ratios), drawdowns(ratios), strict=True)
    ]


def _table(series: Sequence[tuple[date, float]]) -> list[InvestorMonth]:
    by_year: dict[int, dict[int, float]] = {}
    for month in months_of(series):
        by_year.setdefault(month.year, {})[month.month] = month.ratio
    return [
        InvestorMonth(
            year=year,
            months=tuple(percent(months.get(month)) for month in _MONTHS),
            total_pct=percent(compounded(months.values())) or 0.0,
        )
        for year, months in sorted(by_year.items())
    ]


def _shares(ratios: Mapping[str, Decimal], *, show_names: bool) -> list[InvestorShare]:
    """Largest first; what is given to nobody is a share, too."""
    given = sorted(((ratio, name) for name, ratio in ratios.items() if ratio), reverse=True)
    shares = [
        InvestorShare(
            name=name if show_names else f"Strategy {place}", allocation_pct=float(ratio * 100)
        )
        for place, (ratio, name) in enumerate(given, start=1)
    ]
    rest = 1 - sum((ratio for ratio, _ in given), ZERO)
    if rest > 0:
        shares.append(InvestorShare(name=_UNUSED, allocation_pct=float(rest * 100)))
    return shares
