"""The fake gateway as a process for tests, and clients of it."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
import urllib3

from tests.support.servers import ONCE, free_port, start_fake

ACCOUNT, OTHER_ACCOUNT = "DU1000001", "DU1000002"
INFY, TCS = "STOCK:INFY:INR", "STOCK:TCS:INR"
PATIENCE = 30


class FakeTws:
    """The process, and commands to it; the same port and books after `kill` and `start`."""

    def __init__(self, path):
        self.port, self._control_port = free_port(), free_port()
        self._path = path
        self._http = urllib3.PoolManager(retries=False, headers=ONCE)
        self._context = None
        self._server = None

    def start(self, *options):
        accounts = ("--accounts", f"{ACCOUNT},{OTHER_ACCOUNT}")
        self._context = start_fake(
            "tws",
            self._path,
            port=self.port,
            control_port=self._control_port,
            options=(*accounts, *options),
        )
        self._server = self._context.__enter__()

    def stop(self):
        self._context.__exit__(None, None, None)

    def kill(self):
        """As a crash would."""
        self._server.kill()
        self.stop()

    def call(self, method, path, body=None):
        """A command on the control port."""
        answer = self._http.request(method, self._server.address + path, json=body)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    def price(self, price, key=INFY):
        """Move the market."""
        self.call("PUT", f"/v1/prices/{key}", {"price": str(price)})

    def break_next(self, kind, **more):
        """The next call of the account goes wrong."""
        self.call("POST", "/v1/faults", {"account_id": ACCOUNT, "kind": kind, **more})

    def fill(self, reference, quantity, price):
        """Fill an order as wanted."""
        body = {"client_order_id": reference, "quantity": str(quantity), "price": str(price)}
        self.call("POST", f"/v1/accounts/{ACCOUNT}/fills", body)

    def violations(self):
        """What clients have done wrong."""
        return self.call("GET", "/v1/violations")


class Raw:
    """A client without a library: frames by hand, to send what no library would."""

    def __init__(self, port, *, versions="v176..178", client_id=None):
        self._link = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        hello = versions.encode()
        self._link.sendall(b"API\0" + struct.pack(">I", len(hello)) + hello)
        self.version = int(self.read()[0])
        if client_id is not None:
            self.send(71, 2, client_id, "")

    def send(self, *fields, times=1):
        body = "".join(f"{each}\0" for each in fields).encode()
        self._link.sendall((struct.pack(">I", len(body)) + body) * times)

    def read(self):
        """The next message; None = the gateway has ended the connection."""
        prefix = self._exactly(4)
        if prefix is None:
            return None
        return self._exactly(struct.unpack(">I", prefix)[0]).decode().split("\0")[:-1]

    def _exactly(self, count):
        found = b""
        while len(found) < count:
            part = self._link.recv(count - len(found))
            if not part:
                return None
            found += part
        return found

    def read_until(self, message):
        """The next message of this number."""
        while (found := self.read()) is not None:
            if found[0] == str(message):
                return found
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._link.close()


async def connect(ibx, fake, client_id=7):
    """A real `IB` that is connected; `errors`: what it was told."""
    ib = ibx.IB()
    ib.errors = []
    ib.errorEvent += lambda number, code, text, contract: ib.errors.append((number, code))
    await ib.connectAsync(
        "127.0.0.1", fake.port, clientId=client_id, timeout=PATIENCE, raiseSyncErrors=True
    )
    return ib


def run(ibx, fake, act, *, client_id=7):
    """Run `act` with a connected `IB`."""

    async def connected():
        ib = await connect(ibx, fake, client_id)
        try:
            return await act(ib)
        finally:
            ib.disconnect()

    return asyncio.run(connected())


async def until(condition):
    """Wait until it holds; what it was."""
    for _ in range(PATIENCE * 100):
        if found := condition():
            return found
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen")


async def held(ib):
    """Positions by symbol, once everything that was said before has arrived."""
    await ib.reqPositionsAsync()
    return {each.contract.symbol: each.position for each in ib.positions()}


async def working(ib):
    """The working orders of all clients, each once.

    News that arrive while ib_async waits for the answer are in its answer, too.
    """
    found = {each.order.permId: each for each in await ib.reqAllOpenOrdersAsync()}
    return [each for each in found.values() if not each.isDone()]
