"""The client dashboard: JSON names as clients know them; percentages are of 100, money is exact.

A figure that nobody knows is null. `performance` is time-weighted: payments are no part of it.
"""

from __future__ import annotations

from pydantic import Field

from services.dashboard_creator.models import Amount, View
from services.domain.values import Instant


class ClientFund(View):
    """Sums over the active accounts of the fund, in `currency`; `missing` are not in them."""

    currency: str
    total_equity: Amount | None
    total_cash: Amount | None
    total_margin_used: Amount | None
    total_unrealized_pnl: Amount | None
    total_realized_pnl: Amount | None
    margin_utilization_pct: float | None
    num_brokers: int
    num_accounts: int
    as_of: Instant | None
    missing: tuple[str, ...] = ()


class ClientPerformance(View):
    """What the fund has made; `since` is the first day that it is of."""

    daily_return_pct: float | None = None
    mtd_return_pct: float | None = None
    ytd_return_pct: float | None = None
    cagr_pct: float | None = None
    sharpe_ratio: float | None = None
    max_drawdown_pct: float | None = None
    current_drawdown_pct: float | None = None
    volatility_pct: float | None = None
    var_95_pct: float | None = None
    since: str | None = None
    days: int = 0


class ClientTrade(View):
    """One fill of the last seven days; `pnl` is what it realized, gross, in `currency`."""

    date: str
    time: str
    symbol: str
    side: str
    quantity: Amount
    price: Amount
    pnl: Amount
    currency: str
    strategy: str


class CurveDay(View):
    """Equity at the end of a day (UTC)."""

    date: str
    equity: Amount


class ReturnDay(View):
    """Return of a day."""

    date: str
    return_pct: float | None


class ChartData(View):
    """The last 400 days."""

    equity_curve: tuple[CurveDay, ...] = ()
    daily_returns: tuple[ReturnDay, ...] = ()


class ClientAccount(View):
    """One active account, as its broker last reported it."""

    account_id: str
    broker: str
    currency: str
    equity: Amount | None
    cash: Amount | None
    margin_used: Amount | None
    as_of: Instant | None


class TradeFigures(View):
    """Closed trades of one currency; an average is of one trade.

    Attributes:
        pnl: realized, less commissions.
        profit_factor: gross profit / gross loss; null where nothing was lost.
    """

    currency: str
    trades: int
    pnl: Amount
    commissions: Amount
    win_rate_pct: float | None
    profit_factor: float | None
    average_win: Amount | None
    average_loss: Amount | None


class ClientStrategy(View):
    """One strategy since it began; returns are of the capital that was allocated to it."""

    strategy_id: str
    allocation_pct: float | None
    signals: int
    sharpe_ratio: float | None
    max_drawdown_pct: float | None
    ytd_return_pct: float | None
    trades: tuple[TradeFigures, ...] = ()


class Lag(View):
    """How long signals took, milliseconds, of `signals` ones; from buckets, so estimates."""

    name: str
    signals: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class ClientDashboard(View):
    """What the fund has and has made, as it was at `generated_at`."""

    generated_at: Instant
    account_type: str
    fund: ClientFund
    performance: ClientPerformance
    allocations: dict[str, float] = Field(
        default_factory=dict, description="percent of equity by strategy"
    )
    recent_trades: tuple[ClientTrade, ...] = ()
    chart_data: ChartData = ChartData()
    accounts: tuple[ClientAccount, ...] = ()
    strategies: tuple[ClientStrategy, ...] = ()
    lag: tuple[Lag, ...] = ()
