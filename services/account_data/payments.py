"""Which recorded deposits and withdrawals the broker's figures show. Pure.

The evidence is cash that fills do not explain: what the broker reports less what our books say that
fills have moved. It moves by a payment, to the cent, and by little else; trades that are booked a
moment late move it back again. A payment that is large beside the equity comes in one
step: cash that drifts there (gains of futures, rates of other currencies) is none, and would hide a
loss. Where cash tells nothing, a large payment is seen in the equity; not where cash stood still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from services.account_data.held import rate_of
from services.domain.capital import CapitalFlow
from services.domain.values import ZERO
from services.domain.words import FlowStatus

#: A bank's fee, interest of the day: what may be missing of a payment.
_NEAR: Final = Decimal("0.005")
_CENT: Final = Decimal("0.01")
#: What is smaller beside the equity is not told from what prices do.
_LARGE: Final = Decimal("0.01")
_NEAR_IN_EQUITY: Final = Decimal("0.02")


class Point(NamedTuple):
    """The unexplained cash at one look."""

    at: datetime
    cash: Decimal | None


class Evidence(NamedTuple):
    """What one look shows.

    Attributes:
        cash: that fills do not explain; None = not known.
        moved: of equity, what prices do not explain since the look before; None = not known.
        equity: at the look before.
        step: of that cash, since the look before; None = not known.
    """

    cash: Decimal | None
    moved: Decimal | None = None
    equity: Decimal | None = None
    step: Decimal | None = None


def unexplained_cash(
    cash: Decimal, currency: str, moved: Mapping[str, Decimal], rates: Mapping[str, Decimal]
) -> Decimal | None:
    """Cash that fills do not explain, account currency; None where a rate is missing.

    Args:
        cash: by the broker, over all currencies.
        currency: of the account.
        moved: what fills and commissions have moved, by currency.
        rates: by currency, what one unit is worth in the account's.
    """
    total = cash
    for unit, amount in moved.items():
        rate = rate_of(unit, currency, rates)
        if amount and rate is None:
            return None
        total -= amount * (rate or ZERO)
    return total


def seen(pending: Sequence[CapitalFlow], evidence: Evidence) -> tuple[CapitalFlow, ...]:
    """Which of the payments have come: one of them, or all together."""
    for group in (*((each,) for each in pending), tuple(pending)):
        if group and _has_come(group, evidence):
            return group
    return ()


def _has_come(group: Sequence[CapitalFlow], evidence: Evidence) -> bool:
    amount = sum((each.account_amount for each in group), ZERO)
    if abs(amount) * 2 < max(abs(each.account_amount) for each in group):
        return False  # in and out cancel out: that nothing has moved is no sign of both
    before, cash, step = group[0].cash_before, evidence.cash, evidence.step
    equity = evidence.equity or ZERO
    large = equity > 0 and abs(amount) >= equity * _LARGE
    if before is not None and cash is not None and is_near(cash - before, amount):
        return not large or step is None or abs(step - amount) <= abs(amount) / 2
    if not large or evidence.moved is None or (step is not None and abs(step) <= _CENT):
        return False
    return abs(evidence.moved - amount) <= abs(amount) * _NEAR_IN_EQUITY


def is_near(moved: Decimal, amount: Decimal) -> bool:
    """Whether cash has moved by a payment."""
    return abs(moved - amount) <= max(abs(amount) * _NEAR, _CENT)


def without(points: Sequence[Point], flows: Sequence[CapitalFlow]) -> list[Point]:
    """The looks without the cash of payments that count already."""
    counted = [
        (each.settled_at, each.account_amount)
        for each in flows
        if each.settled_at is not None and each.status is FlowStatus.SETTLED
    ]
    return [
        Point(
            point.at,
            None
            if point.cash is None
            else point.cash - sum((amount for at, amount in counted if at <= point.at), ZERO),
        )
        for point in points
    ]


def came_at(amount: Decimal, points: Sequence[Point]) -> int | None:
    """Index of the first look that has a payment; None where no look without it is known.

    Args:
        amount: account currency.
        points: of all looks since some time before it was paid, oldest first.
    """
    if not points or (latest := points[-1].cash) is None:
        return None
    for number in range(len(points) - 2, -1, -1):
        cash = points[number].cash
        if cash is not None and is_near(latest - cash, amount):
            return number + 1
    return None


def settled(flow: CapitalFlow, at: datetime) -> CapitalFlow:
    """A flow that the broker's figures have since then."""
    return flow.model_copy(update={"status": FlowStatus.SETTLED, "settled_at": at})


def shifted(flow: CapitalFlow, come: Sequence[CapitalFlow]) -> CapitalFlow:
    """A flow that still waits, once others have come: their cash is none of it."""
    if flow.cash_before is None:
        return flow
    more = sum((each.account_amount for each in come), ZERO)
    return flow.model_copy(update={"cash_before": flow.cash_before + more})
