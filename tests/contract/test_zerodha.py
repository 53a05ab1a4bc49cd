"""Zerodha's own cases: the adapter, through Kite's client, against the fake Kite."""

import time
from decimal import Decimal

import pytest
from pydantic import SecretStr

from brokers.errors import (
    BrokerUnavailable,
    LoginRequired,
    OrderRejected,
    OrderStateUnknown,
    UnsupportedOrder,
)
from brokers.zerodha.login import log_in, login_url, request_token_of
from services.domain.instruments import Instrument
from services.domain.orders import OrderTerms
from services.domain.words import InstrumentType, OrderStatus, Side
from tests.fakes.kite.catalogue import Catalogue, today_in_india
from tests.support.benches.zerodha import ZerodhaBench
from tests.support.broker_orders import (
    INFY,
    collect,
    eventually,
    held,
    limit,
    order,
    preview_leg,
    status_of,
    stock,
    until,
)

pytestmark = pytest.mark.servers
S = OrderStatus
SECRET = SecretStr("kitesecret")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = ZerodhaBench(tmp_path_factory.mktemp("kite"))
    yield made
    made.stop()


@pytest.fixture
def bench(running):
    running.begin()
    yield running
    running.end()


@pytest.fixture
def broker(bench):
    return bench.connected()


def contract(symbol="NIFTY", exchange="NFO", right=None, expiry=0):
    """A derivative that the fake lists."""
    found = [
        each.instrument
        for each in Catalogue(today_in_india()).listings
        if (each.exchange, each.name, each.instrument.right) == (exchange, symbol, right)
    ]
    return found[expiry]


def of(instrument, sent):
    return sent.model_copy(update={"instrument": instrument})


def log_in_again(bench):
    """What a person and scripts/zerodha_login.py do."""
    token = bench.call("POST", "/v1/kite/login")["request_token"]
    login = log_in(bench.link(), token, SECRET, 5)
    bench.secrets = {"access_token": login.access_token}
    return login


# What risk management says after an order has its id


def test_a_rejection_that_comes_after_the_id_is_one_with_kites_sentence(broker):
    with pytest.raises(OrderRejected, match=r"Insufficient funds\. Required margin is") as caught:
        broker.place_order(order(1, quantity="1000000"))
    assert caught.value.code == "INSUFFICIENT_FUNDS"
    assert "Insufficient funds" in broker.find_order(order(1).client_order_id).text


def test_a_share_that_is_not_held_cannot_be_sold_for_delivery(bench):
    broker = bench.make_adapter(2.0, product_equity="CNC")
    with pytest.raises(OrderRejected) as caught:
        broker.place_order(order(1, side=Side.SELL))
    assert caught.value.code == "INSUFFICIENT_HOLDINGS"
    broker.close()


@pytest.mark.parametrize("word", ["InputException", "MarginException", "HoldingException"])
def test_a_refusal_without_an_id_keeps_kites_word(bench, broker, word):
    bench.call("POST", "/v1/kite/answers", {"error_type": word, "message": "no"})
    with pytest.raises(OrderRejected, match="no") as caught:
        broker.place_order(order(1))
    assert caught.value.code == word
    assert broker.find_order(order(1).client_order_id) is None


def test_an_order_that_stays_in_a_state_on_the_way_is_submitted_and_told_when_it_moves(
    bench, broker
):
    arrived = collect(broker)
    bench.call("POST", "/v1/kite/next-orders", {"shows": "OPEN PENDING"})
    report = broker.place_order(order(1))
    assert (report.status, report.filled_quantity, report.executions) == (S.SUBMITTED, 0, ())
    assert status_of(broker, order(1)) is S.SUBMITTED
    assert [each.report.client_order_id for each in broker.open_orders()] == [
        order(1).client_order_id
    ]
    bench.call("POST", "/v1/kite/reveal")
    assert until(arrived, lambda each: each.status is S.FILLED).filled_quantity == 10


