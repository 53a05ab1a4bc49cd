"""Orders of a benchmark: stored and rung for as Cerebro does, and what became of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import psutil
import urllib3

from scripts.bench.venues import Venue
from services.common.bus import Publisher, Ring
from services.common.clock import utc_now
from services.common.orders import order_document
from services.common.settings import CommonSettings
from services.common.store import Document, Store, to_document
from services.common.topology import TRADING_ORDERS
from services.domain.orders import Order, Reservation, client_order_id_for
from services.domain.words import Environment, Intent, OrderType, Side

DRAIN_SECONDS = 120.0


class Bench:
    """The parts of one run."""

    def __init__(self, settings: CommonSettings, venue: Venue) -> None:
        self.settings = settings
        self.store = Store.connect(settings)
        self.venue = venue
        self.accounts = venue.accounts
        self.processes: dict[str, psutil.Process] = {}
        self._publisher = Publisher(settings)
        self._number = 0

    def seed(self) -> None:
        """Accounts here and at the broker, with money that never ends."""
        for account_id in self.accounts:
            row = {"account_id": account_id, "account_type": "PAPER", "status": "ACTIVE"}
            row |= self.venue.account(account_id)
            self.store["trading_accounts"].insert_one({"_id": account_id, **row})
            self.broker("PUT", f"/v1/accounts/{account_id}", {"cash": "1000000000000"})

    def order(self, **fields: Any) -> Order:  # noqa: ANN401 - of an order
        """The next order: 1 share at 10.00, of the accounts in turn."""
        number, self._number = self._number, self._number + 1
        account_id, signal_id = self.accounts[number % len(self.accounts)], f"bench-{number}"
        return Order(
            client_order_id=client_order_id_for(signal_id, 0, account_id, 1),
            signal_id=signal_id,
            strategy_id=f"S-{number % 20}",
            account_id=account_id,
            leg_index=0,
            intent=Intent.ENTRY,
            instrument=self.venue.instrument(number),
            side=Side.BUY,
            quantity=Decimal(1),
            reference_price=Decimal(10),
            environment=Environment.STAGING,
            **{"order_type": OrderType.MARKET, **fields},
        )

    def decide(self, orders: Sequence[Order]) -> None:
        """Store orders as Cerebro does."""
        now = utc_now()
        rows = [order_document(order, at=now) for order in orders]
        lives = [{"_id": each.signal_id, "status": "DECIDED", "stages": {}} for each in orders]
        held = [{"_id": each.client_order_id, **to_document(_held(each))} for each in orders]

        def work(session: Any) -> None:  # noqa: ANN401 - the driver's session
            self.store["signal_store"].insert_many(lives, session=session)
            self.store["reservations"].insert_many(held, session=session)
            self.store["orders"].insert_many(rows, session=session)

        self.store.transaction(work)

    def ring(self, orders: Sequence[Order]) -> None:
        """The doorbell of each."""
        names = [(each.account_id, each.client_order_id) for each in orders]
        fields = ("account_id", "client_order_id")
        rings = [Ring(name[0], dict(zip(fields, name, strict=True))) for name in names]
        self._publisher.ring(TRADING_ORDERS, rings)

    def until(self, count: int, query: Document) -> None:
        """Until so many working orders match, two minutes at most; what is missing shows later.

        An index covers it: a look costs the database nothing that would be measured.
        """
        until = time.monotonic() + DRAIN_SECONDS
        wanted = {"working": True, **query}
        while self.store["orders"].count_documents(wanted) != count and time.monotonic() < until:
            time.sleep(0.5)

    def rows(self, orders: Sequence[Order]) -> Iterator[Document]:
        """Orders as they stand."""
        names = [each.client_order_id for each in orders]
        for begin in range(0, len(names), 500):
            yield from self.store["orders"].find({"_id": {"$in": names[begin : begin + 500]}})

    def commands(self) -> int:
        """Commands that the database has answered."""
        counters = self.store.client.admin.command("serverStatus").get("opcounters", {})
        return sum(value for value in counters.values() if isinstance(value, int))

    def at_broker(self) -> dict[str, datetime]:
        """When the broker filled each order, by its own clock."""
        found = {}
        for account_id in self.accounts:
            for each in self.broker("GET", f"/v1/accounts/{account_id}/executions"):
                found[each["client_order_id"]] = datetime.fromisoformat(each["occurred_at"])
        return found

    def broker(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """One request to the broker's own books."""
        answer = urllib3.request(method, self.venue.url(self.settings) + path, json=body)
        return answer.json() if answer.data else None


def _held(order: Order) -> Reservation:
    return Reservation(
        client_order_id=order.client_order_id,
        account_id=order.account_id,
        strategy_id=order.strategy_id,
        instrument_key=order.instrument.key,
        capital=Decimal(10),
        quantity=order.quantity,
    )
