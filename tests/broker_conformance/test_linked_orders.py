"""Brackets, OCO groups and combos, at every broker that has them."""

import threading
from decimal import Decimal

import pytest

from brokers.errors import BrokerError, OrderRejected, OrderStateUnknown
from services.domain.words import OrderStatus, OrderType, Side, TimeInForce
from tests.support.broker_orders import (
    INFY,
    TCS,
    eventually,
    held,
    limit,
    need,
    order,
    status_of,
    stop,
)

pytestmark = pytest.mark.servers
S = OrderStatus
ENTRY = limit(1, "149")
TARGET = limit(2, "160", side=Side.SELL, time_in_force=TimeInForce.GTC)
GUARD = stop(3, "140", time_in_force=TimeInForce.GTC)


@pytest.fixture
def market(bench, broker):
    bench.set_price(INFY, "150")
    bench.set_price(TCS, "300")
    return bench


@pytest.fixture
def bracket(market, broker):
    need(broker, "brackets", kinds=[OrderType.LIMIT, OrderType.STOP])
    return broker.place_bracket(ENTRY, [TARGET, GUARD])


def statuses(broker, *orders):
    return [status_of(broker, each) for each in orders]


def test_a_bracket_has_a_report_for_each_and_rests(broker, bracket):
    wanted = [each.client_order_id for each in (ENTRY, TARGET, GUARD)]
    assert [report.client_order_id for report in bracket] == wanted
    assert {report.status for report in bracket} == {S.SUBMITTED}
    assert [each.report.client_order_id for each in broker.open_orders()] == wanted


def test_guards_sleep_until_the_entry_fills_and_then_one_ends_the_other(market, broker, bracket):
    market.set_price(INFY, "165")
    assert statuses(broker, ENTRY, TARGET) == [S.SUBMITTED] * 2
    market.set_price(INFY, "149")
    assert status_of(broker, ENTRY) is S.FILLED
    market.set_price(INFY, "139")
    assert statuses(broker, TARGET, GUARD) == [S.CANCELED, S.FILLED]
    assert held(broker) == {}


def test_guards_fill_no_more_than_the_entry_has(market, broker, bracket):
    market.fill(ENTRY, "4", "149")
    market.set_price(INFY, "161")
    assert broker.find_order(TARGET.client_order_id).filled_quantity == 4
    assert held(broker) == {}
    market.set_price(INFY, "149")  # the other six
    market.set_price(INFY, "139")
    assert broker.find_order(GUARD.client_order_id).filled_quantity == 6
    assert held(broker) == {}
    assert list(broker.open_orders()) == []


def test_canceling_the_entry_cancels_its_guards(broker, bracket):
    broker.cancel_order(ENTRY)
    assert statuses(broker, ENTRY, TARGET, GUARD) == [S.CANCELED] * 3


def test_guards_of_a_part_stay_for_the_part(market, broker, bracket):
    market.fill(ENTRY, "4", "149")
    broker.cancel_order(ENTRY)
    assert {each.report.terms.quantity for each in broker.open_orders()} == {4}
    market.set_price(INFY, "139")
    assert held(broker) == {}
    assert list(broker.open_orders()) == []


def test_a_bracket_survives_a_crash_of_the_broker(market, broker, bracket):
    market.fill(ENTRY, "4", "149")
    market.kill()
    market.start()
    after = market.connected()
    market.set_price(INFY, "161")
    assert after.find_order(TARGET.client_order_id).filled_quantity == 4
    assert held(after) == {}


def test_a_crash_in_the_middle_of_brackets_leaves_none_without_its_guards(market, broker):
    need(broker, "brackets")
    outcomes = []

    def send():
        for number in range(0, 3000, 3):
            trio = [limit(number, "149"), limit(number + 1, "160", side=Side.SELL)]
            trio.append(stop(number + 2, "140"))
            try:
                broker.place_bracket(trio[0], trio[1:])
            except BrokerError as error:
                outcomes.append(error)
                return
            outcomes.append(trio)

    sender = threading.Thread(target=send)
    sender.start()
    eventually(lambda: len(outcomes) > 20)
    market.kill()
    sender.join(timeout=30)
    market.start()
    after = market.connected()
    answered = [each for each in outcomes if not isinstance(each, BrokerError)]
    found = {each.report.client_order_id for each in after.open_orders()}
    assert {each.client_order_id for trio in answered for each in trio} <= found
    extra = len(found) - 3 * len(answered)
    assert extra == 0 or (extra == 3 and isinstance(outcomes[-1], OrderStateUnknown))


