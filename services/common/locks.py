"""Locks that limits have set: read by whoever decides, reset by a person who accepts the loss."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from pydantic import ValidationError
from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.scopes import faults_of
from services.common.signed import Signed
from services.common.store import Document, Store, from_document, to_document
from services.domain.errors import ConfigurationError
from services.domain.marks import reset
from services.domain.risk import EquityMarks, RiskLock
from services.domain.words import LockRule, Scope

_log = logging.getLogger(__name__)
#: Rules that are measured on equity marks: as long as these stay, the lock would come back.
_OF_EQUITY: Final = frozenset({LockRule.DAILY_LOSS, LockRule.DRAWDOWN})
#: Where the marks of a scope are.
_MARKED: Final = {Scope.ACCOUNT: "trading_accounts", Scope.GLOBAL: "funds"}


def locks(
    store: Store, now: datetime, session: ClientSession | None = None
) -> tuple[RiskLock, ...]:
    """Locks that hold at `now`; one that cannot be read locks everything.

    Raises: PyMongoError while the database does not answer.
    """
    return tuple(locks_by_id(store, now, session).values())


def locks_by_id(
    store: Store, now: datetime, session: ClientSession | None = None
) -> dict[str, RiskLock]:
    """The same by the id that a person resets them by.

    Raises: PyMongoError while the database does not answer.
    """
    found = {
        str(row["_id"]): _read(row) or _of_everything(row, now) for row in _rows(store, session)
    }
    return {
        key: each for key, each in found.items() if each.expires_at is None or each.expires_at > now
    }


def _rows(store: Store, session: ClientSession | None) -> Iterable[Document]:
    return store["risk_locks"].find({}, session=session)


def _read(row: Document) -> RiskLock | None:
    try:
        return from_document(RiskLock, row)
    except ValidationError as error:
        _log.error("the lock %r cannot be read: %s", row["_id"], faults_of(error))
        return None


def _of_everything(row: Document, now: datetime) -> RiskLock:
    sentence = f"the lock {row['_id']!r} cannot be read, so it counts for everything"
    return RiskLock(scope=Scope.GLOBAL, rule=LockRule.DRAWDOWN, sentence=sentence, locked_at=now)


class LockChanged(ConfigurationError):
    """What is locked is not what the person looked at; the sentence has what is."""


def clear_lock(
    store: Store, key: str, *, by: str, reason: str, seen_at: datetime | None = None
) -> str:
    """Let entries go again, counting losses anew from the equity of now.

    Args:
        store: where it is kept; the audit log gets the lock in the same transaction.
        key: of the row.
        by: who accepts the loss.
        reason: why.
        seen_at: when the lock was set that they looked at; None = whichever it is.

    Returns: what was cleared, in a sentence.

    Raises:
        LockChanged: another one is set than the one that was looked at.
        ConfigurationError: there is no such lock, or its equity is not known, so that it would
            come back at once.
        TransientError: the database does not answer.
    """
    signed = Signed(by, reason).checked()
    return store.transaction(lambda session: _clear(store, key, signed, seen_at, session))


def _clear(
    store: Store, key: str, signed: Signed, seen_at: datetime | None, session: ClientSession
) -> str:
    row = store["risk_locks"].find_one({"_id": key}, session=session)
    if row is None:
        kept = ", ".join(str(each["_id"]) for each in _rows(store, session))
        raise ConfigurationError(f"there is no lock {key!r}; there are: {kept or 'none'}")
    lock = _read(row)
    if lock is not None and seen_at is not None and lock.locked_at != seen_at:
        raise LockChanged(f"it was locked anew meanwhile: {lock.sentence}")
    if lock is not None and lock.rule is LockRule.EQUITY_JUMP:
        raise ConfigurationError(
            f"{lock.sentence}; it ends when a person says what it was: scripts/cash.py confirm"
        )
    equities = _count_anew(store, lock, utc_now(), session) if lock else {}
    store["risk_locks"].delete_one({"_id": key}, session=session)
    # What is counted, not measured, is counted from here on.
    reset = {"_id": key, "cleared_at": utc_now()}
    store["risk_resets"].replace_one({"_id": key}, reset, upsert=True, session=session)
    words = lock.sentence if lock else f"the lock {key!r}, which could not be read"
    anew = "".join(f"; {name} counts from {equity:f}" for name, equity in equities.items())
    cleared = f"{words}{anew}"
    facts = {"lock": row, "before": row, "after": None, "equity": equities, "cleared": cleared}
    signed.record(store, "LOCK_CLEARED", facts, session)
    return cleared


def cleared_at(store: Store, key: str) -> datetime | None:
    """When a person last reset this lock; None = never."""
    found = store["risk_resets"].find_one({"_id": key})
    return found["cleared_at"] if found else None


def _count_anew(
    store: Store, lock: RiskLock, now: datetime, session: ClientSession
) -> dict[str, Decimal]:
    """Marks back to the equity of now, where the lock was measured on them; by account or fund."""
    collection = _MARKED.get(lock.scope)
    if collection is None or lock.rule not in _OF_EQUITY:
        return {}
    query: Document = {"_id": lock.scope_id} if lock.scope_id else {}
    query["marks"] = {"$ne": None}
    equities = {}
    fields = {"marks": 1, "equity": 1, "jump": 1}
    rows = list(store[collection].find(query, fields, session=session))
    for row in rows:
        if row.get("jump"):
            raise ConfigurationError(
                f"{row['jump']['sentence']}: losses cannot be counted anew from it; "
                "scripts/cash.py confirm comes first"
            )
        if row.get("equity") is not None:
            marks = reset(from_document(EquityMarks, row["marks"]), row["equity"], now)
            store[collection].update_one(
                {"_id": row["_id"]}, {"$set": {"marks": to_document(marks)}}, session=session
            )
            equities[str(row["_id"])] = row["equity"]
    if rows and not equities:
        names = ", ".join(str(row["_id"]) for row in rows)
        raise ConfigurationError(
            f"the equity of {names} is not known, so losses cannot be counted anew: "
            "wait until the broker answers"
        )
    return equities
