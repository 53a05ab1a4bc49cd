"""Kinds of orders, changes of them and questions about them, at every broker that has them."""

from decimal import Decimal

import pytest

from brokers.errors import (
    BrokerUnavailable,
    OrderRejected,
    OrderStateUnknown,
    UnsupportedOrder,
)
from services.domain.orders import OrderTerms
from services.domain.words import OrderStatus, OrderType, Side, TimeInForce
from tests.support.broker_orders import INFY, held, limit, need, order, status_of, stop

pytestmark = pytest.mark.servers
S = OrderStatus
KINDS = {
    OrderType.LIMIT: (limit(1, "149"), OrderTerms(quantity=10, limit_price=149)),
    OrderType.STOP: (stop(1, "140"), OrderTerms(quantity=10, stop_price=140)),
    OrderType.STOP_LIMIT: (
        stop(1, "140", order_type=OrderType.STOP_LIMIT, limit_price=Decimal(139)),
        OrderTerms(quantity=10, limit_price=139, stop_price=140),
    ),
    OrderType.TRAILING_STOP: (
        order(1, side=Side.SELL, order_type=OrderType.TRAILING_STOP, trail_amount=Decimal(5)),
        OrderTerms(quantity=10, stop_price=145),
    ),
}


@pytest.fixture
def market(bench):
    bench.set_price(INFY, "150")
    return bench


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_working_order_tells_its_terms_wherever_it_is_asked_for(market, broker, kind):
    need(broker, kinds=[kind])
    sent, terms = KINDS[kind]
    report = broker.place_order(sent)
    assert (report.status, report.terms) == (S.SUBMITTED, terms)
    assert broker.find_order(sent.client_order_id).terms == terms
    (row,) = broker.open_orders()
    assert row.report.terms == terms
    assert row.report.client_order_id == sent.client_order_id
    assert (row.instrument, row.side, row.order_type) == (INFY, sent.side, kind)


def test_a_stop_fills_when_its_price_comes(market, broker):
    need(broker, kinds=[OrderType.STOP])
    broker.place_order(order(2))
    broker.place_order(stop(1, "140"))
    market.set_price(INFY, "141")
    assert status_of(broker, stop(1, "140")) is S.SUBMITTED
    market.set_price(INFY, "139")
    (fill,) = broker.find_order(stop(1, "140").client_order_id).executions
    assert fill.price == 139


def test_a_stop_limit_never_fills_worse_than_its_limit(market, broker):
    need(broker, kinds=[OrderType.STOP_LIMIT])
    sent, _ = KINDS[OrderType.STOP_LIMIT]
    broker.place_order(sent)
    market.set_price(INFY, "138")
    assert status_of(broker, sent) is S.SUBMITTED
    market.set_price(INFY, "139.50")
    assert status_of(broker, sent) is S.FILLED


def test_a_trailing_stop_follows_up_and_stays_when_the_price_falls(market, broker):
    need(broker, kinds=[OrderType.TRAILING_STOP])
    sent, _ = KINDS[OrderType.TRAILING_STOP]
    broker.place_order(sent)
    market.set_price(INFY, "160")
    market.set_price(INFY, "156")
    assert broker.find_order(sent.client_order_id).terms.stop_price == 155
    market.set_price(INFY, "155")
    assert status_of(broker, sent) is S.FILLED


def test_a_part_fills_and_the_rest_works_on(market, broker):
    market.make_thin("4")
    sent = limit(1, "150")
    report = broker.place_order(sent)
    assert (report.status, report.filled_quantity) == (S.PARTIALLY_FILLED, 4)
    (row,) = broker.open_orders()
    assert (row.report.filled_quantity, row.report.terms.quantity) == (4, 10)
    market.set_price(INFY, "149")
    market.set_price(INFY, "149")
    report = broker.find_order(sent.client_order_id)
    assert (report.status, report.filled_quantity) == (S.FILLED, 10)
    assert [each.quantity for each in report.executions] == [4, 4, 2]
    assert len({each.execution_id for each in report.executions}) == 3
    # 4 × 150 + 6 × 149 and three commissions of 1
    assert broker.account_state().cash == 1_000_000 - 600 - 894 - 3


@pytest.mark.parametrize(("life", "filled"), [(TimeInForce.IOC, 4), (TimeInForce.FOK, 0)])
def test_an_immediate_order_takes_what_there_is_or_all_or_nothing(market, broker, life, filled):
    need(broker, lives=[life])
    market.make_thin("4")
    report = broker.place_order(limit(1, "150", time_in_force=life))
    assert (report.status, report.filled_quantity) == (S.CANCELED, filled)
    assert list(broker.open_orders()) == []


