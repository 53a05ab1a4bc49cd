"""Incidents: things a person must see. Raising one again counts it, it does not repeat it."""

from __future__ import annotations

import logging
from typing import Any

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.store import Store

_log = logging.getLogger(__name__)


def raise_incident(
    store: Store,
    *,
    kind: str,
    key: str,
    sentence: str,
    facts: dict[str, Any] | None = None,
    session: ClientSession | None = None,
) -> None:
    """Open an incident, or count one more sighting of it.

    Args:
        store: where it is recorded.
        kind: machine code, e.g. `ORDER_UNKNOWN`.
        key: what it is about, e.g. a client_order_id; kind and key together are one incident.
        sentence: what happened, for a person, with numbers.
        facts: the numbers again, for machines.
        session: of the transaction it belongs to: there the incident is opened, or nothing is.
    """
    name = f"{kind}|{key}"
    # What is seen again every few seconds, in the same words, is one line of the log.
    level = logging.DEBUG if _is_told(store, name, sentence) else logging.ERROR
    _log.log(level, "incident %s %s: %s", kind, key, sentence)
    now = utc_now()
    store["incidents"].update_one(
        {"_id": name},
        {
            "$set": {
                "kind": kind,
                "key": key,
                "sentence": sentence,
                "facts": facts or {},
                "status": "OPEN",
                "last_seen_at": now,
            },
            "$setOnInsert": {"opened_at": now},
            "$inc": {"count": 1},
        },
        upsert=True,
        session=session,
    )


def _is_told(store: Store, name: str, sentence: str) -> bool:
    try:
        known = store["incidents"].find_one({"_id": name}, {"status": 1, "sentence": 1})
    except PyMongoError:
        return False  # the log is all that is left to tell it
    return known is not None and (known["status"], known["sentence"]) == ("OPEN", sentence)


def clear_incident(store: Store, *, kind: str, key: str) -> None:
    """Close an incident whose cause is gone."""
    store["incidents"].update_one(
        {"_id": f"{kind}|{key}", "status": "OPEN"},
        # How often it was cleared tells one opening from the next.
        {"$set": {"status": "CLEARED", "cleared_at": utc_now()}, "$inc": {"clearings": 1}},
    )
