"""Who is asking: by header, by the token of a webhook, by a passphrase in the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from services.common.credentials import hash_key
from services.common.kept import Kept
from services.common.problems import Refusal
from services.common.store import Store


class Claim(NamedTuple):
    """What the headers say about who is asking."""

    bearer: str | None = None
    key_id: str | None = None
    timestamp: str | None = None
    signature: str | None = None


class Caller(NamedTuple):
    """A strategy that proved itself."""

    strategy_id: str
    credential_id: str
    signal_defaults: Mapping[str, Any] | None = None
    signed_at: int | None = None


class Authenticator:
    """Finds strategies by their keys."""

    def __init__(self, store: Store, *, cache_seconds: float) -> None:
        self._store = store
        self._caller = Kept(self._find, seconds=cache_seconds)

    def _find(self, digest: str) -> Caller | None:
        found = self._store["strategies"].find_one(
            {"credentials": {"$elemMatch": {"key_hash": digest, "revoked_at": None}}},
            {"signal_defaults": 1},
        )
        return Caller(found["_id"], digest[:8], found.get("signal_defaults")) if found else None

    def by_headers(self, claim: Claim, _body: bytes, *, remote: str) -> Caller | None:
        """By the Authorization header; None where there is none. Raises: Refusal."""
        return self.by_passphrase(claim.bearer, remote=remote) if claim.bearer else None

    def by_webhook_token(self, token: str, *, remote: str) -> Caller:
        """By the token of a path. Raises: Refusal."""
        return self.by_passphrase(token, remote=remote)

    def by_passphrase(self, secret: str | None, *, remote: str) -> Caller:
        """By a secret. Raises: Refusal."""
        if not secret:
            raise Refusal(
                401, "MISSING_KEY", "send the strategy key as 'Authorization: Bearer <key>'"
            )
        caller = self._caller(hash_key(secret))
        if caller is None:
            raise Refusal(401, "WRONG_KEY", f"the key sent by {remote} is unknown or revoked")
        return caller
