"""How the mock broker departs, on command, from what it would do with one call.

Its own books stay whole: a twist is in what happens or in what is told, never in one of two books.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from brokers.mock import revisions
from brokers.mock.engine import Engine
from brokers.mock.journal import Journal
from brokers.mock.margin import Refusal
from brokers.mock.matching import Take
from brokers.mock.stored import StoredOrder
from services.domain.orders import OrderReport
from services.domain.values import ZERO
from services.domain.words import OrderStatus

Told = list[tuple[StoredOrder, OrderReport]]
_CENT = Decimal("0.01")


class Telling(StrEnum):
    """How the stream tells what has happened."""

    ONCE = "ONCE"
    TWICE = "TWICE"
    REORDERED = "REORDERED"  # each fill its own report, the newest first, the taking last


@dataclass(frozen=True)
class Twist:
    """What is different about one call.

    Attributes:
        refusal: it is refused with this.
        hide_seconds: for so long questions and the stream do not show the order.
        telling: of what this call causes.
        after: happens once the answer is settled, before anybody can ask.
        only_says: a cancel is answered with this status, and not done.
        done_after_seconds: it is done after a while; None = never.
    """

    refusal: Refusal | None = None
    hide_seconds: float = 0
    telling: Telling = Telling.ONCE
    after: Callable[[Engine, Journal, StoredOrder], object] | None = None
    only_says: OrderStatus | None = None
    done_after_seconds: float | None = None

    def tells(self, said: Told) -> Told:
        """What goes into the stream."""
        if self.telling is Telling.TWICE:
            return [each for each in said for _ in range(2)]
        if self.telling is Telling.REORDERED:
            steps = [(stored, step) for stored, report in said for step in _steps(report)]
            return steps[::-1]
        return said


PLAIN = Twist()


def _steps(report: OrderReport) -> list[OrderReport]:
    """A report as if each of its fills had been told by itself."""
    partly = []
    for count in range(len(report.executions)):
        told = report.executions[:count]
        filled = sum((each.quantity for each in told), ZERO)
        status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.SUBMITTED
        changes = {"executions": told, "filled_quantity": filled, "status": status, "text": ""}
        partly.append(report.model_copy(update=changes))
    return [*partly, report]


def fill_the_rest(engine: Engine, _journal: Journal, stored: StoredOrder) -> None:
    """A fill crosses what ended the order."""
    order, standing = stored.order, stored.standing
    price = standing.limit_price or engine.price_for(order) or standing.stop_price
    if price is not None and standing.left > 0:
        engine.fill(stored, [Take(price, standing.left)])


def fill_too_much(engine: Engine, journal: Journal, stored: StoredOrder) -> None:
    """One lot more than was asked for."""
    newest = revisions.newest_fill(journal, stored)
    if newest is not None and stored.standing.left <= 0:
        engine.fill(stored, [Take(newest.price, stored.order.instrument.lot)])


def correct_the_fill(engine: Engine, journal: Journal, stored: StoredOrder) -> None:
    """The last fill was a cent dearer."""
    newest = revisions.newest_fill(journal, stored)
    if newest is not None:
        wanted = revisions.Revision(execution_id=newest.execution_id, price=newest.price + _CENT)
        revisions.revise(engine, journal, stored.account_id, wanted)


def bust_the_fill(engine: Engine, journal: Journal, stored: StoredOrder) -> None:
    """The last fill is taken back."""
    newest = revisions.newest_fill(journal, stored)
    if newest is not None:
        wanted = revisions.Revision(execution_id=newest.execution_id, busted=True)
        revisions.revise(engine, journal, stored.account_id, wanted)
