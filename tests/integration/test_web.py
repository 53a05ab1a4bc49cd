"""The web server as browsers and senders meet it: real sockets, a stub service behind it."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from starlette.responses import StreamingResponse

from services.common.http import HttpServer
from services.web.api import create_app
from services.web.forwarding import Forwarder
from services.web.pages import Pages
from tests.support.servers import free_port

SCRIPT = "export const words = 'a text that is long enough to be worth packing';" * 40
NAMES = frozenset({"127.0.0.1", "localhost"})


class Behind:
    """A service of ours, as far as a proxy can see."""

    def __init__(self):
        self.app = FastAPI()
        self.requests = []
        self.gone = threading.Event()
        self.more = threading.Event()
        self.app.add_route("/{path:path}", self.answer, methods=["GET", "HEAD", "POST", "PUT"])
        self.port = free_port()
        self.server = HttpServer(
            self.app, "127.0.0.1", self.port, on_death=print, trusted_proxies="127.0.0.1"
        )

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        body = await request.body()
        self.requests.append((request.method, path, request.url.query, request.headers, body))
        if path.endswith("/stream"):
            return StreamingResponse(self.events(), media_type="text/event-stream")
        if path.endswith("/slow"):
            await asyncio.sleep(1)
        if path.endswith("/broken"):
            return StreamingResponse(self.nothing(), headers={"content-length": "10"})
        if path.endswith("/large"):
            return Response(
                '{"rows": [' + '"the same again",' * 500 + "0]}", 200, {}, "application/json"
            )
        if path.endswith("/tearsheet"):
            return Response("<h1>x</h1>", media_type="text/html")
        answer = Response(str(len(body)), 201)
        answer.headers.append("Set-Cookie", "a=1; HttpOnly")
        answer.headers.append("Set-Cookie", "b=2")
        answer.headers.append("X-From", request.client.host)
        return answer

    async def events(self) -> AsyncIterator[bytes]:
        try:
            yield b"id: 1\ndata: first\n\n"
            while not self.more.is_set():
                await asyncio.sleep(0.005)
            yield b"id: 2\ndata: second\n\n"
            while True:
                await asyncio.sleep(0.01)
                yield b": still there\n\n"
        finally:
            self.gone.set()

    async def nothing(self) -> AsyncIterator[bytes]:
        yield b"12345"
        raise RuntimeError("broken off")


def wait_until_listening(port):
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise AssertionError(f"nothing listens on {port}")


@pytest.fixture(scope="module")
def behind() -> Iterator[Behind]:
    made = Behind()
    made.server.start()
    wait_until_listening(made.port)
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ui") / "dist"
    (made / "assets").mkdir(parents=True)
    (made / "index.html").write_text("<!doctype html><title>the UI</title>")
    (made / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (made / "assets" / "index-abc.js").write_text(SCRIPT)
    (made / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (made.parent / "secret.txt").write_text("not for the world")
    return made


class Front:
    """The web server, in front of `behind` and of services that are down."""

    def __init__(self, dist: Path, behind: Behind, trusted: str = "127.0.0.9"):
        self.port = free_port()
        base = f"http://127.0.0.1:{behind.port}"
        self.bases = {
            "signal_gateway": base,
            "dashboard_creator": base,
            "portfolio_builder": base,
            "account_data": f"http://127.0.0.1:{free_port()}",
        }
        self.forwarder = Forwarder(
            self.bases,
            most_bytes={
                "signal_gateway": 1000,
                "dashboard_creator": 1000,
                "portfolio_builder": 4_000_000,
                "account_data": 1000,
            },
            patience_seconds=0.5,
        )
        app = create_app(self.forwarder, Pages(dist, dist.parent / "ui.txt"), names=NAMES)
        self.server = HttpServer(
            app, "127.0.0.1", self.port, on_death=print, trusted_proxies=trusted
        )
        self.server.start()
        wait_until_listening(self.port)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False)

    def stop(self):
        self.http.close()
        self.forwarder.stop()
        self.server.stop()

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(request)
            answer = b""
            while chunk := connection.recv(65536):
                answer += chunk
            return answer


@pytest.fixture(scope="module")
def running(dist: Path, behind: Behind) -> Iterator[Front]:
    made = Front(dist, behind)
    yield made
    made.stop()


@pytest.fixture
def front(running: Front, behind: Behind) -> Front:
    behind.requests.clear()
    return running


@pytest.mark.parametrize("path", ["/", "/signals", "/signals/sig-1?tab=raw", "/strategies/SPX.5"])
def test_every_page_address_gets_the_page_and_asks_again(front: Front, path: str) -> None:
    answer = front.http.get(path)
    assert (answer.status_code, "the UI" in answer.text) == (200, True)
    assert answer.headers["cache-control"] == "no-cache"
    again = front.http.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_hashed_files_are_kept_for_ever_and_come_packed(front: Front) -> None:
    packed = front.http.get("/assets/index-abc.js")
    assert packed.text == SCRIPT
    assert packed.headers["content-encoding"] == "gzip"
    assert "javascript" in packed.headers["content-type"]
    assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
    plain = front.http.get("/assets/index-abc.js", headers={"Accept-Encoding": "identity"})
    assert plain.text == SCRIPT
    assert "content-encoding" not in plain.headers
    head = front.http.head("/assets/index-abc.js")
    assert (head.status_code, head.content) == (200, b"")


def test_a_file_that_is_gone_is_not_answered_with_the_page(front: Front) -> None:
    answer = front.http.get("/assets/index-old.js")
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
    assert front.http.post("/signals").status_code == 405


def test_pages_may_run_our_scripts_only_and_be_framed_by_nobody(front: Front) -> None:
    headers = front.http.get("/").headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )
    assert policy["script-src"] == "'self'"
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "strict-transport-security" not in headers
    assert "access-control-allow-origin" not in front.http.get("/", headers={"Origin": "x"}).headers


def test_documents_of_services_are_sandboxed(front: Front) -> None:
    path = "/api/portfolio_builder/v1/portfolio-tests/t/tearsheet"
    policy = front.http.get(path).headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "frame-ancestors 'self'" in policy


def test_without_a_build_the_page_says_what_is_missing(tmp_path: Path, behind: Behind) -> None:
    (tmp_path / "ui.txt").write_text("npm is <missing>")
    front = Front(tmp_path / "dist", behind)
    answer = front.http.get("/signals")
    assert answer.status_code == 503
    assert "npm is &lt;missing&gt;" in answer.text
    assert "scripts.launcher.ui_build" in answer.text
    assert front.http.get("/api/dashboard_creator/v1/x").status_code == 201
    front.stop()


def test_a_service_sees_who_asked_and_by_which_name(front: Front, behind: Behind) -> None:
    answer = front.http.put(
        "/api/dashboard_creator/v1/orders/a%20b?x=1&x=%2F",
        content=b"123",
        headers={
            "X-Forwarded-For": "1.2.3.4",  # we are no proxy that it trusts
            "X-Forwarded-Host": "evil.example",
            "Connection": "close, X-Secret-Hop",
            "X-Secret-Hop": "1",
            "Cookie": "mt_session=t",
            "Origin": f"http://127.0.0.1:{front.port}",
        },
    )
    [(method, path, query, headers, body)] = behind.requests
    assert (method, path, query, body) == ("PUT", "/api/v1/orders/a b", "x=1&x=%2F", b"123")
    assert headers["host"] == headers["x-forwarded-host"] == f"127.0.0.1:{front.port}"
    assert headers.getlist("x-forwarded-for") == ["127.0.0.1"]
    assert headers["x-forwarded-proto"] == "http"
    assert headers["cookie"] == "mt_session=t"
    assert headers["origin"] == f"http://127.0.0.1:{front.port}"
    assert "x-secret-hop" not in headers
    assert (answer.status_code, answer.text) == (201, "3")
    assert answer.headers.get_list("set-cookie") == ["a=1; HttpOnly", "b=2"]
    assert len(answer.headers.get_list("server")) == 1
    assert answer.headers["cache-control"] == "no-store"


def test_a_trusted_proxy_s_word_on_its_client_is_handed_on(dist: Path, behind: Behind) -> None:
    front = Front(dist, behind, trusted="127.0.0.1")
    behind.requests.clear()
    said = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9", "X-Forwarded-Proto": "https"}
    answer = front.http.get("/api/dashboard_creator/v1/x", headers=said)
    front.stop()
    headers = behind.requests[0][3]
    assert headers["x-forwarded-for"] == "203.0.113.9"  # the last that it has not made up
    assert headers["x-forwarded-proto"] == "https"
    assert answer.headers["x-from"] == "203.0.113.9"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize(
    ("path", "service_path"),
    [
        ("/webhook/token", "/webhook/token"),
        ("/webhook", "/webhook"),
        ("/postback/zerodha/Z-1", "/postback/zerodha/Z-1"),
        ("/api/v1/signals", "/api/v1/signals"),
        ("/api/v1/signals/lint", "/api/v1/signals/lint"),
        ("/api/signal_gateway/v1/kill", "/api/v1/kill"),
    ],
)
def test_the_doors_for_signals_are_open_here_too(
    front: Front, behind: Behind, path: str, service_path: str
) -> None:
    assert front.http.post(path, content=b"{}").status_code == 201
    assert behind.requests[0][1] == service_path


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/health",
        "/api/metrics",
        "/api/v1/kill",
        "/api/unknown/v1/x",
        "/api/dashboard_creator",
        "/api/dashboard_creator/",
        "/api/dashboard_creator/../../metrics",
        "/api/dashboard_creator/%2e%2e/metrics",
        "/api/dashboard_creator/..%2f..%2fmetrics",
        "/api/dashboard_creator//v1/x",
        "/api/dashboard_creator/v1\\..\\x",
        "/webhookx/../metrics",
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "//evil.example/api/dashboard_creator/v1/x",
        "http://evil.example/api/dashboard_creator/v1/x",
        "http://127.0.0.1:1/metrics",
    ],
)
def test_nothing_else_is_reached(front: Front, behind: Behind, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = front.raw(request.encode())
    assert b"not for the world" not in answer
    assert b"python_info" not in answer
    assert not [each for each in behind.requests if not each[1].startswith("/api/v1/")]


def test_events_come_at_once_and_uncompressed(front: Front, behind: Behind) -> None:
    behind.gone.clear()
    behind.more.clear()
    path = "/api/dashboard_creator/v1/stream"
    with front.http.stream("GET", path, headers={"Accept": "text/event-stream"}) as answer:
        assert "content-encoding" not in answer.headers
        coming = answer.iter_raw()
        assert next(coming) == b"id: 1\ndata: first\n\n"
        time.sleep(0.7)  # longer than a service has for an answer: a stream may be silent
        behind.more.set()
        assert next(coming) == b"id: 2\ndata: second\n\n"
        assert not behind.gone.is_set()
    assert behind.gone.wait(5), "the service still speaks to somebody who has gone"


def test_an_open_stream_does_not_delay_the_end(dist: Path, behind: Behind) -> None:
    front = Front(dist, behind)
    behind.more.clear()
    path = "/api/dashboard_creator/v1/stream"
    with front.http.stream("GET", path, headers={"Accept": "text/event-stream"}) as answer:
        assert next(answer.iter_raw())
        began = time.monotonic()
        front.forwarder.stop()
        front.server.stop()
        assert time.monotonic() - began < 3


def test_long_answers_are_compressed(front: Front) -> None:
    answer = front.http.get("/api/dashboard_creator/v1/large")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.json()["rows"]) == 501


def test_uploads_pass_up_to_their_limit(front: Front) -> None:
    path = "/api/portfolio_builder/v1/strategies/s/records"
    assert front.http.post(path, content=b"x" * 3_000_000).text == "3000000"
    refused = front.http.post(path, content=b"x" * 4_000_001)
    assert (refused.status_code, refused.json()["code"]) == (413, "BODY_TOO_LARGE")

    def unannounced() -> Iterator[bytes]:
        for _ in range(5):
            yield b"x" * 1_000_000

    refused = front.http.post(path, content=unannounced())
    assert (refused.status_code, refused.json()["code"]) == (413, "BODY_TOO_LARGE")


@pytest.mark.parametrize(
    ("path", "status", "code", "words"),
    [
        ("/api/account_data/v1/fund", 503, "SERVICE_DOWN", "account_data cannot be reached"),
        ("/api/dashboard_creator/v1/slow", 504, "SERVICE_TIMEOUT", "dashboard_creator did not"),
    ],
)
def test_a_service_that_fails_is_named(
    front: Front, path: str, status: int, code: str, words: str
) -> None:
    answer = front.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert words in answer.json()["message"]
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_service_that_talks_nonsense_is_named(dist: Path, behind: Behind) -> None:
    front = Front(dist, behind)
    nonsense = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        for _ in range(2):  # a question is asked once more
            connection, _ = nonsense.accept()
            connection.recv(1000)
            connection.sendall(b"this is no HTTP\r\n\r\n")
            connection.close()

    threading.Thread(target=talk, daemon=True).start()
    front.bases["account_data"] = f"http://127.0.0.1:{nonsense.getsockname()[1]}"
    answer = front.http.get("/api/account_data/v1/fund")
    assert (answer.status_code, answer.json()["code"]) == (502, "SERVICE_BROKE_OFF")
    assert "account_data" in answer.json()["message"]
    nonsense.close()
    front.stop()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost", 200),
        ("LOCALHOST.:1", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ],
)
def test_a_foreign_name_is_refused(front: Front, host: str, status: int) -> None:
    answer = front.http.get("/", headers={"Host": host.format(port=front.port)})
    assert answer.status_code == status
    if status == 421:
        assert answer.json()["code"] == "FOREIGN_HOST"
        assert "content-security-policy" in answer.headers
