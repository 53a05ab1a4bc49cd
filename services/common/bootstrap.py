"""Make store and bus ready: indexes, kill switch (ACTIVE), first admin, topics, subscriptions."""

from __future__ import annotations

from services.common.bus import create_topology
from services.common.clock import utc_now
from services.common.controls import GLOBAL_CONTROL
from services.common.passwords import Passwords
from services.common.settings import CommonSettings
from services.common.store import Store
from services.common.users import create_first_admin
from services.domain.words import TradingState


def prepare(settings: CommonSettings) -> str | None:
    """Create whatever is missing; harmless when all is there.

    Returns:
        The password of the first admin, where there was nobody who can log in: to be told once.

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
        create_topology(settings)
        # Last: whoever is told must not be told in vain.
        return create_first_admin(store, Passwords())
    finally:
        store.close()
