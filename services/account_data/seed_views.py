"""Accounts and the fund under the names that earlier clients know. Pure: `now` comes in.

The names are theirs; every figure has its age beside it, and what is not known is null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.account_data.held import HeldPosition
from services.account_data.hierarchy import FundNode, Missing, Totals
from services.account_data.views import (
    AccountView,
    Amount,
    BalanceView,
    JumpView,
    PollError,
    age_seconds,
)
from services.domain.values import ZERO, Frozen, Instant


class PositionView(Frozen):
    """One position by the broker's word; prices and amounts in `currency`, None = no price.

    Attributes:
        quantity: signed.
        fx_rate: what one unit of `currency` is worth in the account's; None = nobody knows.
    """

    instrument_key: str
    symbol: str
    instrument_type: str
    currency: str
    side: str
    quantity: Amount
    avg_price: Amount
    current_price: Amount | None
    market_value: Amount | None
    unrealized_pnl: Amount | None
    fx_rate: Amount | None


class PositionsView(Frozen):
    """All positions of an account.

    Attributes:
        as_of: when the broker told them; None = never.
        error: why it did not tell them the last time; they are then those of before.
    """

    account_id: str
    positions: tuple[PositionView, ...]
    as_of: Instant | None
    age_s: float | None
    stale: bool
    error: str | None


class OpenOrderView(Frozen):
    """A working order; `order_id` is the broker's where the order is none of ours."""

    order_id: str
    instrument: str
    side: str
    quantity: Amount | None
    order_type: str
    price: Amount | None
    status: str
    foreign: bool


class AccountState(Frozen):
    """An account's state; amounts in `currency`."""

    account_id: str
    account: str
    broker_id: str
    account_type: str
    status: str
    currency: str
    timestamp: Instant | None
    equity: Amount | None
    cash_balance: Amount | None
    margin_used: Amount | None
    maintenance_margin: Amount | None
    margin_available: Amount | None
    buying_power: Amount | None
    unrealized_pnl: Amount | None
    realized_pnl: Amount | None
    daily_pnl: Amount | None
    drawdown_ratio: Amount | None
    balances: dict[str, BalanceView]
    open_positions: tuple[PositionView, ...]
    positions_as_of: Instant | None
    positions_age_s: float | None
    positions_error: str | None
    open_orders: tuple[OpenOrderView, ...]
    created_at: Instant | None
    as_of: Instant | None
    age_s: float | None
    stale: bool
    poll_error: PollError | None
    jump: JumpView | None


class StateAnswer(Frozen):
    """The state under the name that it has."""

    state: AccountState


class MarginView(Frozen):
    """Margin of an account; utilization is of equity, None where that is not above 0."""

    account_id: str
    currency: str
    equity: Amount | None
    margin_used: Amount | None
    margin_available: Amount | None
    maintenance_margin: Amount | None
    margin_utilization_pct: Amount | None
    as_of: Instant | None
    age_s: float | None
    stale: bool


class BrokerBreakdown(Frozen):
    """What one broker adds to the fund."""

    broker_id: str
    equity: Amount | None
    cash: Amount | None
    num_accounts: int
    accounts: tuple[str, ...]
    missing: tuple[Missing, ...]


class FundState(Frozen):
    """All active accounts of one type in one currency."""

    timestamp: Instant
    account_type: str
    currency: str
    total_equity: Amount | None
    total_cash: Amount | None
    total_margin_used: Amount | None
    total_margin_available: Amount | None
    total_unrealized_pnl: Amount | None
    total_realized_pnl: Amount | None
    margin_utilization_pct: Amount | None
    num_accounts: int
    broker_breakdown: tuple[BrokerBreakdown, ...]
    as_of: Instant | None
    age_s: float | None
    stale: bool
    missing: tuple[Missing, ...]
    complete: bool
    sentence: str


class FundStateAnswer(Frozen):
    """The fund under the name that it has."""

    fund_state: FundState


def positions_view(
    account_id: str, row: Mapping[str, Any] | None, *, now: datetime, max_age_seconds: float
) -> PositionsView:
    """Stored positions with their age."""
    row = row or {}
    as_of = row.get("as_of")
    age = age_seconds(as_of, now) if as_of else None
    return PositionsView(
        account_id=account_id,
        positions=tuple(_position(each) for each in row.get("positions", ())),
        as_of=as_of,
        age_s=age,
        stale=age is None or age > max_age_seconds,
        error=row.get("error"),
    )


