"""Wiring of notifications and the bot."""

from __future__ import annotations

from services.common.daemon import Process, main
from services.common.leases import Lease
from services.common.settings import TelegramSettings
from services.common.store import Store


def build(process: Process[TelegramSettings]) -> None:
    """Store → lease."""
    settings = process.settings
    store = Store.connect(settings)
    process.on_exit(store.close)
    lease = Lease(store, "telegram", ttl_seconds=settings.lease_ttl_s)
    process.health.add("mongodb", store.state)
    process.add(lease)
    process.serve_ops()


if __name__ == "__main__":
    main("telegram", TelegramSettings, build)
