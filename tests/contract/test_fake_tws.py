"""The fake gateway against the real, unmodified `ib_async.IB`: orders, their life, refusals."""

from __future__ import annotations

import pytest

from tests.support.fake_tws import (
    ACCOUNT,
    INFY,
    OTHER_ACCOUNT,
    TCS,
    Raw,
    connect,
    held,
    run,
    until,
    working,
)

ibx = pytest.importorskip("ib_async")

pytest_plugins = ("tests.support.fake_tws_fixtures",)
pytestmark = pytest.mark.servers
BTC = "CRYPTO:BTC:USD"


def infy():
    return ibx.Stock("INFY", "NSE", "INR")


def market(side="BUY", quantity=10, **fields):
    return ibx.MarketOrder(side, quantity, **{"account": ACCOUNT, **fields})


def limit(price, side="BUY", quantity=10, **fields):
    return ibx.LimitOrder(side, quantity, price, **{"account": ACCOUNT, **fields})


def status(trade, wanted):
    return until(lambda: trade.orderStatus.status == wanted)


def told(ib, trade, code):
    return until(lambda: (trade.order.orderId, code) in ib.errors)


def test_a_market_order_is_told_in_full_and_is_in_every_book(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), market(orderRef="A"))
        await until(lambda: trade.fills and trade.fills[0].commissionReport.execId)
        await status(trade, "Filled")
        (fill,) = trade.fills
        assert (fill.execution.shares, fill.execution.price) == (10, 150)
        assert (fill.execution.orderRef, fill.commissionReport.commission) == ("A", 1)
        (again,) = await ib.reqExecutionsAsync()
        assert again.execution.execId == fill.execution.execId
        assert await held(ib) == {"INFY": 10}
        assert ib.positions()[0].avgCost == 150
        (done,) = await ib.reqCompletedOrdersAsync(True)
        assert (done.order.orderRef, done.orderStatus.status) == ("A", "Filled")
        assert done.order.permId == trade.order.permId > 0

    run(ibx, tws, act)


def test_a_resting_order_is_open_until_it_is_canceled(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit(149, orderRef="A"))
        await status(trade, "Submitted")
        (open_one,) = await working(ib)
        assert (open_one.order.orderRef, open_one.order.lmtPrice) == ("A", 149)
        ib.cancelOrder(trade.order)
        await told(ib, trade, 202)
        assert trade.orderStatus.status == "Cancelled"
        assert await working(ib) == []

    run(ibx, tws, act)


def test_the_same_order_id_again_changes_the_order(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit(149, orderRef="A"))
        await status(trade, "Submitted")
        trade.order.lmtPrice, trade.order.totalQuantity = 148, 7
        ib.placeOrder(infy(), trade.order)
        await until(lambda: "changed" in str(ib.errors) or trade.orderStatus.remaining == 7)
        tws.price(148)
        await status(trade, "Filled")
        assert trade.orderStatus.filled == 7

    run(ibx, tws, act)


def test_a_refused_change_leaves_the_order_alive_whatever_the_library_thinks(tws):
    """201 on a change: ib_async calls the order cancelled, the gateway says that it works."""

    async def act(ib):
        trade = ib.placeOrder(infy(), limit(149, orderRef="A"))
        await status(trade, "Submitted")
        tws.break_next("REJECT_NEXT", on="MODIFY")
        trade.order.lmtPrice = 148
        ib.placeOrder(infy(), trade.order)
        await told(ib, trade, 201)
        (open_one,) = await working(ib)
        assert (open_one.orderStatus.status, open_one.order.lmtPrice) == ("Submitted", 149)

    run(ibx, tws, act)


def test_other_words_of_an_order_are_not_changed(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit(149, orderRef="A"))
        await status(trade, "Submitted")
        changed = limit(149, side="SELL", orderRef="A", orderId=trade.order.orderId)
        ib.client.placeOrder(trade.order.orderId, infy(), changed)
        await told(ib, trade, 105)
        assert len(await working(ib)) == 1

    run(ibx, tws, act)