# Answers that are lost


@pytest.mark.parametrize(
    "answer",
    [
        {"error_type": "GeneralException", "status": 500},
        {"error_type": "DataException", "status": 502},
        {"error_type": "NetworkException", "status": 503},
        {"error_type": "OrderException", "status": 500},
        {
            "error_type": "OrderException",
            "status": 400,
            "message": "Order request timed out. Please check the order book and confirm",
        },
    ],
    ids=lambda each: f"{each['status']} {each['error_type']}",
)
@pytest.mark.parametrize("taken", [True, False])
def test_after_a_fault_of_kites_the_tag_tells_what_became_of_an_order(bench, broker, answer, taken):
    bench.call("POST", "/v1/kite/answers", {**answer, "taken": taken})
    with pytest.raises(OrderStateUnknown):
        broker.place_order(order(1))
    if taken:
        eventually(lambda: status_of(broker, order(1)) is S.FILLED)
    assert (broker.find_order(order(1).client_order_id) is not None) is taken
    assert len(broker.executions()) == (1 if taken else 0)


def test_an_order_whose_tag_the_book_does_not_show_is_ours_once_kite_has_answered(bench, broker):
    bench.call("POST", "/v1/kite/next-orders", {"untagged": True})
    assert broker.place_order(order(1)).status is S.FILLED
    found = broker.find_order(order(1).client_order_id)
    assert found.client_order_id == order(1).client_order_id
    assert found.executions[0].client_order_id == order(1).client_order_id


def test_an_order_without_answer_and_without_tag_is_not_proven_absent(bench):
    broker = bench.connected(timeout_seconds=0.5)
    bench.call("POST", "/v1/kite/next-orders", {"untagged": True})
    bench.break_next("ACCEPT_THEN_SILENCE", seconds=1)
    with pytest.raises(OrderStateUnknown):
        broker.place_order(order(1))
    for question in (broker.find_order, lambda each: broker.find_orders([each])):
        with pytest.raises(OrderStateUnknown, match="without a tag that may be it"):
            question(order(1).client_order_id)
    assert broker.find_order(order(2).client_order_id) is None
    bench.call("POST", "/v1/kite/reveal")
    assert status_of(broker, order(1)) is S.FILLED


# The token of the day


def test_a_token_that_dies_in_mid_flight_asks_for_a_login_and_a_login_goes_on(bench, broker):
    arrived = collect(broker)
    broker.place_order(order(1))
    bench.call("POST", "/v1/kite/expire-token")
    closing = order(2, side=Side.SELL)
    with pytest.raises(LoginRequired, match=r"AB1234 must log in.*zerodha_login"):
        broker.place_order(closing)
    assert not broker.is_connected()
    for question in (broker.positions, broker.connect, broker.executions):
        with pytest.raises(LoginRequired):
            question()
    log_in_again(bench)
    assert broker.find_order(closing.client_order_id) is None  # it was never sent
    broker.place_order(closing)
    assert broker.is_connected()
    wanted = (closing.client_order_id, S.FILLED)
    until(arrived, lambda each: (each.client_order_id, each.status) == wanted)
    assert held(broker) == {}


def test_whoever_else_logs_in_does_not_trade_this_account(bench):
    broker = bench.make_adapter(2.0)
    other = bench.link().model_copy(update={"user_id": "XY9999"})
    with pytest.raises(BrokerUnavailable, match="XY9999, and AB1234 logged in"):
        log_in(other, bench.call("POST", "/v1/kite/login")["request_token"], SECRET, 5)
    broker.close()


def test_a_request_token_is_good_once_and_with_the_secret_of_the_app(bench):
    token = bench.call("POST", "/v1/kite/login")["request_token"]
    with pytest.raises(BrokerUnavailable, match="checksum"):
        log_in(bench.link(), token, SecretStr("wrong"), 5)
    assert log_in(bench.link(), token, SECRET, 5).user_id == "AB1234"
    with pytest.raises(BrokerUnavailable, match="invalid or has expired"):
        log_in(bench.link(), token, SECRET, 5)


