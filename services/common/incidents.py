"""Incidents: things a person must see. Raising one again counts it, it does not repeat it."""

from __future__ import annotations

import logging
from typing import Any, Final

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.scopes import check_signed
from services.common.store import Document, Store
from services.domain.errors import ConfigurationError
from services.domain.incidents import CLOSED_BY_PERSONS

_log = logging.getLogger(__name__)
#: What holds from one opening to its end only.
_OF_THE_OPENING: Final = {"open_since": "", "acknowledged": "", "halted": ""}


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
            "$min": {"open_since": now},
            "$inc": {"count": 1},
            "$unset": {"closed": ""},
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


def clear_incident(
    store: Store, *, kind: str, key: str, session: ClientSession | None = None
) -> None:
    """Close an incident whose cause is gone; `session` is of the transaction it belongs to."""
    store["incidents"].update_one(
        {"_id": f"{kind}|{key}", "status": "OPEN"},
        # How often it was cleared tells one opening from the next. Who has seen it has not seen the
        # next one; the audit log keeps that.
        {
            "$set": {"status": "CLEARED", "cleared_at": utc_now()},
            "$inc": {"clearings": 1},
            "$unset": {**_OF_THE_OPENING, "closed": ""},
        },
        session=session,
    )


def acknowledge_incident(store: Store, incident_id: str, note: str, *, by: str) -> bool:
    """Note that a person has seen an open incident; it stays open, and others may note it, too.

    Returns: whether it is noted now; False where they had noted it already.

    Raises: ConfigurationError: there is no such incident, or it is closed.
    """
    check_signed(by, note, asked="note must say what is done about it")

    def work(session: ClientSession) -> bool:
        row = _open_incident(store, incident_id, session)
        seen = row.get("acknowledged", [])
        if any(each["by"] == by for each in seen):
            return False
        mine = {"by": by, "at": utc_now(), "note": note.strip()}
        store["incidents"].update_one(
            {"_id": incident_id}, {"$push": {"acknowledged": mine}}, session=session
        )
        facts = {"incident_id": incident_id, "before": seen, "after": [*seen, mine]}
        audit(
            store,
            "INCIDENT_ACKNOWLEDGED",
            service="operator",
            by=by,
            facts=facts,
            session=session,
        )
        return True

    return store.transaction(work)


def close_incident(store: Store, incident_id: str, note: str, *, by: str) -> None:
    """Close an incident that tells of something that is over; the others close by themselves.

    Raises: ConfigurationError: there is no such incident, it is closed, or its cause must go first.
    """
    check_signed(by, note, asked="note must say why it can be closed")

    def work(session: ClientSession) -> None:
        row = _open_incident(store, incident_id, session)
        if row["kind"] not in CLOSED_BY_PERSONS:
            sentence = f"{row['kind']} closes by itself when its cause is gone: acknowledge it"
            raise ConfigurationError(sentence)
        closed = {"by": by, "at": utc_now(), "note": note.strip()}
        changes = {"status": "CLEARED", "cleared_at": closed["at"], "closed": closed}
        changed = store["incidents"].update_one(
            {"_id": incident_id, "status": "OPEN", "count": row["count"]},
            {"$set": changes, "$inc": {"clearings": 1}, "$unset": _OF_THE_OPENING},
            session=session,
        )
        if not changed.modified_count:
            raise ConfigurationError(f"{incident_id} has happened again meanwhile: look at it")
        facts = {
            "incident_id": incident_id,
            "sentence": row["sentence"],
            "before": {"status": "OPEN", "acknowledged": row.get("acknowledged", [])},
            "after": {"status": "CLEARED", "note": closed["note"]},
        }
        audit(store, "INCIDENT_CLOSED", service="operator", by=by, facts=facts, session=session)

    store.transaction(work)


def _open_incident(store: Store, incident_id: str, session: ClientSession) -> Document:
    row = store["incidents"].find_one({"_id": incident_id}, session=session)
    if row is None:
        raise ConfigurationError(f"there is no incident {incident_id!r}")
    if row["status"] != "OPEN":
        raise ConfigurationError(f"{incident_id} is {row['status']} already")
    return row
