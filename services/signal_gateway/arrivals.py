"""What arrives at a door, and how it is stored: exactly as it came, without its secret."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from services.common.store import Document
from services.domain.errors import InvalidSignal
from services.domain.intake import take_in
from services.signal_gateway.authentication import Caller


class Door(NamedTuple):
    """Where something arrived.

    Attributes:
        source: `api`, `webhook` or `email`.
        reader: how its text is read (`payloads.READERS`).
        remote: address of the sender.
        received_at: when.
        repeat_key: what the door itself knows a repeat by, e.g. a Message-ID; "" = nothing.
        sent_at: when the door says it was sent.
    """

    source: str
    reader: str
    remote: str
    received_at: datetime
    repeat_key: str = ""
    sent_at: datetime | None = None


class Receipt(NamedTuple):
    """The answer to a signal that is stored; fields as in `models.SignalReceipt`."""

    signal_id: str
    duplicate: bool
    paths: tuple[str, ...]
    warnings: tuple[str, ...]
    exit_signal_id: str | None = None


def raw_document(caller: Caller, door: Door, *, key: str, body: str) -> Document:
    """One row of trading_signals_raw; `key` is unique for each signal of a strategy."""
    return {
        "strategy_name": caller.strategy_id,
        "idempotency_key": key,
        "body": body,
        "reader": door.reader,
        "source": door.source,
        "remote": door.remote,
        "credential_id": caller.credential_id,
        "received_at": door.received_at,
        "paths": [{"source": door.source, "remote": door.remote, "received_at": door.received_at}],
    }


def content_hash_of(earlier: Document, raw: Document) -> str:
    """What the earlier signal of a key means; "" where it cannot be read."""
    known: str | None = earlier.get("content_hash")
    if known is not None:
        return known
    try:  # a document that another collector wrote
        return take_in(
            earlier, strategy_id=raw["strategy_name"], received_at=raw["received_at"]
        ).content_hash
    except InvalidSignal:
        return ""
