"""Wiring of execution."""

from __future__ import annotations

from brokers.factory import BrokerConnection, create_broker
from services.common.bus import Publisher
from services.common.daemon import Process, main
from services.common.leases import Lease
from services.common.settings import ExecutionSettings
from services.common.store import Store
from services.common.subscriber import Subscriber
from services.common.topology import EXECUTION_ORDERS
from services.execution.desk import Desk
from services.execution.service import Execution
from services.execution.store import AccountRow, ExecutionStore

_SETTLING_SECONDS = 1.0


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
        return Desk(
            account_id=account.account_id,
            broker=create_broker(name, account.account_id, connection=connection),
            store=store,
            queries=queries,
            publisher=publisher,
            lease=Lease(store, f"account|{account.account_id}", ttl_seconds=settings.lease_ttl_s),
            absence_seconds=settings.order_timeout_s + _SETTLING_SECONDS,
            reconcile_seconds=settings.reconcile_interval_s,
        )

    execution = Execution(store, queries, open_desk, live=settings.trading_mode == "live")
    subscriber = Subscriber(
        settings,
        store,
        EXECUTION_ORDERS,
        execution.on_orders,
        on_death=process.fail,
        by_key=True,
    )
    process.health.add("mongodb", store.state)
    process.health.add("accounts", execution.state)
    process.health.add("orders", subscriber.state)
    process.add(execution)
    process.add(subscriber)
    process.serve_ops()


if __name__ == "__main__":
    main("execution", ExecutionSettings, build)
