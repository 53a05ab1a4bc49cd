"""Which address of ours leads to which service. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import unquote

#: The services that the UI talks to, as `/api/<service>/…`.
SERVICES: Final = ("signal_gateway", "account_data", "portfolio_builder", "dashboard_creator")
#: What others than the UI send to, at the same addresses as at the gateway itself.
_DOORS: Final = ("/api/v1/signals", "/webhook", "/postback")


class Target(NamedTuple):
    """Where a request goes on.

    Attributes:
        path: as the service serves it, still encoded, without the query.
    """

    service: str
    path: str


def target_of(raw_path: str) -> Target | None:
    """Where a request to `raw_path` (encoded, without query) goes; None where it is not forwarded.

    Only what stands under `/api/` of a service can be reached, so neither its /metrics nor its
    /health; and only by a path that means the same to everybody who reads it.
    """
    if not _is_plain(raw_path):
        return None
    if any(raw_path == door or raw_path.startswith(f"{door}/") for door in _DOORS):
        return Target("signal_gateway", raw_path)
    for service in SERVICES:
        prefix = f"/api/{service}/"
        if raw_path.startswith(prefix) and len(raw_path) > len(prefix):
            return Target(service, f"/api/{raw_path.removeprefix(prefix)}")
    return None


def is_forwarded(raw_path: str) -> bool:
    """Whether an address is one of the services' and never a page."""
    path = unquote(raw_path)
    return path == "/api" or path.startswith(("/api/", "/webhook", "/postback"))


def _is_plain(raw_path: str) -> bool:
    """No dot segments, empty segments, back-slashes or control letters, encoded or not."""
    if not raw_path.startswith("/"):
        return False
    path = unquote(raw_path)  # as the service reads it: ids of incidents may have a slash, %2F
    if any(letter < " " or letter in "\\\x7f" for letter in path):
        return False
    return not {"", ".", ".."} & set(path.rstrip("/").split("/")[1:])