def test_a_canceled_part_keeps_what_has_filled(market, broker):
    market.make_thin("4")
    broker.place_order(order(1))
    report = broker.cancel_order(order(1))
    assert (report.status, report.filled_quantity) == (S.CANCELED, 4)
    assert held(broker) == {"INFY": 4}


def test_a_change_is_of_the_same_order(market, broker):
    need(broker, "modify")
    broker.place_order(limit(1, "149"))
    wanted = OrderTerms(quantity=7, limit_price=148)
    report = broker.modify_order(limit(1, "149"), wanted)
    assert (report.client_order_id, report.terms) == (limit(1, "149").client_order_id, wanted)
    assert [each.report.terms for each in broker.open_orders()] == [wanted]
    market.set_price(INFY, "148")
    assert broker.find_order(limit(1, "149").client_order_id).filled_quantity == 7
    assert held(broker) == {"INFY": 7}


@pytest.mark.parametrize(
    "wanted",
    [
        OrderTerms(quantity=3, limit_price=150),  # four have filled
        OrderTerms(quantity=10**9, limit_price=150),  # cannot be paid
        OrderTerms(quantity=10),  # a limit order without a limit
    ],
)
def test_a_refused_change_leaves_the_order_as_it_was(market, broker, wanted):
    need(broker, "modify")
    market.make_thin("4")
    sent = limit(1, "150")
    broker.place_order(sent)
    before = broker.find_order(sent.client_order_id)
    with pytest.raises(OrderRejected):
        broker.modify_order(sent, wanted)
    assert broker.find_order(sent.client_order_id) == before


def test_an_order_that_has_ended_or_never_was_is_not_changed(market, broker):
    need(broker, "modify")
    broker.place_order(order(1))
    for gone in (order(1), limit(2, "149")):
        with pytest.raises(OrderRejected):
            broker.modify_order(gone, OrderTerms(quantity=5, limit_price=gone.limit_price))


@pytest.mark.parametrize(
    ("ability", "act"),
    [
        ("modify", lambda each: each.modify_order(limit(1, "149"), OrderTerms(quantity=5))),
        ("brackets", lambda each: each.place_bracket(limit(1, "149"), [stop(2, "140")])),
        ("combos", lambda each: each.place_combo([limit(1, "149"), limit(2, "149")])),
    ],
)
def test_what_an_account_lacks_is_said_and_refused_before_sending(bench, ability, act):
    bench.without(**{ability: False})
    broker = bench.adapter()
    broker.connect()
    assert not getattr(broker.capabilities, ability)
    with pytest.raises(UnsupportedOrder):
        act(broker)
    assert list(broker.open_orders()) == []


def test_order_types_that_an_account_lacks_are_refused_before_sending(bench):
    bench.without(order_types=["MARKET"])
    broker = bench.adapter()
    broker.connect()
    with pytest.raises(UnsupportedOrder):
        broker.place_order(limit(1, "149"))
    assert broker.find_order(limit(1, "149").client_order_id) is None


def test_many_orders_are_found_at_once(broker):
    broker.place_order(order(1))
    broker.place_order(limit(2, "149"))
    ids = [order(number).client_order_id for number in (1, 2, 3)]
    found = broker.find_orders(ids)
    assert {key: report.status for key, report in found.items()} == {
        ids[0]: S.FILLED,
        ids[1]: S.SUBMITTED,
    }
    assert found == {key: broker.find_order(key) for key in ids[:2]}
    assert broker.find_orders([]) == {}


def test_of_two_orders_of_one_id_neither_is_changed_nor_shown_as_the_one(market, broker):
    for _ in range(2):
        broker.place_order(limit(1, "149"))
    before = [each.report.terms for each in broker.open_orders()]
    with pytest.raises(OrderStateUnknown):
        broker.find_orders([limit(1, "149").client_order_id])
    if broker.capabilities.modify:
        with pytest.raises(OrderStateUnknown):
            broker.modify_order(limit(1, "149"), OrderTerms(quantity=5, limit_price=148))
    assert [each.report.terms for each in broker.open_orders()] == before


def test_many_orders_of_a_broker_that_is_down_are_not_none(bench, broker):
    bench.kill()
    with pytest.raises(BrokerUnavailable):
        broker.find_orders([order(1).client_order_id])


def test_executions_since_leave_out_the_older_ones(broker):
    (first,) = broker.place_order(order(1)).executions
    assert list(broker.executions(since=first.occurred_at)) == [first]
    (second,) = broker.place_order(order(2)).executions
    later = broker.executions(since=second.occurred_at)
    assert second in later
    assert (first in later) is (first.occurred_at == second.occurred_at)
    assert list(broker.executions()) == [first, second]
