"""What TWS says of orders, and what the IBKR adapter makes of it: a state of its own."""

import threading
from decimal import Decimal

import pytest

from brokers.errors import OrderRejected, OrderStateUnknown
from services.domain.orders import OrderTerms
from services.domain.words import OrderStatus, Side
from tests.contract.ibkr_support import link, say, trick
from tests.support.benches.ibkr import OTHER_ACCOUNT
from tests.support.broker_orders import (
    INFY,
    collect,
    eventually,
    held,
    limit,
    order,
    status_of,
    stop,
    until,
)

pytestmark = pytest.mark.servers
S = OrderStatus
RESTING = limit(1, "149")
#: What ib_async takes for the end of a living order, and two numbers that nobody has looked up.
SAID_OF_LIVING = [399, 404, 10311, 10349, 10147, 10148, 161, 103, 104, 135, 201, 504, 322, 99999]


@pytest.mark.parametrize("code", SAID_OF_LIVING)
def test_whatever_is_said_of_a_living_order_it_lives_on(bench, broker, code):
    arrived = collect(broker)
    broker.place_order(RESTING)
    say(bench, code, RESTING)
    say(bench, 2104)
    assert broker.open_orders()[0].report.status is S.SUBMITTED
    assert status_of(broker, RESTING) is S.SUBMITTED
    bench.set_price(INFY, "149")
    assert until(arrived, lambda report: report.status is S.FILLED).filled_quantity == 10
    assert held(broker) == {"INFY": 10}


def test_an_order_that_is_canceled_by_a_number_is_canceled(bench, broker):
    arrived = collect(broker)
    broker.place_order(RESTING)
    say(bench, 202, RESTING)
    assert until(arrived, lambda report: report.status is S.CANCELED)


def test_a_note_is_told_as_the_brokers_words(bench, broker):
    broker.place_order(RESTING)
    say(bench, 399, RESTING, "your order will not be placed until 09:15")
    found = eventually(lambda: broker.find_order(RESTING.client_order_id), lambda each: each.text)
    assert (found.status, "until 09:15" in found.text) == (S.SUBMITTED, True)


def test_a_number_that_was_used_before_is_no_answer_and_the_next_order_gets_a_free_one(
    bench, broker
):
    client = bench.client_of(broker)
    bench.call("PUT", f"/v1/tws/clients/{client}/highest", {"order_id": 500})
    with pytest.raises(OrderStateUnknown, match="103"):
        broker.place_order(RESTING)
    assert broker.find_order(RESTING.client_order_id) is None
    assert broker.place_order(RESTING).status is S.SUBMITTED


@pytest.mark.parametrize(
    "kind", ["DUPLICATE_EXECUTION", "COMMISSION_FIRST", "ONLY_EXECUTION", "STATUS_FIRST"]
)
def test_a_fill_is_told_once_and_with_its_cost_in_whatever_order_its_messages_come(
    bench, broker, kind
):
    trick(bench, kind)
    report = broker.place_order(order(1))
    (fill,) = report.executions
    assert (report.filled_quantity, fill.quantity, fill.commission) == (10, 10, 1)
    assert list(broker.executions()) == [fill]
    assert broker.find_order(order(1).client_order_id).status is S.FILLED
    assert held(broker) == {"INFY": 10}


def test_a_commission_that_comes_late_is_the_next_revision_of_the_fill(bench, broker):
    arrived = collect(broker)
    trick(bench, "NO_COMMISSION")
    broker.place_order(order(1))
    (bare,) = until(arrived, lambda report: report.executions).executions
    assert (bare.revision, bare.commission) == (0, 0)
    broker.executions()  # the gateway tells costs again where it is asked
    (paid,) = until(arrived, lambda each: each.executions[0].revision).executions
    assert (paid.execution_id, paid.revision, paid.commission) == (bare.execution_id, 1, 1)
    bench.revise(bare.execution_id, price="149.50")
    (corrected,) = until(arrived, lambda each: each.executions[0].revision > 1).executions
    assert (corrected.price, corrected.quantity) == (Decimal("149.50"), 10)


def test_a_part_that_filled_stays_when_the_rest_is_canceled(bench, broker):
    bench.make_thin("4")
    sent = limit(1, "150")
    assert broker.place_order(sent).filled_quantity == 4
    report = broker.cancel_order(sent)
    assert (report.status, report.filled_quantity) == (S.CANCELED, 4)
    assert held(broker) == {"INFY": 4}


def test_orders_of_another_client_are_neither_changed_nor_canceled(bench, broker):
    other = bench.connected()
    other.place_order(RESTING)
    with pytest.raises(OrderRejected, match="client id"):
        broker.modify_order(RESTING, OrderTerms(quantity=7, limit_price=148))
    with pytest.raises(OrderStateUnknown, match="client id"):
        broker.cancel_order(RESTING)
    assert status_of(broker, RESTING) is S.SUBMITTED
    assert other.cancel_order(RESTING).status is S.CANCELED


