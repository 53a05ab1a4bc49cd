"""What the overview page says in one answer. Ratios are fractions: 0.05 is 5 %."""

from __future__ import annotations

from enum import StrEnum

from services.dashboard_creator.models import Amount, View
from services.dashboard_creator.pages import LastSignal
from services.domain.values import Instant
from services.domain.words import AccountType, TradingState


class Range(StrEnum):
    """How far back the curve goes."""

    DAY = "1D"
    WEEK = "1W"
    MONTH = "1M"
    YEAR = "YTD"
    ALL = "ALL"


class Figures(View):
    """What stands on top, of the fund of one account type; null = not known.

    Attributes:
        equity: of all active accounts; where one is doubted, the smaller figure.
        missing: why the fund is not known, in words; "" where it is.
        as_of: of the oldest account in it.
        today_pnl: gain since midnight UTC, what was paid in or out left out.
        mtd_ratio: time-weighted, of the calendar month, as `ytd_ratio` of the year.
        drawdown_ratio: loss since the highest equity, since a person last reset it.
        margin_used: initial margin of all active accounts.
        margin_ratio: of equity; `margin_limit_ratio` is what a GLOBAL limit lets it be.
    """

    account_type: AccountType
    currency: str
    equity: Amount | None = None
    missing: str = ""
    as_of: Instant | None = None
    age_s: float | None = None
    stale: bool = True
    today_pnl: Amount | None = None
    today_ratio: Amount | None = None
    mtd_ratio: float | None = None
    ytd_ratio: float | None = None
    drawdown_ratio: Amount | None = None
    margin_used: Amount | None = None
    margin_ratio: Amount | None = None
    margin_limit_ratio: Amount | None = None


class OverviewPoint(View):
    """One point of the curve.

    Attributes:
        growth: what 1 at the first point has become, payments left out.
        drawdown_ratio: loss since the peak of the whole history, 0 or above.
        benchmark: what 1 has become in all strategies at equal weights, each day anew; of days.
    """

    at: Instant
    equity: Amount
    growth: float | None = None
    drawdown_ratio: float | None = None
    benchmark: float | None = None


class Silence(View):
    """How long a strategy has not been heard of, against what it is known for.

    Attributes:
        quiet_s: since its last signal.
        normal_s: the longest it is usually quiet; null = it has not sent often enough to tell.
        too_long: whether somebody should ask.
    """

    quiet_s: float | None = None
    normal_s: float | None = None
    too_long: bool = False
    sentence: str


class StrategyLine(View):
    """One strategy; amounts in `currency`, null = not known.

    Attributes:
        allocation_ratio: approved share of equity; null = none approved.
        exposure: gross value of what it holds, in the fund's currency.
        today_pnl: realized and unrealized since midnight UTC, less commissions.
        mtd_pnl: the same of the calendar month.
        unknown: why a figure is null, in words.
        verdict: live against claimed: AS_CLAIMED, DOUBTFUL, NOT_AS_CLAIMED, TOO_FEW_DAYS; null =
            there is no claim, or no record of our own yet.
    """

    strategy_id: str
    name: str
    status: str | None
    mode: str | None
    allocation_ratio: Amount | None
    currency: str
    exposure: Amount | None
    today_pnl: Amount | None
    mtd_pnl: Amount | None
    unknown: str = ""
    verdict: str | None = None
    verdict_sentences: tuple[str, ...] = ()
    last_signal: LastSignal | None = None
    silence: Silence


class ExposureLine(View):
    """Value of what is held of one asset class, or of one instrument; in the fund's currency."""

    name: str
    instrument_type: str
    gross: Amount
    net: Amount
    gross_ratio: Amount | None = None
    net_ratio: Amount | None = None


class Unvalued(View):
    """Something held that the sums leave out, and why."""

    name: str
    reason: str


class Exposure(View):
    """What is held over all strategies; `missing` names what is not in the sums."""

    currency: str
    gross: Amount
    net: Amount
    by_asset_class: tuple[ExposureLine, ...] = ()
    by_instrument: tuple[ExposureLine, ...] = ()
    missing: tuple[Unvalued, ...] = ()


class NeedKind(StrEnum):
    """Why a person is needed."""

    INCIDENT = "INCIDENT"
    APPROVAL = "APPROVAL"  # a signal that waits for a yes
    ALLOCATION = "ALLOCATION"  # a proposal that waits for one
    DEAD_LETTER = "DEAD_LETTER"
    STALE_ACCOUNT = "STALE_ACCOUNT"
    UNKNOWN_ORDER = "UNKNOWN_ORDER"


class Need(View):
    """One thing that a person has to look at; `key` is the id of what it is about."""

    kind: NeedKind
    key: str
    sentence: str
    since: Instant | None = None


class Needs(View):
    """What needs a person, the most pressing first; `total` counts those that are not listed."""

    total: int = 0
    rows: tuple[Need, ...] = ()


class ServiceState(View):
    """One process in the strip: UP, NOT_READY or DOWN; `sentence` says what it lacks."""

    name: str
    state: str
    sentence: str = ""


class Overview(View):
    """The overview page, as it was at `generated_at`."""

    generated_at: Instant
    trading_mode: str
    trading_state: TradingState
    range: Range
    figures: Figures
    curve: tuple[OverviewPoint, ...] = ()
    strategies: tuple[StrategyLine, ...] = ()
    exposure: Exposure
    needs_person: Needs
    services: tuple[ServiceState, ...] = ()
