"""The fund: all active accounts of one type in one currency, and what its equity has been. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from services.domain.accounts import AccountSnapshot
from services.domain.marks import marked, rebased
from services.domain.rates import rate_to
from services.domain.risk import EquityMarks, Fund
from services.domain.values import ZERO
from services.domain.words import ActiveStatus


def fund_of(
    accounts: Sequence[AccountSnapshot],
    *,
    unreadable: Sequence[str] = (),
    currency: str,
    former: Fund | None,
    now: datetime,
) -> Fund:
    """What is known of the fund now.

    Where one account is not known the fund is not: `missing` says which and why, while the marks
    and the accounts they are of stay for when it is known again. An account that joins or leaves
    is no gain and no loss of the fund (`marks.rebased`), nor is what is paid in or out.

    An account whose equity is doubted counts with the smaller of the doubted and the last believed
    one, so that a wrong figure makes nothing larger; the marks see the believed one.

    Args:
        accounts: every account of the type, inactive ones too: they may have just left.
        unreadable: ids of stored accounts that cannot be read.
        currency: what the fund is counted in.
        former: as it was stored; of another currency it is forgotten.
        now: the day that the equity is of.
    """
    if former is not None and former.currency != currency:
        former = None
    active = [each for each in accounts if each.status is ActiveStatus.ACTIVE]
    names = tuple(sorted(each.account_id for each in active))
    marks = former.marks if former else None
    missing = [f"{name}: what is stored of it cannot be read" for name in unreadable]
    missing += [why for each in active if (why := _why_unknown(each, currency, active))]
    if missing or not active:
        return Fund(
            currency=currency,
            missing="; ".join(missing) or "no account is active",
            as_of=_oldest(active),
            account_ids=former.account_ids if former and marks else names,
            marks=marks,
            flow_totals=former.flow_totals if former else {},
        )
    equity = sum((_worth(each, currency, active, careful=True) or ZERO for each in active), ZERO)
    believed = sum((_worth(each, currency, active) or ZERO for each in active), ZERO)
    flow = paid_into(former, accounts, currency)
    if former and marks and former.account_ids != names:
        fund = (currency, now, flow)
        marks = _rebased(marks, former.account_ids, accounts, equity=believed, fund=fund)
        flow = ZERO
    return Fund(
        currency=currency,
        equity=equity,
        as_of=_oldest(active),
        account_ids=names,
        marks=marked(marks, believed, now, flow=flow),
        flow_totals={each.account_id: each.flow_total for each in active},
    )


def paid_into(former: Fund | None, accounts: Sequence[AccountSnapshot], currency: str) -> Decimal:
    """What was paid into the accounts of a fund, less what was paid out, since its marks moved."""
    if former is None or former.currency != currency:
        return ZERO
    active = [each for each in accounts if each.status is ActiveStatus.ACTIVE]
    total = ZERO
    for each in accounts:
        paid = each.flow_total - former.flow_totals.get(each.account_id, each.flow_total)
        rate = rate_to(currency, each, active) if paid else None
        total += paid * (rate or ZERO)
    return total


def _worth(
    account: AccountSnapshot,
    currency: str,
    known: Sequence[AccountSnapshot],
    *,
    careful: bool = False,
) -> Decimal | None:
    rate, equity = rate_to(currency, account, known), account.equity
    if rate is None or equity is None or account.as_of is None:
        return None
    if account.jump is not None:
        equity = min(equity, account.jump.before) if careful else account.jump.before
    return equity * rate


def _why_unknown(account: AccountSnapshot, currency: str, known: Sequence[AccountSnapshot]) -> str:
    if account.equity is None or account.as_of is None:
        return f"{account.account_id}: its broker has not reported its equity yet"
    if rate_to(currency, account, known) is None:
        return f"{account.account_id}: no rate from {account.currency} to {currency} is known"
    return ""


def _oldest(active: Sequence[AccountSnapshot]) -> datetime | None:
    """None where one has never been read: nothing is as young as what nobody has seen."""
    times = [each.as_of for each in active]
    known = [each for each in times if each is not None]
    return min(known) if known and len(known) == len(times) else None


def _rebased(
    marks: EquityMarks,
    names: Sequence[str],
    accounts: Sequence[AccountSnapshot],
    *,
    equity: Decimal,
    fund: tuple[str, datetime, Decimal],
) -> EquityMarks:
    """The marks at the new size, once the old accounts have been seen a last time."""
    currency, now, flow = fund
    found = {each.account_id: _worth(each, currency, accounts) for each in accounts}
    worths = [found.get(name) for name in names]
    known = [each for each in worths if each is not None]
    if len(known) == len(names):
        marks = marked(marks, sum(known, ZERO), now, flow=flow)
    return rebased(marks, equity)
