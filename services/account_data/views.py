"""What others see of accounts: figures with their age. Pure: `now` comes in.

The models name every field that leaves, so nothing else of an account document ever does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, PlainSerializer

from services.domain.marks import daily_pnl, drawdown_ratio
from services.domain.risk import EquityMarks
from services.domain.values import ZERO, Frozen, Instant

#: Exact, and written without an exponent.
Amount = Annotated[
    Decimal, PlainSerializer(lambda value: f"{value:f}", return_type=str, when_used="json")
]


class PollError(Frozen):
    """Why an account's figures are not getting younger."""

    sentence: str
    since: Instant
    last_at: Instant


class BalanceView(Frozen):
    """What an account has in one currency, in that currency."""

    cash: Amount
    equity: Amount | None = None
    unrealized_pnl: Amount | None = None
    realized_pnl: Amount | None = None


class JumpView(Frozen):
    """An equity that nothing explains (`EquityJump`)."""

    jump_id: str
    before: Amount
    before_at: Instant | None
    equity: Amount
    seen_at: Instant
    explained: Amount
    unexplained: Amount
    sentence: str


class AccountView(Frozen):
    """An account as its broker last reported it; amounts in `currency`, None = never reported.

    Attributes:
        fx_rates: by currency, what one unit of it is worth in `currency`.
        daily_pnl: gain since midnight UTC; None where the account has not been read today.
        drawdown_ratio: loss since the highest equity, a fraction of it.
        unrealized_pnl: of what is held, at the broker's prices; None = not known.
        realized_pnl: by the broker's own count.
        balances: what it has in each currency, where the broker keeps them apart.
        flow_total: what was paid in, less what was paid out, as far as it was entered.
        jump: equity is doubted, and entries are held, until a person says what it was.
        poll_seconds: how often it is asked, where that is not as all are.
        as_of: when the broker said so.
        stale: too old, or never reported: entries are denied on it.
    """

    account_id: str
    account_name: str = ""
    broker: str
    account_type: str = "PAPER"
    status: str
    currency: str
    equity: Amount | None = None
    cash: Amount | None = None
    initial_margin: Amount | None = None
    maintenance_margin: Amount | None = None
    available_funds: Amount | None = None
    buying_power: Amount | None = None
    fx_rates: dict[str, Amount] = Field(default_factory=dict)
    daily_pnl: Amount | None = None
    drawdown_ratio: Amount | None = None
    unrealized_pnl: Amount | None = None
    realized_pnl: Amount | None = None
    balances: dict[str, BalanceView] = Field(default_factory=dict)
    flow_total: Amount = ZERO
    jump: JumpView | None = None
    poll_seconds: float | None = None
    as_of: Instant | None = None
    recorded_at: Instant | None = None
    poll_error: PollError | None = None
    age_s: float | None = None
    stale: bool


def age_seconds(as_of: datetime, now: datetime) -> float:
    """Age of figures; never below 0."""
    return round(max(0.0, (now - as_of).total_seconds()), 3)


def account_view(
    document: Mapping[str, Any], *, now: datetime, max_age_seconds: float
) -> AccountView:
    """One stored account with its age."""
    known = {name: document[name] for name in AccountView.model_fields if name in document}
    as_of = document.get("as_of")
    age = age_seconds(as_of, now) if as_of else None
    if (stored := document.get("marks")) is not None:
        marks = EquityMarks.model_validate(stored)
        known |= {"daily_pnl": daily_pnl(marks, now), "drawdown_ratio": drawdown_ratio(marks)}
    known |= {"age_s": age, "stale": age is None or age > max_age_seconds}
    return AccountView(**{"account_id": document["_id"], **known})
