"""Connections that go where a person's URL says: to everybody's addresses, not to our own network.

What counts is the address that is connected to, not the name: a name may lead inside tomorrow, and
a server may send on. So it is looked at where Python connects (PEP 578), whatever library does it.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Final, TypeAlias

from apprise.utils.http import is_public_ip_address

from services.domain.errors import ConfigurationError

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_EVENTS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class Outward:
    """What one piece of work may connect to, and where it was refused.

    Attributes:
        refused: addresses inside that it tried.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks
        self.refused: list[str] = []

    def check(self, address: object) -> None:
        """Raises: PermissionError: an address inside, or none that can be told."""
        host = address[0] if isinstance(address, tuple) and address else address
        if not isinstance(host, str) or not is_outside(host, self._networks):
            self.refused.append(str(host))
            raise PermissionError(f"{host} is an address of this network")


_outward: ContextVar[Outward | None] = ContextVar("outward", default=None)


def networks_of(words: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, 127.0.0.1` as networks. Raises: ConfigurationError."""
    named = [each.strip() for each in words.split(",") if each.strip()]
    try:
        return tuple(ipaddress.ip_network(each) for each in named)
    except ValueError as error:
        raise ConfigurationError(
            f"NOTIFICATION_NETWORKS must be addresses or networks such as 10.0.0.0/8: {error}"
        ) from error


def is_outside(host: str, networks: Sequence[Network]) -> bool:
    """Whether an address is everybody's, or of a network that is allowed; a name is neither."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    is_public: bool = is_public_ip_address(str(address))  # type: ignore[no-untyped-call]
    return is_public or any(address in each for each in networks)


@contextmanager
def outward_only(networks: Sequence[Network]) -> Iterator[Outward]:
    """Within it, and in what it hands its context to, no connection leads inside.

    Args:
        networks: of our own, that may be reached nevertheless.
    """
    _watch()
    outward = Outward(networks)
    token = _outward.set(outward)
    try:
        yield outward
    finally:
        _outward.reset(token)


@cache
def _watch() -> None:
    """Once for the process: an audit hook cannot be taken away again."""
    sys.addaudithook(_look)


def _look(event: str, arguments: tuple[object, ...]) -> None:
    if event not in _EVENTS:
        return
    outward = _outward.get()
    if outward is not None and len(arguments) > 1 and arguments[1] is not None:
        outward.check(arguments[1])
