"""No route of any service takes an endless body, whoever sends it."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.interfaces import INTERFACES, interface, routes_of

pytestmark = pytest.mark.servers
CHUNK = b"x" * 65_536
#: An uploaded track record is the largest body that anybody takes, 10 MiB.
MOST_BYTES = 10_485_760 + 2 * len(CHUNK)
#: A body that would never end: what reads so much reads on.
ENDLESS = 4 * MOST_BYTES


async def send_without_end(app, method, path):
    """Status of the answer, and how many bytes were taken before it."""
    taken, status = 0, 0
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]

    async def receive():
        nonlocal taken
        if status or taken >= ENDLESS:
            return {"type": "http.disconnect"}
        taken += len(CHUNK)
        return {"type": "http.request", "body": CHUNK, "more_body": True}

    async def send(message):
        nonlocal status
        status = message.get("status", status)

    scope = {"type": "http", "http_version": "1.1", "method": method, "scheme": "http"}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": ""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "server": ("localhost", 80)}
    await app({**scope, "asgi": {"version": "3.0"}}, receive, send)
    return status, taken


@pytest.mark.parametrize("name", INTERFACES)
def test_every_route_refuses_a_body_without_end(name, store, bus_connection):
    with interface(name, bus_connection) as app:
        changing = [
            each
            for each in routes_of(name, app)
            if each.method in {"POST", "PUT", "PATCH", "DELETE"}
        ]
        assert changing
        for each in changing:
            path = each.path.replace("{", "").replace("}", "")
            status, taken = asyncio.run(send_without_end(app, each.method, path))
            assert 400 <= status < 500, (str(each), status)
            assert taken <= MOST_BYTES, (str(each), taken)