def test_order_ids_go_up_and_are_not_used_again(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), market(orderRef="A"))
        await status(trade, "Filled")
        ib.client.placeOrder(trade.order.orderId, infy(), trade.order)
        await told(ib, trade, 104)
        ib.client.placeOrder(trade.order.orderId - 1, infy(), market(orderRef="B"))
        await until(lambda: (trade.order.orderId - 1, 103) in ib.errors)
        assert len(await ib.reqExecutionsAsync()) == 1
        ib.client.reqIds(1)
        return trade.order.orderId

    last = run(ibx, tws, act)

    assert next_id(tws, 7) == last + 1
    assert next_id(tws, 8) == 1  # of another client


def next_id(tws, client_id):
    """What a client is told when it connects."""
    with Raw(tws.port, client_id=client_id) as client:
        return int(client.read_until(9)[2])


def test_each_kind_of_order_rests_as_what_it_is(tws):
    async def act(ib):
        sent = [
            ibx.StopOrder("SELL", 10, 140, account=ACCOUNT, orderRef="STP"),
            ibx.StopLimitOrder("SELL", 10, 139, 140, account=ACCOUNT, orderRef="STP LMT"),
            ibx.Order(
                orderType="TRAIL", action="SELL", totalQuantity=10, auxPrice=5, account=ACCOUNT
            ),
            ibx.Order(
                orderType="TRAIL",
                action="SELL",
                totalQuantity=10,
                trailingPercent=2,
                trailStopPrice=146,
                account=ACCOUNT,
            ),
            limit(149, tif="GTC"),
        ]
        trades = [ib.placeOrder(infy(), each) for each in sent]
        for trade in trades[:4]:
            await until(lambda trade=trade: trade.orderStatus.whyHeld == "trigger")
            assert trade.orderStatus.status == "PreSubmitted"
        await status(trades[4], "Submitted")
        other = await connect(ibx, tws, 8)  # ib_async does not update what it knows
        open_ones = [each.order for each in await working(other)]
        assert [each.orderType for each in open_ones] == ["STP", "STP LMT", "TRAIL", "TRAIL", "LMT"]
        assert [each.auxPrice for each in open_ones[:3]] == [140, 140, 5]
        # 150 − 5; 150 − 2 % would be 147, above the 146 it was sent with
        assert [each.trailStopPrice for each in open_ones[2:4]] == [145, 147]
        other.disconnect()
        tws.price(160)
        other = await connect(ibx, tws, 9)
        assert (await working(other))[2].order.trailStopPrice == 155
        other.disconnect()

    run(ibx, tws, act)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (lambda: limit(149.01), 110),  # the tick is 0.05
        (lambda: market(quantity=0), 434),
        (lambda: market(quantity=1.5), 10243),
        (lambda: market(account="DU9"), 321),
        (lambda: market(account=""), 435),  # the login has two
        (lambda: market(cashQty=1000), 10293),
        (lambda: market(quantity=10**7), 201),
        (lambda: ibx.Order(orderType="REL", action="BUY", totalQuantity=1, account=ACCOUNT), 387),
        (lambda: market(tif="GTD"), 201),
        (lambda: market(parentId=99), 135),
    ],
)
def test_what_the_gateway_refuses(tws, order, code):
    async def act(ib):
        trade = ib.placeOrder(infy(), order())
        await told(ib, trade, code)
        assert await working(ib) == []
        assert await ib.reqExecutionsAsync() == []

    run(ibx, tws, act)


@pytest.mark.parametrize(
    ("contract", "code"),
    [
        (lambda: ibx.Stock("NEVER", "SMART", "USD"), 200),
        (lambda: ibx.Future("GC", exchange="COMEX", currency="USD"), 200),  # which month?
        (lambda: ibx.Stock("INFY", "", "INR"), 321),
    ],
)
def test_a_contract_must_be_one_that_exists(tws, contract, code):
    async def act(ib):
        assert await told(ib, ib.placeOrder(contract(), market()), code)

    run(ibx, tws, act)


def test_immediate_orders_do_not_rest(tws):
    tws.call("PUT", "/v1/market", {"depth": "4", "levels": 1})

    async def act(ib):
        part = ib.placeOrder(infy(), limit(150, tif="IOC"))
        await told(ib, part, 202)
        assert (part.orderStatus.status, part.orderStatus.filled) == ("Cancelled", 4)
        nothing = ib.placeOrder(infy(), limit(150, tif="FOK"))
        await told(ib, nothing, 202)
        assert nothing.orderStatus.filled == 0

    run(ibx, tws, act)


