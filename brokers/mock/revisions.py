"""What the mock broker says later of fills: corrections, busts, and fills that nobody asked for."""

from __future__ import annotations

from decimal import Decimal

from brokers.mock.books import latest
from brokers.mock.engine import Engine
from brokers.mock.journal import Journal
from brokers.mock.stored import StoredOrder
from services.domain.orders import Execution
from services.domain.values import ZERO, Frozen, Positive
from services.domain.words import OrderStatus


class Revision(Frozen):
    """What of a fill is not as it was told; what is not named stays.

    Attributes:
        busted: it is taken back altogether.
    """

    execution_id: str
    quantity: Positive | None = None
    price: Positive | None = None
    busted: bool = False


def revise(
    engine: Engine, journal: Journal, account_id: str, wanted: Revision
) -> StoredOrder | None:
    """Book a correction or a bust of a fill as of now; None where there is no such fill.

    An order that has ended stays so: one that is short after a bust is CANCELED, not working again.
    """
    stored = journal.order_of(account_id, wanted.execution_id)
    if stored is None:
        return None
    told = latest(journal.executions_of(stored))
    was = next(each for each in told if each.execution_id == wanted.execution_id)
    quantity = wanted.quantity or was.quantity
    becomes = was.model_copy(
        update={
            "revision": was.revision + 1,
            "quantity": quantity,
            "price": wanted.price or was.price,
            "commission": engine.books.fee(quantity),
            "busted": wanted.busted,
            "occurred_at": _instant(engine),
        }
    )
    engine.books.correct(stored, was, becomes)
    counted = [each for each in latest(journal.executions_of(stored)) if not each.busted]
    filled = sum((each.quantity for each in counted), ZERO)
    text = "a fill was taken back" if wanted.busted else "a fill was corrected"
    stored.change(filled=filled, text=text, status=_status(stored, filled))
    engine.tell(stored)
    return stored


def _instant(engine: Engine) -> object:
    now = engine.now
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _status(stored: StoredOrder, filled: Decimal) -> OrderStatus:
    standing = stored.standing
    full = filled >= standing.quantity - standing.taken
    if full:
        return OrderStatus.FILLED
    if stored.works:
        return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.SUBMITTED
    ended = standing.status is OrderStatus.FILLED
    return OrderStatus.CANCELED if ended else standing.status


def newest_fill(journal: Journal, stored: StoredOrder) -> Execution | None:
    """The last fill of an order that counts."""
    counted = [each for each in latest(journal.executions_of(stored)) if not each.busted]
    return counted[-1] if counted else None
