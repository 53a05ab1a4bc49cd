"""Everything that is stored of one signal, as records of an evidence bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from services.common.store import Document, Store
from services.domain.payloads import stored_text, without_secrets

Record = tuple[str, Any]

#: Of a step, what says nothing of how large an account is.
_STEP_FOR_OTHERS: Final = ("name", "leg_index", "bound")
_DECISION_FOR_OTHERS: Final = (
    "outcome",
    "intent",
    "code",
    "reason",
    "decided_at",
)
_APPROVAL_FOR_OTHERS: Final = ("signal_id", "status", "asked_at", "expires_at", "answered_at")
_APART: Final = ("decision", "signal")


def records(store: Store, life: Document, *, redacted: bool) -> Iterator[Record]:
    """All records of a signal, in the order of its road.

    Args:
        store: where they are.
        life: its row of signal_store.
        redacted: without contexts, figures of accounts, and who of us did what.
    """
    signal_id = life["_id"]
    raw = store["trading_signals_raw"].find_one({"_id": life.get("raw_id")})
    if raw is not None:
        yield "raw", _without_secrets(raw)
    yield "signal", {name: life[name] for name in life if name not in _APART}
    if life.get("signal"):
        yield "standardized", life["signal"]
    asked = store["approvals"].find_one({"_id": signal_id})
    if asked is not None:
        yield "approval", _only(asked, _APPROVAL_FOR_OTHERS) if redacted else asked
    yield from _decision(life.get("decision") or {}, redacted=redacted)
    yield from _books(store, signal_id)
    if not redacted:
        yield from _audit(store, signal_id)


def _without_secrets(raw: Document) -> Document:
    """Stored without its secret already; once more, because this leaves the house."""
    kept: Document = without_secrets({name: raw[name] for name in raw if name != "credential_id"})
    if isinstance(kept.get("body"), str):
        kept["body"] = stored_text(kept["body"], None)
    return kept


def _decision(decision: Document, *, redacted: bool) -> Iterator[Record]:
    if not decision:
        return
    apart = {"steps", "context"}
    whole = {name: decision[name] for name in decision if name not in apart}
    yield "decision", _only(decision, _DECISION_FOR_OTHERS) if redacted else whole
    for step in decision.get("steps", ()):
        yield "step", _only(step, _STEP_FOR_OTHERS) if redacted else step
    if decision.get("context") and not redacted:
        yield "context", json.loads(decision["context"])


def _books(store: Store, signal_id: str) -> Iterator[Record]:
    of_signal = {"signal_id": signal_id}
    orders = sorted(
        store["orders"].find(of_signal), key=lambda row: (row["created_at"], row["_id"])
    )
    for row in orders:
        yield "order", {name: row[name] for name in row if name != "events"}
        for event in row.get("events", ()):
            yield "order_event", {"client_order_id": row["_id"], **event}
    fills = store["execution_confirmations"].find(of_signal)
    for fill in sorted(fills, key=lambda row: (row["occurred_at"], row["_id"])):
        yield "fill", fill


def _audit(store: Store, signal_id: str) -> Iterator[Record]:
    ids = [row["_id"] for row in store["orders"].find({"signal_id": signal_id}, {"_id": 1})]
    found = list(store["audit_log"].find({"facts.signal_id": signal_id}))
    for order_id in ids:
        found += store["audit_log"].find({"facts.client_order_id": order_id})
    for line in sorted(found, key=lambda row: row["recorded_at"]):
        yield "audit", line


def _only(document: Document, names: tuple[str, ...]) -> Document:
    return {name: document[name] for name in names if name in document}