def test_nothing_of_a_chain_works_until_the_last_is_transmitted(tws):
    async def act(ib):
        parent, target, stop = ib.bracketOrder("BUY", 10, 149, 160, 140, account=ACCOUNT)
        assert (parent.transmit, target.transmit, stop.transmit) == (False, False, True)
        for each in (parent, target):
            ib.placeOrder(infy(), each)
        assert await working(ib) == []
        trades = [ib.placeOrder(infy(), stop), *ib.trades()[:2]]
        await until(lambda: all(each.order.permId for each in trades))
        waiting = {each.order.parentId: each.orderStatus for each in await working(ib)}
        assert waiting[parent.orderId].whyHeld == "child"
        assert waiting[0].status == "Submitted"
        tws.price(149)
        tws.price(139)
        await until(lambda: {each.orderStatus.status for each in trades} == {"Filled", "Cancelled"})
        assert await held(ib) == {}

    run(ibx, tws, act)


def test_what_was_not_transmitted_is_gone_with_its_client(tws):
    async def leave(ib):
        ib.placeOrder(infy(), limit(149, transmit=False))
        await ib.reqCurrentTimeAsync()

    run(ibx, tws, leave)

    async def look(ib):
        return await working(ib)

    assert run(ibx, tws, look) == []


@pytest.mark.parametrize(("kind", "left"), [(1, []), (2, [6]), (3, [6])])
def test_what_fills_of_one_of_a_group_ends_or_reduces_the_other(tws, kind, left):
    async def act(ib):
        group = {"ocaGroup": "G", "ocaType": kind}
        first = ib.placeOrder(infy(), limit(149, orderRef="A", **group))
        other = ib.placeOrder(infy(), limit(148, orderRef="B", **group))
        await status(other, "Submitted")
        tws.fill("A", 4, 149)
        await until(lambda: first.orderStatus.filled == 4)
        if kind == 1:
            await status(other, "Cancelled")
        open_ones = await working(ib)
        assert [
            each.order.totalQuantity for each in open_ones if each.order.orderRef == "B"
        ] == left

    run(ibx, tws, act)


async def combo_of(ib):
    """Buy an INFY and sell two TCS, as one."""
    infosys, tata = await ib.qualifyContractsAsync(infy(), ibx.Stock("TCS", "NSE", "INR"))
    legs = [
        ibx.ComboLeg(conId=infosys.conId, ratio=1, action="BUY", exchange="NSE"),
        ibx.ComboLeg(conId=tata.conId, ratio=2, action="SELL", exchange="NSE"),
    ]
    return ibx.Contract(
        secType="BAG", symbol="INFY,TCS", currency="INR", exchange="NSE", comboLegs=legs
    )


def test_a_combo_is_one_order_with_executions_of_itself_and_of_its_legs(tws):
    tws.price(100, TCS)

    async def act(ib):
        trade = ib.placeOrder(await combo_of(ib), market(quantity=3, orderRef="C"))
        await status(trade, "Filled")
        await until(lambda: len(trade.fills) == 3)
        # 150 − 2 × 100
        assert (trade.orderStatus.filled, trade.orderStatus.avgFillPrice) == (3, -50)
        shares = {each.contract.secType: [] for each in trade.fills}
        for each in trade.fills:
            shares[each.contract.secType].append((each.execution.side, each.execution.shares))
        assert shares == {"STK": [("BOT", 3), ("SLD", 6)], "BAG": [("BOT", 3)]}
        assert {each.execution.orderRef for each in trade.fills} == {"C"}
        assert len({each.execution.execId for each in trade.fills}) == 3
        assert await held(ib) == {"INFY": 3, "TCS": -6}
        again = await ib.reqExecutionsAsync()
        assert {each.execution.execId for each in again} == {
            each.execution.execId for each in trade.fills
        }
        (done,) = await ib.reqCompletedOrdersAsync(False)
        assert (done.order.orderRef, len(done.contract.comboLegs)) == ("C", 2)

    run(ibx, tws, act)


def test_a_combo_waits_for_the_price_of_all_its_legs_together(tws):
    tws.price(100, TCS)

    async def act(ib):
        trade = ib.placeOrder(await combo_of(ib), limit(-60, quantity=1, orderRef="C"))
        await status(trade, "Submitted")
        (open_one,) = await working(ib)
        assert (open_one.order.lmtPrice, len(open_one.contract.comboLegs)) == (-60, 2)
        tws.price(105, TCS)  # 150 − 210
        await status(trade, "Filled")
        assert trade.orderStatus.avgFillPrice == -60
        assert await working(ib) == []

    run(ibx, tws, act)


