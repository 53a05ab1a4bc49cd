"""Orders that execution makes for others: rows of their own, known to the order they are for."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError

from services.common.clock import utc_now
from services.common.orders import order_document
from services.common.store import Document, are_repeats
from services.domain.orders import Order
from services.execution.counter import Counter


def create_children(
    counter: Counter, parent: Document, made: Sequence[tuple[int, Order]]
) -> list[str]:
    """Store orders that were made for another, and that they were; a repeat changes nothing.

    Args:
        counter: of the account.
        parent: row of the order that they are for.
        made: each with its number among those of its role.

    Returns: their client_order_ids.
    """
    at = utc_now()
    rows = [order_document(each, at=at) | {"child_number": number} for number, each in made]
    ids = [row["_id"] for row in rows]
    if not rows:
        return []

    def work(session: ClientSession) -> None:
        counter.queries.add_children(parent["_id"], rows, session)

    try:
        counter.books.transact(counter.lease, work)
    except BulkWriteError as error:
        if not are_repeats(error):
            raise
        counter.queries.link_children(parent["_id"], ids)
    return ids
