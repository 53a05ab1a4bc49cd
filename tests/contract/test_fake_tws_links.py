"""What goes wrong at the fake gateway on command, as the real `ib_async.IB` sees it."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.broker_orders import eventually
from tests.support.fake_tws import ACCOUNT, INFY, Raw, connect, held, run, until, working

ibx = pytest.importorskip("ib_async")

pytest_plugins = ("tests.support.fake_tws_fixtures",)
pytestmark = pytest.mark.servers


def infy():
    return ibx.Stock("INFY", "NSE", "INR")


def market(**fields):
    return ibx.MarketOrder("BUY", 10, account=ACCOUNT, **fields)


def limit(price=149, **fields):
    return ibx.LimitOrder("BUY", 10, price, account=ACCOUNT, **fields)


def refs(tws):
    """What another client sees: orders that work and orders that have ended."""

    async def act(ib):
        alive = await working(ib)
        ended = await ib.reqCompletedOrdersAsync(False)
        return [each.order.orderRef for each in (*alive, *ended)]

    return run(ibx, tws, act, client_id=99)


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("DROP_BEFORE_ACCEPT", False),
        ("ERROR_BEFORE_ACCEPT", False),
        ("DISCONNECT_BEFORE_ACCEPT", False),
        ("THROTTLE", False),
        ("ACCEPT_THEN_SILENCE", True),
        ("ERROR_AFTER_ACCEPT", True),
        ("DISCONNECT_AFTER_ACCEPT", True),
        ("DELAY_ANSWER", True),
    ],
)
def test_a_placement_that_goes_wrong_was_taken_or_not(tws, kind, taken):
    tws.break_next(kind, seconds=1)

    async def act(ib):
        trade = ib.placeOrder(infy(), limit(orderRef="A"))
        await asyncio.sleep(0.3)
        return trade, list(ib.errors), ib.isConnected()

    trade, errors, connected = run(ibx, tws, act)
    assert connected is ("DISCONNECT" not in kind)
    assert trade.order.permId == 0  # nothing was told of it
    codes = {code for _, code in errors}
    assert (322 in codes) is ("ERROR" in kind)
    assert (100 in codes) is (kind == "THROTTLE")
    assert refs(tws) == (["A"] if taken else [])


@pytest.mark.parametrize("kind", ["DROP_BEFORE_ACCEPT", "THROTTLE", "ERROR_BEFORE_ACCEPT"])
def test_an_id_that_was_not_taken_may_be_used_again(tws, kind):
    tws.break_next(kind)

    async def act(ib):
        trade = ib.placeOrder(infy(), limit(orderRef="A"))
        await ib.reqCurrentTimeAsync()
        assert await working(ib) == []
        ib.client.placeOrder(trade.order.orderId, infy(), trade.order)
        await until(lambda: trade.orderStatus.status == "Submitted")
        assert len(await working(ib)) == 1

    run(ibx, tws, act)


def test_an_order_sent_twice_under_its_id_is_one_order(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit(orderRef="A"))
        ib.client.placeOrder(trade.order.orderId, infy(), trade.order)
        await until(lambda: trade.orderStatus.status == "Submitted")
        tws.price(149)
        await until(lambda: trade.orderStatus.status == "Filled")
        assert await held(ib) == {"INFY": 10}

    run(ibx, tws, act)


def test_what_was_silent_is_told_in_the_end(tws):
    tws.break_next("ACCEPT_THEN_SILENCE", seconds=0.5)

    async def act(ib):
        trade = ib.placeOrder(infy(), market())
        assert await until(lambda: trade.orderStatus.status == "Filled")

    run(ibx, tws, act)


def test_garbage_is_what_no_client_can_read(tws, caplog):
    tws.break_next("GARBAGE_ANSWER", seconds=0.1)

    async def act(ib):
        ib.placeOrder(infy(), limit(orderRef="A"))
        await until(lambda: any("Decoder" in each.name for each in caplog.records))

    run(ibx, tws, act)
    caplog.clear()
    assert refs(tws) == ["A"]


def test_a_hidden_order_is_shown_late(tws):
    tws.break_next("HIDE_ORDER", seconds=1.5)

    async def act(ib):
        ib.placeOrder(infy(), limit(orderRef="A"))
        await until(lambda: not ib.isConnected())

    run(ibx, tws, act)
    assert refs(tws) == []
    eventually(lambda: refs(tws) == ["A"])


@pytest.mark.parametrize("kind", ["REJECT_NEXT", "DROP_BEFORE_ACCEPT", "THROTTLE"])
def test_a_bracket_goes_wrong_as_a_whole(tws, kind):
    tws.break_next(kind, on="BRACKET")

    async def act(ib):
        for each in ib.bracketOrder("BUY", 10, 149, 160, 140, account=ACCOUNT):
            ib.placeOrder(infy(), each)
        await asyncio.sleep(0.3)
        assert await working(ib) == []

    run(ibx, tws, act)


async def waiting_combo(ib):
    """A combo that waits for its price, as a contract and an order."""
    infosys, tata = await ib.qualifyContractsAsync(infy(), ibx.Stock("TCS", "NSE", "INR"))
    legs = [
        ibx.ComboLeg(conId=each.conId, ratio=1, action="BUY", exchange="NSE")
        for each in (infosys, tata)
    ]
    bag = ibx.Contract(secType="BAG", symbol="X", currency="INR", exchange="NSE", comboLegs=legs)
    return bag, limit(100, orderRef="C")


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        ("DROP_BEFORE_ACCEPT", False),
        ("REJECT_NEXT", False),
        ("ACCEPT_THEN_SILENCE", True),
        ("ERROR_AFTER_ACCEPT", True),
    ],
)
def test_a_combo_goes_wrong_as_other_orders_do(tws, kind, taken):
    tws.price(300, "STOCK:TCS:INR")
    tws.break_next(kind, on="COMBO", seconds=0.5)

    async def act(ib):
        trade = ib.placeOrder(*await waiting_combo(ib))
        await asyncio.sleep(0.2)
        assert trade.order.permId == 0 or kind == "REJECT_NEXT"
        alive = await working(ib)
        assert [each.order.orderRef for each in alive] == (["C"] if taken else [])
        if taken:
            await until(lambda: trade.orderStatus.permId)  # told in the end
        if kind == "REJECT_NEXT":
            await until(lambda: (trade.order.orderId, 201) in ib.errors)

    run(ibx, tws, act)


def test_a_combo_that_waits_may_be_hidden_and_its_cancel_ignored(tws):
    tws.price(300, "STOCK:TCS:INR")
    tws.break_next("HIDE_ORDER", on="COMBO", seconds=1)

    async def hide(ib):
        ib.placeOrder(*await waiting_combo(ib))
        await until(lambda: not ib.isConnected())

    run(ibx, tws, hide)
    assert refs(tws) == []
    eventually(lambda: refs(tws) == ["C"])

    async def cancel(ib):
        (trade,) = ib.openTrades()
        for kind in ("CANCEL_IGNORED", "CANCEL_LATE"):
            tws.break_next(kind, seconds=0.3)
            ib.cancelOrder(trade.order)
            await ib.reqCurrentTimeAsync()
            assert len(await working(ib)) == 1
        await until(lambda: ib.errors.count((trade.order.orderId, 202)) == 2)
        assert await working(ib) == []

    run(ibx, tws, cancel)


def test_a_cancel_may_only_be_answered(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit())
        await until(lambda: trade.orderStatus.status == "Submitted")
        tws.break_next("CANCEL_IGNORED")
        ib.cancelOrder(trade.order)
        await until(lambda: (trade.order.orderId, 202) in ib.errors)
        assert len(await working(ib)) == 1

    run(ibx, tws, act)


def test_a_cancel_may_be_taken_now_and_done_later(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit())
        await until(lambda: trade.orderStatus.status == "Submitted")
        tws.break_next("CANCEL_LATE", seconds=0.3)
        ib.cancelOrder(trade.order)
        await until(lambda: trade.orderStatus.status == "PendingCancel")
        assert len(await working(ib)) == 1
        await until(lambda: trade.orderStatus.status == "Cancelled")

    run(ibx, tws, act)


def test_what_is_to_come_is_forgotten_with_everything_else(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit())
        await until(lambda: trade.orderStatus.status == "Submitted")
        tws.break_next("CANCEL_LATE", seconds=0.4)
        ib.cancelOrder(trade.order)
        await until(lambda: trade.orderStatus.status == "PendingCancel")
        tws.call("POST", "/v1/start-over")
        tws.price(150)
        after = ib.placeOrder(infy(), limit())  # the engine's first again
        await until(lambda: after.orderStatus.status == "Submitted")
        await asyncio.sleep(0.6)
        assert len(await working(ib)) == 1

    run(ibx, tws, act)


def test_a_fill_may_cross_a_cancel_or_a_reject(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit())
        await until(lambda: trade.orderStatus.status == "Submitted")
        tws.break_next("FILL_AFTER_CANCEL")
        ib.cancelOrder(trade.order)
        await until(lambda: trade.fills)
        assert (trade.order.orderId, 202) in ib.errors
        tws.break_next("FILL_AFTER_REJECT")
        rejected = ib.placeOrder(infy(), market())
        await until(lambda: rejected.fills)
        assert (rejected.order.orderId, 201) in ib.errors
        assert await held(ib) == {"INFY": 20}

    run(ibx, tws, act)


def raw_order(client, order_id, order):
    """A placement without a library; its answers can be read in their order."""
    recorded = []
    sender = ibx.client.Client(wrapper=None)
    sender._serverVersion, sender.connState = client.version, ibx.client.Client.CONNECTED
    sender.sendMsg = recorded.append
    sender.placeOrder(order_id, infy(), order)
    client.send(*recorded[0].split("\0")[:-1])


def answers_to(client, count):
    """Numbers of the next messages, without positions and account values."""
    found = []
    while len(found) < count:
        message = client.read()
        if message[0] in {"3", "5", "11", "59"}:
            found.append(message[0])
    return found


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (None, ["11", "5", "3", "59"]),
        ("DUPLICATE_EXECUTION", ["11", "11", "5", "3", "59"]),
        ("COMMISSION_FIRST", ["59", "11", "5", "3"]),
        ("STATUS_FIRST", ["5", "3", "11", "59"]),
        ("ONLY_EXECUTION", ["11", "59"]),
        ("NO_COMMISSION", ["11", "5", "3"]),
    ],
)
def test_fills_can_be_told_in_odd_ways(tws, kind, told):
    if kind:
        tws.call("POST", "/v1/tws/tricks", {"kind": kind})
    with Raw(tws.port, client_id=5) as client:
        raw_order(client, 1, market())
        # first of all: openOrder and orderStatus, PreSubmitted
        assert answers_to(client, 2 + len(told)) == ["5", "3", *told]


def test_reports_may_come_twice(tws):
    tws.break_next("ANSWER_TWICE")
    with Raw(tws.port, client_id=5) as client:
        raw_order(client, 1, market())
        assert answers_to(client, 10) == ["5", "3", *["11", "5", "3", "59"] * 2]


def test_reports_may_come_in_another_order_than_things_happened(tws):
    tws.call("PUT", "/v1/market", {"depth": "4", "levels": 1})
    tws.break_next("REORDER_REPORTS")
    with Raw(tws.port, client_id=5) as client:
        raw_order(client, 1, limit(150))
        filled = [client.read_until(3)[3] for _ in range(3)]
    assert filled == ["0", "4", "0"]  # PreSubmitted, after the fill, and what was before it


def test_an_outage_is_1100_and_its_end_1102(tws):
    async def act(ib):
        tws.break_next("OUTAGE", seconds=0.7)
        await until(lambda: (-1, 1100) in ib.errors)
        refused = ib.placeOrder(infy(), limit(orderRef="A"))
        await until(lambda: (refused.order.orderId, 504) in ib.errors)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ib.reqAllOpenOrdersAsync(), 0.2)
        await ib.reqCurrentTimeAsync()  # the gateway itself is well
        await until(lambda: (-1, 1102) in ib.errors)

    run(ibx, tws, act)
    assert refs(tws) == []


def test_a_link_may_lose_data(tws):
    async def act(ib):
        tws.call("PUT", "/v1/tws/broker-link", {"up": False})
        await until(lambda: (-1, 1100) in ib.errors)
        with Raw(tws.port, client_id=5) as late:
            assert late.read_until(4)[3] == "1100"  # whoever comes now is told, too
        tws.call("PUT", "/v1/tws/broker-link", {"up": True, "data_kept": False})
        await until(lambda: (-1, 1101) in ib.errors)

    run(ibx, tws, act)


@pytest.mark.parametrize("action", ["FIN", "RST"])
def test_connections_can_be_ended(tws, action):
    async def act(ib):
        tws.call("POST", "/v1/tws/link", {"action": action, "client_id": 7})
        assert await until(lambda: not ib.isConnected())
        again = await connect(ibx, tws, 7)  # the id is free at once
        again.disconnect()

    run(ibx, tws, act)


def test_a_black_hole_takes_everything_and_answers_nothing(tws):
    async def act(ib):
        tws.call("POST", "/v1/tws/link", {"action": "BLACK_HOLE"})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.3)
        ib.placeOrder(infy(), limit(orderRef="A"))
        await asyncio.sleep(0.1)
        assert ib.isConnected()
        tws.call("POST", "/v1/tws/link", {"action": "HEAL"})

    run(ibx, tws, act)
    assert refs(tws) == []


def test_one_kind_of_question_can_stay_unanswered(tws):
    async def act(ib):
        tws.call("POST", "/v1/tws/mutes", {"request": "reqAllOpenOrders"})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ib.reqAllOpenOrdersAsync(), 0.3)
        assert await ib.reqCompletedOrdersAsync(False) == []
        assert await working(ib) == []

    run(ibx, tws, act)


@pytest.mark.parametrize("kind", ["DROP_BEFORE_ACCEPT", "ERROR_BEFORE_ACCEPT", "THROTTLE"])
def test_a_question_can_fail(tws, kind):
    async def act(ib):
        tws.break_next(kind, on="QUERY")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ib.reqAllOpenOrdersAsync(), 0.3)
        assert await working(ib) == []

    run(ibx, tws, act)


def test_news_can_be_cut_behind_themselves(tws):
    async def act(ib):
        tws.break_next("DISCONNECT_AFTER_ACCEPT", on="STREAM")
        trade = ib.placeOrder(infy(), market())
        await until(lambda: not ib.isConnected())
        assert trade.orderStatus.filled == 10

    run(ibx, tws, act)


def test_everything_can_be_late(tws):
    async def act(ib):
        tws.call("PUT", "/v1/tws/delay", {"seconds": 0.4})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.2)
        trade = ib.placeOrder(infy(), market())
        tws.call("PUT", "/v1/tws/delay", {"seconds": 0})
        await until(lambda: trade.orderStatus.status == "Filled")

    run(ibx, tws, act)


def test_any_error_can_be_said_of_an_order(tws):
    async def act(ib):
        trade = ib.placeOrder(infy(), limit(orderRef="A"))
        await until(lambda: trade.orderStatus.status == "Submitted")
        said = {"code": 10349, "text": "Order TIF was set to DAY", "order_ref": "A"}
        assert tws.call("POST", "/v1/tws/errors", said) == {"told": 1}
        await until(lambda: (trade.order.orderId, 10349) in ib.errors)
        assert len(await working(ib)) == 1

    run(ibx, tws, act)


@pytest.mark.parametrize("code", [2103, 2104, 2110])
def test_what_is_of_no_order_is_said_to_everybody(tws, code):
    async def act(ib):
        other = await connect(ibx, tws, 8)
        assert tws.call("POST", "/v1/tws/errors", {"code": code}) == {"told": 2}
        await until(lambda: (-1, code) in ib.errors and (-1, code) in other.errors)
        other.disconnect()

    run(ibx, tws, act)


def test_any_frame_can_be_sent(tws, caplog):
    async def act(ib):
        question = asyncio.ensure_future(ib.reqCurrentTimeAsync())
        tws.call("POST", "/v1/tws/raw", {"fields": ["49", "1", "0"]})
        await question
        tws.call("POST", "/v1/tws/raw", {"fields": ["3", "1", "Filled"]})  # too short
        assert await until(lambda: any("Decoder" in each.name for each in caplog.records))

    run(ibx, tws, act)
    caplog.clear()


def test_a_client_id_is_of_one_client_at_a_time(tws):
    async def act(ib):
        with Raw(tws.port, client_id=7) as second:
            assert second.read()[3] == "326"
            assert second.read() is None
        assert ib.isConnected()

    run(ibx, tws, act)


def test_a_killed_gateway_comes_back_with_its_orders_combos_and_ids(tws):
    async def act(ib):
        resting = ib.placeOrder(infy(), limit(orderRef="A"))
        filled = ib.placeOrder(infy(), market(orderRef="B"))
        tws.price(300, "STOCK:TCS:INR")
        combo = ib.placeOrder(*await waiting_combo(ib))
        await until(lambda: filled.orderStatus.status == "Filled")
        await until(lambda: combo.orderStatus.status == resting.orderStatus.status == "Submitted")
        return resting.order.permId, combo.order.orderId

    perm_id, last_id = run(ibx, tws, act)
    tws.kill()
    tws.start()

    async def after(ib):
        told = {each.order.orderRef: each.order for each in ib.openTrades()}
        assert sorted(told) == ["A", "C"]
        assert (told["A"].permId, told["A"].clientId) == (perm_id, 7)
        assert [each.execution.orderRef for each in ib.fills()] == ["B"]
        assert await held(ib) == {"INFY": 10}
        tws.price(149, INFY)  # fills while nobody has asked
        await until(lambda: ib.positions()[0].position == 20)
        again = ib.placeOrder(infy(), market(orderRef="D"))
        assert again.order.orderId > last_id
        await until(lambda: again.orderStatus.status == "Filled")
        ib.cancelOrder(told["C"])
        await until(lambda: (last_id, 202) in ib.errors)

    run(ibx, tws, after)


def test_what_fills_while_a_client_is_away_is_told_when_it_asks(tws):
    async def leave(ib):
        trade = ib.placeOrder(infy(), limit(orderRef="A"))
        await until(lambda: trade.orderStatus.status == "Submitted")

    run(ibx, tws, leave)
    tws.price(149)

    async def come(ib):
        (fill,) = ib.fills()
        assert (fill.execution.orderRef, fill.commissionReport.commission) == ("A", 1)
        assert await working(ib) == []

    run(ibx, tws, come)


def test_after_midnight_only_what_works_is_remembered(tws):
    async def act(ib):
        filled = ib.placeOrder(infy(), market(orderRef="A"))
        resting = ib.placeOrder(infy(), limit(orderRef="B"))
        await until(lambda: filled.orderStatus.status == "Filled")
        await until(lambda: resting.orderStatus.status == "Submitted")
        tws.call("POST", "/v1/tws/midnight")
        assert await ib.reqExecutionsAsync() == []
        assert await ib.reqCompletedOrdersAsync(False) == []
        assert len(await working(ib)) == 1

    run(ibx, tws, act)
