"""Wiring of execution."""

from __future__ import annotations

import time

from brokers.factory import BrokerConnection, create_broker
from services.common.bus import Publisher
from services.common.daemon import Process, main
from services.common.leases import Lease
from services.common.settings import ExecutionSettings
from services.common.store import Store
from services.common.subscriber import Subscriber
from services.common.topology import EXECUTION_ORDERS
from services.execution.bookkeeper import Bookkeeper
from services.execution.budget import Budget
from services.execution.counter import Counter
from services.execution.desk import Desk, Pace
from services.execution.service import Execution
from services.execution.store import AccountRow, ExecutionStore
from services.execution.throttle import Throttle


def build(process: Process[ExecutionSettings]) -> None:
    """Store, bus and brokers → desks."""
    settings = process.settings
    store = Store.connect(settings)
    process.on_exit(store.close)
    publisher = Publisher(settings)
    queries = ExecutionStore(store)
    connection = BrokerConnection(
        mock_base_url=f"http://127.0.0.1:{settings.port('mock_broker')}",
        timeout_seconds=settings.order_timeout_s,
    )

    def open_desk(account: AccountRow) -> Desk:
        name = "MOCK" if settings.use_mock_broker else account.broker
        broker = create_broker(name, account.account_id, connection=connection)
        counter = Counter(
            account_id=account.account_id,
            broker=broker,
            store=store,
            queries=queries,
            books=Bookkeeper(account.account_id, store, publisher),
            lease=Lease(store, f"account|{account.account_id}", ttl_seconds=settings.lease_ttl_s),
            budget=Budget(broker.capabilities, time.monotonic),
        )
        pace = Pace(
            settings.reconcile_interval_s, settings.absence_proof_s, settings.reconcile_books_s
        )
        throttle = Throttle(settings.repeated_orders_max, settings.repeated_orders_window_s)
        return Desk(counter, pace, throttle)

    execution = Execution(store, queries, open_desk, live=settings.trading_mode == "live")
    subscriber = Subscriber(
        settings,
        store,
        EXECUTION_ORDERS,
        execution.on_orders,
        on_death=process.fail,
    )
    process.health.add("mongodb", store.state)
    process.health.add("accounts", execution.state)
    process.health.add("orders", subscriber.state)
    process.add(execution)
    process.add(subscriber)
    process.serve_ops()


if __name__ == "__main__":
    main("execution", ExecutionSettings, build)