def test_a_combo_that_waits_can_be_changed_and_canceled(tws):
    tws.price(100, TCS)

    async def act(ib):
        trade = ib.placeOrder(await combo_of(ib), limit(-60, quantity=1, orderRef="C"))
        await status(trade, "Submitted")
        trade.order.lmtPrice = -70
        ib.placeOrder(trade.contract, trade.order)
        await until(lambda: ib.openTrades()[0].order.lmtPrice == -70)
        ib.cancelOrder(trade.order)
        await told(ib, trade, 202)
        (done,) = await ib.reqCompletedOrdersAsync(True)
        assert (done.order.orderRef, done.orderStatus.status) == ("C", "Cancelled")
        assert await held(ib) == {}

    run(ibx, tws, act)


def test_coins_are_bought_for_money_and_at_once(tws):
    tws.price(50000, BTC)

    async def act(ib):
        bitcoin = ibx.Crypto("BTC", "PAXOS", "USD")
        refused = ib.placeOrder(bitcoin, market(quantity=1, tif="IOC"))
        await told(ib, refused, 10289)
        resting = ib.placeOrder(bitcoin, market(quantity=0, cashQty=1000, tif="GTC"))
        await told(ib, resting, 201)
        bought = ib.placeOrder(bitcoin, market(quantity=0, cashQty=1000, tif="IOC"))
        await status(bought, "Filled")
        assert sum(each.execution.shares for each in bought.fills) == 0.02

    run(ibx, tws, act)


def test_a_preview_says_margins_and_sends_nothing(tws):
    async def act(ib):
        state = await ib.whatIfOrderAsync(infy(), market())
        # half of 10 × 150 as initial, half of that as maintenance margin
        assert (state.initMarginChange, state.maintMarginChange) == ("750", "375")
        assert (state.equityWithLoanBefore, state.commission) == ("1000000", 1)
        assert await working(ib) == []
        tws.price(100, TCS)
        combo = await ib.whatIfOrderAsync(await combo_of(ib), market(quantity=1))
        assert combo.initMarginChange == "175"  # half of 150 and of 200
        unknown = ibx.Stock("RELIANCE", "NSE", "INR")
        ib.client.placeOrder(order_id := ib.client.getReqId(), unknown, market(whatIf=True))
        await until(lambda: (order_id, 201) in ib.errors)

    run(ibx, tws, act)


def test_cancel_of_what_is_not_there_or_has_ended(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), market())
        await status(trade, "Filled")
        ib.client.cancelOrder(trade.order.orderId)
        await told(ib, trade, 10148)
        ib.client.cancelOrder(99)
        assert await until(lambda: (99, 10147) in ib.errors)

    run(ibx, tws, act)


def test_clients_see_each_others_orders_and_cannot_cancel_them(tws):
    async def act(ib):
        other = await connect(ibx, tws, 8)
        trade = ib.placeOrder(infy(), limit(149, orderRef="A"))
        await status(trade, "Submitted")
        assert await other.reqOpenOrdersAsync() == []
        (seen,) = await working(other)
        assert (seen.order.orderRef, seen.order.clientId) == ("A", 7)
        other.client.cancelOrder(trade.order.orderId)
        await until(lambda: (trade.order.orderId, 10147) in other.errors)
        other.reqGlobalCancel()
        await status(trade, "Cancelled")
        other.disconnect()

    run(ibx, tws, act)


def test_accounts_of_one_login_are_apart(tws):
    async def act(ib):
        assert ib.managedAccounts() == [ACCOUNT, OTHER_ACCOUNT]
        trade = ib.placeOrder(infy(), market(account=OTHER_ACCOUNT))
        await status(trade, "Filled")
        (position,) = await ib.reqPositionsAsync()
        assert (position.account, position.position) == (OTHER_ACCOUNT, 10)
        wanted = ibx.ExecutionFilter(acctCode=ACCOUNT)
        assert await ib.reqExecutionsAsync(wanted) == []
        assert len(await ib.reqExecutionsAsync()) == 1

    run(ibx, tws, act)


