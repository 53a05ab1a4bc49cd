"""All queries for what people are told of: documents by id, and all that changed since a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from pymongo.change_stream import ChangeStream
from pymongo.cursor import Cursor

from services.common.clock import utc_now
from services.common.kept import Kept
from services.common.store import Document, Store, from_document
from services.domain.instruments import Instrument
from services.domain.kills import KillRun
from services.domain.notifications import Event
from services.telegram.events import (
    ACTS,
    BAD_ENDS,
    Facts,
    of_act,
    of_approval,
    of_fill,
    of_incident,
    of_kill,
    of_order,
    of_report,
    of_signal,
)

_log = logging.getLogger(__name__)
_CHECKPOINT: Final = "telegram"
_AWAIT_MS: Final = 250
_BATCH: Final = 200
_MODES_SECONDS: Final = 5.0
#: Collections of which every change is looked at.
_ALL_CHANGES: Final = ("incidents", "approvals", "kill_runs", "daily_reports")
#: Of a signal and an order, only its end is told of.
_ENDS: Final = ("signal_store", "orders")
_PIPELINE: Final[list[Mapping[str, Any]]] = [
    {
        "$match": {
            "$or": [
                {"ns.coll": {"$in": list(_ALL_CHANGES)}},
                {
                    "ns.coll": {"$in": ["execution_confirmations", "audit_log"]},
                    "operationType": "insert",
                },
                {
                    "ns.coll": {"$in": list(_ENDS)},
                    "updateDescription.updatedFields.status": {"$in": list(BAD_ENDS)},
                },
            ]
        }
    },
    {"$project": {"ns": 1, "documentKey": 1, "operationType": 1}},
]
_FIELDS: Final[dict[str, dict[str, int]]] = {
    "signal_store": {
        "status": 1,
        "strategy_id": 1,
        "intent": 1,
        "signal.legs": 1,
        "decision.outcome": 1,
        "decision.code": 1,
        "decision.reason": 1,
        "decision.decided_at": 1,
    },
    "orders": {
        "status": 1,
        "strategy_id": 1,
        "account_id": 1,
        "signal_id": 1,
        "client_order_id": 1,
        "instrument_key": 1,
        "order": 1,
        "text": 1,
        "updated_at": 1,
    },
}


class Sources:
    """What happened, as events."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._modes = Kept(self._find_modes, seconds=_MODES_SECONDS)
        self._readers: dict[str, Callable[[Sequence[Document]], Iterator[Event]]] = {
            "incidents": lambda rows: _each(rows, of_incident),
            "approvals": lambda rows: _each(rows, of_approval),
            "signal_store": lambda rows: _each(rows, of_signal),
            "audit_log": lambda rows: _each(rows, of_act),
            "daily_reports": lambda rows: _each(rows, lambda row: of_report(row, utc_now())),
            "kill_runs": lambda rows: _each(rows, _kill),
            "execution_confirmations": self._fills,
            "orders": self._orders,
        }

    def watch(self, token: Any | None) -> ChangeStream[Document]:  # noqa: ANN401 - opaque
        """Changes that may be worth telling, from just after `token`, or from now."""
        return self._store.database.watch(
            _PIPELINE, resume_after=token, max_await_time_ms=_AWAIT_MS
        )

    def checkpoint(self) -> tuple[Any | None, datetime | None]:
        """Resume token and the time up to which everything is told; None where there is none."""
        found = self._store["checkpoints"].find_one({"_id": _CHECKPOINT})
        return (found.get("token"), found["saved_at"]) if found else (None, None)

    def save_checkpoint(self, token: Any | None, read_at: datetime) -> None:  # noqa: ANN401 - opaque
        """Remember how far it is told. Losing it costs a scan, never an event."""
        changes = {"token": token, "saved_at": read_at}
        self._store["checkpoints"].update_one({"_id": _CHECKPOINT}, {"$set": changes}, upsert=True)

    def events_of(self, collection: str, ids: Sequence[Any]) -> list[Event]:
        """What the documents of these ids have to tell now."""
        reader = self._readers.get(collection)
        if reader is None or not ids:
            return []
        query = {"_id": {"$in": list(ids)}}
        return list(reader(list(self._store[collection].find(query, _FIELDS.get(collection)))))

    def events_since(self, moment: datetime, *, lookback: timedelta) -> Iterator[list[Event]]:
        """What happened since then, in batches.

        Signals, orders and fills are found by when they began: those are read that began up to
        `lookback` before. The rest is found by when it changed.
        """
        for collection, cursor in self._cursors(moment, moment - lookback):
            while rows := list(islice(cursor, _BATCH)):
                told = list(self._readers[collection](rows))
                yield [event for event in told if event.at >= moment - lookback]

    def _cursors(self, moment: datetime, began: datetime) -> Iterator[tuple[str, Cursor[Document]]]:
        changed = {"$gte": moment}
        store = self._store
        yield "incidents", store["incidents"].find({"last_seen_at": changed})
        yield "incidents", store["incidents"].find({"cleared_at": changed})
        acts = {"recorded_at": changed, "what": {"$in": list(ACTS)}}
        yield "audit_log", store["audit_log"].find(acts)
        yield "kill_runs", store["kill_runs"].find({"open": True})
        yield "kill_runs", store["kill_runs"].find({"requested_at": {"$gte": began}})
        yield "approvals", store["approvals"].find({"status": "WAITING"})
        day = (moment - timedelta(days=1)).astimezone(UTC).date().isoformat()
        yield "daily_reports", store["daily_reports"].find({"_id": {"$gte": day}})
        for status in BAD_ENDS:  # each by its index
            signals = {"status": status, "received_at": {"$gte": began}}
            yield "signal_store", store["signal_store"].find(signals, _FIELDS["signal_store"])
        orders = {"created_at": {"$gte": began}, "status": {"$in": list(BAD_ENDS)}}
        yield "orders", store["orders"].find(orders, _FIELDS["orders"])
        fills = {"occurred_at": {"$gte": began}}
        yield "execution_confirmations", store["execution_confirmations"].find(fills)

    def _find_modes(self, _key: str) -> dict[str, str]:
        found = self._store["trading_accounts"].find({}, {"account_type": 1})
        return {str(row["_id"]): str(row.get("account_type") or "PAPER") for row in found}

    def _fills(self, rows: Sequence[Document]) -> Iterator[Event]:
        ids = sorted({row["client_order_id"] for row in rows if row.get("client_order_id")})
        found = self._store["orders"].find({"_id": {"$in": ids}}, {"order.instrument": 1})
        facts = self._facts(list(found))
        return _each(rows, lambda row: of_fill(row, facts))

    def _orders(self, rows: Sequence[Document]) -> Iterator[Event]:
        facts = self._facts(rows)
        return _each(rows, lambda row: of_order(row, facts))

    def _facts(self, orders: Sequence[Document]) -> Facts:
        """Instruments by order; of a trade that is of no order only the key is known."""
        instruments = {
            str(row["_id"]): from_document(Instrument, row["order"]["instrument"]) for row in orders
        }
        return Facts(self._modes("all"), instruments)


def _each(rows: Sequence[Document], tell: Callable[[Document], list[Event]]) -> Iterator[Event]:
    """What each row tells; one that nobody can read is left out, and may not stop the others."""
    for row in rows:
        try:
            yield from tell(row)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            _log.exception("%s cannot be told of: %s", row.get("_id"), type(error).__name__)


def _kill(row: Document) -> list[Event]:
    return of_kill(from_document(KillRun, row).at(utc_now()))
