"""What the first page and the lists of troubles say; see `models` for signals and books."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from services.dashboard_creator.models import Amount, SignalSummary, Text, View
from services.domain.values import Instant
from services.domain.words import SignalStatus, TradingState


class PollError(View):
    """Why an account's figures are not getting younger."""

    sentence: str
    since: Instant
    last_at: Instant


class AccountRow(View):
    """An account as its broker last reported it; amounts in `currency`, null = never reported."""

    account_id: str
    broker: str
    account_type: str
    status: str
    currency: str
    equity: Amount | None = None
    cash: Amount | None = None
    initial_margin: Amount | None = None
    maintenance_margin: Amount | None = None
    available_funds: Amount | None = None
    buying_power: Amount | None = None
    as_of: Instant | None = None
    poll_error: PollError | None = None
    age_s: float | None
    stale: bool


class Missing(View):
    """An active account that the fund's sums leave out."""

    account_id: str
    reason: str


class FundRow(View):
    """Sum of the active accounts of one currency.

    Attributes:
        equity: null where no account has reported.
        as_of: of the oldest figures in the sums.
        missing: active accounts that are not in the sums; unknown is never counted as zero.
    """

    currency: str
    equity: Amount | None
    cash: Amount | None
    as_of: Instant | None
    age_s: float | None
    stale: bool
    accounts: tuple[str, ...]
    missing: tuple[Missing, ...]


class StrategyMoney(View):
    """A strategy's money in one currency; realized P&L is gross of commissions."""

    currency: str
    deployed: Amount = Decimal(0)
    reserved: Amount = Decimal(0)
    realized_pnl: Amount = Decimal(0)
    commissions: Amount = Decimal(0)


class LastSignal(View):
    """The newest signal of a strategy."""

    signal_id: str
    status: SignalStatus
    received_at: Instant


class StrategyRow(StrategyMoney):
    """A strategy: what it may use, what it uses, what it has made.

    Attributes:
        currency: that of its accounts; books in any other are in `other_currencies`.
        allocation_ratio: approved share of each account's equity; null = none approved.
        status: null for a strategy that is gone and still has books.
    """

    strategy_id: str
    name: str
    status: str | None
    accounts: tuple[str, ...]
    allocation_ratio: Amount | None
    other_currencies: tuple[StrategyMoney, ...]
    last_signal: LastSignal | None


class Signature(View):
    """What a person did about something that went wrong."""

    by: str
    at: Instant
    note: str = ""


class Incident(View):
    """Something a person must see.

    Attributes:
        acknowledged: who has seen it since it is open.
        closable: whether a person may close it; the others close when their cause is gone.
        closed: who has closed it; None = nobody, or it closed by itself.
    """

    incident_id: str
    kind: str
    key: str
    sentence: str
    facts: dict[str, Text] = Field(default_factory=dict)
    status: str
    count: int
    opened_at: Instant
    last_seen_at: Instant
    cleared_at: Instant | None = None
    acknowledged: tuple[Signature, ...] = ()
    closable: bool = False
    closed: Signature | None = None


class LetterActed(View):
    """Who has had a dead letter handled again, or discarded it, last."""

    by: str
    at: Instant
    reason: str


class DeadLetter(View):
    """A message that could not be handled; `status` is one of `LetterStatus`."""

    dead_letter_id: str
    subscription: str
    topic: str
    payload: str
    ordering_key: str = ""
    error: str
    failures: int
    status: str
    first_failed_at: Instant
    last_failed_at: Instant
    acted: LetterActed | None = None


class DeadLetterCounts(View):
    """Messages that are not handled."""

    dead: int
    failing: int


class Dashboard(View):
    """All on one page, as it was at `generated_at`.

    Attributes:
        restrictions: switches and overrides that persons have set, and locks of limits.
    """

    generated_at: Instant
    trading_mode: str
    trading_state: TradingState
    restrictions: tuple[str, ...] = ()
    fund: FundRow
    accounts: tuple[AccountRow, ...]
    strategies: tuple[StrategyRow, ...]
    signals: tuple[SignalSummary, ...]
    incidents: tuple[Incident, ...]
    dead_letters: DeadLetterCounts


class Endpoint(View):
    """One thing that can be asked."""

    path: str
    what: str


class Index(View):
    """What can be asked here."""

    service: str = "dashboard_creator"
    endpoints: tuple[Endpoint, ...]
