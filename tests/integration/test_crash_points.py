"""Execution dies at every point of its road: one order at the broker, and books that equal its own.

Every test ends in `Trade.settled`, the oracle of the fault matrix.
"""

import uuid

import pytest

from services.common.failpoints import EXIT_CODE, FailPoint
from services.domain.words import OrderType
from tests.support.execution_process import MockBrokerBooks, trade

pytestmark = pytest.mark.servers
P = FailPoint
#: Points that the answer to one market order passes.
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
#: Points of code that is not there yet.
TO_COME = (P.GUARDS_STORED, P.SLICE_STORED, P.KILL_STEP)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    made = MockBrokerBooks(tmp_path_factory.mktemp("mock"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def account_id():
    """An account of this test's own at the broker that all of them share."""
    return f"Crash-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def desk(store, bus_connection, broker, tmp_path, account_id):
    with trade(store, bus_connection, broker, tmp_path, accounts=(account_id,)) as made:
        yield made


def resting(number=0, *, symbol):
    """Fields of a buy order that rests below the market."""
    return {"order_type": OrderType.LIMIT, "limit_price": 140, "symbol": symbol}


def test_every_point_has_a_test():
    assert {*MARKET, *UNANSWERED, *CANCEL, *TO_COME} == set(FailPoint)


@pytest.mark.parametrize("point", MARKET)
def test_a_crash_on_the_road_of_a_market_order(desk, point):
    order = desk.add()
    desk.ring(order)
    assert desk.start(crash_at=point).ends() == EXIT_CODE
    desk.start()
    desk.settled(order)