def test_a_login_that_cannot_be_asked_for_is_no_login(bench):
    link = bench.link().model_copy(update={"root": "http://127.0.0.1:9"})
    with pytest.raises(BrokerUnavailable) as caught:
        log_in(link, "abc", SECRET, 1)
    assert SECRET.get_secret_value() not in str(caught.value)


def test_the_address_to_log_in_at_names_the_app(bench):
    assert login_url(bench.link()).startswith("https://kite.zerodha.com/connect/login?api_key=kite")


@pytest.mark.parametrize(
    "told",
    [
        "abc123\n",
        "http://127.0.0.1/?action=login&status=success&request_token=abc123",
        "/?request_token=abc123&status=success",
    ],
)
def test_a_request_token_is_found_in_what_a_browser_brings_back(told):
    assert request_token_of(told) == "abc123"


@pytest.mark.parametrize(
    "told",
    ["", "http://x/?status=error&request_token=a", "a b", "?request_token=a&request_token=b"],
)
def test_what_holds_no_request_token_is_said(told):
    with pytest.raises(ValueError, match=r"token|login"):
        request_token_of(told)


# Derivatives


def test_an_order_above_the_freeze_quantity_is_sliced_and_is_one_order(bench, broker):
    future = contract()
    bench.set_price(future, "100")
    broker = bench.make_adapter(5.0, freeze_quantities={"NIFTY": 1800})
    report = broker.place_order(of(future, order(1, quantity="4500")))
    assert (report.status, report.filled_quantity) == (S.FILLED, 4500)
    assert [each.quantity for each in report.executions] == [1800, 1800, 900]
    assert {each.instrument for each in report.executions} == {future}
    assert broker.find_order(order(1).client_order_id).filled_quantity == 4500
    assert held(broker) == {"NIFTY": 4500}
    after = bench.make_adapter(5.0)  # one that has not placed it
    assert after.find_order(order(1).client_order_id).executions == report.executions
    for each in (broker, after):
        each.close()


def test_slices_that_kite_refuses_leave_a_part_and_are_named(bench):
    future = contract()
    bench.set_price(future, "100")
    broker = bench.make_adapter(5.0, freeze_quantities={"NIFTY": 1800})
    bench.call("POST", "/v1/kite/next-orders", {"fails": [2]})
    report = broker.place_order(of(future, order(1, quantity="4500")))
    assert (report.status, report.filled_quantity) == (S.CANCELED, 2700)
    assert "1 slices were refused: Insufficient funds." in report.text
    broker.close()


def test_slices_are_canceled_together_and_not_changed(bench):
    future = contract()
    bench.set_price(future, "100")
    broker = bench.make_adapter(5.0, freeze_quantities={"NIFTY": 1800})
    sent = of(future, limit(1, "99", quantity="3600"))
    assert broker.place_order(sent).status is S.SUBMITTED
    with pytest.raises(UnsupportedOrder, match="sliced"):
        broker.modify_order(sent, OrderTerms(quantity=1800, limit_price=99))
    assert broker.cancel_order(sent).status is S.CANCELED
    assert list(broker.open_orders()) == []
    broker.close()


def test_what_is_above_a_freeze_quantity_that_nobody_has_told_us_is_refused_by_kite(bench, broker):
    future = contract()
    bench.set_price(future, "100")
    with pytest.raises(OrderRejected, match="freeze") as caught:
        broker.place_order(of(future, order(1, quantity="4500")))
    assert caught.value.code == "FREEZE_QUANTITY"


