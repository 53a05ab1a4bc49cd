"""What a browser is told to refuse, and which headers end at a proxy. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

Header = tuple[bytes, bytes]

_UI: Final = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'self'; "
    "form-action 'self'; object-src 'none'"
)
#: Pages that services make, tear-sheets above all: shown in a frame of ours or a tab of their own,
#: where nothing of them may run, call home, or be taken for us.
_DOCUMENT: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
_COMMON: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS: Final = "max-age=31536000"

#: RFC 9110 §7.6.1: between two neighbours only.
_HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer "
    b"transfer-encoding upgrade".split()
)
#: What we say ourselves to a service, whatever the client said.
_OURS: Final = frozenset(
    b"forwarded x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port "
    b"x-forwarded-prefix x-real-ip accept-encoding expect".split()
)
_SERVERS: Final = frozenset((b"server", b"date"))


def protection(*, forwarded: bool, https: bool) -> dict[str, str]:
    """Security headers of an answer: of our own pages, or of what a service said."""
    policy = (
        {"Content-Security-Policy": _DOCUMENT, "X-Frame-Options": "SAMEORIGIN"}
        if forwarded
        else {"Content-Security-Policy": _UI, "X-Frame-Options": "DENY"}
    )
    hsts = {"Strict-Transport-Security": _HSTS} if https else {}
    return {**_COMMON, **policy, **hsts}


def to_service(headers: Iterable[Header], *, address: str, scheme: str) -> list[Header]:
    """Headers of a request as the service gets them: with who asks, and the Host it asked for."""
    kept = [each for each in _end_to_end(headers) if each[0].lower() not in _OURS]
    host = next((value for name, value in kept if name.lower() == b"host"), b"")
    return [
        *kept,
        (b"accept-encoding", b"identity"),
        (b"x-forwarded-for", address.encode("latin-1", "replace")),
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-host", host),
    ]


def to_client(headers: Iterable[Header]) -> list[Header]:
    """Headers of an answer as the client gets them."""
    return [each for each in _end_to_end(headers) if each[0].lower() not in _SERVERS]


def _end_to_end(headers: Iterable[Header]) -> list[Header]:
    found = list(headers)
    named = {
        token.strip().lower()
        for name, value in found
        if name.lower() == b"connection"
        for token in value.split(b",")
    }
    return [each for each in found if each[0].lower() not in _HOP_BY_HOP | named]


def host_is_known(host: str, *, names: frozenset[str]) -> bool:
    """Whether a Host header names this system; `names` in lower case, without a port.

    A page of somebody else can have its own name resolve to 127.0.0.1 and so talk to a server on
    this machine; the browser then sends that name (DNS rebinding).
    """
    name = host.strip().lower()
    name = name.partition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]
    return name.rstrip(".") in names
