"""Make store and bus ready: layout, kill switch (ACTIVE), first admin, topics, subscriptions."""

from __future__ import annotations

from services.common.bus import create_topology
from services.common.clock import utc_now
from services.common.controls import GLOBAL_CONTROL
from services.common.migrations import migrate
from services.common.passwords import Passwords
from services.common.settings import CommonSettings
from services.common.store import Store
from services.common.users import create_first_admin
from services.domain.words import TradingState


def prepare(settings: CommonSettings, *, bus: bool = True) -> str | None:
    """Create whatever is missing; harmless when all is there.

    Args:
        settings: of the instance.
        bus: whether topics and subscriptions are ours to create.

    Returns:
        The password of the first admin, where there was nobody who can log in: to be told once.

    Raises:
        TransientError: database or bus cannot be reached, or services work on a database that
            has to be migrated.
        ConfigurationError: MONGODB_URI cannot be used, or the database is of a newer version.
    """
    store = Store.connect(settings)
    try:
        store.ping()
        migrate(store, by="start")
        store["controls"].update_one(
            {"_id": GLOBAL_CONTROL},
            {"$setOnInsert": {"trading_state": TradingState.ACTIVE, "changed_at": utc_now()}},
            upsert=True,
        )
        if bus:
            create_topology(settings)
        # Last: whoever is told must not be told in vain.
        return create_first_admin(store, Passwords())
    finally:
        store.close()
