"""Channels that apprise knows, by URL: mail, chat, push, SMS. URLs hold secrets: never logged."""

from __future__ import annotations

import ipaddress
from typing import Final

import apprise

from services.domain.errors import Declined, TransientError

_MOST_LETTERS: Final = 2000
#: They show things on the machine that we run on, to nobody.
_OF_THIS_MACHINE: Final = frozenset(
    {"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
)


def service_of(url: str, *, inside: bool) -> str:
    """Name of the service that a URL is of.

    Args:
        url: as apprise has it, e.g. `mailto://user:password@example.com`.
        inside: whether addresses of our own network are allowed: an operator may run a push server
            there, anybody else would only look around.

    Raises:
        Declined: apprise cannot use it; the sentence never quotes it.
    """
    schema = url.partition("://")[0].strip().lower()
    if len(url) > _MOST_LETTERS or "://" not in url:
        raise Declined("BAD_CHANNEL_URL", _EXPECTED, field="url")
    if schema in _OF_THIS_MACHINE:
        raise Declined(
            "CHANNEL_NOT_ALLOWED", f"{schema}:// shows on the server only, to nobody", field="url"
        )
    try:
        found = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    except (TypeError, ValueError, AttributeError) as error:  # of an address it did not foresee
        raise Declined("BAD_CHANNEL_URL", _EXPECTED, field="url") from error
    if not isinstance(found, apprise.NotifyBase):
        raise Declined("BAD_CHANNEL_URL", _EXPECTED, field="url")
    if not inside and any(_is_inside(host) for host in _hosts(found)):
        sentence = "addresses of this network are for operators only: name one that all can reach"
        raise Declined("CHANNEL_NOT_ALLOWED", sentence, field="url")
    return str(found.service_name)


_EXPECTED: Final = (
    "expected a URL that apprise understands, such as mailto://user:password@example.com or "
    "slack://…; see docs/telegram.md"
)


def _hosts(found: apprise.NotifyBase) -> list[str]:
    """Hosts that the sender of a URL chooses; of most services the name is fixed."""
    templates: tuple[str, ...] = found.templates
    named = any("{host}" in template for template in templates)
    hosts = [getattr(found, "host", None) if named else None, getattr(found, "smtp_host", None)]
    return [str(host) for host in hosts if host]


def _is_inside(host: str) -> bool:
    """An address that is not everybody's, or a name that only this network knows."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = host.lower().rstrip(".")
        return "." not in name or name.endswith((".localhost", ".local", ".internal"))
    return not address.is_global


def send(url: str, *, title: str, body: str) -> None:
    """Send one message. Raises: TransientError, without the URL."""
    target = apprise.Apprise()
    if not target.add(url):
        raise TransientError("apprise cannot use the stored URL any more: enter it again")
    try:
        result = target.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
    except (TypeError, ValueError, AttributeError, OSError) as error:
        raise TransientError(f"apprise failed: {type(error).__name__}") from error
    if not result:
        raise TransientError("the service did not take it")
