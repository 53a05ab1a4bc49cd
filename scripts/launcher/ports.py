"""Which ports are free, and who holds the others."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Iterable

import psutil

from scripts.launcher.errors import EXIT_CONFIGURATION, ScriptError
from services.common.settings import PORTS

#: The highest port stays below 32768, where systems take ports for outgoing connections.
_OFFSETS = (1000, 5700)


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now.

    Raises:
        ScriptError: `host` is not an address of this machine.
    """
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = answers[0]
        with socket.socket(family, kind, protocol) as probe:
            # like servers do: a port in TIME_WAIT is free, one that somebody listens on is not
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise ScriptError(
            f"MT_BIND_HOST {host} port {port} cannot be listened on: {error.strerror or error}",
            exit_code=EXIT_CONFIGURATION,
        ) from error
    return True


def free_offset() -> int:
    """For MT_PORT_OFFSET of an instance beside others: every port is free on this machine now."""
    while True:
        offset = random.SystemRandom().randrange(*_OFFSETS)  # whatever somebody has seeded
        if all(is_free("127.0.0.1", port + offset) for port in PORTS.values()):
            return offset


def holder(port: int) -> str:
    """Who listens on `port`, as far as this user may see."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr
            if listens and connection.laddr.port == port and connection.pid:
                return f"pid {connection.pid}, {psutil.Process(connection.pid).name()}"
    except psutil.Error:
        pass
    return "another program"


def taken(wanted: Iterable[tuple[str, int]], hosts: Iterable[str]) -> list[str]:
    """One phrase for each (service, port) that cannot be had."""
    places = sorted(set(hosts))
    return [
        f"port {port}, which {service} needs, is taken by {holder(port)}"
        for service, port in wanted
        if not all(is_free(host, port) for host in places)
    ]
