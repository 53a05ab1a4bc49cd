"""Sizes, limits, exits and relations through real processes; runs before the kills."""

import time
from decimal import Decimal

import pytest
import urllib3

from tests.support.rows import STRATEGY

pytestmark = pytest.mark.servers
SIGNED = ("--by", "e2e", "--reason", "test")


def signal(name, symbol, side="BUY", quantity=10, signal_type="ENTRY", **fields):
    """Sent by an account of 500,000, which is what is allocated: quantities are ours too."""
    leg = {
        "instrument": symbol,
        "instrument_type": "STOCK",
        "action": side,
        "quantity": quantity,
        "order_type": "MARKET",
        "price": 100,
    }
    leg |= fields.pop("leg", {})
    return {
        "signalID": f"sizing-{name}",
        "signal_type": signal_type,
        "account_equity": 500000,
        "signal_legs": [{key: value for key, value in leg.items() if value is not None}],
    } | fields


def send(instance, *arguments, **fields):
    return instance.post(signal(*arguments, **fields), STRATEGY)


def traded(instance, *arguments, **fields):
    """The life of a signal once it has ended, and how much of it was filled."""
    life = instance.ended(send(instance, *arguments, **fields), STRATEGY)
    return life, [Decimal(order["filled_quantity"]) for order in life["orders"]]


def decided(instance, *arguments, **fields):
    """The code and reason of a signal that goes nowhere."""
    life, _ = traded(instance, *arguments, **fields)
    with_store = instance.store()
    found = with_store["signal_store"].find_one({"_id": life["signal_id"]})["decision"]
    with_store.close()
    return found


def held(instance, symbol):
    with_store = instance.store()
    rows = list(with_store["positions"].find({"instrument.symbol": symbol}))
    with_store.close()
    return sum((row["quantity"] for row in rows), Decimal(0))


def test_exits_of_5_15_and_10_close_entries_of_10_7_and_13(instance):
    for number, quantity in enumerate((10, 7, 13)):
        traded(instance, f"in-{number}", "LADR", quantity=quantity)
    closed = [
        traded(instance, f"out-{quantity}", "LADR", "SELL", quantity, "EXIT")[1]
        for quantity in (5, 15, 10)
    ]
    assert closed == [[5], [15], [10]]
    assert held(instance, "LADR") == 0


def test_a_part_of_the_position_goes_by_percent(instance):
    traded(instance, "percent-in", "PCT", quantity=30)
    leg = {"quantity": None, "quantity_percent": 50}
    assert traded(instance, "percent-out", "PCT", "SELL", signal_type="SCALE_OUT", leg=leg)[1] == [
        15
    ]
    leg = {"quantity": None, "action": None}
    assert traded(instance, "percent-end", "PCT", signal_type="EXIT", leg=leg)[1] == [15]


def test_an_exit_cancels_its_resting_entry_and_is_done(instance):
    resting = {"order_type": "LIMIT", "limit_price": 60}
    entry = send(instance, "rest-in", "REST", leg=resting)
    until = time.monotonic() + 20
    while not any(o["signal_id"] == entry for o in instance.broker_orders("Mock-1")):
        assert time.monotonic() < until
        time.sleep(0.05)
    life, _ = traded(
        instance, "rest-out", "REST", "SELL", signal_type="EXIT", entry_signal_id=entry
    )
    assert life["status"] == "COMPLETED"
    assert instance.ended(entry, STRATEGY)["status"] == "CANCELED"
    assert held(instance, "REST") == 0


def test_a_reversal_enters_the_other_side_after_the_exit_has_filled(instance):
    traded(instance, "turn-in", "TURN", quantity=5)
    alert = {
        "signalID": "sizing-turn",
        "account_equity": 500000,
        "ticker": "TURN",
        "instrument_type": "STOCK",
        "action": "sell",
        "price": 100,
        "market_position": "short",
        "market_position_size": 4,
        "prev_market_position": "long",
        "prev_market_position_size": 5,
    }
    entry = instance.ended(instance.post(alert, STRATEGY), STRATEGY)
    assert entry["status"] == "COMPLETED"
    assert held(instance, "TURN") == -4
    with_store = instance.store()
    rows = list(with_store["orders"].find({"order.instrument.symbol": "TURN"}).sort("created_at"))
    with_store.close()
    assert [row["order"]["intent"] for row in rows] == ["ENTRY", "EXIT", "ENTRY"]
    filled_at = [row["events"][-1]["recorded_at"] for row in rows]
    assert rows[2]["created_at"] >= filled_at[1]


def test_futures_forex_and_crypto_trade_by_their_margin(instance):
    kinds = {
        "ES": {"instrument_type": "FUTURE", "expiry": "20991218", "multiplier": 50, "price": 5000},
        "EURUSD": {"instrument_type": "FOREX", "price": 1.1, "quantity": 10000},
        "BTC": {"instrument_type": "CRYPTO", "price": 50000, "quantity": 0.5},
    }
    for symbol, leg in kinds.items():
        fields = {"quantity": 1} | leg
        life, filled = traded(instance, f"class-{symbol}", symbol, leg=fields)
        assert life["status"] == "COMPLETED"
        # Equity has moved by what was won and lost before.
        assert abs(filled[0] / Decimal(str(fields["quantity"])) - 1) < Decimal("0.01")


def test_a_switch_of_an_account_stops_the_very_next_signal_and_lets_go_again(instance):
    assert instance.run("kill.py", "halt", "--account", "Mock-1", *SIGNED).returncode == 0
    time.sleep(1)
    assert decided(instance, "halted", "KILL")["code"] == "TRADING_HALTED"
    assert instance.run("kill.py", "resume", "--account", "Mock-1", *SIGNED).returncode == 0
    time.sleep(1)
    assert traded(instance, "resumed", "KILL")[1] == [10]


def test_a_limit_holds_a_second_after_it_was_set(instance):
    limit = ("STRATEGY", STRATEGY, "max_order_quantity=4")
    assert instance.run("limits.py", "set", *limit, *SIGNED).returncode == 0
    time.sleep(1)
    found = decided(instance, "fat", "FATF")
    assert found["code"] == "ORDER_TOO_LARGE"
    assert found["passable"][0]["quantity"] == 4
    cleared = instance.run(
        "limits.py", "clear", "STRATEGY", STRATEGY, "max_order_quantity", *SIGNED
    )
    assert cleared.returncode == 0
    time.sleep(1)
    assert traded(instance, "thin", "FATF")[1] == [10]


def test_the_portfolio_builder_answers_what_if_on_these_signals(instance):
    traded(instance, "what-if", "WHIF")
    question = {"allocations": {STRATEGY: "0"}, "strategy_id": STRATEGY}
    url = instance.url("portfolio_builder", "/api/v1/whatif")
    headers = {"Authorization": f"Bearer {instance.operator_key}"}
    answer = urllib3.request("POST", url, json=question, headers=headers).json()
    assert answer["changed"] >= 1
    assert answer["unanswered"] == answer["drifted"] == []
    assert {each["after"]["code"] for each in answer["differences"]} == {"ALLOCATION_MISSING"}


def test_every_decision_so_far_is_replayed_bit_for_bit(instance):
    ended = instance.run("decisions.py", "replay", "--days", "1")
    assert ended.returncode == 0, ended.stdout
    assert "0 otherwise" in ended.stdout
