"""What a person does with a message that could not be handled: try it again, or discard it.

A replay is a mark in the store, so no crash and no lost doorbell loses it: the consumer that failed
takes the message up again within a second, through the same handler (`subscriber.py`).
"""

from __future__ import annotations

from enum import StrEnum

from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.incidents import clear_incident
from services.common.signed import Signed
from services.common.store import Store
from services.domain.errors import ConfigurationError


class LetterStatus(StrEnum):
    """Where a message stands that could not be handled."""

    FAILING = "FAILING"  # the bus still tries
    DEAD = "DEAD"  # nobody tries any more
    REPLAYING = "REPLAYING"  # a person wants it handled again
    RECOVERED = "RECOVERED"  # it was handled in the end
    DISCARDED = "DISCARDED"  # a person gave it up; it is kept


def replay_letter(store: Store, letter_id: str, signed: Signed) -> None:
    """Have a DEAD message handled again by the consumer that failed.

    Raises:
        ConfigurationError: there is no such message, it is not DEAD, or nobody and no reason named.
        TransientError: the database does not answer.
    """
    _move(store, letter_id, LetterStatus.REPLAYING, signed)


def discard_letter(store: Store, letter_id: str, signed: Signed) -> None:
    """Give a DEAD message up; it stays stored, and its incident is closed. Raises as above."""
    _move(store, letter_id, LetterStatus.DISCARDED, signed)
    clear_incident(store, kind="DEAD_LETTER", key=letter_id)


def _move(store: Store, letter_id: str, to: LetterStatus, signed: Signed) -> None:
    signed = signed.checked()

    def work(session: ClientSession) -> None:
        row = store["dead_letters"].find_one({"_id": letter_id}, session=session)
        if row is None:
            raise ConfigurationError(f"there is no dead letter {letter_id!r}")
        before = row["status"]
        acted = {"by": signed.by, "reason": signed.reason, "at": utc_now()}
        changed = store["dead_letters"].update_one(
            {"_id": letter_id, "status": LetterStatus.DEAD},
            {"$set": {"status": to, "acted": acted}},
            session=session,
        )
        if not changed.modified_count:
            who = f", by {row['acted']['by']}" if row.get("acted") else ""
            raise ConfigurationError(f"{letter_id} is {before}{who}, not {LetterStatus.DEAD}")
        facts = {
            "dead_letter_id": letter_id,
            "payload": row["payload"],
            "before": {"status": before},
            "after": {"status": to},
        }
        signed.record(store, f"DEAD_LETTER_{to}", facts, session)

    store.transaction(work)
