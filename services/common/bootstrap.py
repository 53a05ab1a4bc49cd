"""Make the store and the bus ready: indexes, the kill switch (ACTIVE), topics, subscriptions."""

from __future__ import annotations

from services.common.bus import create_topology
from services.common.clock import utc_now
from services.common.controls import GLOBAL_CONTROL
from services.common.settings import CommonSettings
from services.common.store import Store
from services.domain.words import TradingState


def prepare(settings: CommonSettings) -> None:
    """Create whatever is missing; harmless when all is there.

    Raises:
        TransientError: database or bus cannot be reached.
        ConfigurationError: MONGODB_URI cannot be used.
    """
    store = Store.connect(settings)
    try:
        store.ping()
        store.create_indexes()
        store["controls"].update_one(
            {"_id": GLOBAL_CONTROL},
            {"$setOnInsert": {"trading_state": TradingState.ACTIVE, "changed_at": utc_now()}},
            upsert=True,
        )
    finally:
        store.close()
    create_topology(settings)
