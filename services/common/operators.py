"""Who may do what operators do: by the key of a person, as Bearer, on every HTTP interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request

from services.common.clock import utc_now
from services.common.credentials import hash_key, is_valid
from services.common.http import bearer_of
from services.common.kept import Kept
from services.common.problems import Refusal
from services.common.store import Document, Store

#: Until a revoked key stops opening.
KEY_SECONDS: Final = 2.0


class Operators:
    """Finds persons by their keys.

    Args:
        store: the database.
        cache_seconds: until a revoked key stops opening.
    """

    def __init__(self, store: Store, *, cache_seconds: float = 0.0) -> None:
        self._store = store
        self._by_hash = Kept(self._find, seconds=cache_seconds)

    def _find(self, digest: str) -> Document | None:
        return self._store["users"].find_one({"credentials.key_hash": digest})

    def name_of(self, key: str | None) -> str:
        """Whose key this is. Raises: Refusal (401): there is none, or it opens nothing."""
        if not key:
            raise Refusal(401, "MISSING_KEY", "send the operator key as 'Authorization: Bearer …'")
        digest = hash_key(key)
        found = self._by_hash(digest)
        mine: list[dict[str, Any]] = [
            each for each in (found or {}).get("credentials", []) if each["key_hash"] == digest
        ]
        if found is None or not any(is_valid(each, utc_now()) for each in mine):
            raise Refusal(401, "WRONG_KEY", "this operator key is unknown or revoked")
        return str(found["_id"])


def admit_operators(
    app: FastAPI, operators: Operators, *, on_refusal: Callable[[str], None] = lambda _: None
) -> None:
    """Have `operator` answer for the routes of `app`; `on_refusal` gets addresses it refused."""
    app.state.operators, app.state.on_refusal = operators, on_refusal


def operator(request: Request) -> str:
    """Who is asking, as a dependency of a route. Raises: Refusal."""
    operators: Operators = request.app.state.operators
    try:
        return operators.name_of(bearer_of(request.headers.get("authorization")))
    except Refusal:
        request.app.state.on_refusal(request.client.host if request.client else "unknown")
        raise
