"""Wiring of ingestion."""

from __future__ import annotations

from services.common.bell import Bell
from services.common.bus import Publisher
from services.common.daemon import Process, main
from services.common.leases import Lease
from services.common.migrations import open_store
from services.common.settings import IngestionSettings
from services.common.sweeper import Pending, Sweeper
from services.common.topology import STANDARDIZED_SIGNALS
from services.signal_ingestion.service import Ingestion

UNDECIDED = Pending(
    collection="signal_store",
    # What waits for a person is not among them: Cerebro looks at it when there is an answer.
    query={"undecided": True},
    age_field="received_at",
    topic=STANDARDIZED_SIGNALS,
    id_field="signal_id",
    key_field="strategy_id",
)


def build(process: Process[IngestionSettings]) -> None:
    """Store and bus → lease → stream and sweeper."""
    settings = process.settings
    store = open_store(process)
    process.on_exit(store.close)
    publisher = Publisher(settings)
    lease = Lease(store, "signal_ingestion", ttl_seconds=settings.lease_ttl_s)
    bell = Bell(publisher)
    ingestion = Ingestion(
        store,
        bell,
        lease,
        overlap_seconds=settings.ingestion_overlap_s,
        catch_up_seconds=settings.ingestion_catch_up_s,
    )
    process.health.add("mongodb", store.state)
    process.health.add("stream", ingestion.state)
    process.add(lease)
    process.add(bell)
    process.add(ingestion)
    process.add(Sweeper(store, publisher, UNDECIDED))
    process.serve_ops()


if __name__ == "__main__":
    main("signal_ingestion", IngestionSettings, build)