def test_a_rejected_bracket_leaves_nothing(market, broker):
    need(broker, "brackets")
    with pytest.raises(OrderRejected):
        broker.place_bracket(order(1, "1000000"), [TARGET, GUARD])
    assert list(broker.open_orders()) == []
    assert held(broker) == {}


@pytest.fixture
def pair(market, broker):
    """A target and a stop of one group, on ten that are held."""
    need(broker, "oco", kinds=[OrderType.LIMIT, OrderType.STOP])
    broker.place_order(order(9))
    made = [each.model_copy(update={"oco_group": "G1"}) for each in (TARGET, GUARD)]
    for each in made:
        broker.place_order(each)
    return made


@pytest.mark.parametrize(
    ("price", "ends"), [("161", [S.FILLED, S.CANCELED]), ("139", [S.CANCELED, S.FILLED])]
)
def test_what_fills_first_cancels_the_other(market, broker, pair, price, ends):
    market.set_price(INFY, price)
    assert statuses(broker, *pair) == ends
    assert held(broker) == {}


def test_a_part_of_one_is_taken_off_the_other(market, broker, pair):
    market.fill(pair[0], "4", "160")
    assert broker.find_order(pair[1].client_order_id).terms.quantity == 6
    market.set_price(INFY, "139")
    assert broker.find_order(pair[1].client_order_id).filled_quantity == 6
    assert statuses(broker, *pair) == [S.CANCELED, S.FILLED]
    assert held(broker) == {}


def test_canceling_one_leaves_the_other(broker, pair):
    broker.cancel_order(pair[0])
    assert statuses(broker, *pair) == [S.CANCELED, S.SUBMITTED]


def test_who_comes_after_his_group_has_filled_does_not_trade(market, broker, pair):
    market.set_price(INFY, "161")
    late = stop(5, "200").model_copy(update={"oco_group": "G1"})  # would go off at once
    assert broker.place_order(late).filled_quantity == 0
    assert held(broker) == {}


def on_tcs(each):
    return each.model_copy(update={"instrument": TCS, "reference_price": Decimal(300)})


def test_a_combo_fills_whole_under_the_ids_of_its_legs(market, broker):
    need(broker, "combos")
    legs = [order(1), on_tcs(order(2, side=Side.SELL))]
    reports = broker.place_combo(legs)
    assert [each.client_order_id for each in reports] == [each.client_order_id for each in legs]
    assert [each.status for each in reports] == [S.FILLED] * 2
    assert {each.client_order_id for each in broker.executions()} == {
        each.client_order_id for each in legs
    }
    assert held(broker) == {"INFY": 10, "TCS": -10}


def test_a_combo_waits_for_its_last_leg(market, broker):
    need(broker, "combos", kinds=[OrderType.LIMIT])
    legs = [limit(1, "149"), on_tcs(limit(2, "305", side=Side.SELL))]
    broker.place_combo(legs)
    market.set_price(INFY, "148")
    assert held(broker) == {}
    market.set_price(TCS, "306")
    assert statuses(broker, *legs) == [S.FILLED] * 2


def test_a_combo_that_cannot_be_had_leaves_nothing(market, broker):
    need(broker, "combos")
    with pytest.raises(OrderRejected):
        broker.place_combo([order(1), on_tcs(order(2, "1000000"))])
    assert held(broker) == {}
    market.make_thin("5")
    legs = [order(3, "5"), on_tcs(order(4, "6"))]
    legs = [each.model_copy(update={"time_in_force": TimeInForce.FOK}) for each in legs]
    assert [each.status for each in broker.place_combo(legs)] == [S.CANCELED] * 2
    assert held(broker) == {}
