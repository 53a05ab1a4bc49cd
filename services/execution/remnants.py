"""Orders that have ended in our books and work at the broker: it said canceled, and did not do it.

Nothing else asks about them any more, and nothing is reserved for what they may still fill.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from brokers.broker import Broker
from brokers.errors import BrokerError
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Document, Store, from_document
from services.domain.orders import Order

_log = logging.getLogger(__name__)
KIND: Final = "ORDER_STILL_WORKING"


class Remnants:
    """Has the broker of one account cancel them again, at every look that shows them."""

    def __init__(
        self, store: Store, broker: Broker, account_id: str, asked: Callable[[], None]
    ) -> None:
        self._store = store
        self._broker = broker
        self._account_id = account_id
        self._asked = asked

    def end(self, rows: Sequence[Document]) -> bool:
        """Cancel them; those of an earlier look that are gone are told of no more.

        Args:
            rows: our orders that have ended and that the broker has just shown as working.

        Returns: whether there are any, so that the next look is to come soon.
        """
        shown = {row["_id"] for row in rows}
        told = {"kind": KIND, "status": "OPEN", "facts.account_id": self._account_id}
        for incident in self._store["incidents"].find(told, {"key": 1}):
            if incident["key"] not in shown:
                clear_incident(self._store, kind=KIND, key=incident["key"])
        for row in rows:
            self._cancel(row)
        return bool(rows)

    def _cancel(self, row: Document) -> None:
        order = from_document(Order, row["order"])
        raise_incident(
            self._store,
            kind=KIND,
            key=row["_id"],
            sentence=f"order {row['_id']} ({order.side} {order.quantity:f} "
            f"{order.instrument.symbol}) is {row['status']} in our books and works at the broker "
            f"of {self._account_id}: it is canceled again",
            facts={"account_id": self._account_id},
        )
        self._asked()
        try:
            self._broker.cancel_order(order)
        except BrokerError as error:
            # The next look shows whether it works on.
            _log.warning("cancel of %s has no answer: %s", row["_id"], error)
