"""Wiring of Cerebro."""

from __future__ import annotations

from decimal import Decimal

from services.cerebro.approvals import Watch
from services.cerebro.patience import Patience
from services.cerebro.service import Cerebro
from services.cerebro.store import CerebroStore
from services.common.alarms import watch_alarms
from services.common.bus import Publisher
from services.common.clock_watch import watch_clock
from services.common.daemon import Process, main
from services.common.migrations import open_store
from services.common.settings import CerebroSettings
from services.common.subscriber import Subscriber
from services.common.sweeper import Pending, Sweeper
from services.common.topology import CEREBRO_CONFIRMATIONS, CEREBRO_SIGNALS, TRADING_ORDERS
from services.domain.accounts import RiskLimits

UNTAKEN = Pending(
    collection="orders",
    query={"working": True, "status": "PENDING"},
    age_field="created_at",
    topic=TRADING_ORDERS,
    id_field="client_order_id",
    key_field="account_id",
)


def build(process: Process[CerebroSettings]) -> None:
    """Store and bus → decisions; and a sweeper for orders that nobody has taken up."""
    settings = process.settings
    store = open_store(process)
    process.on_exit(store.close)
    watch_clock(process, store)
    publisher = Publisher(settings)
    percent = Decimal(100)
    queries = CerebroStore(store, reference_seconds=settings.reference_cache_s)
    cerebro = Cerebro(
        store,
        queries,
        publisher,
        limits=RiskLimits(
            max_position_ratio=settings.max_position_size_pct / percent,
            max_broker_allocation_ratio=settings.max_broker_allocation_pct / percent,
            account_max_age_seconds=settings.account_max_age_s,
            price_max_age_seconds=settings.price_max_age_s,
            margin_max_age_seconds=settings.margin_max_age_s,
            max_clock_skew_seconds=settings.signal_max_skew_s,
        ),
        patience=Patience(
            settings.exit_wait_s,
            settings.gap_hold_s,
            settings.price_wait_s,
            settings.reversal_wait_s,
        ),
    )
    subscriber = Subscriber(
        settings, store, CEREBRO_SIGNALS, cerebro.on_signals, on_death=process.fail
    )
    # A signal that waits for a fill is looked at as soon as there is one.
    fills = Subscriber(
        settings, store, CEREBRO_CONFIRMATIONS, cerebro.on_confirmations, on_death=process.fail
    )
    watch = Watch(store, queries, cerebro.on_signals)
    process.health.add("mongodb", store.state)
    process.health.add("signals", subscriber.state)
    process.health.add("confirmations", fills.state)
    process.add(subscriber)
    process.add(fills)
    process.add(Sweeper(store, publisher, UNTAKEN))
    process.add(watch)
    watch_alarms(process, store)
    process.serve_ops()


if __name__ == "__main__":
    main("cerebro", CerebroSettings, build)
