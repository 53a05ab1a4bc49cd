"""What a developer of a strategy sees of it; JSON names of the dashboard as senders know them.

A developer sees what became of their signals, and with which prices, reasons and results. What is
the operator's stays with them: account ids, equities, the size of an allocation in money, limits in
money, and what other strategies hold. Quantities are sums over accounts.
"""

from __future__ import annotations

from pydantic import Field

from services.dashboard_creator.client_models import Lag, TradeFigures
from services.dashboard_creator.models import Amount, QuarantineReason, Stage, View
from services.domain.instruments import Instrument
from services.domain.values import Instant
from services.domain.words import Intent, OrderStatus, OrderType, Outcome, Side, SignalStatus


class SenderSummary(View):
    """All signals since the first one.

    Attributes:
        signals_executed: with a fill.
        signals_rejected: denied by us, rejected by a broker, quarantined or expired.
        signals_open: not at their end.
        total_pnl: realized less commissions, in `currency`; other currencies in `trades`.
    """

    total_signals_sent: int
    signals_executed: int
    signals_rejected: int
    signals_open: int
    rejection_rate_pct: float | None
    fill_rate_pct: float | None
    win_rate_pct: float | None
    profit_factor: float | None
    avg_position_size_usd: Amount | None
    total_pnl: Amount | None
    currency: str | None
    sharpe_ratio: float | None
    current_allocation_pct: float | None
    trades: tuple[TradeFigures, ...] = ()


class SenderPerformance(View):
    """Returns on the capital that was allocated, of our own record: until last night."""

    daily_return_pct: float | None = None
    mtd_return_pct: float | None = None
    ytd_return_pct: float | None = None
    cagr_pct: float | None = None
    volatility_pct: float | None = None
    max_drawdown_pct: float | None = None
    current_drawdown_pct: float | None = None
    as_of: str | None = None
    days: int = 0


class SenderSignal(View):
    """One signal as a line; quantities of its first leg, summed over accounts."""

    signal_id: str
    external_id: str | None
    timestamp: Instant
    ticker: str | None
    action: str | None
    requested_quantity: Amount | None
    status: SignalStatus
    actual_quantity: Amount | None
    position_size_usd: Amount | None
    allocation_pct: float | None
    execution_price: Amount | None
    approval_reason: str


class SenderPosition(View):
    """What the strategy holds of one instrument, over all accounts; money in `currency`."""

    ticker: str
    instrument: Instrument
    side: str
    quantity: Amount
    entry_price: Amount
    current_price: Amount | None
    price_on: str | None
    unrealized_pnl: Amount | None
    realized_pnl: Amount
    currency: str
    opened_at: Instant | None
    days_held: int | None


class SenderDashboard(View):
    """One strategy, as it was at `generated_at`.

    Attributes:
        rejection_breakdown: by the four groups that senders know.
        rejection_codes: by our own codes, most first.
    """

    strategy_id: str
    generated_at: Instant
    summary: SenderSummary
    performance: SenderPerformance
    recent_signals: tuple[SenderSignal, ...] = ()
    open_positions: tuple[SenderPosition, ...] = ()
    rejection_breakdown: dict[str, int] = Field(default_factory=dict)
    rejection_codes: dict[str, int] = Field(default_factory=dict)
    lag: tuple[Lag, ...] = ()


class SenderSignals(View):
    """A page of signals, newest first."""

    rows: tuple[SenderSignal, ...]
    next: str | None = None


class SenderLeg(View):
    """One leg as it was asked."""

    instrument: Instrument
    side: Side | None
    quantity: Amount | None
    order_type: OrderType
    limit_price: Amount | None = None
    stop_price: Amount | None = None


class SenderStep(View):
    """A step that changed the size, without its amounts: `kept_ratio` is what it left."""

    name: str
    kept_ratio: float | None
    sentence: str


class SenderDecision(View):
    """Cerebro's answer; `kept_ratio` is what was ordered of what was sized first."""

    outcome: Outcome
    code: str
    reason: str
    meaning: str
    fix: str
    steps: tuple[SenderStep, ...]
    decided_at: Instant


class SenderFill(View):
    """One execution, without the account; commission in its currency."""

    side: Side
    ticker: str
    quantity: Amount
    price: Amount
    commission: Amount
    occurred_at: Instant


class SenderOrder(View):
    """One order, without account and broker's id."""

    side: Side
    ticker: str
    quantity: Amount
    filled_quantity: Amount
    avg_fill_price: Amount | None
    status: OrderStatus
    text: str


class SenderSignalPage(SenderSignal):
    """Everything that the sender may see of one signal."""

    intent: Intent | None
    sentence: str
    road: tuple[Stage, ...]
    legs: tuple[SenderLeg, ...]
    warnings: tuple[str, ...]
    quarantine: QuarantineReason | None
    decision: SenderDecision | None
    orders: tuple[SenderOrder, ...]
    fills: tuple[SenderFill, ...]


class SenderPositions(View):
    """What is open."""

    rows: tuple[SenderPosition, ...]


class EquityDay(View):
    """One day of our own record; money in the record's currency.

    Attributes:
        pnl: of the day, realized and unrealized, less commissions.
        cumulative_pnl: since the first day.
        growth: what 1 has become.
    """

    date: str
    pnl: Amount
    cumulative_pnl: Amount
    return_pct: float | None
    growth: float | None
    drawdown_pct: float | None


class SenderEquity(View):
    """The strategy's own curve, made each night; today is in `positions` and `summary`."""

    strategy_id: str
    currency: str | None
    as_of: str | None
    rows: tuple[EquityDay, ...]
