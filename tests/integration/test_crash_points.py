"""Execution dies at every point of its road: one order at the broker, and books that equal its own.

Every test ends in `Trade.settled`, the oracle of the fault matrix.
"""

import random
import time
import uuid

import pytest

from services.common.failpoints import EXIT_CODE, FailPoint
from services.common.kills import KillRequest, kill_run, request_kill
from services.domain.kills import KillStage, RunState
from services.domain.orders import Algo, child_order_id_for
from services.domain.words import AlgoName, Intent, OrderRole, OrderType, Scope, Side
from tests.support.execution_process import wait_until

pytestmark = pytest.mark.servers
P = FailPoint
MARKET = (
    P.RECONCILED,
    P.ORDER_RECEIVED,
    P.BEFORE_INTENT,
    P.INTENT_STORED,
    P.ANSWERED,
    P.BEFORE_BOOKING,
    P.BOOKED,
    P.CONFIRMED,
    P.STREAM_REPORT,
)
UNANSWERED = (P.SENT,)
CANCEL = (P.CANCEL_SENT, P.CANCEL_ANSWERED)
CHILDREN = (P.GUARDS_STORED, P.SLICE_STORED)
KILL = (P.KILL_STEP,)


@pytest.fixture
def desk(open_trade):
    return open_trade()


@pytest.fixture
def symbol():
    """An instrument of this test's own: its price is set."""
    return f"C{uuid.uuid4().hex[:8].upper()}"


def resting(symbol):
    """Fields of a buy order that rests below the market of 150, where its sender saw it."""
    return {"order_type": OrderType.LIMIT, "limit_price": 140, "symbol": symbol}


def test_every_point_has_a_test():
    """Those of Cerebro and of acts are in test_crash_points_of_cerebro and test_repeated_acts."""
    here = {each for each in FailPoint if each.startswith("execution.")}
    assert {*MARKET, *UNANSWERED, *CANCEL, *CHILDREN, *KILL} == here


@pytest.mark.parametrize("point", MARKET)
def test_a_crash_on_the_road_of_a_market_order(desk, point):
    desk.ring(desk.add())
    assert desk.start(crash_at=point).ends() == EXIT_CODE
    desk.start()
    assert desk.settled() == []


@pytest.mark.parametrize("point", [P.BEFORE_INTENT, P.INTENT_STORED, P.ANSWERED, P.BOOKED])
def test_a_crash_on_the_road_of_an_exit(desk, point):
    entry = desk.add()
    first = desk.start()
    desk.becomes(entry, "FILLED")
    first.kill()
    desk.ring(desk.add(1, side=Side.SELL, intent=Intent.EXIT))
    assert desk.start(crash_at=point).ends() == EXIT_CODE
    desk.start()
    assert desk.settled() == []


@pytest.mark.parametrize("point", [P.INTENT_STORED, f"{P.ANSWERED}:3"])
def test_a_crash_in_the_middle_of_a_burst(desk, point):
    desk.ring(*[desk.add(number) for number in range(5)])
    assert desk.start(crash_at=point).ends() == EXIT_CODE
    desk.start()
    assert desk.settled() == []


@pytest.mark.parametrize("fault", ["ACCEPT_THEN_SILENCE", "DROP_BEFORE_ACCEPT"])
def test_a_crash_before_it_is_recorded_that_there_was_no_answer(desk, fault):
    order = desk.add()
    desk.broker.break_next(order.account_id, fault, seconds=2)
    desk.ring(order)
    assert desk.start(crash_at=P.SENT).ends() == EXIT_CODE
    desk.start()
    assert desk.settled() == []


def test_a_kill_while_the_answer_is_waited_for(desk):
    order = desk.add()
    desk.broker.break_next(order.account_id, "ACCEPT_THEN_SILENCE", seconds=5)
    desk.ring(order)
    first = desk.start()
    wait_until(lambda: desk.sent(order), "it never reached the broker")
    first.kill()
    desk.start()
    assert desk.settled() == []


@pytest.mark.parametrize("point", [P.STREAM_REPORT, P.BEFORE_BOOKING, P.BOOKED, P.CONFIRMED])
def test_a_crash_on_the_road_of_a_later_fill(desk, point, symbol):
    order = desk.add(**resting(symbol))
    desk.start().opens(*desk.accounts)
    desk.becomes(order, "SUBMITTED")
    desk.kill_all()
    desk.broker.set_price(order.instrument, 139)  # filled while nobody looked
    assert desk.start(crash_at=point).ends() == EXIT_CODE
    desk.start()
    assert desk.settled() == []


