"""Wiring of execution."""

from __future__ import annotations

import time
from collections.abc import Sequence

from brokers.accounts import Purpose, check_account
from brokers.factory import BrokerConnection, create_broker
from services.common.alarms import watch_alarms
from services.common.broker_accounts import BrokerAccounts
from services.common.budget import Budget
from services.common.bus import Publisher
from services.common.clock_watch import watch_clock
from services.common.daemon import Process, main
from services.common.leases import Lease
from services.common.migrations import open_store
from services.common.settings import ExecutionSettings
from services.common.subscriber import Subscriber
from services.common.topology import EXECUTION_ORDERS
from services.common.vault import Vault
from services.domain.broker_accounts import BrokerAccount
from services.execution.bookkeeper import Bookkeeper
from services.execution.counter import Counter
from services.execution.desk import Desk, Pace
from services.execution.service import Execution
from services.execution.store import ExecutionStore
from services.execution.throttle import Throttle


def build(process: Process[ExecutionSettings]) -> None:
    """Store, bus and brokers → desks."""
    settings = process.settings
    store = open_store(process)
    process.on_exit(store.close)
    watch_clock(process, store)
    publisher = Publisher(settings)
    queries = ExecutionStore(store)
    connection = BrokerConnection(
        mock_base_url=f"http://127.0.0.1:{settings.port('mock_broker')}",
        timeout_seconds=settings.order_timeout_s,
        cache=settings.mt_home / ".data" / "brokers",
    )

    def open_desk(account: BrokerAccount, others: Sequence[BrokerAccount]) -> Desk:
        check_account(account, others)
        broker = create_broker(account, connection, purpose=Purpose.ORDERS)
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

    accounts = BrokerAccounts(store, Vault(settings), use_mock_broker=settings.use_mock_broker)
    execution = Execution(store, accounts, open_desk, live=settings.trading_mode == "live")
    subscriber = Subscriber(
        settings,
        store,
        EXECUTION_ORDERS,
        execution.on_orders,
        on_death=process.fail,
    )
    process.health.add("mongodb", store.state)
    process.health.add("accounts", execution.state, outside=True)
    process.health.add("orders", subscriber.state)
    process.add(execution)
    process.add(subscriber)
    watch_alarms(process, store)
    process.serve_ops()


if __name__ == "__main__":
    main("execution", ExecutionSettings, build)
