"""What the dashboards say: one model per thing a person looks at. Clients are generated from them.

They are tolerant readers: fields of a document that no page shows are left out, so nothing leaves
that is not named here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from services.domain.instruments import Instrument
from services.domain.signals import Leg, Signal
from services.domain.values import Instant
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

#: Exact, and written without an exponent.
Amount = Annotated[
    Decimal, PlainSerializer(lambda value: f"{value:f}", return_type=str, when_used="json")
]
#: An id of any type of the database, as text.
Text = Annotated[str, BeforeValidator(str)]


class View(BaseModel):
    """A frozen value read from documents that may hold more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Stage(View):
    """One stage of a signal's road, and how long the signal took to it.

    Attributes:
        waited_for: whose work the time since the stage before was, in words.
    """

    name: str
    at: Instant
    since_arrival_ms: float
    since_previous_ms: float | None
    waited_for: str = ""


class QuarantineReason(View):
    """Why a signal could not be read."""

    code: str
    sentence: str
    field: str = ""


class StepView(View):
    """One step from what was asked to what went out; `bound` where it changed the result."""

    name: str
    account_id: str | None = None
    leg_index: int | None = None
    before: Amount | None = None
    after: Amount | None = None
    limit: Amount | None = None
    bound: bool = False
    rule: str = ""
    sentence: str = ""


class PassableView(View):
    """What of a leg would have passed in an account; `sentence` says it."""

    account_id: str
    leg_index: int
    quantity: Amount
    sentence: str = ""


class DecisionView(View):
    """Cerebro's answer to a signal.

    Attributes:
        passable: of a denied entry, the most that would have passed.
    """

    outcome: Outcome
    intent: Intent | None = None
    code: str = ""
    reason: str = ""
    steps: tuple[StepView, ...] = ()
    passable: tuple[PassableView, ...] = ()
    cancels: tuple[str, ...] = ()
    decided_at: Instant


class SignalRecord(View):
    """One row of signal_store."""

    signal_id: str
    strategy_id: str
    external_id: str | None = None
    raw_id: Text | None = None
    status: SignalStatus
    signal: Signal | None = None
    received_at: Instant
    stages: dict[str, Instant | None] = Field(default_factory=dict)
    decision: DecisionView | None = None
    quarantine: QuarantineReason | None = None
    replays: tuple[str, ...] = ()


class OrderEvent(View):
    """One change of an order's status."""

    status: OrderStatus
    occurred_at: Instant
    recorded_at: Instant
    text: str = ""


class OrderRow(View):
    """One order as a line of a list.

    Attributes:
        working: not at its end yet.
        role: who made it; all but LEG are made by execution for `parent_order_id`.
        text: the broker's last words on it.
    """

    client_order_id: str
    broker_order_id: str | None
    signal_id: str
    strategy_id: str
    account_id: str
    status: OrderStatus
    working: bool
    intent: Intent
    instrument: Instrument
    side: Side
    quantity: Amount
    order_type: OrderType
    time_in_force: TimeInForce
    limit_price: Amount | None = None
    stop_price: Amount | None = None
    role: OrderRole = OrderRole.LEG
    parent_order_id: str | None = None
    filled_quantity: Amount
    leaves_quantity: Amount
    avg_fill_price: Amount | None
    text: str
    created_at: Instant
    updated_at: Instant


class OrderView(OrderRow):
    """One order and its life."""

    events: tuple[OrderEvent, ...]


class FillView(View):
    """One execution; `realized_pnl` is gross of commission, in the instrument's currency."""

    execution_id: str
    client_order_id: str
    signal_id: str
    strategy_id: str
    account_id: str
    instrument_key: str
    side: Side
    quantity: Amount
    price: Amount
    commission: Amount
    realized_pnl: Amount
    occurred_at: Instant
    recorded_at: Instant


class PositionView(View):
    """What a strategy holds of one instrument in one account; money in the instrument's currency.

    Attributes:
        quantity: signed; above 0 is long.
        deployed: |quantity| × average price × multiplier.
    """

    strategy_id: str
    account_id: str
    instrument: Instrument
    instrument_key: str
    quantity: Amount
    average_price: Amount
    deployed: Amount
    realized_pnl: Amount
    commissions: Amount
    updated_at: Instant | None


class SignalSummary(View):
    """One signal as a line of a list."""

    signal_id: str
    strategy_id: str
    external_id: str | None
    status: SignalStatus
    intent: Intent | None
    code: str
    sentence: str
    received_at: Instant
    road: tuple[Stage, ...]


class PathView(View):
    """One door that a signal came by; a second one is a confirmation."""

    source: str
    received_at: Instant


class RawSignal(View):
    """What arrived, as it came, but for secrets.

    Attributes:
        reader: how its text was read.
        remote: address of the sender.
    """

    source: str
    reader: str = ""
    remote: str = ""
    body: str
    received_at: Instant


class SignalPage(SignalSummary):
    """Everything of one signal.

    Attributes:
        waiting_for: what it waits for now, in words; empty once it is decided.
        contention: who else wanted the margin that it did not get, in words.
        links: where more about it is asked: of this interface, from its root.
    """

    raw_id: str | None
    paths: tuple[PathView, ...]
    replay_of: str | None
    replays: tuple[str, ...]
    environment: str | None
    sender_equity: Amount | None
    legs: tuple[Leg, ...]
    warnings: tuple[str, ...]
    quarantine: QuarantineReason | None
    decision: DecisionView | None
    orders: tuple[OrderView, ...]
    fills: tuple[FillView, ...]
    positions: tuple[PositionView, ...]
    raw: RawSignal | None = None
    waiting_for: str = ""
    contention: tuple[str, ...] = ()
    links: dict[str, str] = Field(default_factory=dict)


class QuarantinedSignal(View):
    """A signal that could not be read."""

    signal_id: str
    strategy_id: str
    raw_id: str | None
    code: str
    sentence: str
    field: str
    received_at: Instant
