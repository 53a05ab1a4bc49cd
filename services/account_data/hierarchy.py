"""Fund → broker → account, summed up in one currency. Pure: `now` comes in.

What is not known is named and left out; it is never a zero, and what leaves something out says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.account_data.views import AccountView, Amount, age_seconds
from services.domain.rates import rate_to
from services.domain.values import Frozen, Instant
from services.domain.words import AccountType, ActiveStatus

#: An account counts with all of these or with none.
_FIGURES: Final = (
    "equity",
    "cash",
    "initial_margin",
    "maintenance_margin",
    "available_funds",
    "buying_power",
)
#: Summed up where every counted account has them.
_GAINS: Final = ("unrealized_pnl", "realized_pnl", "daily_pnl")


class Missing(Frozen):
    """An active account that a sum leaves out."""

    account_id: str
    reason: str


class Totals(Frozen):
    """Sums over active accounts in `currency`; None = no account, or not every one, is known.

    Attributes:
        as_of: of the oldest figures in the sums; age_s and stale follow from it.
        accounts: those counted.
        missing: those that are not, each with why; they count as unknown, never as zero.
        doubted: those of the counted whose equity waits for a person's word.
        complete: whether every active account is counted.
    """

    currency: str
    equity: Amount | None
    cash: Amount | None
    initial_margin: Amount | None
    maintenance_margin: Amount | None
    available_funds: Amount | None
    buying_power: Amount | None
    unrealized_pnl: Amount | None
    realized_pnl: Amount | None
    daily_pnl: Amount | None
    as_of: Instant | None
    age_s: float | None
    stale: bool
    accounts: tuple[str, ...]
    missing: tuple[Missing, ...]
    doubted: tuple[str, ...]
    complete: bool
    sentence: str


class FundView(Totals):
    """Sums over accounts of any broker."""


class AccountNode(Frozen):
    """One account below its broker.

    Attributes:
        rate: what one unit of its currency is worth in the fund's; None = nobody knows.
        worth: its equity in the fund's currency.
    """

    account: AccountView
    rate: Amount | None
    worth: Amount | None


class BrokerNode(Frozen):
    """The accounts at one broker, and their sums; accounts that are not active are not summed."""

    broker: str
    totals: Totals
    accounts: tuple[AccountNode, ...]


class FundNode(Frozen):
    """All accounts of one type: paper money and real money are never one sum."""

    account_type: str
    totals: Totals
    brokers: tuple[BrokerNode, ...]


class _Terms(NamedTuple):
    """How sums are made."""

    currency: str
    rate: Callable[[AccountView], Decimal | None]
    now: datetime
    max_age_seconds: float


def fund_view(
    accounts: Sequence[AccountView], *, currency: str | None, now: datetime, max_age_seconds: float
) -> FundView:
    """Sum up the active accounts in `currency`; None = the one they share, else USD."""
    if currency is None:
        shared = {each.currency for each in _active(accounts)}
        currency = shared.pop() if len(shared) == 1 else "USD"
    terms = _terms(accounts, currency, now, max_age_seconds)
    return FundView(**_totals(accounts, terms))


def hierarchy(
    accounts: Sequence[AccountView], *, currency: str, now: datetime, max_age_seconds: float
) -> tuple[FundNode, ...]:
    """Every fund with its brokers and their accounts, in one currency."""
    terms = _terms(accounts, currency, now, max_age_seconds)
    funds = []
    for account_type in sorted({each.account_type for each in accounts}):
        members = of_type(accounts, account_type)
        brokers = sorted({each.broker for each in members})
        funds.append(
            FundNode(
                account_type=account_type,
                totals=Totals(**_totals(members, terms)),
                brokers=tuple(_broker(name, members, terms) for name in brokers),
            )
        )
    return tuple(funds)


def of_type(accounts: Sequence[AccountView], account_type: str) -> list[AccountView]:
    """The accounts of one fund."""
    return [each for each in accounts if each.account_type == account_type]


def main_type(accounts: Sequence[AccountView]) -> str:
    """The fund that is meant where none is named: real money, where there is any."""
    live = any(each.account_type == AccountType.LIVE for each in _active(accounts))
    return AccountType.LIVE if live else AccountType.PAPER


def _terms(
    accounts: Sequence[AccountView], currency: str, now: datetime, max_age_seconds: float
) -> _Terms:
    active = _active(accounts)
    return _Terms(currency, lambda each: rate_to(currency, each, active), now, max_age_seconds)


def _active(accounts: Sequence[AccountView]) -> list[AccountView]:
    return [each for each in accounts if each.status == ActiveStatus.ACTIVE]


def _broker(name: str, accounts: Sequence[AccountView], terms: _Terms) -> BrokerNode:
    mine = [each for each in accounts if each.broker == name]
    return BrokerNode(
        broker=name,
        totals=Totals(**_totals(mine, terms)),
        accounts=tuple(_account(each, terms) for each in mine),
    )


def _account(account: AccountView, terms: _Terms) -> AccountNode:
    rate, equity = terms.rate(account), account.equity
    worth = None if rate is None or equity is None else equity * rate
    return AccountNode(account=account, rate=rate, worth=worth)


def _totals(accounts: Sequence[AccountView], terms: _Terms) -> dict[str, Any]:
    active = _active(accounts)
    reasons = {each.account_id: _why_missing(each, terms) for each in active}
    counted = [each for each in active if not reasons[each.account_id]]
    missing = [Missing(account_id=name, reason=why) for name, why in reasons.items() if why]
    as_of = min((each.as_of for each in counted if each.as_of), default=None)
    age = age_seconds(as_of, terms.now) if as_of else None
    return {
        "currency": terms.currency,
        **{name: _sum(name, counted, terms) for name in (*_FIGURES, *_GAINS)},
        "as_of": as_of,
        "age_s": age,
        "stale": age is None or age > terms.max_age_seconds,
        "accounts": tuple(each.account_id for each in counted),
        "missing": tuple(missing),
        "doubted": tuple(each.account_id for each in counted if each.jump is not None),
        "complete": not missing,
        "sentence": _sentence(counted, missing, age),
    }


def _sum(name: str, counted: Sequence[AccountView], terms: _Terms) -> Decimal | None:
    amounts = []
    for each in counted:
        amount, rate = getattr(each, name), terms.rate(each)
        if amount is None or rate is None:
            return None
        amounts.append(amount * rate)
    return sum(amounts, Decimal(0)) if amounts else None


def _why_missing(account: AccountView, terms: _Terms) -> str:
    if account.as_of is None:
        return "its broker has not reported yet"
    unknown = [name for name in _FIGURES if getattr(account, name) is None]
    if unknown:
        return f"its broker has not reported {', '.join(unknown)} yet"
    if terms.rate(account) is None:
        return f"no rate from {account.currency} to {terms.currency} is known"
    return ""


def _sentence(counted: Sequence[AccountView], missing: Sequence[Missing], age: float | None) -> str:
    text = f"{len(counted)} of {len(counted) + len(missing)} active accounts counted"
    if age is not None:
        text += f", the oldest figures are {age:.1f} s old"
    if missing:
        text += "; not counted: " + ", ".join(f"{m.account_id} ({m.reason})" for m in missing)
    return text + "."
