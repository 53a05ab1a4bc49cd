"""The audit log: who did what, and who was refused; append-only, and never with a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson import ObjectId
from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.origin import remote_address
from services.common.receipts import leave_receipt
from services.common.store import Store


def audit(
    store: Store,
    what: str,
    *,
    service: str,
    by: str,
    facts: Mapping[str, Any],
    session: ClientSession | None = None,
) -> None:
    """Remember one act, with the address of the request that is being answered, if any.

    In a transaction it is also the receipt of a request with an Idempotency-Key.

    Args:
        store: where it is recorded.
        what: machine code, e.g. `SIGNAL_REPLAYED`.
        service: which part of the system noticed.
        by: who: a person's name, or the address of a sender.
        facts: what it was about; of a change what was `before` and what is `after`.
        session: of the transaction it belongs to.
    """
    line = ObjectId()
    store["audit_log"].insert_one(
        {
            "_id": line,
            "recorded_at": utc_now(),
            "service": service,
            "what": what,
            "by": by,
            "address": remote_address(),
            "facts": dict(facts),
        },
        session=session,
    )
    if session is not None:
        leave_receipt(store, line, session)
