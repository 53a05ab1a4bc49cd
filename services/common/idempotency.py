"""What is asked for twice under one Idempotency-Key is done once, and answered the same.

Most acts are compare-and-set and refuse a repeat by themselves; with a key a double click, or a
client that did not get its answer, sees the first answer instead of a refusal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Final, NamedTuple, TypeVar

from fastapi import Header
from pydantic import BaseModel
from pymongo.errors import DuplicateKeyError

from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.problems import Refusal
from services.common.receipts import UNDER_WAY, answering
from services.common.store import Document, Store

M = TypeVar("M", bound=BaseModel)
#: Header of a request that may be sent twice; any text of the sender's, new for each act.
IdempotencyKey = Annotated[str | None, Header(max_length=200)]
_KEPT: Final = timedelta(hours=24)
#: A process that has not answered by then has died: whoever asks again does it.
_LONGEST: Final = timedelta(seconds=30)


class Repeatable(NamedTuple):
    """One request, as its repeat is known by.

    Attributes:
        by: who asks; keys of others are others.
        key: as sent; None = it may be done as often as it is sent.
        what: name of the act, with the ids of its path.
        body: what was sent.
    """

    by: str
    key: str | None
    what: str
    body: BaseModel

    @property
    def row_id(self) -> str:
        """Key of its row."""
        return hashlib.sha256(f"{self.by}\n{self.key}".encode()).hexdigest()

    @property
    def fingerprint(self) -> str:
        """What makes another request of it."""
        return hashlib.sha256(f"{self.what}\n{self.body.model_dump_json()}".encode()).hexdigest()


def once(
    store: Store,
    request: Repeatable,
    model: type[M] | None,
    act: Callable[[], M],
    recall: Callable[[Document], M],
) -> M:
    """Do what a request asks for, or give the answer of its first time.

    The line that the act puts into the audit log is its receipt, kept in the transaction that does
    it. So where a process died between the act and its answer, or failed after it, the act is known
    to be done and is not done again.

    Args:
        store: where answers are kept for a day.
        request: what was sent.
        model: of the answer; None = it holds a secret: it is not kept, and `recall` answers.
        act: does it; where nothing was done its refusal is not kept, and it can be asked for again.
        recall: answers for what is done and has no answer that was kept, from its audit line.

    Raises:
        Refusal: the same key was used for something else (422), or is at work (409).
    """
    if not request.key:
        return act()
    now = utc_now()
    row = {
        "_id": request.row_id,
        "fingerprint": request.fingerprint,
        "begun_at": now,
        "expires_at": now + _KEPT,
    }
    try:
        store["idempotency_keys"].insert_one(row)
    except DuplicateKeyError:
        known = _known(store, request)
        if "answer" in known and model is not None:
            return model.model_validate_json(known["answer"])
        if "receipt" in known:
            answer = recall(_line(store, known["receipt"]))
            return _kept(store, request, model, answer)
        _take_over(store, known, now)
    return _done(store, request, model, act, now)


def _done(
    store: Store, request: Repeatable, model: type[M] | None, act: Callable[[], M], now: datetime
) -> M:
    try:
        with answering(request.row_id, now):
            answer = act()
    except Exception:
        # What failed after it was done keeps its receipt, so that it is not done again.
        undone = {"_id": request.row_id, "begun_at": now, "receipt": {"$exists": False}}
        store["idempotency_keys"].delete_one(undone)
        raise
    failpoint(FailPoint.ACT_DONE)
    return _kept(store, request, model, answer)


def _kept(store: Store, request: Repeatable, model: type[M] | None, answer: M) -> M:
    if model is not None:
        kept = {"$set": {"answer": answer.model_dump_json()}}
        store["idempotency_keys"].update_one({"_id": request.row_id}, kept)
    return answer


def _line(store: Store, receipt: object) -> Document:
    found = store["audit_log"].find_one({"_id": receipt})
    if found is None:
        sentence = "it was done, and its line in the audit log is not there any more: look"
        raise Refusal(409, "ALREADY_DONE", sentence)
    return found


def _known(store: Store, request: Repeatable) -> Document:
    found = store["idempotency_keys"].find_one({"_id": request.row_id})
    if found is None:
        raise _under_way()
    if found["fingerprint"] != request.fingerprint:
        sentence = "this Idempotency-Key was sent with another request: take a new one"
        raise Refusal(422, "IDEMPOTENCY_KEY_REUSED", sentence, field="Idempotency-Key")
    return found


def _take_over(store: Store, known: Document, now: datetime) -> None:
    """Do what a process has begun that has died since; one of those who ask does."""
    if now - known["begun_at"] < _LONGEST:
        raise _under_way()
    as_read = {"_id": known["_id"], "begun_at": known["begun_at"], "receipt": {"$exists": False}}
    taken = store["idempotency_keys"].update_one(as_read, {"$set": {"begun_at": now}})
    if not taken.modified_count:
        raise _under_way()


def _under_way() -> Refusal:
    return Refusal(409, "SAME_REQUEST_UNDER_WAY", UNDER_WAY, retry_after=1)
