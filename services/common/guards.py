"""One decision at a time on an account: whoever decides on its positions writes its guard.

Two transactions that write the same guard conflict: the second fails, and runs again on what the
first one left, so that neither spends or closes what the other did.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession

from services.common.store import Store


def guard_id(account_id: str) -> str:
    """Key of the guard in `checkpoints`."""
    return f"decisions|{account_id}"


def make_guard(store: Store, account_id: str) -> bool:
    """Have the guard before a transaction needs it."""
    guard = {"_id": guard_id(account_id)}
    store["checkpoints"].update_one(guard, {"$setOnInsert": {"decisions": 0}}, upsert=True)
    return True


def exclude_others(store: Store, account_ids: Sequence[str], session: ClientSession) -> None:
    """Make this transaction conflict with every other decision on these accounts."""
    store["checkpoints"].update_many(
        {"_id": {"$in": [guard_id(account_id) for account_id in account_ids]}},
        {"$inc": {"decisions": 1}},
        session=session,
    )
