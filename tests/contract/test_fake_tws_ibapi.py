"""The fake gateway against IBKR's own client: a second, independent reading of the protocol.

`ibapi` is under the GPL: for tests only, never a requirement. Where it is not installed, IBAPI_PATH
may name a folder that it was unpacked into; else these tests are skipped.
"""

from __future__ import annotations

import itertools
import operator
import os
import sys
import threading
from collections import defaultdict
from decimal import Decimal

import pytest

from tests.support.broker_orders import eventually
from tests.support.fake_tws import ACCOUNT, OTHER_ACCOUNT, TCS

if os.environ.get("IBAPI_PATH"):
    sys.path.append(os.environ["IBAPI_PATH"])
client = pytest.importorskip("ibapi.client")
decoder = pytest.importorskip("ibapi.decoder")
contracts = pytest.importorskip("ibapi.contract")
orders = pytest.importorskip("ibapi.order")
conditions = pytest.importorskip("ibapi.order_condition")
executions = pytest.importorskip("ibapi.execution")
cancels = pytest.importorskip("ibapi.order_cancel")
tags = pytest.importorskip("ibapi.tag_value")
wrapper = pytest.importorskip("ibapi.wrapper")

pytest_plugins = ("tests.support.fake_tws_fixtures",)
pytestmark = pytest.mark.servers
HEARD = (
    "openOrder openOrderEnd orderStatus execDetails execDetailsEnd completedOrder contractDetails "
    "commissionAndFeesReport completedOrdersEnd contractDetailsEnd position positionEnd "
    "accountSummary accountSummaryEnd accountUpdateMulti accountUpdateMultiEnd updateAccountValue "
    "updatePortfolio accountDownloadEnd nextValidId managedAccounts currentTime tickPrice "
    "tickString tickSnapshotEnd tickReqParams marketDataType tickByTickAllLast positionMulti "
    "positionMultiEnd securityDefinitionOptionParameter securityDefinitionOptionParameterEnd "
    "marketRule pnl"
)


#: One each: it closes its socket a second after it was told to.
_CLIENTS = itertools.count(40)


class Whole(list):
    """Fields for IBKR's decoder, that know how many it has not read."""

    reading = iter(())

    def __iter__(self):
        self.reading = super().__iter__()
        return self.reading


class Official(client.EClient, wrapper.EWrapper):
    """IBKR's client; what it is told is kept by the name of the call."""

    def __init__(self):
        client.EClient.__init__(self, self)
        self.heard = defaultdict(list)
        self.errors = []
        self.unread = []
        for name in HEARD.split():
            setattr(self, name, self._listener(name))

    def _listener(self, name):
        return lambda *told: self.heard[name].append(told)

    def error(self, number, _time, code, text, _json=""):
        self.errors.append((number, code, text))

    def wait(self, name, count=1):
        return eventually(lambda: self.heard[name], lambda found: len(found) >= count)

    def status(self, order_id, wanted):
        def reached():
            return [each for each in self.heard["orderStatus"] if each[:2] == (order_id, wanted)]

        return eventually(reached)[-1]


@pytest.fixture
def official(tws, monkeypatch):
    made = Official()
    theirs = decoder.Decoder.interpret

    def interpret(self, fields, number):
        """As theirs; what it leaves unread of a message is kept."""
        whole = Whole(fields)
        theirs(self, whole, number)
        if left := operator.length_hint(whole.reading):
            made.unread.append((number, fields[-left:]))

    monkeypatch.setattr(decoder.Decoder, "interpret", interpret)
    made.connect("127.0.0.1", tws.port, next(_CLIENTS))
    thread = threading.Thread(target=made.run)
    thread.start()
    made.wait("nextValidId")
    yield made
    made.disconnect()
    thread.join(timeout=30)
    assert made.unread == []
    assert [each for each in made.errors if each[1] in range(500, 600)] == []


def stock(symbol="INFY"):
    made = contracts.Contract()
    made.symbol, made.secType, made.exchange, made.currency = symbol, "STK", "NSE", "INR"
    return made


def order(kind, **fields):
    made = orders.Order()
    made.action, made.totalQuantity, made.orderType = "BUY", Decimal(10), kind
    made.account = ACCOUNT
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_an_order_from_its_placement_to_its_commission(official):
    official.placeOrder(1, stock(), order("MKT", orderRef="A"))
    official.wait("commissionAndFeesReport")
    _, _, filled, remaining, average, perm_id, *_ = official.status(1, "Filled")
    assert (filled, remaining, average) == (10, 0, 150)
    ((_, contract, fill),) = official.heard["execDetails"]
    assert (contract.symbol, fill.shares, fill.orderRef) == ("INFY", 10, "A")
    (report,) = official.heard["commissionAndFeesReport"][0]
    assert (report.execId, report.commissionAndFees) == (fill.execId, 1)
    number, _, told, state = official.heard["openOrder"][-1]
    assert (number, told.orderRef, told.permId, state.status) == (1, "A", perm_id, "Filled")
    official.reqExecutions(9, executions.ExecutionFilter())
    official.wait("execDetailsEnd")
    assert official.heard["execDetails"][-1][2].execId == fill.execId
    official.reqCompletedOrders(True)
    official.wait("completedOrdersEnd")
    ((_, done, state),) = official.heard["completedOrder"]
    assert (done.orderRef, done.permId, done.filledQuantity) == ("A", perm_id, 10)
    assert state.completedStatus.startswith("Filled")


