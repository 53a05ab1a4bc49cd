"""Sending a stored or quarantined signal again: by a person, marked, and never one that traded."""

from __future__ import annotations

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.incidents import clear_incident
from services.common.logs import road
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.domain.signals import signal_id_for
from services.domain.words import Outcome, SignalStatus


def replay(store: Store, signal_id: str, *, by: str, fresh: bool = False) -> str:
    """Send a signal again, as it came, under an id of its own.

    Args:
        store: where signals are.
        signal_id: ours, of a signal that was denied, expired or quarantined.
        by: who asks for it, for the audit log.
        fresh: count its age from now instead of from when it was first sent.

    Returns:
        the signal_id of the replay.

    Raises:
        Refusal: there is no such signal, it traded, or it is still on its road.
    """
    life = store["signal_store"].find_one({"_id": signal_id})
    if life is None:
        raise Refusal(404, "UNKNOWN_SIGNAL", f"there is no signal {signal_id!r}")
    _check_ended(life)
    raw = store["trading_signals_raw"].find_one({"_id": life["raw_id"]})
    if raw is None:
        raise Refusal(404, "UNKNOWN_SIGNAL", f"what {signal_id} was made of is not stored any more")
    key = _next_key(store, life)
    replayed = _again(raw, life, key=key, by=by, fresh=fresh)
    new_id: str = replayed["signal_ids"][0]
    facts = {"signal_id": signal_id, "replay": new_id, "fresh": fresh}

    def work(session: ClientSession) -> None:
        # An exit finds the replay by this.
        found_by = {"$addToSet": {"replays": new_id}}
        store["signal_store"].update_one({"_id": signal_id}, found_by, session=session)
        store["trading_signals_raw"].insert_one(replayed, session=session)
        service = "signal_gateway"
        audit(store, "SIGNAL_REPLAYED", service=service, by=by, facts=facts, session=session)

    try:
        store.transaction(work)
    except DuplicateKeyError as error:
        raise Refusal(
            409, "SIGNAL_ON_ITS_WAY", f"{signal_id} is being replayed by somebody else"
        ) from error
    clear_incident(store, kind="SIGNAL_QUARANTINED", key=signal_id)
    road("REPLAYED", new_id, replay_of=signal_id, by=by)
    return new_id


def _check_ended(life: Document) -> None:
    signal_id, status = life["signal_id"], life["status"]
    outcome = (life.get("decision") or {}).get("outcome")
    if outcome in {Outcome.APPROVED, Outcome.RESIZED}:
        raise Refusal(
            409, "ALREADY_TRADED", f"{signal_id} was {outcome}: a replay would trade it twice"
        )
    if status not in {SignalStatus.QUARANTINED, SignalStatus.DENIED, SignalStatus.EXPIRED}:
        raise Refusal(
            409, "SIGNAL_ON_ITS_WAY", f"{signal_id} is {status}: it may still trade by itself"
        )


def _next_key(store: Store, life: Document) -> str:
    """The key of the next replay, once every earlier one has ended without trading.

    Counting up from 1 needs no list of them, and two people at once come to the same key, which the
    unique index gives to one of them.
    """
    number = 1
    while True:
        key = f"replay:{life['signal_id']}:{number}"
        new_id = signal_id_for(life["strategy_id"], key)
        if store["trading_signals_raw"].find_one({"signal_ids": new_id}, {"_id": 1}) is None:
            return key
        of_earlier = store["signal_store"].find_one({"_id": new_id})
        if of_earlier is None:
            raise Refusal(409, "SIGNAL_ON_ITS_WAY", f"replay {number} of it is still on its way")
        _check_ended(of_earlier)
        number += 1


def _again(raw: Document, life: Document, *, key: str, by: str, fresh: bool) -> Document:
    """The raw document of a replay: what came, with a new identity; of a reversal one part."""
    names = raw.get("signal_ids", [])
    document = {name: value for name, value in raw.items() if name != "refused"}
    strategy_id = life["strategy_id"]
    document |= {
        "_id": ObjectId(),
        "strategy_name": strategy_id,
        "idempotency_key": key,
        "signal_ids": [signal_id_for(strategy_id, key)],
        "source": "replay",
        "received_at": utc_now(),
        "paths": [],
        "replay_of": life["signal_id"],
        "replayed_by": by,
        "fresh": fresh,
    }
    signal = life.get("signal")
    if signal is None:  # it was never read: all that the message asks for
        return document
    follows = signal.get("follows")
    if follows:  # the entry of a reversal: it waits for the exit that it came with
        document["follows"] = follows
    known = life["signal_id"] in names
    document["part"] = names.index(life["signal_id"]) if known else -1 if follows else 0
    return document
