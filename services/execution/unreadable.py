"""Orders that cannot be read: a person is told of them, and they hold up no other."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from services.common.incidents import raise_incident
from services.common.store import Document, Store
from services.domain.orders import Order


def readable(store: Store, rows: Iterable[Document]) -> list[Document]:
    """Rows whose order can be read; of the others a person is told, and they hold up nobody."""
    kept = []
    for row in rows:
        try:
            Order.model_validate(row["order"])
        except (KeyError, ValidationError) as error:
            tell_unreadable(store, row["_id"], error)
        else:
            kept.append(row)
    return kept


def tell_unreadable(store: Store, order_id: str, error: Exception) -> None:
    """An order that nobody can read is nobody's to send, and nobody's to forget."""
    raise_incident(
        store,
        kind="ORDER_UNREADABLE",
        key=order_id,
        sentence=f"order {order_id} cannot be read, so nothing is done with it: "
        f"{' '.join(str(error).split())[:300]}",
    )
