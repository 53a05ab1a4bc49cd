"""Strategy keys: long random secrets, shown once, stored only as a hash."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from services.common.clock import utc_now


def create_key() -> tuple[str, dict[str, Any]]:
    """A new key and the record of it that may be stored.

    256 random bits need no slow hash: there is no dictionary to try.
    """
    key = f"mtk_{secrets.token_urlsafe(32)}"
    return key, {
        "credential_id": secrets.token_hex(4),
        "key_hash": hash_key(key),
        "created_at": utc_now(),
        "revoked_at": None,
    }


def hash_key(key: str) -> str:
    """What is stored of a key, and looked up."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
