"""HTTP of troubles: dead letters handled again or given up, incidents seen and closed."""

from __future__ import annotations

from fastapi import FastAPI

from services.common.dead_letters import LetterStatus, discard_letter, replay_letter
from services.common.idempotency import IdempotencyKey, Repeatable, once
from services.common.incidents import acknowledge_incident, close_incident
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.dashboard_creator.acting import ACTS, Reason, Trader, refused_as, signed
from services.domain.values import Frozen


class LetterAct(Frozen):
    """Why a dead letter is handled again, or given up."""

    reason: Reason


class LetterAsked(Frozen):
    """Where a dead letter stands now; a REPLAYING one is RECOVERED, or DEAD again, in a second."""

    dead_letter_id: str
    status: LetterStatus


class IncidentAct(Frozen):
    """What is done about an incident, or why it can be closed."""

    note: Reason


class IncidentSeen(Frozen):
    """An incident after the act; `acknowledged` by this person."""

    incident_id: str
    status: str
    acknowledged: bool


def add_trouble_acts(app: FastAPI, store: Store) -> None:
    """What a person does about what went wrong."""
    _add_letters(app, store)
    _add_incidents(app, store)


def _add_letters(app: FastAPI, store: Store) -> None:
    path = "/api/v1/dead-letters/{dead_letter_id:path}"

    @app.post(f"{path}/replay", status_code=202, responses=ACTS, tags=["acts"])
    def replay_dead_letter(
        dead_letter_id: str,
        asked: LetterAct,
        caller: Trader,
        idempotency_key: IdempotencyKey = None,
    ) -> LetterAsked:
        """Have a DEAD message handled again by the consumer that failed."""

        def act() -> LetterAsked:
            _check_exists(store, "dead_letters", dead_letter_id)
            with refused_as("NOT_DEAD"):
                replay_letter(store, dead_letter_id, signed(caller, asked.reason))
            return LetterAsked(dead_letter_id=dead_letter_id, status=LetterStatus.REPLAYING)

        request = Repeatable(caller.name, idempotency_key, f"replay {dead_letter_id}", asked)
        return once(store, request, LetterAsked, act, _letter_asked)

    @app.post(f"{path}/discard", responses=ACTS, tags=["acts"])
    def discard_dead_letter(
        dead_letter_id: str,
        asked: LetterAct,
        caller: Trader,
        idempotency_key: IdempotencyKey = None,
    ) -> LetterAsked:
        """Give a DEAD message up; it stays stored."""

        def act() -> LetterAsked:
            _check_exists(store, "dead_letters", dead_letter_id)
            with refused_as("NOT_DEAD"):
                discard_letter(store, dead_letter_id, signed(caller, asked.reason))
            return LetterAsked(dead_letter_id=dead_letter_id, status=LetterStatus.DISCARDED)

        request = Repeatable(caller.name, idempotency_key, f"discard {dead_letter_id}", asked)
        return once(store, request, LetterAsked, act, _letter_asked)


def _letter_asked(line: Document) -> LetterAsked:
    facts = line["facts"]
    return LetterAsked(dead_letter_id=facts["dead_letter_id"], status=facts["after"]["status"])


def _add_incidents(app: FastAPI, store: Store) -> None:
    path = "/api/v1/incidents/{incident_id:path}"

    @app.post(f"{path}/acknowledge", responses=ACTS, tags=["acts"])
    def acknowledge(
        incident_id: str,
        asked: IncidentAct,
        caller: Trader,
        idempotency_key: IdempotencyKey = None,
    ) -> IncidentSeen:
        """Note who has seen an open incident, and what they do about it; it stays open."""

        seen = IncidentSeen(incident_id=incident_id, status="OPEN", acknowledged=True)

        def act() -> IncidentSeen:
            _check_exists(store, "incidents", incident_id)
            with refused_as("NOT_OPEN"):
                acknowledge_incident(store, incident_id, asked.note, by=caller.name)
            return seen

        request = Repeatable(caller.name, idempotency_key, f"acknowledge {incident_id}", asked)
        return once(store, request, IncidentSeen, act, lambda _line: seen)

    @app.post(f"{path}/clear", responses=ACTS, tags=["acts"])
    def clear(
        incident_id: str,
        asked: IncidentAct,
        caller: Trader,
        idempotency_key: IdempotencyKey = None,
    ) -> IncidentSeen:
        """Close an incident that tells of something that is over; 409 where a cause must go."""

        cleared = IncidentSeen(incident_id=incident_id, status="CLEARED", acknowledged=False)

        def act() -> IncidentSeen:
            _check_exists(store, "incidents", incident_id)
            with refused_as("NOT_CLOSABLE"):
                close_incident(store, incident_id, asked.note, by=caller.name)
            return cleared

        request = Repeatable(caller.name, idempotency_key, f"clear {incident_id}", asked)
        return once(store, request, IncidentSeen, act, lambda _line: cleared)


def _check_exists(store: Store, collection: str, row_id: str) -> None:
    """Raises: Refusal (404)."""
    if store[collection].find_one({"_id": row_id}, {"_id": 1}) is None:
        what = collection.removesuffix("s").replace("_", " ")
        code = f"UNKNOWN_{what.replace(' ', '_').upper()}"
        raise Refusal(404, code, f"there is no {what} {row_id!r}")
