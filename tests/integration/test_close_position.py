"""Closing one position at the mock broker: what was seen, no more than is held, and proven."""

import time
from decimal import Decimal

import pytest

from brokers.mock.adapter import MockBroker
from services.common.controls import controls
from services.common.kills import kill_run
from services.domain.kills import RunState
from services.domain.words import Intent, OrderRole, OrderType, Scope, Side, TradingState
from tests.support.acts import acts_client, code_of
from tests.support.builders import ACCOUNT, STRATEGY, make_order
from tests.support.desks import add_order, make_desk, settle, stored, wait_for
from tests.support.rows import add_account, add_strategy, allow_trading
from tests.support.servers import start_mock_broker

pytestmark = pytest.mark.servers
OTHER = "Other"
PATH = "/api/v1/positions/flatten"


@pytest.fixture
def broker(tmp_path):
    with start_mock_broker(tmp_path) as server:
        opened = MockBroker(ACCOUNT, base_url=server.address, timeout_seconds=10)
        yield opened


@pytest.fixture
def desk(store, broker):
    allow_trading(store)
    add_account(store)
    for strategy_id in (STRATEGY, OTHER):
        add_strategy(store, strategy_id)
    made = make_desk(store, broker)
    made.start()
    wait_for(made._is_open)
    yield made
    made.stop()


def enter(store, desk, strategy_id, quantity, signal_id, symbol="AAPL"):
    order = make_order(quantity, signal_id=signal_id, symbol=symbol)
    order = order.model_copy(update={"strategy_id": strategy_id})
    settle(desk, store, add_order(store, order))
    return order.instrument.key


def rest(store, desk, strategy_id, signal_id, symbol="AAPL"):
    """A limit entry far below the market that works at the broker; its id."""
    order = make_order("3", signal_id=signal_id, symbol=symbol, order_type=OrderType.LIMIT)
    order = order.model_copy(update={"strategy_id": strategy_id, "limit_price": Decimal(1)})
    order_id = add_order(store, order)
    desk.wake([order_id])
    wait_for(lambda: stored(store, order_id)["status"] == "SUBMITTED")
    return order_id


def asked(key, quantity, side="SELL"):
    place = {"strategy_id": STRATEGY, "account_id": ACCOUNT, "instrument_key": key}
    seen = [{**place, "side": side, "quantity": quantity}]
    return {**place, "confirm": seen, "reason": "too large"}


def held(store):
    rows = store["positions"].find({"open": True})
    return {(row["strategy_id"], row["instrument_key"]): row["quantity"] for row in rows}


def proven(store, run_id, seconds=20):
    until = time.monotonic() + seconds
    while (run := kill_run(store, run_id)).state is not RunState.DONE:
        assert time.monotonic() < until, run
        time.sleep(0.02)
    return run


def test_one_position_is_closed_once_and_nothing_beside_it(store, broker, desk):
    key = enter(store, desk, STRATEGY, "17", "s1")
    other = enter(store, desk, STRATEGY, "4", "s2", symbol="MSFT")
    enter(store, desk, OTHER, "5", "s3")
    mine, theirs = rest(store, desk, STRATEGY, "s4"), rest(store, desk, OTHER, "s5")
    headers = {"Idempotency-Key": "click"}
    with acts_client(store) as http:
        stale = http.post(PATH, json=asked(key, "16"))
        assert code_of(stale) == (409, "FIGURES_CHANGED")
        assert f"SELL 17 {key} of {STRATEGY} in {ACCOUNT}" in stale.json()["message"]
        wrong = http.post(PATH, json=asked(key, "17", side="BUY"))
        assert code_of(wrong) == (409, "FIGURES_CHANGED")
        assert store["kill_runs"].count_documents({}) == 0
        answers = [http.post(PATH, json=asked(key, "17.0"), headers=headers) for _ in range(2)]
        assert [each.status_code for each in answers] == [202, 202]
        assert answers[0].json() == answers[1].json()
        run = proven(store, answers[0].json()["run_id"])
        again = http.post(PATH, json=asked(key, "17"))
        assert code_of(again) == (409, "FIGURES_CHANGED")
    (account,) = run.accounts
    assert (account.positions_left, account.orders_left) == (0, 0)
    (closing,) = store["orders"].find({"order.role": OrderRole.FLATTEN})
    assert (closing["order"]["side"], closing["filled_quantity"]) == (Side.SELL, Decimal(17))
    assert held(store) == {(STRATEGY, other): Decimal(4), (OTHER, key): Decimal(5)}
    at_broker = {each.instrument.key: each.quantity for each in broker.positions()}
    assert at_broker == {key: Decimal(5), other: Decimal(4)}
    # The strategy's own entry into it is gone, the other's works on, and nothing is paused.
    assert stored(store, mine)["status"] == "CANCELED"
    assert stored(store, theirs)["status"] == "SUBMITTED"
    assert [each.trading_state for each in controls(store)] == [TradingState.ACTIVE]
    lines = store["audit_log"].find({"what": "POSITION_CLOSE_REQUESTED"})
    assert [line["facts"]["before"]["quantity"] for line in lines] == [Decimal(17)]


def test_a_close_never_turns_into_the_opposite_position(store, broker, desk):
    key = enter(store, desk, STRATEGY, "17", "s1")
    exit_ = make_order("17", side=Side.SELL, intent=Intent.EXIT, signal_id="s2")
    with acts_client(store) as http:
        allow_trading(store, "HALTED")  # a person's close goes all the same
        answer = http.post(PATH, json=asked(key, "17"))
        # The strategy's own exit races with it.
        desk.wake([add_order(store, exit_)])
        proven(store, answer.json()["run_id"])
        wait_for(lambda: not store["orders"].count_documents({"working": True}))
    assert held(store) == {}
    assert [each for each in broker.positions() if each.quantity] == []
    filled = store["orders"].find({"order.side": Side.SELL})
    assert sum(each["filled_quantity"] for each in filled) == Decimal(17)


def test_a_strategy_is_flattened_on_all_figures_and_stays_without_entries(store, broker, desk):
    key = enter(store, desk, STRATEGY, "17", "s1")
    other = enter(store, desk, STRATEGY, "4", "s2", symbol="MSFT")
    with acts_client(store) as http:
        body = {**asked(key, "17"), "account_id": "", "instrument_key": ""}
        assert code_of(http.post(PATH, json=body)) == (409, "FIGURES_CHANGED")
        body["confirm"] += asked(other, "4")["confirm"]
        answer = http.post(PATH, json=body)
        assert answer.status_code == 202, answer.text
        run = proven(store, answer.json()["run_id"])
        both = http.post(PATH, json=body | {"account_id": ACCOUNT})
        assert code_of(both) == (422, "SCOPE_MISSING")
    assert (run.scope, run.position, held(store)) == (Scope.STRATEGY, None, {})
    (mine,) = [each for each in controls(store) if each.scope is Scope.STRATEGY]
    assert mine.trading_state is TradingState.REDUCING