@pytest.mark.parametrize(
    ("instrument", "quantity"),
    [
        (contract(), "75"),
        (contract(right="C"), "150"),
        (contract("USDINR", "CDS"), "2"),
        (contract("GOLD", "MCX"), "1"),
        (stock("M&M"), "3"),
        (stock("INFY").model_copy(update={"exchange": "BSE"}), "3"),
    ],
    ids=lambda each: getattr(each, "key", each),
)
def test_what_trades_on_every_exchange_comes_back_under_its_own_name(
    bench, broker, instrument, quantity
):
    bench.set_price(instrument, "100")
    sent = of(instrument, order(1, quantity=quantity))
    (fill,) = broker.place_order(sent).executions
    assert (fill.instrument, fill.quantity) == (instrument, Decimal(quantity))
    (position,) = broker.positions()
    assert (position.instrument, position.quantity) == (instrument, Decimal(quantity))


def test_a_future_without_expiry_is_refused_with_the_nearest(broker):
    future = contract().model_copy(update={"expiry": None})
    with pytest.raises(
        UnsupportedOrder, match=f"needs an expiry; the nearest is {contract().expiry}"
    ):
        broker.place_order(of(future, order(1, quantity="75")))


def test_a_quantity_that_is_no_lot_never_leaves(bench, broker):
    with pytest.raises(UnsupportedOrder, match="multiple of 75"):
        broker.place_order(of(contract(), order(1, quantity="70")))
    assert list(broker.open_orders()) == []


def test_what_is_not_listed_is_said_and_has_no_price(broker):
    nothing = Instrument(instrument_type=InstrumentType.STOCK, symbol="NEVER", currency="INR")
    with pytest.raises(UnsupportedOrder, match="lists no STOCK NEVER"):
        broker.place_order(of(nothing, order(1)))
    assert broker.last_price(nothing) is None
    assert (
        broker.last_price(Instrument(instrument_type=InstrumentType.STOCK, symbol="AAPL")) is None
    )


# Days, delivery and money


def test_shares_bought_for_delivery_are_held_once_today_and_tomorrow(bench):
    broker = bench.make_adapter(2.0, product_equity="CNC")
    broker.place_order(order(1))
    today = broker.account_state()
    assert held(broker) == {"INFY": 10}
    bench.call("POST", "/v1/kite/next-day")
    assert held(broker) == {"INFY": 10}
    broker.place_order(order(2, quantity="4", side=Side.SELL))
    assert held(broker) == {"INFY": 6}
    # a commission of 1 each, at the same price
    assert today.equity - broker.account_state().equity == 1
    assert broker.find_order(order(1).client_order_id) is None  # the book of yesterday is gone
    broker.close()


def test_what_the_book_forgets_over_night_is_said(broker):
    since = broker.remembers_since()
    assert since.utcoffset().total_seconds() == 0
    assert (since.hour, since.minute) == (18, 30)  # midnight in India


def test_a_position_of_tomorrow_costs_what_it_did(bench, broker):
    future = contract()
    bench.set_price(future, "100")
    broker.place_order(of(future, order(1, quantity="75")))
    before = broker.account_state()
    bench.set_price(future, "110")
    after = broker.account_state()
    # 75 × 10 on paper, nothing in cash
    assert (after.equity - before.equity, after.cash) == (750, before.cash)


def test_a_fill_whose_charge_cannot_be_had_is_told_all_the_same_and_later_anew(
    bench, broker, monkeypatch
):
    monkeypatch.setattr("brokers.zerodha.book._AGAIN_SECONDS", 1.0)
    arrived = collect(broker)
    broker.place_order(limit(1, "149"))
    until(arrived, lambda each: each.status is S.SUBMITTED)

    def fail(*_):
        raise BrokerUnavailable("no note today")

    with monkeypatch.context() as broken:
        broken.setattr("brokers.zerodha.charges.charged", fail)
        bench.set_price(INFY, "149")
        (first,) = until(arrived, lambda each: each.status is S.FILLED).executions
    assert (first.quantity, first.commission, first.revision) == (10, 0, 0)
    (second,) = until(arrived, lambda each: each.executions[0].revision).executions
    assert (second.execution_id, second.commission) == (first.execution_id, 1)
    assert list(broker.executions()) == [second]


