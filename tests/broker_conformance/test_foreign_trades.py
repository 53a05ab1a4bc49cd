"""What somebody else does in the account, and what the broker itself changes afterwards."""

import pytest

from services.domain.words import OrderStatus
from tests.support.broker_orders import (
    INFY,
    TCS,
    collect,
    eventually,
    held,
    limit,
    order,
    status_of,
    until,
)

pytestmark = pytest.mark.servers


@pytest.fixture
def revising(market):
    """A broker that tells when a fill was corrected, or taken back."""
    if not market.revises_fills:
        pytest.skip("this broker does not tell that a fill was corrected")
    return market


@pytest.fixture
def market(bench):
    bench.set_price(INFY, "150")
    bench.set_price(TCS, "300")
    return bench


def test_a_trade_by_hand_is_in_every_book_without_an_id_of_ours(market, broker):
    arrived = collect(broker)
    broker.place_order(order(1))
    number = market.trade_by_hand(TCS, "-3")
    assert held(broker) == {"INFY": 10, "TCS": -3}
    _, foreign = broker.executions()
    assert (foreign.client_order_id, foreign.instrument, foreign.quantity) == ("", TCS, 3)
    report = until(arrived, lambda each: each.broker_order_id == number)
    assert (report.client_order_id, report.status) == ("", OrderStatus.FILLED)
    assert report.executions == (foreign,)


def test_an_order_by_hand_is_among_the_open_ones_until_it_ends(market, broker):
    number = market.trade_by_hand(INFY, "5", order_type="LIMIT", limit_price="140")
    (row,) = broker.open_orders()
    assert (row.report.client_order_id, row.report.broker_order_id) == ("", number)
    assert (row.instrument, row.report.terms.limit_price) == (INFY, 140)
    market.cancel_by_hand(number)
    assert list(broker.open_orders()) == []


def test_foreign_orders_are_found_under_no_id_of_ours(market, broker):
    for _ in range(2):
        market.trade_by_hand(INFY, "5")
    sent = order(1)
    broker.place_order(sent)
    assert list(broker.find_orders([sent.client_order_id])) == [sent.client_order_id]


def test_our_order_canceled_by_hand_is_canceled_by_every_word(market, broker):
    arrived = collect(broker)
    number = broker.place_order(limit(1, "140")).broker_order_id
    market.cancel_by_hand(number)
    eventually(lambda: status_of(broker, limit(1, "140")) is OrderStatus.CANCELED)
    assert until(arrived, lambda each: each.status is OrderStatus.CANCELED)


def test_a_corrected_fill_keeps_its_id_and_has_a_later_revision(revising, broker):
    arrived = collect(broker)
    (fill,) = broker.place_order(order(1)).executions
    cash = broker.account_state().cash
    revising.revise(fill.execution_id, price="149.50")
    streamed = until(arrived, lambda each: any(fill.revision for fill in each.executions))
    (corrected,) = streamed.executions
    assert (corrected.execution_id, fill.revision) == (fill.execution_id, 0)
    assert corrected.revision > 0
    assert corrected.price == 149.5
    assert broker.find_order(order(1).client_order_id).executions == (corrected,)
    assert list(broker.executions()) == [fill, corrected]
    assert corrected in broker.executions(since=corrected.occurred_at)
    # ten were half a dollar cheaper
    assert broker.account_state().cash - cash == 5


def test_a_busted_fill_counts_as_if_it_had_never_been(revising, broker):
    arrived = collect(broker)
    before = broker.account_state().cash
    (fill,) = broker.place_order(order(1)).executions
    revising.revise(fill.execution_id, busted=True)
    streamed = until(arrived, lambda each: any(fill.busted for fill in each.executions))
    assert streamed.filled_quantity == 0
    assert streamed.executions[0].execution_id == fill.execution_id
    assert streamed.executions[0].revision > fill.revision
    assert held(broker) == {}
    assert broker.account_state().cash == before
    assert broker.executions()[-1].busted


def test_a_fill_after_the_end_of_an_order_is_told_like_any_other(market, broker):
    sent = limit(1, "140")
    broker.place_order(sent)
    broker.cancel_order(sent)
    arrived = collect(broker)
    market.fill(sent, "10", "140")
    report = until(arrived, lambda each: each.filled_quantity)
    assert report.client_order_id == sent.client_order_id
    assert report.filled_quantity == 10
    assert broker.find_order(sent.client_order_id).executions == report.executions
    assert held(broker) == {"INFY": 10}


def test_more_than_was_asked_for_is_told_as_it_is(market, broker):
    broker.place_order(order(1))
    market.fill(order(1), "2", "150")
    report = broker.find_order(order(1).client_order_id)
    assert report.filled_quantity == sum(each.quantity for each in report.executions) == 12
    assert held(broker) == {"INFY": 12}
