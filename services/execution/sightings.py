"""Whether anything has moved that the tending of an order goes by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from pymongo.collection import Collection

from services.common.store import Document, Store, from_document
from services.domain.books import position_id
from services.domain.orders import Order

_OF_ORDERS: Final = (
    "status",
    "filled_quantity",
    "updated_at",
    "modify_requested",
    "change_refused",
)
_OF_POSITIONS: Final = ("quantity", "last_execution_id")


class Sighting(NamedTuple):
    """What an order, those made for it, and what is held looked like; to be compared."""

    signal_id: str
    order: Document
    children: list[Document | None]
    held: Document | None


def sightings_of(store: Store, rows: Sequence[Document]) -> dict[str, Sighting]:
    """The sightings of these orders, by client_order_id; two queries, however many there are."""
    made_for = {row["_id"]: list(row.get("children", ())) for row in rows}
    places = {row["_id"]: _place(row) for row in rows}
    every = [each for ids in made_for.values() for each in ids]
    children = _found(store["orders"], every, _OF_ORDERS)
    held = _found(store["positions"], set(places.values()), _OF_POSITIONS)
    return {
        row["_id"]: Sighting(
            row["signal_id"],
            {name: row.get(name) for name in _OF_ORDERS},
            [children.get(each) for each in made_for[row["_id"]]],
            held.get(places[row["_id"]]),
        )
        for row in rows
    }


def moved_signals(before: Mapping[str, Sighting], now: Mapping[str, Sighting]) -> set[str]:
    """Signals an order of which looks different, has come or has gone."""
    return {
        seen.signal_id
        for one, other in ((before, now), (now, before))
        for name, seen in one.items()
        if other.get(name) != seen
    }


def _found(
    collection: Collection[Document], ids: Iterable[str], fields: Iterable[str]
) -> dict[str, Document]:
    query = {"_id": {"$in": list(ids)}}
    return {row["_id"]: row for row in collection.find(query, dict.fromkeys(fields, 1))}


def _place(row: Document) -> str:
    order = from_document(Order, row["order"])
    return position_id(order.strategy_id, order.account_id, order.instrument)
