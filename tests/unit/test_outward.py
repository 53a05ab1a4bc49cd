"""What people have us connect to: everybody's addresses, never our own network."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.common.apprise_urls import send, service_of
from services.common.outward import is_outside, networks_of, outward_only
from services.domain.errors import ConfigurationError, Declined, TransientError

HERE = networks_of("127.0.0.1")
NAME = "hooks.example.com"
REFUSED = "its address is one of this network"


class Inside:
    """A server of our network; it sends on to `location` where that is set."""

    def __init__(self) -> None:
        inside = self
        self.asked = 0
        self.location = ""

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                inside.asked += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(307 if inside.location else 200)
                if inside.location:
                    self.send_header("Location", inside.location)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("", 0), Handler)
        self.port = self.server.server_address[1]


@pytest.fixture
def inside() -> Iterator[Inside]:
    made = Inside()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def rebound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of the world that leads to this machine, as its owner may let it."""
    real = socket.getaddrinfo

    def resolve(host: object, *more: object, **options: object) -> object:
        return real("127.0.0.1" if host == NAME else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def post(url: str, networks: tuple = ()) -> None:
    send(url, title="t", body="b", networks=networks)


def test_no_message_goes_to_our_own_network_unless_that_is_allowed(inside: Inside) -> None:
    url = f"json://127.0.0.1:{inside.port}/"
    with pytest.raises(TransientError, match=REFUSED):
        post(url)
    assert inside.asked == 0
    post(url, HERE)
    assert inside.asked == 1


def test_a_name_that_leads_inside_is_refused_when_it_is_connected_to(
    inside: Inside, rebound: None
) -> None:
    assert service_of(f"json://{NAME}:{inside.port}/", networks=()) == "JSON"
    with pytest.raises(TransientError, match=REFUSED):
        post(f"json://{NAME}:{inside.port}/")
    with pytest.raises(TransientError, match=REFUSED):
        post(f"mailto://u:p@example.com:{inside.port}?smtp={NAME}&mode=insecure")
    assert inside.asked == 0


def test_nothing_is_sent_on_inside(inside: Inside) -> None:
    inside.location = f"http://127.0.0.2:{inside.port}/"
    url = f"json://127.0.0.1:{inside.port}/"
    with pytest.raises(TransientError, match="did not take it"):
        post(url, HERE)
    assert inside.asked == 1, "redirects are not followed"
    with pytest.raises(TransientError, match=REFUSED):
        post(f"{url}?redirect=yes", HERE)
    assert inside.asked == 2, "and where the URL asks for it, not to another address inside"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "[fe80::1]",
        "db",
        "x.local",
        "a.internal",
    ],
)
def test_addresses_inside_are_refused_where_they_are_entered(host: str) -> None:
    with pytest.raises(Declined, match=r"addresses of this network|apprise understands"):
        service_of(f"json://{host}/hook", networks=())


@pytest.mark.parametrize(
    "url",
    [
        "json://example.com/?verify=no",
        "json://example.com/?rto=600",
        "json://example.com/?cto=99",
        "xmpp://u:p@example.com",
    ],
)
def test_nobody_asks_for_less_safety(url: str) -> None:
    with pytest.raises(Declined) as refused:
        service_of(url, networks=())
    assert refused.value.code in {"CHANNEL_NOT_ALLOWED", "BAD_CHANNEL_URL"}


def test_what_is_done_beside_it_connects_as_before(inside: Inside) -> None:
    with outward_only(()) as outward:
        beside = threading.Thread(
            target=lambda: socket.create_connection(("127.0.0.1", inside.port), 10).close()
        )
        beside.start()
        beside.join(30)
        with pytest.raises(PermissionError, match="an address of this network"):
            socket.create_connection(("127.0.0.1", inside.port), 10)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with datagrams, pytest.raises(PermissionError):
            datagrams.sendto(b"x", ("127.0.0.1", inside.port))
    assert outward.refused == ["127.0.0.1", "127.0.0.1"]
    socket.create_connection(("127.0.0.1", inside.port), 10).close()


def test_a_name_says_nothing_of_where_it_leads() -> None:
    assert not is_outside(NAME, ())
    assert is_outside("93.184.216.34", ())
    assert is_outside("10.0.0.7", networks_of("10.0.0.0/8"))


def test_a_network_that_cannot_be_read_stops_the_process() -> None:
    with pytest.raises(ConfigurationError, match="such as 10"):
        networks_of("10.0.0.0/8, somewhere")
