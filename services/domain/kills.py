"""Kill runs: what a person wants stopped, how far it has come, and what proves it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from services.domain.instruments import Instrument
from services.domain.risk import scope_in_words, scope_key, scopes_of
from services.domain.values import Frozen, Instant, NonNegative, Positive
from services.domain.words import OrderStatus, Scope, Side


class KillStage(StrEnum):
    """How far a kill goes; each stage includes the one before."""

    REDUCE = "REDUCE"  # no entries any more
    CANCEL = "CANCEL"  # and no working orders
    FLATTEN = "FLATTEN"  # and no positions

    @property
    def rank(self) -> int:
        """Grows with what the stage takes away."""
        return tuple(KillStage).index(self)


class RunState(StrEnum):
    """Where a kill run, or one account of it, stands."""

    RUNNING = "RUNNING"
    INCOMPLETE = "INCOMPLETE"  # its time is up and something remains; it is still worked on
    DONE = "DONE"  # the broker has said that nothing remains
    SUPERSEDED = "SUPERSEDED"  # a later run of the same scope does it
    ABANDONED = "ABANDONED"  # a person ended it, or released the switch


class OrderOutcome(Frozen):
    """An order that a run wanted canceled, and what became of it."""

    client_order_id: str
    strategy_id: str
    symbol: str
    side: Side
    quantity: Positive
    filled_quantity: NonNegative
    status: OrderStatus
    text: str = ""


class ClosingOutcome(OrderOutcome):
    """An order that a run made to close a position; `price` is the average of its fills."""

    price: NonNegative | None = None


class Remaining(Frozen):
    """One thing that is still there, and why."""

    what: str
    why: str
    client_order_id: str | None = None


class AccountKill(Frozen):
    """What one account's desk has done for a run, and what the broker said in the end.

    Attributes:
        looks: how often a desk has kept what it did; one that was paused has missed some.
        looked_at: when a desk last worked on it; None = no desk has.
        asked: client_order_ids of all orders it wanted canceled.
        orders: what became of them.
        closings: orders that it made to close positions.
        late_exits: risk-reducing orders made since, which go on working.
        broker_asked_at: when the broker last answered; None = it never has.
        orders_left: open orders of the scope by the broker's word then, without `late_exits`;
            None = not known.
        positions_left: instruments of the scope that are held by its word then; for a strategy,
            those of its books. None = not known.
        trouble: why the broker could not be asked the last time; empty = it was.
        remaining: what is between this and the proof.
        notes: what a person should know although it holds nothing up.
        proven_at: when it was proven that nothing remains.
    """

    account_id: str
    state: RunState = RunState.RUNNING
    looks: int = 0
    looked_at: Instant | None = None
    asked: tuple[str, ...] = ()
    orders: tuple[OrderOutcome, ...] = ()
    closings: tuple[ClosingOutcome, ...] = ()
    late_exits: int = 0
    broker_asked_at: Instant | None = None
    orders_left: int | None = None
    positions_left: int | None = None
    trouble: str = ""
    remaining: tuple[Remaining, ...] = ()
    notes: tuple[str, ...] = ()
    proven_at: Instant | None = None


class ClosedPosition(Frozen):
    """The one position that a run closes, of the strategy that is its scope."""

    account_id: str
    instrument_key: str
    symbol: str


class KillRun(Frozen):
    """One kill: the switch it has set, and every account it reaches.

    Attributes:
        position: the run closes nothing but this, and has set no switch; None = all of its scope.
        due_at: not proven by then, it is INCOMPLETE.
        why: of a run that was superseded or abandoned: by whom and why.
    """

    run_id: str
    scope: Scope
    scope_id: str = ""
    position: ClosedPosition | None = None
    stage: KillStage
    by: str
    reason: str
    requested_at: Instant
    due_at: Instant
    state: RunState = RunState.RUNNING
    ended_at: Instant | None = None
    why: str = ""
    accounts: tuple[AccountKill, ...] = ()

    @property
    def key(self) -> str:
        """Key of its scope."""
        return scope_key(self.scope, self.scope_id)

    @property
    def in_words(self) -> str:
        """Stage and scope: `FLATTEN account Mock-1`."""
        where = scope_in_words(self.scope, self.scope_id)
        if self.position is not None:
            where = f"{self.position.symbol} of {where} in {self.position.account_id}"
        return f"{self.stage} {where}"

    @property
    def took_seconds(self) -> float | None:
        """From the request to the proof; None where it is not proven."""
        if self.state is not RunState.DONE or self.ended_at is None:
            return None
        return (self.ended_at - self.requested_at).total_seconds()

    def covers(self, account_id: str, strategy_id: str, instrument: Instrument) -> bool:
        """Whether an order or a position is of its scope."""
        only = self.position
        if only is not None and (only.account_id, only.instrument_key) != (
            account_id,
            instrument.key,
        ):
            return False
        return self.key in scopes_of(
            account_id=account_id, strategy_id=strategy_id, instruments=(instrument,)
        )

    def account(self, account_id: str) -> AccountKill | None:
        """The part of one account; None = the run does not reach it."""
        return next((each for each in self.accounts if each.account_id == account_id), None)

    def with_account(self, changed: AccountKill) -> KillRun:
        """The run with the part of one account replaced, and its own state after that."""
        accounts = tuple(
            changed if each.account_id == changed.account_id else each for each in self.accounts
        )
        return self.model_copy(update={"accounts": accounts, "state": _state_of(accounts)})

    def at(self, now: datetime) -> KillRun:
        """The run as it stands at `now`: what is not proven when its time is up is INCOMPLETE."""
        if self.state is not RunState.RUNNING or now < self.due_at:
            return self
        accounts = tuple(_overdue(each, self.requested_at) for each in self.accounts)
        return self.model_copy(update={"accounts": accounts, "state": _state_of(accounts)})


def _state_of(accounts: tuple[AccountKill, ...]) -> RunState:
    states = {each.state for each in accounts}
    if states <= {RunState.DONE}:
        return RunState.DONE
    return RunState.INCOMPLETE if RunState.INCOMPLETE in states else RunState.RUNNING


def _overdue(account: AccountKill, requested_at: datetime) -> AccountKill:
    if account.state is not RunState.RUNNING:
        return account
    remaining = account.remaining or (
        Remaining(what=f"account {account.account_id}", why=unreached(account, requested_at)),
    )
    return account.model_copy(update={"state": RunState.INCOMPLETE, "remaining": remaining})


def unreached(account: AccountKill, requested_at: datetime) -> str:
    """Why nothing is known of an account, in words: silence never counts as zero."""
    if account.looked_at is None:
        return f"not proven: no desk has worked on it since {requested_at:%H:%M:%S} UTC"
    since = account.broker_asked_at or requested_at
    trouble = f" ({account.trouble})" if account.trouble else ""
    return f"not proven: broker not reached since {since:%H:%M:%S} UTC{trouble}"
