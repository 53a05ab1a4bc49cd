"""All queries of ingestion."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from bson import ObjectId
from pymongo.change_stream import ChangeStream
from pymongo.errors import DuplicateKeyError

from services.common.clock import utc_now
from services.common.kept import Kept
from services.common.store import Document, Store
from services.domain.payloads import SECRETS

_CHECKPOINT = "signal_ingestion"
_AWAIT_MS = 250
_SCAN_BATCH = 200
_STRATEGY_SECONDS = 5.0


class IngestionStore:
    """Raw signals in, standardised signals out."""

    def __init__(self, store: Store) -> None:
        self._store = store
        #: Id and signal defaults of a strategy, a moment old; None where there is no such one.
        self.strategy = Kept(self._find_strategy, seconds=_STRATEGY_SECONDS)

    def watch(self, token: Any | None) -> ChangeStream[Document]:  # noqa: ANN401 - opaque
        """New raw signals from just after `token`, or from now."""
        return self._store["trading_signals_raw"].watch(
            [{"$match": {"operationType": "insert"}}],
            resume_after=token,
            max_await_time_ms=_AWAIT_MS,
        )

    def checkpoint(self) -> tuple[Any | None, datetime | None]:
        """Resume token and the time it was saved; None where there is none."""
        found = self._store["checkpoints"].find_one({"_id": _CHECKPOINT})
        return (found["token"], found["saved_at"]) if found else (None, None)

    def save_checkpoint(self, token: Any, *, read_at: datetime) -> None:  # noqa: ANN401 - opaque
        """Remember how far the stream is read. Losing it costs a scan, never a signal."""
        self._store["checkpoints"].update_one(
            {"_id": _CHECKPOINT}, {"$set": {"token": token, "saved_at": read_at}}, upsert=True
        )

    def forget_token(self) -> None:
        """Give up a token whose history is gone, but keep the time to catch up from."""
        self._store["checkpoints"].update_one({"_id": _CHECKPOINT}, {"$set": {"token": None}})

    def raw_since(self, moment: datetime | None) -> Iterator[list[Document]]:
        """Raw signals from `moment` on, and all whose id carries no time, in batches."""
        query: Document = {}
        if moment is not None:
            first = ObjectId.from_datetime(moment)
            query = {"$or": [{"_id": {"$gte": first}}, {"_id": {"$not": {"$type": "objectId"}}}]}
        cursor = self._store["trading_signals_raw"].find(query).batch_size(_SCAN_BATCH)
        while batch := list(islice(cursor, _SCAN_BATCH)):
            yield batch

    def known(self, signal_ids: list[str]) -> set[str]:
        """Which of these have their successor already."""
        found = self._store["signal_store"].find({"_id": {"$in": signal_ids}}, {"_id": 1})
        return {row["_id"] for row in found}

    def insert_signal(self, document: Document) -> bool:
        """Store a signal's life; False where it is there already."""
        try:
            self._store["signal_store"].insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    def origin(self, signal_id: str) -> Document | None:
        """What a signal was made of: its raw document's id, and the hash of its content."""
        return self._store["signal_store"].find_one(
            {"_id": signal_id}, {"raw_id": 1, "content_hash": 1}
        )

    def add_path(self, raw_id: object, path: Document) -> bool:
        """Note that a signal came by one more door; False where that door is noted."""
        changed = self._store["trading_signals_raw"].update_one(
            {"_id": raw_id, "paths.source": {"$ne": path["source"]}}, {"$push": {"paths": path}}
        )
        return bool(changed.modified_count)

    def forget_secrets(self, raw_id: object) -> None:
        """Remove what a collector should not have stored."""
        self._store["trading_signals_raw"].update_one(
            {"_id": raw_id}, {"$unset": dict.fromkeys(SECRETS, "")}
        )

    def _find_strategy(self, strategy_id: str) -> Document | None:
        return self._store["strategies"].find_one({"_id": strategy_id}, {"signal_defaults": 1})


def signal_document(
    signal_id: str,
    *,
    strategy_id: str,
    raw_id: object,
    received_at: datetime,
    status: str,
    more: Document,
) -> Document:
    """One row of `signal_store`, as ingestion makes it."""
    return {
        "_id": signal_id,
        "signal_id": signal_id,
        "strategy_id": strategy_id,
        "raw_id": raw_id,
        "status": status,
        "received_at": received_at,
        "stages": {"received_at": received_at, "standardized_at": utc_now()},
        **more,
    }
