"""Channels that apprise knows, by URL: mail, chat, push, SMS. URLs hold secrets: never logged."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final

import apprise

from services.common.outward import Network, is_outside, outward_only
from services.domain.errors import Declined, TransientError

_MOST_LETTERS: Final = 2000
#: They show things on the machine that we run on, to nobody.
_OF_THIS_MACHINE: Final = frozenset(
    {"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
)


#: Connects from threads of its own, where nobody can look at the address.
_UNWATCHED: Final = frozenset({"xmpp", "xmpps"})
_LONGEST_WAIT_SECONDS: Final = 20.0


def service_of(url: str, *, networks: Sequence[Network]) -> str:
    """Name of the service that a URL is of.

    Args:
        url: as apprise has it, e.g. `mailto://user:password@example.com`.
        networks: of our own, that its sender may reach: an operator may run a push server there,
            anybody else would only look around.

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
    if schema in _UNWATCHED:
        sentence = f"where {schema}:// connects to cannot be checked: use another service"
        raise Declined("CHANNEL_NOT_ALLOWED", sentence, field="url")
    try:
        found = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    except (TypeError, ValueError, AttributeError) as error:  # of an address it did not foresee
        raise Declined("BAD_CHANNEL_URL", _EXPECTED, field="url") from error
    if not isinstance(found, apprise.NotifyBase):
        raise Declined("BAD_CHANNEL_URL", _EXPECTED, field="url")
    if any(_is_inside(host, networks) for host in _hosts(found)):
        sentence = (
            "addresses of this network are for operators only, where NOTIFICATION_NETWORKS names "
            "them: name one that all can reach"
        )
        raise Declined("CHANNEL_NOT_ALLOWED", sentence, field="url")
    _check_terms(found)
    return str(found.service_name)


def _check_terms(found: apprise.NotifyBase) -> None:
    """Raises: Declined: it asks for less safety than every message has."""
    if not found.verify_certificate:
        sentence = "verify=no would send to whoever answers: certificates are always verified"
        raise Declined("CHANNEL_NOT_ALLOWED", sentence, field="url")
    waits = (found.socket_connect_timeout, found.socket_read_timeout)
    if any(each is None or each > _LONGEST_WAIT_SECONDS for each in waits):
        sentence = f"cto and rto are {_LONGEST_WAIT_SECONDS:g} s at most"
        raise Declined("CHANNEL_NOT_ALLOWED", sentence, field="url")


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


def _is_inside(host: str, networks: Sequence[Network]) -> bool:
    """An address that is not everybody's, or a name that only this network knows."""
    bare = host.strip("[]")
    try:
        # As resolvers read it, who take 127.1 and 2130706433 for addresses, too.
        bare = socket.inet_ntoa(socket.inet_aton(bare))
    except (OSError, UnicodeError):
        name = bare.lower().rstrip(".")
        if ":" not in name:
            known_here = "." not in name or name.endswith((".localhost", ".local", ".internal"))
            return known_here and not networks
    return not is_outside(bare, networks)


def send(url: str, *, title: str, body: str, networks: Sequence[Network]) -> None:
    """Send one message, to addresses outside or of these networks only.

    Raises: TransientError, without the URL.
    """
    asset = apprise.AppriseAsset(http_redirects=False)
    target = apprise.Apprise(asset=asset)
    if not target.add(url):
        raise TransientError("apprise cannot use the stored URL any more: enter it again")
    with outward_only(networks) as outward:
        try:
            result = target.notify(body=body, title=title, body_format=apprise.NotifyFormat.TEXT)
        except (TypeError, ValueError, AttributeError, OSError) as error:
            raise TransientError(f"apprise failed: {type(error).__name__}") from error
    if outward.refused:
        raise TransientError("its address is one of this network, which may not be reached")
    if not result:
        raise TransientError("the service did not take it")
