"""A body that never ends fills no memory, whoever sends it; runs before the kills."""

import socket
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.servers
PIECE = b"x" * 65_536
#: Of a service that kept what it was sent, nothing less would be left.
SENT_BYTES = 128 * 2**20
#: An uploaded track record may have 10 MiB, and is copied once; the rest is what a service does.
GROWTH_BYTES = 48 * 2**20
#: A path that takes bodies, of every service that listens to HTTP.
DOORS = {
    "signal_gateway": "/api/v1/signals",
    "dashboard_creator": "/api/v1/session",
    "account_data": "/api/v1/accounts",
    "portfolio_builder": "/api/v1/strategies",
}


def send_without_end(port, path, *, announced):
    """How many bytes were taken until the connection ended, and the first line of the answer."""
    length = f"Content-Length: {SENT_BYTES}" if announced else "Transfer-Encoding: chunked"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{length}"
    piece = PIECE if announced else b"%x\r\n%s\r\n" % (len(PIECE), PIECE)
    taken = 0
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n")
        connection.settimeout(2)
        try:
            while taken < SENT_BYTES:
                connection.sendall(piece)
                taken += len(PIECE)
        except OSError:  # refused, or nobody reads on
            pass
        try:
            answer = connection.recv(4096)
        except OSError:  # reset: what was sent after the answer was read by nobody
            answer = b""
    return taken, answer.split(b"\r\n")[0].decode()


def memory_of(pid):
    """The most it has ever had where the system says so, or what it has."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) * 1024
    return psutil.Process(pid).memory_info().rss


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
@pytest.mark.parametrize("service", DOORS)
def test_a_body_without_end_is_refused_and_kept_nowhere(instance, service, announced):
    before = memory_of(instance.pid(service))
    for _ in range(3):
        taken, answer = send_without_end(
            instance.settings.port(service), DOORS[service], announced=announced
        )
        assert taken < SENT_BYTES
        assert answer in {"", "HTTP/1.1 413 Request Entity Too Large"}
    assert memory_of(instance.pid(service)) - before < GROWTH_BYTES
    # It is well, and answers others.
    assert instance.get(service, "/health")