def test_orders_of_each_kind_come_back_as_they_were_sent(official):
    sent = {
        1: order("LMT", lmtPrice=149, tif="GTC", orderRef="A", outsideRth=True),
        2: order("STP", action="SELL", auxPrice=140),
        3: order("STP LMT", action="SELL", auxPrice=140, lmtPrice=139),
        4: order("TRAIL", action="SELL", trailingPercent=2, trailStopPrice=146),
        5: order("LMT", lmtPrice=148, ocaGroup="G", ocaType=2),
    }
    for number, each in sent.items():
        official.placeOrder(number, stock(), each)
    official.status(5, "Submitted")
    official.heard["openOrder"].clear()
    official.reqOpenOrders()
    official.wait("openOrderEnd")
    came = {told[0]: told[2] for told in official.heard["openOrder"]}
    assert sorted(came) == sorted(sent)
    for number, each in sent.items():
        for name in ("action", "orderType", "totalQuantity", "tif", "orderRef", "outsideRth"):
            assert (getattr(came[number], name) or "DAY") == (getattr(each, name) or "DAY")
    assert (came[3].lmtPrice, came[3].auxPrice) == (139, 140)
    assert (came[4].trailingPercent, came[4].trailStopPrice) == (2, 147)
    assert (came[5].ocaGroup, came[5].ocaType) == ("G", 2)
    official.cancelOrder(1, cancels.OrderCancel())
    official.status(1, "Cancelled")
    official.reqGlobalCancel(cancels.OrderCancel())
    official.status(5, "Cancelled")
    assert official.errors[-1][1] == 202


def test_orders_with_every_block_are_read(official, tws):
    """Whatever the fake makes of them: it has read them to the last field."""
    price = conditions.PriceCondition(0, 7, "SMART", True, 100.5)
    price.isConjunctionConnection = False
    tailored = order("LMT", lmtPrice=149, conditions=[price, conditions.MarginCondition(True, 30)])
    tailored.algoStrategy, tailored.algoParams = "Adaptive", [tags.TagValue("p", "Normal")]
    tailored.hedgeType, tailored.hedgeParam = "B", "0.5"
    tailored.scalePriceIncrement, tailored.scaleInitLevelSize = 0.5, 5
    official.placeOrder(1, stock(), tailored)
    official.status(1, "Submitted")
    told = official.heard["openOrder"][-1][2]
    assert [type(each).__name__ for each in told.conditions] == [
        "PriceCondition",
        "MarginCondition",
    ]
    assert told.algoStrategy == "Adaptive"
    assert (told.hedgeParam, told.scaleInitLevelSize) == ("0.5", 5)


def test_a_preview_and_a_combo(official, tws):
    tws.price(100, TCS)
    official.placeOrder(1, stock(), order("MKT", whatIf=True))
    official.wait("openOrder")
    state = official.heard["openOrder"][-1][3]
    assert (state.initMarginChange, state.initMarginAfter) == ("750", "750")
    official.reqContractDetails(7, stock())
    official.reqContractDetails(8, stock("TCS"))
    official.wait("contractDetailsEnd", 2)
    found = [details.contract for _, details in official.heard["contractDetails"]]
    bag = stock("INFY,TCS")
    bag.secType, bag.comboLegs = "BAG", []
    for contract, action in zip(found, ("BUY", "SELL"), strict=True):
        leg = contracts.ComboLeg()
        leg.conId, leg.ratio, leg.action, leg.exchange = contract.conId, 1, action, "NSE"
        bag.comboLegs.append(leg)
    official.placeOrder(2, bag, order("LMT", lmtPrice=40, totalQuantity=Decimal(2), orderRef="C"))
    official.status(2, "Submitted")
    tws.price(110, TCS)  # 150 − 110
    assert official.status(2, "Filled")[2:5] == (2, 0, 40)
    official.wait("execDetails", 3)
    assert [each[1].secType for each in official.heard["execDetails"]].count("BAG") == 1
    official.reqCompletedOrders(False)
    official.wait("completedOrdersEnd")
    assert len(official.heard["completedOrder"][0][0].comboLegs) == 2


def test_accounts_positions_and_prices(official):
    official.placeOrder(1, stock(), order("MKT"))
    official.status(1, "Filled")
    official.reqPositions()
    official.reqPositionsMulti(20, ACCOUNT, "")
    official.reqAccountUpdates(True, ACCOUNT)
    official.reqAccountUpdatesMulti(21, ACCOUNT, "", False)
    official.reqAccountSummary(22, "All", "NetLiquidation,$LEDGER:ALL")
    official.reqPnL(23, ACCOUNT, "")
    official.reqCurrentTime()
    ends = "positionEnd positionMultiEnd accountDownloadEnd accountUpdateMultiEnd accountSummaryEnd"
    for name in [*ends.split(), "pnl", "currentTime"]:
        official.wait(name)
    assert official.heard["position"][-1][2:] == (10, 150)
    assert official.heard["managedAccounts"] == [(f"{ACCOUNT},{OTHER_ACCOUNT}",)]
    assert official.heard["updatePortfolio"][-1][1:4] == (10, 150, 1500)
    summary = {told[1:3]: told[3] for told in official.heard["accountSummary"]}
    assert summary[ACCOUNT, "NetLiquidation"] == "999999"
    official.reqMktData(30, stock(), "", True, False, [])
    official.wait("tickSnapshotEnd")
    assert {told[1]: told[2] for told in official.heard["tickPrice"]}[4] == 150
    official.reqTickByTickData(31, stock(), "AllLast", 0, False)
    official.wait("tickByTickAllLast")
    official.cancelTickByTickData(31)
    official.reqMarketRule(26)
    official.wait("marketRule")
    official.reqSecDefOptParams(32, "SPY", "", "STK", 0)
    official.wait("securityDefinitionOptionParameterEnd")
    assert official.heard["securityDefinitionOptionParameter"]