@pytest.mark.parametrize("meanwhile", ["rests", "filled"])
@pytest.mark.parametrize("point", CANCEL)
def test_a_crash_on_the_road_of_a_cancel(desk, point, meanwhile, symbol):
    order = desk.add(**resting(symbol))
    execution = desk.start(crash_at=point)
    desk.becomes(order, "SUBMITTED")
    desk.cancel(order)
    assert execution.ends() == EXIT_CODE
    if meanwhile == "filled":
        desk.broker.set_price(order.instrument, 139)
    desk.start()
    assert desk.settled() == []
    reached_the_broker = point is P.CANCEL_ANSWERED
    ended = "FILLED" if meanwhile == "filled" and not reached_the_broker else "CANCELED"
    assert desk.row(order)["status"] == ended


def test_a_crash_between_an_entry_and_its_guards(desk, symbol):
    """At a broker that takes no brackets: what it takes whole is stored with the intent."""
    path = f"/v1/accounts/{desk.accounts[0]}/capabilities"
    desk.broker.call("PUT", path, {"brackets": False, "oco": False})
    entry = desk.add(symbol=symbol, stop_loss=140, take_profit=160)
    execution = desk.start(crash_at=P.GUARDS_STORED)
    assert execution.ends() == EXIT_CODE
    desk.start()
    roles = (OrderRole.STOP_LOSS, OrderRole.TAKE_PROFIT)
    names = [child_order_id_for(entry.client_order_id, role, 0) for role in roles]
    assert desk.settled(resting=names) == []


def test_a_crash_between_the_slices_of_an_order(desk):
    algo = Algo(name=AlgoName.TWAP, duration_seconds=20, slices=3)  # also on a busy machine
    parent = desk.add(quantity="17", algo=algo)
    execution = desk.start(crash_at=f"{P.SLICE_STORED}:2")
    assert execution.ends() == EXIT_CODE
    desk.start()
    assert desk.settled() == []
    row = desk.row(parent)
    assert (row["status"], row["filled_quantity"]) == ("FILLED", 17), row


@pytest.mark.parametrize("visit", [1, 2])
def test_a_crash_between_the_steps_of_a_kill(desk, symbol, visit):
    desk.start()
    rests = desk.add(**resting(symbol))
    desk.becomes(rests, "SUBMITTED")
    desk.broker.set_price(rests.instrument, 150)
    desk.becomes(desk.add(1, symbol=symbol), "FILLED")
    desk.kill_all()
    asked = KillRequest(
        scope=Scope.ACCOUNT,
        scope_id=desk.accounts[0],
        stage=KillStage.FLATTEN,
        by="olga",
        reason="drill",
        confirmed=True,
    )
    run = request_kill(desk.store, asked, timeout_seconds=120)
    assert desk.start(crash_at=f"{P.KILL_STEP}:{visit}").ends() == EXIT_CODE
    desk.start()
    wait_until(
        lambda: kill_run(desk.store, run.run_id).state is RunState.DONE,
        lambda: f"it did not end: {kill_run(desk.store, run.run_id)}",
    )
    assert desk.row(rests)["status"] == "CANCELED"
    assert desk.broker.get(desk.accounts[0], "positions") == []
    assert desk.settled() == []


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_at_random_moments_under_a_stream_of_orders(open_trade, seed, symbol):
    """100 orders over two accounts, some resting, some canceled, and five kills among them."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    desk = open_trade(accounts=2)
    execution = desk.start()
    kills = set(chance.sample(range(5, 95), 5))
    rests = []
    for number in range(100):
        account_id = chance.choice(desk.accounts)
        kind = chance.choice(["market", "market", "market", "rests", "canceled"])
        fields = {"symbol": f"R{number % 7}"} if kind == "market" else resting(symbol)
        order = desk.add(number, account_id=account_id, **fields)
        if chance.random() < 0.8:  # the others wait for the sweeper
            desk.ring(order)
        if kind == "rests":
            rests.append(order)
        if kind == "canceled":
            desk.cancel(order)
        time.sleep(chance.random() * 0.05)
        if number in kills:
            execution.kill()
            desk.broker.set_price(rests[0].instrument, chance.choice([139, 150]))
            execution = desk.start()
    for order in rests:
        desk.becomes(order, "SUBMITTED", "FILLED")
    desk.broker.set_price(rests[0].instrument, 138)
    assert desk.settled() == []
