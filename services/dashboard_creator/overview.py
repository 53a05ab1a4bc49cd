"""Sums for the first page: the fund, and the money of each strategy. Pure: `now` comes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.dashboard_creator.models import PositionView
from services.dashboard_creator.pages import (
    AccountRow,
    FundRow,
    LastSignal,
    Missing,
    StrategyMoney,
    StrategyRow,
)
from services.domain.orders import Reservation
from services.domain.values import ZERO
from services.domain.words import ActiveStatus

Document = Mapping[str, Any]


def account_row(document: Document, *, now: datetime, max_age_seconds: float) -> AccountRow:
    """A stored account with its age; stale where it is too old or never reported."""
    age = _age(document.get("as_of"), now)
    stale = age is None or age > max_age_seconds
    return AccountRow.model_validate({**document, "age_s": age, "stale": stale})


def fund_row(accounts: Sequence[AccountRow], *, now: datetime, max_age_seconds: float) -> FundRow:
    """Sum up the active accounts of the currency they share, or of USD where they differ."""
    active = [account for account in accounts if account.status == ActiveStatus.ACTIVE]
    currency = shared_currency(account.currency for account in active)
    reasons = {account.account_id: _why_missing(account, currency) for account in active}
    counted = [account for account in active if not reasons[account.account_id]]
    as_of = min((account.as_of for account in counted if account.as_of), default=None)
    age = _age(as_of, now)
    return FundRow(
        currency=currency,
        equity=_sum([account.equity for account in counted]),
        cash=_sum([account.cash for account in counted]),
        as_of=as_of,
        age_s=age,
        stale=age is None or age > max_age_seconds,
        accounts=tuple(account.account_id for account in counted),
        missing=tuple(Missing(account_id=name, reason=why) for name, why in reasons.items() if why),
    )


def strategy_row(
    strategy_id: str,
    document: Document | None,
    *,
    allocation_ratio: Decimal | None,
    money: Mapping[str, StrategyMoney],
    account_currencies: Mapping[str, str],
    last_signal: LastSignal | None,
) -> StrategyRow:
    """One strategy; `document` is None for one that is gone and still has books."""
    known = document or {"name": strategy_id, "status": None, "accounts": []}
    accounts = tuple(row["account_id"] for row in known["accounts"])
    currencies = [account_currencies[each] for each in accounts if each in account_currencies]
    currency = shared_currency(currencies or money)
    own = money.get(currency, StrategyMoney(currency=currency))
    return StrategyRow(
        **own.model_dump(),
        strategy_id=strategy_id,
        name=known["name"],
        status=known["status"],
        accounts=accounts,
        allocation_ratio=allocation_ratio,
        other_currencies=tuple(each for name, each in sorted(money.items()) if name != currency),
        last_signal=last_signal,
    )


def money_of(
    positions: Sequence[PositionView],
    reservations: Sequence[Reservation],
    account_currencies: Mapping[str, str],
) -> dict[str, StrategyMoney]:
    """One strategy's money by currency: the instrument's for books, the account's if held."""
    sums: dict[str, dict[str, Decimal]] = {}

    def add(currency: str, **amounts: Decimal) -> None:
        row = sums.setdefault(currency, {})
        for name, amount in amounts.items():
            row[name] = row.get(name, ZERO) + amount

    for position in positions:
        add(
            position.instrument.currency,
            deployed=position.deployed,
            realized_pnl=position.realized_pnl,
            commissions=position.commissions,
        )
    for reservation in reservations:
        currency = account_currencies.get(reservation.account_id, "unknown")
        add(currency, reserved=reservation.capital)
    return {name: StrategyMoney(currency=name, **row) for name, row in sums.items()}


def shared_currency(currencies: Iterable[str]) -> str:
    """The one currency of all, or USD where they differ or there is none."""
    found = set(currencies)
    return found.pop() if len(found) == 1 else "USD"


def _why_missing(account: AccountRow, currency: str) -> str:
    if account.currency != currency:
        return f"is in {account.currency}, the sum is in {currency}"
    if account.equity is None or account.cash is None or account.as_of is None:
        return "its broker has not reported yet"
    return ""


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """None without any amount: nobody knows, which is not zero."""
    return sum((amount for amount in amounts if amount is not None), ZERO) if amounts else None


def _age(as_of: datetime | None, now: datetime) -> float | None:
    return None if as_of is None else round(max(0.0, (now - as_of).total_seconds()), 3)
