"""Interactive Brokers: what the account window pushes, and what an account has in each currency."""

import threading

from tests.contract.ibkr_support import link
from tests.support.broker_orders import INFY, eventually, order


class Listener:
    """Counts the bells."""

    def __init__(self, failing=False):
        self.rung, self.failing, self.thread = 0, failing, None

    def __call__(self):
        self.rung += 1
        self.thread = threading.current_thread().name
        if self.failing:
            raise ValueError("whoever listens is broken")


def price_of(broker):
    (position,) = broker.positions()
    return position.market_price


def test_an_account_tells_its_balance_in_each_currency(bench, broker):
    state = broker.account_state()
    assert state.balances[state.currency].cash == state.cash
    assert state.balances[state.currency].equity == state.equity
    assert set(state.balances) >= set(state.fx_rates)
    assert "BASE" not in state.balances


def test_a_trade_of_anybody_rings_and_brings_the_price_of_what_is_held(bench, broker):
    listener = Listener()
    assert broker.stream_account(listener)
    other = bench.connected()
    other.place_order(order(1, "10"))
    eventually(lambda: listener.rung >= 2)
    assert listener.thread.startswith("figures-")
    eventually(lambda: price_of(broker) == 150)
    assert price_of(other) is None  # it did not open the window


def test_the_window_is_open_again_after_a_lost_link(bench, broker):
    listener = Listener()
    broker.place_order(order(1, "10"))
    broker.stream_account(listener)
    eventually(lambda: price_of(broker) == 150)
    link(bench, "RST")
    eventually(broker.is_connected)
    bench.set_price(INFY, "160")
    broker.place_order(order(2, "10"))
    assert eventually(lambda: price_of(broker) == 160)


def test_a_listener_that_fails_is_rung_again_and_none_after_the_end(bench, broker):
    listener = Listener(failing=True)
    broker.stream_account(listener)
    eventually(lambda: listener.rung >= 1)
    bench.connected().place_order(order(1, "10"))
    eventually(lambda: listener.rung >= 2)
    broker.close()
    before = listener.rung
    bench.connected().place_order(order(2, "10"))
    assert listener.rung == before
