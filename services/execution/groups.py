"""Legs of one signal in one account: what to do where not all of them can be had. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from services.domain.orders import TERMINAL, Order, exit_of
from services.domain.signals import plain
from services.domain.words import (
    GroupPolicy,
    OrderRole,
    OrderStatus,
    OrderType,
    TimeInForce,
)


class LegView(NamedTuple):
    """One leg's order as it stands."""

    order: Order
    status: OrderStatus
    filled_quantity: Decimal

    @property
    def is_live(self) -> bool:
        """Whether it may still fill by itself."""
        return self.status not in TERMINAL

    @property
    def has_failed(self) -> bool:
        """Whether it ended with less than was asked."""
        return not self.is_live and self.filled_quantity < self.order.quantity


class GroupPlan(NamedTuple):
    """What to do now.

    Attributes:
        settled: nothing more will be needed.
        cancel: client_order_ids of legs that still work.
        unwind: orders that close what has filled; PENDING rows, a repeat collides in its id.
        broken: in words, where a person must be told; empty = the group is whole so far.
    """

    settled: bool = False
    cancel: tuple[str, ...] = ()
    unwind: tuple[Order, ...] = ()
    broken: str = ""


def tend_group(legs: Sequence[LegView]) -> GroupPlan:
    """What the legs of a signal need; on its own outcome it finds nothing more to do.

    A leg that failed cancels the entries that still work. Once all have ended, what has filled is
    closed again where the strategy's policy is UNWIND; under HOLD it stays and a person decides.
    Exits are never held back or undone for each other.
    """
    failed = [leg for leg in legs if leg.has_failed]
    if not failed:
        return GroupPlan(settled=not any(leg.is_live for leg in legs))
    filled = [leg for leg in legs if leg.filled_quantity]
    entries = not legs[0].order.intent.reduces_risk
    live = tuple(leg.order.client_order_id for leg in legs if leg.is_live)
    if not filled and not live:
        return GroupPlan(settled=True)
    if not filled:
        return GroupPlan(cancel=live if entries else ())
    broken = _in_words(failed, filled)
    if live:
        return GroupPlan(cancel=live if entries else (), broken=broken)
    unwinds = entries and legs[0].order.group_policy is GroupPolicy.UNWIND
    unwind = tuple(_closing(leg) for leg in filled) if unwinds else ()
    return GroupPlan(settled=True, unwind=unwind, broken=broken)


def _closing(leg: LegView) -> Order:
    return exit_of(
        leg.order,
        OrderRole.UNWIND,
        0,
        quantity=leg.filled_quantity,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
    )


def _in_words(failed: Sequence[LegView], filled: Sequence[LegView]) -> str:
    have = ", ".join(
        f"{plain(leg.filled_quantity)} {leg.order.instrument.symbol}" for leg in filled
    )
    lack = ", ".join(
        f"{leg.order.instrument.symbol} {leg.status} with {plain(leg.filled_quantity)} of "
        f"{plain(leg.order.quantity)}"
        for leg in failed
    )
    policy = failed[0].order.group_policy
    then = "what has filled is closed again" if policy is GroupPolicy.UNWIND else "it is held"
    return f"legs of one signal did not go together: {have} filled, {lack}; {then}"
