"""What others see of accounts and of the fund: figures with their age. Pure: `now` comes in.

The models name every field that leaves, so nothing else of an account document ever does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field, PlainSerializer

from services.domain.marks import daily_pnl, drawdown_ratio
from services.domain.risk import EquityMarks
from services.domain.values import Frozen, Instant
from services.domain.words import ActiveStatus

#: Exact, and written without an exponent.
Amount = Annotated[
    Decimal, PlainSerializer(lambda value: f"{value:f}", return_type=str, when_used="json")
]
_FIGURES = (
    "equity",
    "cash",
    "initial_margin",
    "maintenance_margin",
    "available_funds",
    "buying_power",
)


class PollError(Frozen):
    """Why an account's figures are not getting younger."""

    sentence: str
    since: Instant
    last_at: Instant


class AccountView(Frozen):
    """An account as its broker last reported it; amounts in `currency`, None = never reported.

    Attributes:
        fx_rates: by currency, what one unit of it is worth in `currency`.
        daily_pnl: gain since midnight UTC; None where the account has not been read today.
        drawdown_ratio: loss since the highest equity, a fraction of it.
        as_of: when the broker said so.
        stale: too old, or never reported: entries are denied on it.
    """

    account_id: str
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
    as_of: Instant | None = None
    recorded_at: Instant | None = None
    poll_error: PollError | None = None
    age_s: float | None = None
    stale: bool


class Missing(Frozen):
    """An active account that a sum leaves out."""

    account_id: str
    reason: str


class FundView(Frozen):
    """Sums over the active accounts of one currency; None where no account could be counted.

    Attributes:
        as_of: of the oldest figures in the sums; age_s and stale follow from it.
        accounts: those counted.
        missing: those that are not, each with why; they count as unknown, never as zero.
        complete: whether every active account is counted.
    """

    currency: str
    equity: Amount | None
    cash: Amount | None
    initial_margin: Amount | None
    maintenance_margin: Amount | None
    available_funds: Amount | None
    buying_power: Amount | None
    as_of: Instant | None
    age_s: float | None
    stale: bool
    accounts: tuple[str, ...]
    missing: tuple[Missing, ...]
    complete: bool
    sentence: str


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


def fund_view(
    accounts: Sequence[AccountView], *, currency: str | None, now: datetime, max_age_seconds: float
) -> FundView:
    """Sum up the active accounts of `currency`; None = the one they share, USD where they differ.

    An account counts with all its figures or with none.
    """
    active = [account for account in accounts if account.status == ActiveStatus.ACTIVE]
    if currency is None:
        shared = {account.currency for account in active}
        currency = shared.pop() if len(shared) == 1 else "USD"
    reasons = {account.account_id: _why_missing(account, currency) for account in active}
    counted = [account for account in active if not reasons[account.account_id]]
    missing = [Missing(account_id=name, reason=why) for name, why in reasons.items() if why]
    as_of = min((account.as_of for account in counted if account.as_of), default=None)
    age = age_seconds(as_of, now) if as_of else None
    sums = {
        name: sum((getattr(account, name) for account in counted), Decimal(0)) for name in _FIGURES
    }
    return FundView(
        currency=currency,
        **(sums if counted else dict.fromkeys(_FIGURES)),
        as_of=as_of,
        age_s=age,
        stale=age is None or age > max_age_seconds,
        accounts=tuple(account.account_id for account in counted),
        missing=tuple(missing),
        complete=not missing,
        sentence=_sentence(counted, missing, age),
    )


def _why_missing(account: AccountView, currency: str) -> str:
    if account.currency != currency:
        return f"is in {account.currency}, the sum is in {currency}"
    if account.as_of is None:
        return "its broker has not reported yet"
    unknown = [name for name in _FIGURES if getattr(account, name) is None]
    if unknown:
        return f"its broker has not reported {', '.join(unknown)} yet"
    return ""


def _sentence(counted: Sequence[AccountView], missing: Sequence[Missing], age: float | None) -> str:
    text = f"{len(counted)} of {len(counted) + len(missing)} active accounts counted"
    if age is not None:
        text += f", the oldest figures are {age:.1f} s old"
    if missing:
        text += "; not counted: " + ", ".join(f"{m.account_id} ({m.reason})" for m in missing)
    return text + "."
