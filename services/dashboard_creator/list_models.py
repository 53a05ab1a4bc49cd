"""What lists say: one row each, and pages of them.

A page may have fewer rows than was asked for; the list ends where `next` is null.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from services.dashboard_creator.models import Amount, OrderRow, View
from services.dashboard_creator.pages import DeadLetter, Incident
from services.domain.instruments import Instrument
from services.domain.values import Instant
from services.domain.words import Environment, Intent, Outcome, Side, SignalStatus

Next = str | None


class SignalRow(View):
    """One signal as a line of a list.

    Attributes:
        legs: in words, `BUY 10 AAPL`; empty where it could not be read.
        code: why it was denied, resized or not understood; empty where nothing was wrong.
        submitted_ms: from the arrival until the broker had its order; null while it has not.
        filled_ms: from the arrival until the first fill.
        realized_pnl: of its fills, gross of commission; null without fills, or of two currencies.
    """

    signal_id: str
    strategy_id: str
    external_id: str | None
    intent: Intent | None
    environment: Environment | None
    legs: str
    status: SignalStatus
    outcome: Outcome | None
    code: str
    received_at: Instant
    decided_ms: float | None
    submitted_ms: float | None
    filled_ms: float | None
    realized_pnl: Amount | None
    currency: str | None


class SignalList(View):
    """A page of signals, the newest first."""

    rows: tuple[SignalRow, ...]
    next: Next


class OrderLine(OrderRow):
    """One order as a line of a list.

    Attributes:
        doing: of an order without a known outcome, what is being done about it.
    """

    doing: str = ""


class OrderList(View):
    """A page of orders: on the first one those without a known outcome on top, then the newest."""

    rows: tuple[OrderLine, ...]
    next: Next


class FillRow(View):
    """One execution.

    Attributes:
        signal_id: null for what is of no order of ours.
        realized_pnl: gross of commission, in the instrument's currency.
        void: the broker took it back, or corrected it: it does not count.
    """

    execution_id: str
    client_order_id: str
    signal_id: str | None
    strategy_id: str
    account_id: str
    origin: str = "ORDER"
    instrument_key: str
    instrument: Instrument | None = None
    side: Side
    quantity: Amount
    price: Amount
    commission: Amount
    commission_currency: str = "USD"
    realized_pnl: Amount
    occurred_at: Instant
    recorded_at: Instant
    void: bool = False


class FillList(View):
    """A page of executions that count, the newest first."""

    rows: tuple[FillRow, ...]
    next: Next


class DecisionRow(View):
    """One decision as a line of a list."""

    signal_id: str
    strategy_id: str
    intent: Intent | None
    legs: str
    outcome: Outcome
    code: str
    reason: str
    received_at: Instant
    decided_at: Instant
    decided_ms: float | None


class DecisionList(View):
    """A page of decisions, those on the newest signals first."""

    rows: tuple[DecisionRow, ...]
    next: Next


class IncidentList(View):
    """A page of incidents, those last seen first."""

    rows: tuple[Incident, ...]
    next: Next


class DeadLetterList(View):
    """A page of failed messages, those that failed last first."""

    rows: tuple[DeadLetter, ...]
    next: Next


class DeadLetterPage(DeadLetter):
    """One failed message with the end of its traceback; secrets are removed."""

    traceback: str = ""


class Reconciled(View):
    """Whether our books and the broker's agree on an instrument of an account.

    Attributes:
        state: EQUAL, DIFFERS, LOCKED (entries are stopped, too), UNKNOWN (nobody looked).
        books: over all strategies, and what is nobody's; null where they agree.
    """

    state: Literal["EQUAL", "DIFFERS", "LOCKED", "UNKNOWN"]
    books: Amount | None = None
    broker: Amount | None = None
    sentence: str = ""
    looked_at: Instant | None = None


class PositionRow(View):
    """What is held of one instrument; money in the instrument's currency.

    Attributes:
        strategy_id: null in sums over strategies.
        account_id: null in sums over accounts.
        quantity: signed; above 0 is long.
        average_price: of what is open; null in a sum of long and short.
        mark_price: the last price that the account's broker named; null = none.
        unrealized_pnl: null where there is no mark.
        margin: initial margin that the broker reports for it; null = it does not say.
        strategies: of a sum, which ones.
    """

    strategy_id: str | None
    account_id: str | None
    instrument: Instrument
    instrument_key: str
    quantity: Amount
    average_price: Amount | None
    deployed: Amount
    mark_price: Amount | None = None
    mark_at: Instant | None = None
    mark_age_s: float | None = None
    unrealized_pnl: Amount | None = None
    realized_pnl: Amount
    commissions: Amount = Decimal(0)
    margin: Amount | None = None
    reconciled: Reconciled = Field(default_factory=lambda: Reconciled(state="UNKNOWN"))
    updated_at: Instant | None
    strategies: tuple[str, ...] = ()


class PositionList(View):
    """Positions, in the order of their keys."""

    rows: tuple[PositionRow, ...]
    next: Next


class SearchHit(View):
    """Something that a search found.

    Attributes:
        hit_id: what its page is asked by.
        title: for a person.
    """

    kind: Literal["SIGNAL", "ORDER", "STRATEGY", "ACCOUNT", "INSTRUMENT"]
    hit_id: str
    title: str
    detail: str = ""


class SearchAnswer(View):
    """What was found, the best first."""

    hits: tuple[SearchHit, ...]
