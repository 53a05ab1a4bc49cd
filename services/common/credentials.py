"""Credentials: long random secrets, shown once; stored as a hash, sealed only where they sign."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime
from enum import StrEnum
from typing import Any

from services.common.clock import utc_now


class CredentialKind(StrEnum):
    """What a credential opens."""

    API_KEY = "API_KEY"  # the API, as Bearer; any door, as passphrase
    WEBHOOK_TOKEN = "WEBHOOK_TOKEN"  # noqa: S105 - the webhook, in its path; any door, as passphrase
    SIGNING_KEY = "SIGNING_KEY"  # the API, by a signature
    OPERATOR_KEY = "OPERATOR_KEY"  # what operators may do, as Bearer


_PREFIXES = {
    CredentialKind.API_KEY: "mtk",
    CredentialKind.WEBHOOK_TOKEN: "mtw",
    CredentialKind.SIGNING_KEY: "mts",
    CredentialKind.OPERATOR_KEY: "mta",
}


#: For texts of strangers: a secret may stand in any field by mistake.
SECRET_SHAPE = re.compile(r"mt[kwsa]_[\w-]{8,}")


def create_credential(kind: CredentialKind, *, label: str = "") -> tuple[str, dict[str, Any]]:
    """A new secret and the record of it that may be stored.

    256 random bits need no slow hash: there is no dictionary to try.
    """
    secret = f"{_PREFIXES[kind]}_{secrets.token_urlsafe(32)}"
    return secret, {
        "credential_id": secrets.token_hex(4),
        "kind": kind,
        "label": label,
        "hint": secret[-4:],
        "key_hash": hash_key(secret),
        "created_at": utc_now(),
        "expires_at": None,
        "revoked_at": None,
    }


def create_key() -> tuple[str, dict[str, Any]]:
    """A new API key and its record."""
    return create_credential(CredentialKind.API_KEY)


def hash_key(key: str) -> str:
    """What is stored of a secret, and looked up."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def is_valid(credential: dict[str, Any], now: datetime) -> bool:
    """Whether a credential opens anything at this time."""
    expires_at = credential.get("expires_at")
    return credential.get("revoked_at") is None and (expires_at is None or now < expires_at)
