"""What a list may be asked for: filters, and which page; the same for a page and for an export."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.domain.words import Environment, Intent, OrderStatus, Outcome, SignalStatus

_Name = Field(None, max_length=200)


class Filter(BaseModel):
    """A query string."""

    model_config = ConfigDict(frozen=True)


class Span(Filter):
    """Of which time; both ends belong to it."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class SignalFilter(Span):
    """Which signals; `q` is an id of ours or of the sender, or a symbol."""

    strategy_id: str | None = _Name
    status: SignalStatus | None = None
    intent: Intent | None = None
    account_id: str | None = _Name
    environment: Environment | None = None
    q: str | None = _Name


class OrderFilter(Span):
    """Which orders; `working`: those that are not at their end, or only those that are."""

    working: bool | None = None
    strategy_id: str | None = _Name
    account_id: str | None = _Name
    symbol: str | None = _Name
    status: OrderStatus | None = None


class FillFilter(Span):
    """Which executions."""

    strategy_id: str | None = _Name
    account_id: str | None = _Name
    symbol: str | None = _Name


class DecisionFilter(Span):
    """Which decisions; time is that of the signal's arrival."""

    strategy_id: str | None = _Name
    outcome: Outcome | None = None
    code: str | None = _Name


class IncidentFilter(Span):
    """Which incidents."""

    status: Literal["OPEN", "CLEARED"] | None = None
    kind: str | None = _Name


class DeadLetterFilter(Span):
    """Which failed messages."""

    status: Literal["FAILING", "DEAD", "REPLAYING", "RECOVERED", "DISCARDED"] | None = None


class PositionFilter(Filter):
    """Which positions, and summed up by what."""

    by: Literal["strategy", "account", "instrument"] = "strategy"
    open_only: bool = True
    strategy_id: str | None = _Name
    account_id: str | None = _Name
    instrument: str | None = Field(None, max_length=200, description="its key, or its symbol")


class _Paged(Filter):
    limit: int = Field(50, ge=1, le=500, description="at most so many")
    before: str | None = Field(None, max_length=400, description="`next` of the page before")


class SignalQuery(SignalFilter, _Paged):
    """A page of signals."""


class OrderQuery(OrderFilter, _Paged):
    """A page of orders."""


class FillQuery(FillFilter, _Paged):
    """A page of executions."""


class DecisionQuery(DecisionFilter, _Paged):
    """A page of decisions."""


class IncidentQuery(IncidentFilter, _Paged):
    """A page of incidents."""


class DeadLetterQuery(DeadLetterFilter, _Paged):
    """A page of failed messages."""


class PositionQuery(PositionFilter, _Paged):
    """Positions."""
