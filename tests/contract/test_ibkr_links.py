"""The IBKR adapter's connection: lost, refused, deaf, and back again."""

import threading

import pytest

from brokers.errors import BrokerUnavailable, OrderRejected, OrderStateUnknown
from brokers.ibkr.adapter import IbkrBroker
from brokers.ibkr.link import IbkrLink
from services.domain.orders import OrderTerms
from services.domain.words import AccountType, OrderStatus
from tests.contract.ibkr_support import ib_link, link, mute, say
from tests.support.benches.ibkr import BROKER_ACCOUNT
from tests.support.broker_orders import (
    INFY,
    collect,
    eventually,
    held,
    limit,
    order,
    status_of,
    until,
)
from tests.support.servers import free_port

pytestmark = pytest.mark.servers
S = OrderStatus
RESTING = limit(1, "149")


@pytest.mark.parametrize("kept", [True, False])
def test_what_fills_while_ib_is_away_is_told_once_when_it_is_back(bench, broker, kept):
    arrived = collect(broker)
    broker.place_order(RESTING)
    ib_link(bench, up=False)
    eventually(lambda: not broker.is_connected())
    for question in (broker.open_orders, broker.executions, broker.positions, broker.account_state):
        with pytest.raises(BrokerUnavailable, match="1100"):
            question()
    with pytest.raises(BrokerUnavailable, match="1100"):
        broker.place_order(limit(2, "149"))
    bench.set_price(INFY, "149")
    ib_link(bench, up=True, kept=kept)
    eventually(broker.is_connected)
    report = until(arrived, lambda each: each.status is S.FILLED)
    assert (report.client_order_id, len(report.executions)) == (RESTING.client_order_id, 1)
    assert list(broker.executions()) == list(report.executions)
    assert broker.find_order(limit(2, "149").client_order_id) is None
    assert held(broker) == {"INFY": 10}


def test_news_of_data_farms_are_no_trouble(bench, broker):
    for code in (2103, 2104, 2105, 2106, 2157, 2158):
        say(bench, code)
    assert broker.place_order(order(1)).status is S.FILLED
    assert broker.is_connected()


def test_a_client_id_that_is_in_use_is_named_and_not_tried_again(bench):
    first = bench.client(77)
    second = bench.client(77)
    try:
        first.connect()
        for _ in range(2):
            with pytest.raises(BrokerUnavailable, match="client id 77 is in use"):
                second.connect()
        with pytest.raises(BrokerUnavailable, match="client id 77 is in use"):
            second.place_order(order(1))
        assert first.place_order(order(2)).status is S.FILLED
        first.close()
        eventually(lambda: 77 not in bench.call("GET", "/v1/tws/clients")["connected"])
        assert bench.call("GET", "/v1/tws/clients")["connected"] == []
        second.connect()
        assert len(second.executions()) == 1
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize(
    "request_name", ["reqAllOpenOrders", "reqCompletedOrders", "reqExecutions"]
)
def test_a_question_that_is_not_answered_is_never_no_orders(bench, broker, request_name):
    broker.place_order(RESTING)
    other = bench.adapter(timeout_seconds=0.5)
    mute(bench, request_name)
    with pytest.raises(BrokerUnavailable):
        other.connect()
    assert not other.is_connected()
    assert status_of(other, RESTING) is S.SUBMITTED


def test_an_account_that_the_login_does_not_have_is_refused(bench):
    stranger = bench.client(5, broker_account="DU9999999")
    with pytest.raises(
        BrokerUnavailable, match=f"not logged in to DU9999999; it has {BROKER_ACCOUNT}"
    ):
        stranger.connect()
    with pytest.raises(BrokerUnavailable, match="DU9999999"):
        stranger.place_order(order(1))
    stranger.close()


def test_a_paper_account_is_not_traded_as_a_live_one(bench):
    link_to = IbkrLink(port=bench.port, client_id=6, broker_account=BROKER_ACCOUNT)
    broker = IbkrBroker("X", link=link_to, account_type=AccountType.LIVE, timeout_seconds=2)
    with pytest.raises(BrokerUnavailable, match="is a PAPER account, and LIVE was set up"):
        broker.connect()
    broker.close()


