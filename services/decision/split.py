"""How the accounts of a strategy share a signal: each by its weight, or where there is margin."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.decision.plans import Plan
from services.decision.waterfall import ONE
from services.domain.values import ZERO
from services.domain.words import SplitPolicy


def split(plans: Sequence[Plan], policy: SplitPolicy) -> list[Decimal]:
    """The scale of each plan.

    BY_WEIGHT: each as its own limits allow. BY_FREE_MARGIN: what one account has no room for goes
    to the others, in the ratio of what they want themselves, as far as their limits have room; all
    together never more than all wanted, nor than the strategy's capital in all of them pays for.
    """
    if policy is SplitPolicy.BY_WEIGHT or not plans:
        return [plan.caps.scale for plan in plans]
    # All in units of the sender's own quantities, the one measure that accounts share.
    wanted = [plan.unit for plan in plans]
    rooms = [plan.unit * (ONE if x is None else x) for plan in plans for x in (plan.caps.room,)]
    paid = sum((plan.unit * plan.available for plan in plans), ZERO)
    total = max(ZERO, min(sum(wanted, ZERO), paid))
    units = share_out(total, wanted, rooms)
    for plan, own, mine in zip(plans, wanted, units, strict=True):
        plan.waterfall.note(
            "split",
            "{:.6f} of the signal, {:.6f} by weight, room for {:.6f}",
            mine,
            own,
            plan.unit * (plan.caps.room if plan.caps.room is not None else ONE),
            before=own,
            after=mine,
            bound=mine < own,
        )
    return [mine / plan.unit for plan, mine in zip(plans, units, strict=True)]


def share_out(
    total: Decimal, weights: Sequence[Decimal], rooms: Sequence[Decimal]
) -> list[Decimal]:
    """`total` in parts in the ratio of `weights`, none above its room; the rest to the others.

    Returns: parts that sum to `total`, or to the sum of the rooms where that is less.
    """
    parts = [ZERO] * len(weights)
    open_places = [
        place for place in range(len(weights)) if weights[place] > 0 and rooms[place] > 0
    ]
    left = total
    while open_places and left > 0:
        weight = sum((weights[place] for place in open_places), ZERO)
        full = [
            place
            for place in open_places
            if parts[place] + left * weights[place] / weight >= rooms[place]
        ]
        if not full:
            for place in open_places:
                parts[place] += left * weights[place] / weight
            return parts
        for place in full:
            left -= rooms[place] - parts[place]
            parts[place] = rooms[place]
        open_places = [place for place in open_places if place not in full]
    return parts
