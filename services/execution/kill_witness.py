"""What a broker says of its account for the proof of a kill, and how long it has said so."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from brokers.broker import Broker
from services.common.store import Store, from_document
from services.domain.fronts import called, in_our_words, months
from services.domain.instruments import Instrument
from services.execution.kill_views import Books, BrokerWord, Figures, holdings


class Witness:
    """Asks one account's broker; what it remembers only makes it slower to believe."""

    def __init__(
        self,
        store: Store,
        account_id: str,
        *,
        on_asked: Callable[[], None],
        settle_seconds: float,
    ) -> None:
        self._store = store
        self._account_id = account_id
        self._on_asked = on_asked
        self._settle = settle_seconds
        self._figures: dict[str, tuple[Figures, float]] = {}

    def forget(self) -> None:
        """Start anew: nothing has stood for a while."""
        self._figures.clear()

    def ask(self, broker: Broker, books: Books, now: datetime) -> BrokerWord:
        """Open orders and positions, under the names of our books.

        Raises: BrokerError: neither is known.
        """
        self._on_asked()
        open_orders = broker.open_orders()
        self._on_asked()
        positions = broker.positions()
        ids = [each.report.client_order_id for each in open_orders if each.report.client_order_id]
        query = {"_id": {"$in": ids}, "account_id": self._account_id}
        fields = {"strategy_id": 1, "order.instrument": 1}
        rows = list(self._store["orders"].find(query, fields)) if ids else []
        ours = {row["_id"]: row["strategy_id"] for row in rows}
        own = {row["_id"]: from_document(Instrument, row["order"]["instrument"]) for row in rows}
        open_orders = [
            called(each, own.get(each.report.client_order_id, each.instrument))
            for each in open_orders
        ]
        # What is about to be held too: else its fill is nobody's until it is booked.
        mine = [each.instrument for each in books.positions]
        mine += [row.order.instrument for row in books.working]
        names = months(mine, [each.instrument for each in positions])
        return BrokerWord(
            now, in_our_words(open_orders, names), in_our_words(positions, names), ours
        )

    def settled(self, books: Books, word: BrokerWord) -> dict[str, Figures]:
        """Figures that have not changed for a while, where no order of ours can change them."""
        now = time.monotonic()
        moving = {row.order.instrument.key for row in books.working}
        before, self._figures = self._figures, {}
        for holding in holdings(books.positions, word.positions):
            key, figures = holding.instrument.key, holding.figures
            if key not in moving:
                known = before.get(key)
                since = known[1] if known is not None and known[0] == figures else now
                self._figures[key] = (figures, since)
        return {
            key: figures
            for key, (figures, since) in self._figures.items()
            if now - since >= self._settle
        }
