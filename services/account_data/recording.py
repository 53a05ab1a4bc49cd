"""What may be entered as a deposit or a withdrawal. Pure; refusals are `Declined`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from pydantic import Field

from services.account_data.held import rate_of
from services.domain.accounts import AccountSnapshot
from services.domain.capital import FLOW_ID, CapitalFlow
from services.domain.errors import Declined
from services.domain.risk import EquityJump
from services.domain.values import ZERO, Exact, Frozen, Instant
from services.domain.words import FlowStatus

#: A clock of whoever types it may be ahead.
_AHEAD: Final = timedelta(minutes=5)
#: No account here is older.
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_DECIMALS: Final = 8
_TOO_MUCH: Final = Decimal(10) ** 15


class Payment(Frozen):
    """A deposit (above 0) or a withdrawal (below 0), as a person types it.

    Attributes:
        flow_id: of their own making: the same again is the same payment.
        currency: None = the account's.
        effective_at: when it was paid; None = now.
        shown: whether the broker's figures have it already; None = by the cash they show.
        confirm_large: it is meant, although it is more than the account's equity.
    """

    flow_id: str = Field(pattern=FLOW_ID)
    amount: Exact
    currency: str | None = None
    effective_at: Instant | None = None
    shown: bool | None = None
    confirm_large: bool = False


class Signed(NamedTuple):
    """Who says so, and why."""

    by: str
    reason: str


def flow_of(
    account: AccountSnapshot, payment: Payment, signed: Signed, now: datetime
) -> CapitalFlow:
    """The payment as it is kept, at the rate of now. Raises: Declined."""
    if payment.amount == 0:
        raise Declined("ZERO_AMOUNT", "amount must not be 0", field="amount")
    exponent = payment.amount.normalize().as_tuple().exponent
    if abs(payment.amount) >= _TOO_MUCH or (isinstance(exponent, int) and exponent < -_DECIMALS):
        raise Declined(
            "WRONG_AMOUNT",
            f"amount must be below {_TOO_MUCH:f} and have at most {_DECIMALS} decimals, "
            f"was {payment.amount}",
            field="amount",
        )
    effective_at = payment.effective_at or now
    check_time(effective_at, now, field="effective_at")
    currency = payment.currency or account.currency
    rate = rate_of(currency, account.currency, account.fx_rates)
    if rate is None:
        known = ", ".join(sorted({account.currency, *account.fx_rates}))
        raise Declined(
            "WRONG_CURRENCY",
            f"currency must be one that account {account.account_id} has a rate of ({known}), "
            f"was {currency}",
            field="currency",
        )
    return CapitalFlow(
        flow_id=payment.flow_id,
        account_id=account.account_id,
        amount=payment.amount,
        currency=currency,
        account_amount=payment.amount * rate,
        effective_at=effective_at,
        recorded_at=now,
        by=signed.by.strip(),
        reason=signed.reason.strip(),
    )


def check_time(at: datetime, now: datetime, *, field: str) -> None:
    """Refuse a time at which nothing can have been paid. Raises: Declined."""
    if at > now + _AHEAD:
        raise Declined(
            "FLOW_IN_FUTURE",
            f"{field} must not be later than now ({now:%Y-%m-%d %H:%M} UTC), "
            f"was {at:%Y-%m-%d %H:%M} UTC: enter it when it is paid",
            field=field,
        )
    if at < _EARLIEST:
        raise Declined(
            "FLOW_TOO_OLD",
            f"{field} must not be before {_EARLIEST:%Y-%m-%d}, was {at:%Y-%m-%d}",
            field=field,
        )


def repeated(before: CapitalFlow, flow: CapitalFlow, payment: Payment) -> CapitalFlow:
    """The flow that was recorded under this id before. Raises: Declined: it is another one."""
    same = (before.account_id, before.amount, before.currency)
    another_time = payment.effective_at is not None and flow.effective_at != before.effective_at
    if same != (flow.account_id, flow.amount, flow.currency) or another_time:
        raise Declined(
            "FLOW_ID_REUSED",
            f"flow {before.flow_id} is {before.amount:f} {before.currency} of account "
            f"{before.account_id} at {before.effective_at:%Y-%m-%d %H:%M} UTC already: another "
            "payment needs another flow_id",
            field="flow_id",
        )
    return before


def check_size(account: AccountSnapshot, flow: CapitalFlow, *, confirmed: bool) -> None:
    """Refuse what is probably a typing error. Raises: Declined."""
    equity = account.equity
    if confirmed or equity is None or abs(flow.account_amount) <= max(equity, ZERO):
        return
    raise Declined(
        "FLOW_TOO_LARGE",
        f"{flow.account_amount:f} {account.currency} is more than the equity of account "
        f"{account.account_id}, {equity:f}: send confirm_large if it is meant",
        field="amount",
    )


def check_believed(account: AccountSnapshot) -> None:
    """Refuse while the account's equity is doubted. Raises: Declined."""
    if account.jump is not None:
        raise Declined(
            "EQUITY_DOUBTED", f"{account.jump.sentence}; confirm that first, as FLOW if it was paid"
        )


def check_explains(jump: EquityJump, flow: CapitalFlow, left: Decimal, limit: Decimal) -> None:
    """Refuse a payment that leaves more unexplained than may be. Raises: Declined.

    Args:
        jump: what is to be explained.
        flow: by this.
        left: of the equity as it is now.
        limit: how much may be left, a fraction of the equity before.
    """
    if abs(left) > abs(jump.before) * limit:
        raise Declined(
            "FLOW_DOES_NOT_EXPLAIN",
            f"a payment of {flow.account_amount:f} leaves {left:+f} unexplained, up to "
            f"{abs(jump.before) * limit:f} may be left: enter all that was paid",
            field="flow",
        )


def the_jump(account: AccountSnapshot, jump_id: str) -> EquityJump:
    """The doubt that a person speaks of. Raises: Declined: there is none, or another one."""
    if account.jump is None:
        raise Declined("NO_JUMP", f"the equity of account {account.account_id} is not doubted")
    if account.jump.jump_id != jump_id:
        raise Declined(
            "ANOTHER_JUMP",
            f"jump_id must be that of now, {account.jump.jump_id!r}, was {jump_id!r}: "
            f"{account.jump.sentence}",
            field="jump_id",
        )
    return account.jump


def reversal(flow: CapitalFlow, flow_id: str, signed: Signed, now: datetime) -> CapitalFlow:
    """The entry that takes another back; neither counts from then on."""
    return flow.model_copy(
        update={
            "flow_id": flow_id,
            "amount": -flow.amount,
            "account_amount": -flow.account_amount,
            "recorded_at": now,
            "by": signed.by.strip(),
            "reason": signed.reason.strip(),
            "status": FlowStatus.REVERSED,
            "reverses": flow.flow_id,
            "settled_at": None,
        }
    )


def not_after(at: datetime, account: AccountSnapshot) -> datetime:
    """A time of which figures can be: no later than the last."""
    return at if account.as_of is None else min(at, account.as_of)
