"""Incidents: things a person must see. Raising one again counts it, it does not repeat it."""

from __future__ import annotations

import logging
from typing import Any

from services.common.clock import utc_now
from services.common.store import Store

_log = logging.getLogger(__name__)


def raise_incident(
    store: Store, *, kind: str, key: str, sentence: str, facts: dict[str, Any] | None = None
) -> None:
    """Open an incident, or count one more sighting of it; logged only where that is news.

    Args:
        store: where it is recorded.
        kind: machine code, e.g. `ORDER_UNKNOWN`.
        key: what it is about, e.g. a client_order_id; kind and key together are one incident.
        sentence: what happened, for a person, with numbers.
        facts: the numbers again, for machines.
    """
    now, known = utc_now(), False
    seen = {
        "kind": kind,
        "key": key,
        "sentence": sentence,
        "facts": facts or {},
        "status": "OPEN",
        "last_seen_at": now,
    }
    try:
        before = store["incidents"].find_one_and_update(
            {"_id": f"{kind}|{key}"},
            {"$set": seen, "$setOnInsert": {"opened_at": now}, "$inc": {"count": 1}},
            projection={"status": 1, "sentence": 1},
            upsert=True,
        )
        told = before and (before.get("status"), before.get("sentence"))
        known = told == ("OPEN", sentence)
    finally:  # also where it could not be recorded
        level = logging.DEBUG if known else logging.ERROR
        _log.log(level, "incident %s %s: %s", kind, key, sentence)


def clear_incident(store: Store, *, kind: str, key: str) -> None:
    """Close an incident whose cause is gone."""
    store["incidents"].update_one(
        {"_id": f"{kind}|{key}", "status": "OPEN"},
        {"$set": {"status": "CLEARED", "cleared_at": utc_now()}},
    )