def test_orders_by_hand_are_in_the_books_but_no_news(tws):
    instrument = {"instrument_type": "STOCK", "symbol": "INFY", "currency": "INR"}
    path = f"/v1/accounts/{ACCOUNT}/manual-orders"

    async def act(ib):
        body = {"instrument": instrument, "side": "BUY", "quantity": "3"}
        tws.call("POST", path, body)
        resting = {**body, "order_type": "LIMIT", "limit_price": "140"}
        tws.call("POST", path, resting)
        (fill,) = await ib.reqExecutionsAsync()
        assert (fill.execution.shares, fill.execution.orderRef) == (3, "")
        assert fill.execution.clientId == 0
        (open_one,) = await working(ib)
        assert (open_one.order.orderId, open_one.order.orderRef) == (0, "")
        assert open_one.order.permId > 0
        assert (await ib.reqPositionsAsync())[0].position == 3
        assert await ib.reqCompletedOrdersAsync(True) == []
        assert len(await ib.reqCompletedOrdersAsync(False)) == 1

    run(ibx, tws, act)


def test_client_0_hears_of_orders_by_hand(tws):
    instrument = {"instrument_type": "STOCK", "symbol": "INFY", "currency": "INR"}
    body = {"instrument": instrument, "side": "BUY", "quantity": "3"}

    async def act(ib):
        tws.call("POST", f"/v1/accounts/{ACCOUNT}/manual-orders", body)
        assert await until(ib.fills)

    run(ibx, tws, act, client_id=0)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("MOC", {}), ("LOC", {"lmtPrice": 151}), ("MKT", {"tif": "OPG"}), ("LMT", {"lmtPrice": 150})],
)
def test_orders_for_an_auction_are_taken(tws, kind, fields):
    async def act(ib):
        order = ibx.Order(orderType=kind, action="BUY", totalQuantity=1, account=ACCOUNT, **fields)
        assert await status(ib.placeOrder(infy(), order), "Filled")

    run(ibx, tws, act)


def test_outside_of_trading_hours_is_ignored_at_the_market_and_said(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), market(outsideRth=True))
        await told(ib, trade, 2109)
        assert await until(lambda: trade.fills)

    run(ibx, tws, act)


def test_a_trailing_stop_keeps_its_distance_when_it_is_changed(tws):
    async def act(ib):
        order = ibx.Order(
            orderType="TRAIL", action="SELL", totalQuantity=10, auxPrice=5, account=ACCOUNT
        )
        trade = ib.placeOrder(infy(), order)
        await status(trade, "PreSubmitted")
        trade.order.auxPrice = 7
        ib.placeOrder(infy(), trade.order)
        assert await told(ib, trade, 105)

    run(ibx, tws, act)


def test_a_corrected_fill_has_another_last_part_and_both_are_told(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), market(orderRef="A"))
        await until(lambda: trade.fills)
        first = trade.fills[0].execution.execId
        body = {"execution_id": "MOCK-1.1", "price": "149.5"}
        tws.call("POST", f"/v1/accounts/{ACCOUNT}/revisions", body)
        await until(lambda: len(trade.fills) == 2)  # and ib_async counts both
        assert trade.fills[1].execution.execId == f"{first[:-2]}02"
        again = await ib.reqExecutionsAsync()
        assert [each.execution.price for each in again] == [150, 149.5]
        body = {"execution_id": "MOCK-1.1", "busted": True}
        tws.call("POST", f"/v1/accounts/{ACCOUNT}/revisions", body)
        await until(lambda: len(trade.fills) == 3)
        assert trade.fills[2].execution.shares == 0

    run(ibx, tws, act)


def test_a_market_that_is_closed_is_a_warning_and_the_order_lives(tws):
    hours = {"opens": "10:00", "closes": "10:01", "days": [], "timezone": "UTC"}
    tws.call("PUT", "/v1/market", {"hours": {"STOCK": {**hours, "days": [1]}}})

    async def act(ib):
        trade = ib.placeOrder(infy(), limit(149))
        await told(ib, trade, 399)
        assert len(await working(ib)) == 1

    run(ibx, tws, act)


def test_a_price_that_moves_is_told_to_its_order(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit(149, orderRef="A"))
        await status(trade, "Submitted")
        tws.price("148.50", INFY)
        await status(trade, "Filled")
        assert trade.orderStatus.avgFillPrice == 148.5

    run(ibx, tws, act)
