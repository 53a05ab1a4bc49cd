"""Legs of one signal at work: they go together, or the group's policy runs."""

from __future__ import annotations

from services.common.clock import utc_now
from services.common.incidents import raise_incident
from services.common.store import from_document
from services.domain.orders import Order
from services.domain.words import OrderStatus
from services.execution.children import create_children
from services.execution.counter import Counter
from services.execution.groups import LegView, tend_group


class Legs:
    """Looks after the groups of one account; for its worker thread only."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def tend(self, order: Order) -> tuple[bool, list[str]]:
        """Cancel or undo what has to go because another leg cannot be had.

        Returns: whether the group is settled, and client_order_ids that the desk should look at.
        """
        rows = self._counter.queries.legs(order.signal_id, order.account_id)
        legs = [
            LegView(
                from_document(Order, each["order"]),
                OrderStatus(each["status"]),
                each["filled_quantity"],
            )
            for each in rows
        ]
        if len(legs) < 2:
            return True, []
        plan = tend_group(legs)
        if plan.broken:
            raise_incident(
                self._counter.store,
                kind="GROUP_BROKEN",
                key=f"{order.signal_id}|{order.account_id}",
                sentence=f"{order.strategy_id} in {order.account_id}: {plan.broken}",
                facts={"account_id": order.account_id, "strategy_id": order.strategy_id},
            )
        self._counter.queries.request_cancel(
            plan.cancel, at=utc_now(), text="another leg cannot be had"
        )
        wake = list(plan.cancel)
        for each in plan.unwind:
            leg = next(row for row in rows if row["_id"] == each.parent_order_id)
            if each.client_order_id not in leg.get("children", ()):
                create_children(self._counter, leg, [(0, each)])
                wake.append(each.client_order_id)
        return plan.settled, wake