def test_several_fills_of_an_order_cost_what_the_order_does(bench, broker):
    bench.make_thin("4")
    broker.place_order(limit(1, "150"))
    for _ in range(2):
        bench.set_price(INFY, "150")
    found = eventually(
        lambda: broker.find_order(limit(1, "150").client_order_id),
        lambda each: each.status is S.FILLED,
    )
    assert [each.quantity for each in found.executions] == [4, 4, 2]
    # three fills, 1 each by the fake's rule
    assert sum(each.commission for each in found.executions) == 3


def test_a_basket_of_a_spread_is_asked_about_at_once(bench, broker):
    near, far = contract(), contract(expiry=1)
    for each in (near, far):
        bench.set_price(each, "100")
    legs = [preview_leg("75", Side.BUY, near), preview_leg("75", Side.SELL, far)]
    together = broker.preview_margin(legs).initial_margin
    assert together > 0
    single = broker.preview_margin(legs[:1]).initial_margin
    assert together == 2 * single  # the fake gives no benefit


# The stream


def test_orders_are_told_by_the_websocket_long_before_the_next_look(bench, broker):
    arrived = collect(broker)
    broker.place_order(limit(1, "149"))
    until(arrived, lambda each: each.status is S.SUBMITTED)
    time.sleep(0.3)
    for price in ("149", "150"):
        bench.set_price(INFY, price)
    assert until(arrived, lambda each: each.status is S.FILLED).filled_quantity == 10


def test_what_the_websocket_does_not_tell_is_found_by_looking(bench, broker):
    arrived = collect(broker)
    broker.place_order(limit(1, "149"))
    until(arrived, lambda each: each.status is S.SUBMITTED)
    bench.break_next("DROP_BEFORE_ACCEPT", on="STREAM", count=5)
    bench.set_price(INFY, "149")
    assert until(arrived, lambda each: each.status is S.FILLED).filled_quantity == 10


def test_an_update_that_comes_twice_is_told_once(bench, broker):
    arrived = collect(broker)
    bench.break_next("ANSWER_TWICE")
    broker.place_order(order(1))
    until(arrived, lambda each: each.status is S.FILLED)
    time.sleep(0.5)
    rest = [arrived.get()[0] for _ in range(arrived.qsize())]
    assert [each for each in rest if each.status is S.FILLED] == []


def test_an_order_canceled_while_it_fills_is_told_as_both(bench, broker):
    bench.make_thin("4")
    broker.place_order(limit(1, "150"))
    bench.break_next("FILL_AFTER_CANCEL")
    broker.cancel_order(limit(1, "150"))
    found = eventually(
        lambda: broker.find_order(limit(1, "150").client_order_id),
        lambda each: each.filled_quantity == 10,
    )
    assert sum(each.quantity for each in found.executions) == 10
    assert held(broker) == {"INFY": 10}


def test_a_cursor_survives_the_adapter_and_tells_the_rest(bench, broker):
    arrived = collect(broker)
    broker.place_order(order(1))
    cursor = None
    while cursor is None:
        report, seen = arrived.get(timeout=10)
        cursor = seen if report.status is S.FILLED else None
    broker.close()
    other = bench.connected()
    other.place_order(order(2))
    later = collect(other, after=cursor)
    ids = [later.get(timeout=10)[0].client_order_id]
    time.sleep(0.3)
    ids += [later.get()[0].client_order_id for _ in range(later.qsize())]
    assert ids == [order(2).client_order_id]


# Budgets


def test_a_burst_of_orders_waits_for_its_turn_and_kite_never_has_to_refuse(bench, broker):
    for number in range(14):
        broker.place_order(limit(number, "149"))
    assert len(broker.open_orders()) == 14  # and the bench finds no violation
