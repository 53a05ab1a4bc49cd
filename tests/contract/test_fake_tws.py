"""The fake gateway against the real, unmodified `ib_async.IB`."""

from __future__ import annotations

import asyncio
import logging

import pytest
import urllib3

from tests.support.servers import free_port, start_fake

ibx = pytest.importorskip("ib_async")

pytestmark = pytest.mark.servers
ACCOUNT = "DU1000001"
INFY = "STOCK:INFY:INR"
PATIENCE = 20


class Fake:
    """The process, and commands to it."""

    def __init__(self, path):
        self.path, self.port, self.control_port = path, free_port(), free_port()
        self._http = urllib3.PoolManager(retries=False)
        self._context = None
        self.server = None

    def start(self, *options):
        self._context = start_fake(
            "tws", self.path, port=self.port, control_port=self.control_port, options=options
        )
        self.server = self._context.__enter__()

    def stop(self):
        self._context.__exit__(None, None, None)

    def kill(self):
        self.server.kill()
        self.stop()

    def call(self, method, path, body=None):
        answer = self._http.request(method, self.server.address + path, json=body)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    def price(self, price, key=INFY):
        self.call("PUT", f"/v1/prices/{key}", {"price": price})


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = Fake(tmp_path_factory.mktemp("tws"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def fake(running):
    """A gateway that has never traded; what a client did wrong fails the test."""
    running.call("POST", "/v1/start-over")
    yield running
    assert running.call("GET", "/v1/violations") == []


@pytest.fixture
def undecodable(caplog):
    """What ib_async could not read: it only logs."""
    with caplog.at_level(logging.ERROR, logger="ib_async.Decoder"):
        yield lambda: [each for each in caplog.records if each.name == "ib_async.Decoder"]


def run(fake, act, *, client_id=7):
    """Run `act` with a connected client."""

    async def connected():
        ib = ibx.IB()
        ib.errors = []
        ib.errorEvent += lambda number, code, text, contract: ib.errors.append((number, code))
        await ib.connectAsync(
            "127.0.0.1", fake.port, clientId=client_id, timeout=PATIENCE, raiseSyncErrors=True
        )
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


def infy():
    return ibx.Stock("INFY", "NSE", "INR")


def market(side="BUY", quantity=10, **fields):
    return ibx.MarketOrder(side, quantity, account=ACCOUNT, **fields)


def limit(price, side="BUY", quantity=10, **fields):
    return ibx.LimitOrder(side, quantity, price, account=ACCOUNT, **fields)


def test_a_market_order_is_told_in_full_and_is_in_every_book(fake, undecodable):
    fake.price("150")

    async def act(ib):
        trade = ib.placeOrder(infy(), market(orderRef="A"))
        await until(lambda: trade.fills and trade.fills[0].commissionReport.execId)
        assert [each.status for each in trade.log if each.status != "PendingSubmit"][-1] == "Filled"
        (fill,) = trade.fills
        assert (fill.execution.shares, fill.execution.price) == (10, 150)
        assert (fill.execution.orderRef, fill.commissionReport.commission) == ("A", 1)
        (again,) = await ib.reqExecutionsAsync()
        assert again.execution.execId == fill.execution.execId
        (position,) = ib.positions()
        assert (position.position, position.avgCost) == (10, 150)
        (done,) = await ib.reqCompletedOrdersAsync(True)
        assert (done.order.orderRef, done.orderStatus.status) == ("A", "Filled")
        assert done.order.permId == trade.order.permId > 0

    run(fake, act)
    assert undecodable() == []


def test_a_resting_order_is_open_until_it_is_canceled(fake, undecodable):
    fake.price("150")

    async def act(ib):
        trade = ib.placeOrder(infy(), limit(149, orderRef="A"))
        await until(lambda: trade.orderStatus.status == "Submitted")
        (open_one,) = await ib.reqAllOpenOrdersAsync()
        assert (open_one.order.orderRef, open_one.order.lmtPrice) == ("A", 149)
        ib.cancelOrder(trade.order)
        await until(lambda: (trade.order.orderId, 202) in ib.errors)
        assert trade.orderStatus.status == "Cancelled"
        assert await ib.reqAllOpenOrdersAsync() == []

    run(fake, act)
    assert undecodable() == []
