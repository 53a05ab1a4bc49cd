"""What an investor sees: results, never accounts or positions."""

from __future__ import annotations

from services.dashboard_creator.client_models import ClientPerformance
from services.dashboard_creator.models import View
from services.domain.values import Instant


class InvestorPoint(View):
    """A day's end: an index that began at 100, and its loss since the peak in percent."""

    date: str
    index: float
    drawdown_pct: float


class InvestorMonth(View):
    """One row of the monthly table; `months` from January, null where there is no return."""

    year: int
    months: tuple[float | None, ...]
    total_pct: float


class InvestorShare(View):
    """What a strategy is given; its name is hidden unless the operator shows it."""

    name: str
    allocation_pct: float


class InvestorView(View):
    """The fund's results; returns in percent, payments left out.

    Attributes:
        as_of: of the figures; null = nothing is known yet.
    """

    generated_at: Instant
    as_of: Instant | None
    currency: str
    account_type: str
    performance: ClientPerformance
    curve: tuple[InvestorPoint, ...] = ()
    months: tuple[InvestorMonth, ...] = ()
    allocation: tuple[InvestorShare, ...] = ()


class InvestorDay(View):
    """The results of a day, in percent, from the report of that day; null = not known.

    Attributes:
        day_is_over: whether they are those of the whole day, by its last look.
        drawdown_pct: below the highest equity.
        text: the same in words.
    """

    date: str
    made_at: Instant
    day_is_over: bool
    account_type: str
    day_pct: float | None
    month_pct: float | None
    year_pct: float | None
    drawdown_pct: float | None
    text: str
