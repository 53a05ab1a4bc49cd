"""Books and broker, where the broker is a process with books of its own: equal to the cent."""

from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.mock.adapter import MockBroker
from services.common.clock import utc_now
from services.common.orders import order_document
from services.domain.orders import UNATTRIBUTED
from services.domain.words import InstrumentType, Intent, OrderStatus, Side
from services.execution.ledger import Ledger
from services.execution.posting import Posting
from services.execution.reconciler import Reconciler
from services.execution.statement import statement
from tests.support.builders import ACCOUNT, STRATEGY, make_instrument, make_order
from tests.support.rows import add_account, allow_trading
from tests.support.servers import start_mock_broker

pytestmark = pytest.mark.servers
GOLD = make_instrument("GC", InstrumentType.FUTURE, multiplier=Decimal(100))


@pytest.fixture
def broker(tmp_path):
    with start_mock_broker(tmp_path) as server:
        opened = MockBroker(ACCOUNT, base_url=server.address, timeout_seconds=10)
        opened.connect()
        yield opened
        opened.close()


@pytest.fixture
def books(store, broker):
    allow_trading(store)
    add_account(store)
    posting = Posting(store)
    return Reconciler(
        store,
        Ledger(store),
        broker,
        ACCOUNT,
        book=lambda reports: posting.book(reports, epoch=1),
        transact=store.transaction,
        every_seconds=60,
    )


def trade(store, broker, name, side, quantity, price, *, instrument=None, by_hand=False):
    """An order that fills; by hand it has an id that is none of ours, and no row."""
    intent = Intent.ENTRY if side is Side.BUY else Intent.EXIT
    order = make_order(str(quantity), side=side, intent=intent, signal_id=name).model_copy(
        update={
            "reference_price": Decimal(price),
            **({"instrument": instrument} if instrument else {}),
            **({"client_order_id": name} if by_hand else {}),
        }
    )
    assert broker.place_order(order).status is OrderStatus.FILLED
    if not by_hand:
        row = order_document(order, at=utc_now() - timedelta(seconds=10))
        store["orders"].insert_one(row | {"status": OrderStatus.SUBMITTED})
        store["signal_store"].insert_one({"_id": name, "status": "WORKING", "stages": {}})


def test_strategies_and_nobody_together_are_the_broker_and_cash_is_right(store, broker, books):
    books.run(utc_now())
    trade(store, broker, "s1", Side.BUY, 17, "150.25")
    trade(store, broker, "s2", Side.BUY, 300, "151.37")
    trade(store, broker, "s3", Side.SELL, 120, "149.99")
    trade(store, broker, "s4", Side.BUY, 2, "4029.3", instrument=GOLD)
    trade(store, broker, "by-hand", Side.SELL, 40, "150.10", by_hand=True)
    assert books.run(utc_now()).booked == 4
    outcome = books.run(utc_now())
    shown = statement(store, ACCOUNT)
    assert outcome.differences == ()
    assert {each.symbol: (each.broker, each.books) for each in shown.holdings} == {
        "AAPL": (157, 157),  # 17 + 300 − 120 − 40
        "GC": (2, 2),
    }
    held = {(p.strategy_id, p.quantity) for each in shown.holdings for p in each.positions}
    assert held == {(STRATEGY, 197), (UNATTRIBUTED, -40), (STRATEGY, 2)}
    # Bought for 2,554.25 + 45,411 + 805,860, sold for 17,998.80 + 6,004; four commissions of 1.00
    # (the least) and one of 300 × 0.005 = 1.50.
    wanted = Decimal(1_000_000) - Decimal("853825.25") + Decimal("24002.80") - Decimal("5.50")
    assert outcome.cash.broker == outcome.cash.expected == wanted
