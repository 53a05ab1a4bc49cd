"""What the gateway answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from services.common.problems import Problem
from services.domain.decisions import StepView
from services.domain.instruments import Instrument
from services.domain.orders import Algo
from services.domain.values import Exact, Instant
from services.domain.words import (
    Intent,
    OrderRole,
    OrderStatus,
    OrderType,
    Outcome,
    Side,
    SignalStatus,
    TimeInForce,
)


class SignalReceipt(BaseModel):
    """A signal is stored.

    Attributes:
        signal_id: ours; the same for every repeat.
        duplicate: it was stored before.
        paths: the doors it came by; two are a confirmation.
        warnings: what was read in a way you may not have meant.
        exit_signal_id: where one alert turned a position around: the exit that goes first.
    """

    signal_id: str
    status: SignalStatus = SignalStatus.RECEIVED
    duplicate: bool
    paths: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    exit_signal_id: str | None = None


class BatchReceipt(BaseModel):
    """What became of each signal of an array, in its order."""

    accepted: int
    refused: int
    results: list[SignalReceipt | Problem]


class _View(BaseModel):
    """A part of a stored document: what else it holds is not shown."""

    model_config = ConfigDict(extra="ignore")


class PathView(_View):
    """One door that a signal came by."""

    source: str
    received_at: Instant


class StageView(_View):
    """One stage that a signal has passed."""

    name: str
    at: Instant
    since_arrival_ms: int


class QuarantineView(_View):
    """Why a signal could not be read."""

    code: str
    sentence: str
    field: str = ""


class DecisionView(_View):
    """What was decided, and every step to it."""

    outcome: Outcome
    intent: Intent | None = None
    code: str = ""
    reason: str = ""
    steps: list[StepView] = []
    decided_at: Instant


class OrderView(_View):
    """One order that came of a signal; its guards and the parts of an algo name their parent."""

    client_order_id: str
    account_id: str
    status: OrderStatus
    side: Side
    instrument: Instrument
    quantity: Exact
    order_type: OrderType
    time_in_force: TimeInForce
    limit_price: Exact | None = None
    stop_price: Exact | None = None
    trail_amount: Exact | None = None
    trail_ratio: Exact | None = None
    stop_loss: Exact | None = None
    take_profit: Exact | None = None
    cancel_at: Instant | None = None
    algo: Algo | None = None
    role: OrderRole = OrderRole.LEG
    parent_order_id: str | None = None
    filled_quantity: Exact
    avg_fill_price: Exact | None = None
    text: str = ""


class FillView(_View):
    """One execution of such an order."""

    client_order_id: str
    account_id: str
    execution_id: str
    side: Side
    quantity: Exact
    price: Exact
    commission: Exact
    realized_pnl: Exact
    occurred_at: Instant


class SignalLife(_View):
    """What became of a signal: its road with times, the decision, orders and fills."""

    signal_id: str
    strategy_id: str
    external_id: str | None = None
    status: SignalStatus
    replay_of: str | None = None
    paths: list[PathView] = []
    confirmation: str = ""
    warnings: list[str] = []
    stages: list[StageView] = []
    quarantine: QuarantineView | None = None
    decision: DecisionView | None = None
    orders: list[OrderView] = []
    fills: list[FillView] = []
