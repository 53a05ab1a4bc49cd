"""Texts of strangers without what looks like a secret; used wherever one leaves the house."""

from __future__ import annotations

import json
import re
from typing import Final

from services.common.credentials import SECRET_SHAPE
from services.domain.errors import InvalidSignal
from services.domain.payloads import read_json, stored_text

_REMOVED: Final = "[removed]"
#: `password=…`, `"api_key": "…"`, `Authorization: Bearer …`, and the user of a database's URI.
_NAMED: Final = re.compile(
    r"""((?:pass(?:word|phrase)?|secret|token|api[_-]?key|access[_-]?token|cookie|mt_session)"""
    r"""["']?\s*[:=]\s*["']?)([^"'\s,;&}]{3,})""",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(Bearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_USER_OF_URI: Final = re.compile(r"(\w+://)[^/\s:@]+:[^/\s@]+@")
#: Of a bot of Telegram, and of a sealed value.
_TOKENS: Final = re.compile(r"\b\d{8,10}:[\w-]{30,}|\bgAAAAA[\w-]{40,}={0,2}")


def scrubbed(text: str) -> str:
    """A text without the secrets in it."""
    text = SECRET_SHAPE.sub(_REMOVED, text)
    text = _BEARER.sub(rf"\1{_REMOVED}", text)
    text = _USER_OF_URI.sub(rf"\1{_REMOVED}@", text)
    text = _TOKENS.sub(_REMOVED, text)
    return _NAMED.sub(rf"\1{_REMOVED}", text)


def scrubbed_body(text: str) -> str:
    """The body of a signal without the secrets in it; JSON stays JSON."""
    try:
        value = read_json(text)
    except InvalidSignal:
        value = None
    payload = value if isinstance(value, dict) else None
    return scrubbed(stored_text(text, payload))


def scrubbed_json(value: object) -> str:
    """A stored value as text, without secrets."""
    return scrubbed(json.dumps(value, default=str))
