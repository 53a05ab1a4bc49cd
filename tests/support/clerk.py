"""The least that carries out rows: what a desk does, without its threads, lease and queue."""

from __future__ import annotations

from brokers.errors import BrokerError, OrderRejected, OrderStateUnknown
from services.common.clock import utc_now
from services.common.leases import Lease
from services.common.store import from_document
from services.domain.orders import Order, OrderReport
from services.domain.words import OrderStatus
from services.execution.bookkeeper import Bookkeeper
from services.execution.intents import Ground, Intents
from services.execution.kill_runs import KillRuns
from services.execution.posting import Posting
from services.execution.store import ExecutionStore
from tests.support.rows import SilentPublisher

GROUND = Ground(1, "", lambda _: "")

_CANCELABLE = {OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCEL_PENDING}


class Clerk:
    """One account's kill runs, and rows carried out one after the other."""

    def __init__(self, store, broker):
        self.store, self.broker = store, broker
        self.queries = ExecutionStore(store)
        lease = Lease(store, f"account|{broker.account_id}", ttl_seconds=600)
        lease.try_acquire()  # a second clerk works under the first one's
        books = Bookkeeper(broker.account_id, store, SilentPublisher())
        self.intents = Intents(store, broker.account_id, lease=lease, books=books)
        self.restart()

    def restart(self):
        """Forget everything that is not in the store."""
        self.runs = KillRuns(self.store, self.broker.account_id, idle_seconds=0, settle_seconds=0.2)

    def look(self, now=None):
        """One step of the kill runs, and nothing carried out."""
        return list(self.runs.step(self.broker, now or utc_now()))

    def turn(self, now=None):
        """One step, then all rows are carried out."""
        woken = self.look(now)
        self.carry_out()
        return woken

    def carry_out(self):
        query = {"working": True, "account_id": self.broker.account_id}
        for row in list(self.store["orders"].find(query)):
            order, status = from_document(Order, row["order"]), OrderStatus(row["status"])
            canceled = row.get("cancel_requested_at")
            if status is OrderStatus.PENDING and canceled:
                self._book(row, _local(order, OrderStatus.CANCELED, "canceled before it was sent"))
            elif status is OrderStatus.PENDING:
                self._send(row, order)
            elif canceled and status in _CANCELABLE:
                self._cancel(row, order)

    def _send(self, row, order):
        judged = self.intents.pass_gate([[row]], GROUND, lambda _: ())
        for refused, verdict in judged.refused:
            self._book(refused, _local(order, OrderStatus.DENIED, verdict.code))
        if not judged.leaving:
            return
        taken, order = judged.leaving[0]
        try:
            report = self.broker.place_order(order)
        except OrderRejected as error:
            report = _local(order, OrderStatus.REJECTED, str(error))
        except OrderStateUnknown as error:
            report = _local(order, OrderStatus.UNKNOWN, str(error))
        self._book(taken, report)

    def _cancel(self, row, order):
        if row["status"] != OrderStatus.CANCEL_PENDING:
            self.queries.move(
                row["_id"],
                before=OrderStatus(row["status"]),
                after=OrderStatus.CANCEL_PENDING,
                epoch=1,
            )
        try:
            report = self.broker.cancel_order(order)
        except BrokerError:
            return
        self._book({**row, "status": OrderStatus.CANCEL_PENDING}, report)

    def _book(self, row, report):
        Posting(self.store).book([(row, report)], epoch=1)


def _local(order, status, text):
    return OrderReport(
        client_order_id=order.client_order_id, status=status, text=text, occurred_at=utc_now()
    )