def test_where_nobody_listens_it_says_so(bench):
    lonely = bench.client(8, port=free_port())
    with pytest.raises(BrokerUnavailable, match="Connect call failed"):
        lonely.connect()
    with pytest.raises(BrokerUnavailable):
        lonely.place_order(order(1))
    assert not lonely.is_connected()
    lonely.close()


def test_an_adapter_that_is_closed_does_nothing_more(bench, broker):
    broker.close()
    broker.close()
    for call in (broker.connect, broker.open_orders, lambda: broker.place_order(order(1))):
        with pytest.raises(BrokerUnavailable, match="closed"):
            call()
    assert not broker.is_connected()
    assert [each.name for each in threading.enumerate() if each.name == "ibkr-Conformance-1"] == []


CALLS = {
    "place": lambda broker: broker.place_order(limit(6, "149")),
    "modify": lambda broker: broker.modify_order(RESTING, OrderTerms(quantity=7, limit_price=148)),
    "cancel": lambda broker: broker.cancel_order(RESTING),
}


@pytest.mark.parametrize("call", sorted(CALLS))
def test_a_gateway_that_has_gone_deaf_leaves_an_outcome_that_nobody_knows(bench, call):
    broker = bench.connected(timeout_seconds=0.5)
    broker.place_order(RESTING)
    link(bench, "BLACK_HOLE")
    try:
        with pytest.raises((OrderStateUnknown, BrokerUnavailable)) as caught:
            CALLS[call](broker)
        # A change looks first whether there is still something to change: that is not answered.
        assert isinstance(caught.value, OrderStateUnknown) or call == "modify"
        with pytest.raises(BrokerUnavailable):
            broker.find_order(RESTING.client_order_id)
        assert not broker.is_connected()
    finally:
        link(bench, "HEAL")
    eventually(broker.is_connected)
    assert status_of(broker, RESTING) is S.SUBMITTED


def test_a_link_that_nobody_uses_is_found_dead_by_its_own_heartbeat(bench, monkeypatch):
    monkeypatch.setattr("brokers.ibkr.session._HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr("brokers.ibkr.session._HEARTBEAT_PATIENCE_SECONDS", 0.2)
    broker = bench.connected()
    link(bench, "BLACK_HOLE")
    eventually(lambda: not broker.is_connected())
    link(bench, "HEAL")
    assert eventually(broker.is_connected)


def test_a_message_that_cannot_be_read_ends_the_link_and_nothing_is_missed(bench, broker):
    arrived = collect(broker)
    broker.place_order(RESTING)
    bench.call("POST", "/v1/tws/raw", {"fields": ["5", "not", "an", "order"]})
    bench.set_price(INFY, "149")
    assert until(arrived, lambda report: report.status is S.FILLED)
    eventually(broker.is_connected)


def test_an_answer_that_is_shorter_than_it_should_be_is_no_answer(bench):
    broker = bench.connected(timeout_seconds=1)
    bench.break_next("GARBAGE_ANSWER", on="PLACE", seconds=0)
    with pytest.raises(OrderStateUnknown, match="could not be read"):
        broker.place_order(RESTING)
    assert status_of(broker, RESTING) is S.SUBMITTED


def test_after_a_restart_of_the_gateway_orders_go_on(bench, broker):
    broker.place_order(RESTING)
    bench.kill()
    with pytest.raises(BrokerUnavailable):
        broker.place_order(limit(2, "149"))
    bench.start()
    eventually(broker.is_connected)
    report = broker.modify_order(RESTING, OrderTerms(quantity=7, limit_price=148))
    assert report.terms.quantity == 7
    assert broker.cancel_order(RESTING).status is S.CANCELED


def test_a_rejected_order_is_a_refusal_also_when_asked_later(bench, broker):
    bench.break_next("REJECT_NEXT")
    with pytest.raises(OrderRejected):
        broker.place_order(order(1))
    assert bench.reopened(broker).find_order(order(1).client_order_id).status is S.REJECTED


def test_the_gateways_clock_is_compared_with_ours(broker):
    assert abs(broker.clock_skew().total_seconds()) < 60
