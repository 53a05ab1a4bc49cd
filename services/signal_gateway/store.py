"""All queries of the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from services.common.clock import utc_now
from services.common.credentials import hash_key
from services.common.kept import Kept
from services.common.store import Document, Store

_AUDIT_TEXT = 300


class GatewayStore:
    """Strategy keys in, raw signals and audit lines out."""

    def __init__(self, store: Store, *, credential_cache_seconds: float) -> None:
        self._store = store
        self._owner_of = Kept(self._find_owner, seconds=credential_cache_seconds)

    def strategy_of_key(self, key: str) -> str | None:
        """Whose key this is; a revoked or unknown one is nobody's."""
        return self._owner_of(hash_key(key))

    def _find_owner(self, digest: str) -> str | None:
        found = self._store["strategies"].find_one(
            {"credentials": {"$elemMatch": {"key_hash": digest, "revoked_at": None}}},
            {"strategy_id": 1},
        )
        return str(found["strategy_id"]) if found else None

    def strategy_exists(self, strategy_id: str) -> bool:
        """Whether there is such a strategy."""
        return self._store["strategies"].find_one({"_id": strategy_id}, {"_id": 1}) is not None

    def insert_raw(self, raw: Document) -> Document | None:
        """Store one raw signal; the earlier one where this is a repeat of its key."""
        try:
            self._store["trading_signals_raw"].insert_one(raw)
        except DuplicateKeyError:
            return self._store["trading_signals_raw"].find_one(
                {
                    "strategy_name": raw["strategy_name"],
                    "idempotency_key": raw["idempotency_key"],
                },
                {"content_hash": 1, "signal_id": 1},
            )
        return None

    def find_signal(self, signal_id: str) -> Document | None:
        """The life of one signal so far."""
        return self._store["signal_store"].find_one({"_id": signal_id})

    def raw_owner(self, signal_id: str, strategy_id: str) -> bool:
        """Whether this strategy sent that signal, though ingestion may not have seen it yet."""
        found = self._store["trading_signals_raw"].find_one(
            {"strategy_name": strategy_id, "signal_id": signal_id}, {"_id": 1}
        )
        return found is not None

    def orders_of(self, signal_id: str) -> list[Document]:
        """The orders that came of a signal."""
        return list(self._store["orders"].find({"signal_id": signal_id}))

    def audit(self, what: str, *, remote: str, facts: Mapping[str, Any]) -> None:
        """Remember a refusal: who, when, why; never the secret."""
        self._store["audit_log"].insert_one(
            {
                "recorded_at": utc_now(),
                "service": "signal_gateway",
                "what": what,
                "remote": remote,
                "facts": {name: str(value)[:_AUDIT_TEXT] for name, value in facts.items()},
            }
        )
