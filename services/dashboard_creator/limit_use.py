"""How much of a limit is used: the same figures that a decision measures, as ratios. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from services.decision.multipliers import drawdown_of
from services.domain.accounts import AccountSnapshot, Exposure
from services.domain.risk import EVERY_ACCOUNT, EquityMarks, LimitSet, scope_key
from services.domain.values import ZERO, Exact, Frozen
from services.domain.words import Scope

#: Limits that are a share of equity, and the figure of an exposure that is held against them.
_OF_EXPOSURE: Final = {
    "max_broker_allocation_ratio": "capital",
    "max_gross_exposure_ratio": "gross",
    "max_net_exposure_ratio": "net",
    "max_margin_ratio": "margin",
}


class LimitUse(Frozen):
    """A limit and what stands against it.

    Attributes:
        account_id: where it is measured; None = on the fund.
        used: in the unit of the limit; None = not known.
        ratio: used / limit, 1 = all of it.
    """

    name: str
    account_id: str | None
    limit: Exact
    used: Exact | None
    ratio: Exact | None


class Measured(NamedTuple):
    """One account, or the fund, as its limits see it.

    Attributes:
        exposures: by scope key; None = not known.
    """

    account_id: str | None
    equity: Decimal | None
    marks: EquityMarks | None
    exposures: Mapping[str, Exposure] | None


def measured(account: AccountSnapshot, exposures: Mapping[str, Exposure] | None) -> Measured:
    """An account."""
    return Measured(account.account_id, account.equity, account.marks, exposures)


def uses(
    limits: LimitSet, accounts: Iterable[Measured], fund: Measured | None, own: frozenset[str]
) -> Iterator[LimitUse]:
    """What is used of each limit of a set that is a number now.

    Args:
        limits: of one scope.
        accounts: all that there are.
        fund: all of them together.
        own: accounts that have limits of their own, which those of every account leave out.
    """
    if limits.scope is Scope.GLOBAL:
        yield from _uses(limits, fund, scope_key(Scope.GLOBAL)) if fund else ()
        return
    for each in accounts:
        if limits.scope is not Scope.ACCOUNT:
            yield from _uses(limits, each, limits.key)
        elif each.account_id == limits.scope_id or (
            limits.scope_id == EVERY_ACCOUNT and each.account_id not in own
        ):
            yield from _uses(limits, each, scope_key(Scope.ACCOUNT, each.account_id or ""))


def _uses(limits: LimitSet, where: Measured, key: str) -> Iterator[LimitUse]:
    held = None if where.exposures is None else where.exposures.get(key, Exposure())
    for name, figure in _OF_EXPOSURE.items():
        limit = getattr(limits, name)
        if limit is not None:
            amount = abs(getattr(held, figure)) if held is not None else None
            yield _use(name, where, limit, _share(amount, where.equity))
    if limits.max_open_positions is not None:
        count = None if held is None else Decimal(held.instruments)
        yield _use("max_open_positions", where, Decimal(limits.max_open_positions), count)
    if limits.scope in {Scope.GLOBAL, Scope.ACCOUNT}:
        yield from _of_losses(limits, where)


def _of_losses(limits: LimitSet, where: Measured) -> Iterator[LimitUse]:
    marks = where.marks
    if limits.max_daily_loss_ratio is not None:
        lost = None
        if marks is not None and marks.day_start > 0:
            lost = max(ZERO, 1 - marks.last / marks.day_start)
        yield _use("max_daily_loss_ratio", where, limits.max_daily_loss_ratio, lost)
    if limits.max_drawdown_ratio is not None:
        lost = drawdown_of(marks) if marks is not None and marks.peak > 0 else None
        yield _use("max_drawdown_ratio", where, limits.max_drawdown_ratio, lost)


def _share(amount: Decimal | None, equity: Decimal | None) -> Decimal | None:
    return None if amount is None or not equity or equity <= 0 else amount / equity


def _use(name: str, where: Measured, limit: Decimal, used: Decimal | None) -> LimitUse:
    ratio = used / limit if used is not None and limit > 0 else None
    return LimitUse(
        name=name,
        account_id=where.account_id,
        limit=limit,
        used=None if used is None else round(used, 6),
        ratio=None if ratio is None else round(ratio, 6),
    )