def test_an_order_of_another_client_under_the_same_id_is_seen(bench, broker):
    broker.place_order(RESTING)
    bench.connected().place_order(RESTING)
    with pytest.raises(OrderStateUnknown, match="more than once"):
        broker.find_order(RESTING.client_order_id)


def test_two_accounts_of_one_login_do_not_see_each_other(bench, broker):
    arrived = collect(broker)
    other = bench.client(900, broker_account=OTHER_ACCOUNT)
    other.connect()
    try:
        other.place_order(order(1, "3"))
        other.place_order(RESTING)
        assert broker.place_order(order(2)).status is S.FILLED
        assert (held(broker), held(other)) == ({"INFY": 10}, {"INFY": 3})
        assert [len(each.executions()) for each in (broker, other)] == [1, 1]
        assert [len(each.open_orders()) for each in (broker, other)] == [0, 1]
        assert broker.find_order(order(1).client_order_id) is None
        assert broker.account_state().cash - other.account_state().cash == -7 * 150
        report = until(arrived, lambda each: each.status is S.FILLED)
        assert report.client_order_id == order(2).client_order_id
    finally:
        other.close()


@pytest.mark.parametrize("action", ["FIN", "RST"])
def test_a_link_that_is_cut_while_orders_rest_loses_nothing(bench, broker, action):
    arrived = collect(broker)
    broker.place_order(RESTING)
    link(bench, action)
    bench.set_price(INFY, "149")
    assert until(arrived, lambda report: report.status is S.FILLED).filled_quantity == 10
    eventually(broker.is_connected)
    assert len(broker.executions()) == 1


def test_a_burst_from_many_threads_keeps_to_the_budget_and_loses_nothing(bench):
    broker = bench.adapter(timeout_seconds=20)
    broker.connect()
    sent = [limit(number, "140", quantity="1") for number in range(120)]
    results = {}

    def place(one):
        results[one.client_order_id] = broker.place_order(one).status

    threads = [threading.Thread(target=place, args=(one,)) for one in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert results == {one.client_order_id: S.SUBMITTED for one in sent}
    assert len(broker.open_orders()) == 120
    busiest = bench.call("GET", "/v1/tws/clients")["most_in_a_second"]
    assert max(busiest.values(), default=0) <= 50


def test_an_order_that_waits_too_long_for_its_turn_was_not_sent(bench):
    broker = bench.connected(timeout_seconds=0.5)
    sent = [limit(number, "140", quantity="1") for number in range(100)]
    taken, refused = set(), set()

    def place(one):
        try:
            broker.place_order(one)
        except Exception as error:  # noqa: BLE001 - it is looked at below
            refused.add((one.client_order_id, type(error).__name__))
        else:
            taken.add(one.client_order_id)

    threads = [threading.Thread(target=place, args=(one,)) for one in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert {kind for _, kind in refused} == {"BrokerUnavailable"}
    found = eventually(lambda: bench.connected().open_orders())
    assert {each.report.client_order_id for each in found} == taken


def test_a_stop_that_guards_follows_what_is_said_of_it(bench, broker):
    broker.place_order(order(9))
    guard = stop(2, "140")
    broker.place_order(guard)
    changed = broker.modify_order(guard, OrderTerms(quantity=10, stop_price=Decimal("145")))
    assert changed.terms.stop_price == 145
    bench.set_price(INFY, "144")
    assert status_of(broker, guard) is S.FILLED
    assert held(broker) == {}


def test_prices_leave_in_whole_steps(broker):
    report = broker.place_order(limit(1, "149.0333", side=Side.BUY))
    assert report.terms.limit_price == Decimal("149.05")  # steps of 0.05, to the nearest


@pytest.fixture
def unrounded(monkeypatch):
    """Prices leave as they are, so that the gateway has something to refuse."""
    monkeypatch.setattr("brokers.ibkr.orders.to_tick", lambda price, _tick: price)


OFF = Decimal("140.01")  # no step of 0.05


def test_what_is_refused_by_a_number_that_may_mean_anything_is_looked_for_first(unrounded, broker):
    with pytest.raises(OrderRejected) as caught:
        broker.place_order(limit(1, str(OFF)))
    assert caught.value.code == "110"
    assert list(broker.open_orders()) == []
    assert status_of(broker, limit(1, str(OFF))) is S.REJECTED


def test_a_refused_end_of_a_bracket_is_a_refusal_of_all_and_leaves_nothing(unrounded, broker):
    entry, target = limit(1, "149"), limit(2, "160", side=Side.SELL)
    with pytest.raises(OrderRejected) as caught:
        broker.place_bracket(entry, [target, stop(3, str(OFF))])
    assert caught.value.code == "110"
    assert list(broker.open_orders()) == []


def test_a_refused_middle_of_a_bracket_is_told_and_the_others_live(unrounded, broker):
    entry, target, guard = limit(1, "149"), limit(2, "160.01", side=Side.SELL), stop(3, "140")
    reports = broker.place_bracket(entry, [target, guard])
    assert [each.status for each in reports] == [S.SUBMITTED, S.REJECTED, S.SUBMITTED]
    assert "110" in reports[1].text
    assert len(broker.open_orders()) == 2
