"""What a look at the broker says of orders, fills and cash; pure: any look can be tried twice.

Positions are compared by `services.domain.comparison`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from brokers.broker import OpenOrder
from services.domain.books import rank
from services.domain.orders import Execution, has_our_form
from services.domain.values import ZERO, Exact, Frozen, Instant
from services.domain.words import Side

#: What is smaller is no money (half a cent rounds either way).
_CENT: Final = Decimal("0.01")


class Cash(Frozen):
    """The cash of an account by the broker's word and by ours.

    Attributes:
        broker: as it reports it, in `currency`.
        expected: what was there when it was first seen, and what fills have moved and people have
            entered as paid since; None = it cannot be compared, `note` says why.
        since: when this gap was first seen; None = there is none.
    """

    currency: str
    broker: Exact
    expected: Exact | None = None
    since: Instant | None = None
    confirmed: bool = False
    note: str = ""

    @property
    def gap(self) -> Decimal:
        """What the broker has more than we; 0 where it cannot be compared."""
        return ZERO if self.expected is None else self.broker - self.expected


class CashBase(Frozen):
    """What cash is compared from: the broker's figure, less what fills had moved by then.

    Attributes:
        others: what they had moved in other currencies, by currency.
    """

    currency: str
    cash: Exact
    others: dict[str, Exact]
    at: Instant


class Told(NamedTuple):
    """Executions that the books do not have, by whose they are.

    Attributes:
        ours: by client_order_id.
        foreign: of no order of ours.
        strays: those of `foreign` that carry an id as only we make them, and we do not know it.
    """

    ours: dict[str, list[Execution]]
    foreign: list[Execution]
    strays: list[Execution]


def told(executions: Iterable[Execution], known: Collection[str]) -> Told:
    """Sort executions by whose they are; `known` are the ids of the account's orders."""
    found = Told({}, [], [])
    for execution in executions:
        order_id = execution.client_order_id
        if order_id in known:
            found.ours.setdefault(order_id, []).append(execution)
            continue
        found.foreign.append(execution)
        if has_our_form(order_id):
            found.strays.append(execution)
    return found


def strange(open_orders: Iterable[OpenOrder], known: Collection[str]) -> list[OpenOrder]:
    """Working orders at the broker that are none of the account's orders."""
    return [each for each in open_orders if each.report.client_order_id not in known]


def told_since(before: Iterable[Execution], after: Iterable[Execution]) -> list[Execution]:
    """What a later answer tells that an earlier one did not, corrections too."""
    known = {(each.execution_id, *rank(each)) for each in before}
    return [each for each in after if (each.execution_id, *rank(each)) not in known]


def cash_base(
    currency: str, cash: Decimal, flows: Mapping[str, Decimal], now: datetime
) -> CashBase:
    """What to compare from, when the broker has `cash` and fills have moved `flows`."""
    others = {name: amount for name, amount in flows.items() if name != currency and amount}
    return CashBase(currency=currency, cash=cash - flows.get(currency, ZERO), others=others, at=now)


def with_payments(
    flows: Mapping[str, Decimal],
    paid: Mapping[str, Decimal],
    to_come: Mapping[str, Decimal],
    *,
    gap: tuple[str, Decimal],
) -> dict[str, Decimal]:
    """What has moved cash, fills and payments, by currency.

    Args:
        flows: by fills, since we keep books.
        paid: by what was paid in and out since cash is compared.
        to_come: by payments that were entered and are not known to have come; they count where
            they are, to the cent, what is missing.
        gap: a currency, and what the broker has of it more than at first.
    """
    moved = {each: flows.get(each, ZERO) + paid.get(each, ZERO) for each in {*flows, *paid}}
    currency, more = gap
    waited = to_come.get(currency, ZERO)
    missing = more - moved.get(currency, ZERO)
    if waited and abs(missing - waited) < _CENT:
        moved[currency] = moved.get(currency, ZERO) + waited
    return moved


def cash_judged(
    base: CashBase,
    before: Cash | None,
    *,
    broker: Decimal,
    flows: Mapping[str, Decimal],
    now: datetime,
    settle: timedelta,
) -> Cash:
    """What is known of the cash after a look.

    Args:
        base: what to compare from.
        before: what was known.
        broker: its figure, in the currency of `base`.
        flows: what fills have moved, by currency, since we keep books, and what was paid in and out
            since `base`.
        now: when.
        settle: how long a gap must stay the same before it is believed.
    """
    others = {name: amount for name, amount in flows.items() if name != base.currency and amount}
    if others != base.others:
        names = ", ".join(sorted(name for name in others if others[name] != base.others.get(name)))
        note = f"not compared: fills have moved {names or 'other currencies'}"
        return Cash(currency=base.currency, broker=broker, note=note)
    expected = base.cash + flows.get(base.currency, ZERO)
    cash = Cash(currency=base.currency, broker=broker, expected=expected)
    if abs(cash.gap) < _CENT:
        return cash
    same = before is not None and before.since is not None and before.gap == cash.gap
    if before is None or before.since is None or not (same or before.confirmed):
        return cash.model_copy(update={"since": now})
    confirmed = before.confirmed or now - before.since >= settle
    return cash.model_copy(update={"since": before.since, "confirmed": confirmed})


def adoptable(gap: Decimal, quantity: Decimal) -> bool:
    """Whether entering a trade of this signed quantity brings books and broker closer together."""
    return quantity * gap > 0 and abs(quantity) <= abs(gap)


def side_of(quantity: Decimal) -> Side:
    """What makes a flat position this signed quantity."""
    return Side.BUY if quantity > 0 else Side.SELL
