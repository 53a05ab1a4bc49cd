"""Which request with an Idempotency-Key a thread is carrying out; what it does leaves a receipt.

The receipt is the line of the audit log, and is put on the row of the key in the same transaction:
either the act is done and the row says so, or neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Final, NamedTuple

from bson import ObjectId
from pymongo.client_session import ClientSession

from services.common.store import Store
from services.domain.errors import TransientError

UNDER_WAY: Final = "the same request is being carried out: ask again in a moment"


class _Answering(NamedTuple):
    """The row of a key, and when whoever carries it out has begun."""

    row_id: str
    begun_at: datetime


_REQUEST: Final[ContextVar[_Answering | None]] = ContextVar("answering", default=None)


@contextmanager
def answering(row_id: str, begun_at: datetime) -> Iterator[None]:
    """Let what is done inside leave its receipt on this row."""
    token = _REQUEST.set(_Answering(row_id, begun_at))
    try:
        yield
    finally:
        _REQUEST.reset(token)


def leave_receipt(store: Store, line: ObjectId, session: ClientSession) -> None:
    """Note in the transaction of an act that its request is done.

    Raises: TransientError: somebody else carries it out since; nothing of this is to be kept.
    """
    request = _REQUEST.get()
    if request is None:
        return
    mine = {"_id": request.row_id, "begun_at": request.begun_at}
    left = {"$set": {"receipt": line}}
    if not store["idempotency_keys"].update_one(mine, left, session=session).matched_count:
        raise TransientError(UNDER_WAY)