def _position(row: Mapping[str, Any]) -> PositionView:
    held = HeldPosition.model_validate(row)
    instrument = held.instrument
    return PositionView(
        instrument_key=instrument.key,
        symbol=instrument.symbol,
        instrument_type=instrument.instrument_type,
        currency=instrument.currency,
        side="LONG" if held.quantity > 0 else "SHORT",
        quantity=held.quantity,
        avg_price=held.average_price,
        current_price=held.market_price,
        market_value=held.market_value,
        unrealized_pnl=held.unrealized_pnl,
        fx_rate=held.fx_rate,
    )


def order_view(row: Mapping[str, Any]) -> OpenOrderView:
    """A working order of ours as it is stored."""
    order = row["order"]
    return OpenOrderView(
        order_id=row["_id"],
        instrument=order["instrument"]["symbol"],
        side=order["side"],
        quantity=order["quantity"],
        order_type=order["order_type"],
        price=order.get("limit_price"),
        status=row["status"],
        foreign=False,
    )


def foreign_order_view(row: Mapping[str, Any]) -> OpenOrderView:
    """A working order of somebody else's, as execution saw it at the broker."""
    report, terms = row["report"], row["report"].get("terms") or {}
    return OpenOrderView(
        order_id=report.get("broker_order_id") or row["_id"],
        instrument=row["instrument"]["symbol"],
        side=row["side"],
        quantity=terms.get("quantity"),
        order_type=row["order_type"],
        price=terms.get("limit_price"),
        status=report["status"],
        foreign=True,
    )


def state_answer(
    account: AccountView, positions: PositionsView, orders: Sequence[OpenOrderView]
) -> StateAnswer:
    """An account under the names of the seed."""
    state = AccountState(
        account_id=account.account_id,
        account=account.account_name or account.account_id,
        broker_id=account.broker,
        account_type=account.account_type,
        status=account.status,
        currency=account.currency,
        timestamp=account.as_of,
        equity=account.equity,
        cash_balance=account.cash,
        margin_used=account.initial_margin,
        maintenance_margin=account.maintenance_margin,
        margin_available=account.available_funds,
        buying_power=account.buying_power,
        unrealized_pnl=account.unrealized_pnl,
        realized_pnl=account.realized_pnl,
        daily_pnl=account.daily_pnl,
        drawdown_ratio=account.drawdown_ratio,
        balances=account.balances,
        open_positions=positions.positions,
        positions_as_of=positions.as_of,
        positions_age_s=positions.age_s,
        positions_error=positions.error,
        open_orders=tuple(orders),
        created_at=account.recorded_at,
        as_of=account.as_of,
        age_s=account.age_s,
        stale=account.stale,
        poll_error=account.poll_error,
        jump=account.jump,
    )
    return StateAnswer(state=state)


def margin_view(account: AccountView) -> MarginView:
    """The margin of an account."""
    return MarginView(
        account_id=account.account_id,
        currency=account.currency,
        equity=account.equity,
        margin_used=account.initial_margin,
        margin_available=account.available_funds,
        maintenance_margin=account.maintenance_margin,
        margin_utilization_pct=_utilization(account.initial_margin, account.equity),
        as_of=account.as_of,
        age_s=account.age_s,
        stale=account.stale,
    )


def fund_state(fund: FundNode, *, now: datetime) -> FundStateAnswer:
    """A fund under the names of the seed."""
    totals: Totals = fund.totals
    state = FundState(
        timestamp=now,
        account_type=fund.account_type,
        currency=totals.currency,
        total_equity=totals.equity,
        total_cash=totals.cash,
        total_margin_used=totals.initial_margin,
        total_margin_available=totals.available_funds,
        total_unrealized_pnl=totals.unrealized_pnl,
        total_realized_pnl=totals.realized_pnl,
        margin_utilization_pct=_utilization(totals.initial_margin, totals.equity),
        num_accounts=len(totals.accounts),
        broker_breakdown=tuple(
            BrokerBreakdown(
                broker_id=each.broker,
                equity=each.totals.equity,
                cash=each.totals.cash,
                num_accounts=len(each.totals.accounts),
                accounts=each.totals.accounts,
                missing=each.totals.missing,
            )
            for each in fund.brokers
        ),
        as_of=totals.as_of,
        age_s=totals.age_s,
        stale=totals.stale,
        missing=totals.missing,
        complete=totals.complete,
        sentence=totals.sentence,
    )
    return FundStateAnswer(fund_state=state)


def _utilization(used: Decimal | None, equity: Decimal | None) -> Decimal | None:
    if used is None or equity is None or equity <= ZERO:
        return None
    return (used / equity * 100).quantize(Decimal("0.01"))
