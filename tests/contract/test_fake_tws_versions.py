"""The fake gateway at the oldest version that it speaks, with a master client."""

from __future__ import annotations

import logging

import pytest

from tests.support.fake_tws import ACCOUNT, FakeTws, connect, run, until, working

ibx = pytest.importorskip("ib_async")

pytestmark = pytest.mark.servers
_MASTER = 50


@pytest.fixture(scope="module", params=["176", "177"])
def old(request, tmp_path_factory):
    made = FakeTws(tmp_path_factory.mktemp("tws"))
    made.start("--server-version", request.param, "--master-client", str(_MASTER))
    yield made, int(request.param)
    made.stop()


def test_every_message_is_read_at_an_older_version_too(old, caplog):
    gateway, version = old
    gateway.price(150)
    stock = ibx.Stock("INFY", "NSE", "INR")

    async def act(ib):
        assert ib.client.serverVersion() == version
        filled = ib.placeOrder(stock, ibx.MarketOrder("BUY", 1, account=ACCOUNT, orderRef="A"))
        resting = ibx.LimitOrder("BUY", 1, 149, account=ACCOUNT, orderRef="B")
        await until(lambda: filled.fills and filled.fills[0].commissionReport.execId)
        ib.placeOrder(stock, resting)
        # half of 150, where the market stands
        assert (await ib.whatIfOrderAsync(stock, resting)).initMarginChange == "75"
        assert [each.order.orderRef for each in await working(ib)] == ["B"]
        assert [each.order.orderRef for each in await ib.reqCompletedOrdersAsync(True)] == ["A"]
        assert [each.execution.orderRef for each in await ib.reqExecutionsAsync()] == ["A"]

    with caplog.at_level(logging.ERROR, logger="ib_async.Decoder"):
        run(ibx, gateway, act)
    assert [each for each in caplog.records if "Decoder" in each.name] == []
    assert gateway.violations() == []


def test_the_master_hears_of_everybodys_orders_and_what_they_cost(old):
    gateway, _ = old
    gateway.call("POST", "/v1/start-over")
    gateway.price(150)
    stock = ibx.Stock("INFY", "NSE", "INR")

    async def act(ib):
        master = await connect(ibx, gateway, _MASTER)
        ib.placeOrder(stock, ibx.MarketOrder("BUY", 1, account=ACCOUNT, orderRef="A"))
        instrument = {"instrument_type": "STOCK", "symbol": "INFY", "currency": "INR"}
        body = {"instrument": instrument, "side": "BUY", "quantity": "3"}
        gateway.call("POST", f"/v1/accounts/{ACCOUNT}/manual-orders", body)
        await until(lambda: len(master.fills()) == 2)
        await until(lambda: all(each.commissionReport.commission for each in master.fills()))
        master.disconnect()

    run(ibx, gateway, act)
    assert gateway.violations() == []
