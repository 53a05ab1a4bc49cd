"""Execution on the real store: one order for one decision, and books that say what was filled."""

import time
from decimal import Decimal

import pytest

from brokers.errors import OrderRejected, OrderStateUnknown
from services.common.clock import utc_now
from services.common.controls import set_control
from services.common.leases import Lease
from services.common.store import to_document
from services.domain.errors import TransientError
from services.domain.orders import Reservation
from services.domain.words import Intent, OrderType, Scope, Side, TradingState
from services.execution.desk import Desk
from services.execution.store import ExecutionStore
from tests.fakes.broker import FakeBroker
from tests.support.builders import ACCOUNT, STRATEGY, make_order
from tests.support.rows import SilentPublisher, add_account, allow_trading

pytestmark = pytest.mark.servers
HALT = TradingState.HALTED


@pytest.fixture
def broker():
    return FakeBroker(ACCOUNT)


@pytest.fixture
def desk(store, broker):
    allow_trading(store)
    made = make_desk(store, broker)
    made.start()
    wait_for(lambda: made._is_open() and broker.handler)
    yield made
    made.stop()


def make_desk(store, broker, *, ttl_seconds=5.0):
    return Desk(
        account_id=ACCOUNT,
        broker=broker,
        store=store,
        queries=ExecutionStore(store),
        publisher=SilentPublisher(),
        lease=Lease(store, f"account|{ACCOUNT}", ttl_seconds=ttl_seconds),
        absence_seconds=0.3,
        reconcile_seconds=0.1,
    )


def wait_for(condition, seconds=15):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def add_order(store, order, status="PENDING", **fields):
    now = utc_now()
    exits = order.intent.reduces_risk
    held = Reservation(
        client_order_id=order.client_order_id,
        account_id=ACCOUNT,
        strategy_id=STRATEGY,
        instrument_key=order.instrument.key,
        capital=Decimal(0) if exits else Decimal(2550),
        closing_quantity=order.quantity if exits else Decimal(0),
        quantity=order.quantity,
    )
    store["signal_store"].insert_one(
        {"_id": order.signal_id, "status": "DECIDED", "stages": {"received_at": now}}
    )
    store["reservations"].insert_one({"_id": order.client_order_id, **to_document(held)})
    store["orders"].insert_one(
        {
            "_id": order.client_order_id,
            "client_order_id": order.client_order_id,
            "signal_id": order.signal_id,
            "strategy_id": STRATEGY,
            "account_id": ACCOUNT,
            "status": status,
            "working": True,
            "order": to_document(order),
            "broker_order_id": None,
            "filled_quantity": Decimal(0),
            "avg_fill_price": None,
            "events": [],
            "created_at": now,
            "updated_at": now,
        }
        | fields
    )
    return order.client_order_id


def stored(store, order_id):
    return store["orders"].find_one({"_id": order_id})


def books(store):
    """Status and quantity of the one position, and what is still reserved."""
    (position,) = store["positions"].find()
    return position["quantity"], position["realized_pnl"], store["reservations"].count_documents({})


def test_an_order_is_placed_and_booked_whole(store, broker, desk):
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    found = stored(store, order_id)
    assert (found["status"], found["filled_quantity"]) == ("FILLED", Decimal(17))
    assert "working" not in found
    assert [event["status"] for event in found["events"]] == ["SUBMITTING", "FILLED"]
    assert books(store) == (Decimal(17), Decimal(0), 0)
    signal = store["signal_store"].find_one({"_id": "sig_1"})
    assert signal["status"] == "COMPLETED"
    assert signal["stages"].keys() >= {"submitted_at", "first_fill_at", "completed_at"}


def test_entry_and_exit_make_the_profit_to_the_cent(store, broker, desk):
    desk.on_orders([add_order(store, make_order())])
    leaving = make_order(side=Side.SELL, intent=Intent.EXIT, signal_id="sig_2")
    leaving = leaving.model_copy(update={"reference_price": Decimal("152.35")})
    desk.on_orders([add_order(store, leaving)])
    # (152.35 − 150) × 17
    assert books(store) == (Decimal(0), Decimal("39.95"), 0)


def test_the_same_doorbell_again_sends_nothing(store, broker, desk):
    order_id = add_order(store, make_order())
    for _ in range(3):
        desk.on_orders([order_id])
    assert len(broker.sent) == 1


def test_the_stream_may_repeat_every_fill(store, broker, desk):
    desk.on_orders([add_order(store, make_order())])
    broker.stream_all()
    broker.stream_all()
    assert books(store)[0] == Decimal(17)
    assert store["execution_confirmations"].count_documents({}) == 1


def test_a_correction_reaches_order_position_and_signal_once(store, broker, desk):
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    report = broker.find_order(order_id)
    told = report.executions[0].model_copy(update={"revision": 1, "price": Decimal("151")})
    for _ in range(2):
        broker.handler(report.model_copy(update={"executions": (told,)}), "7")
    found = stored(store, order_id)
    assert (found["filled_quantity"], found["avg_fill_price"]) == (17, 151)
    (position,) = store["positions"].find()
    assert (position["quantity"], position["average_price"]) == (17, 151)
    assert store["execution_confirmations"].count_documents({}) == 2
    assert store["incidents"].find_one({"kind": "FILL_CORRECTED"})["count"] == 1


def test_a_bust_takes_the_fill_back_and_its_repeat_does_nothing(store, broker, desk):
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    report = broker.find_order(order_id)
    told = report.executions[0].model_copy(update={"revision": 1, "busted": True})
    for executions in ((told,), (told,), report.executions):
        broker.handler(report.model_copy(update={"executions": executions}), "7")
    assert stored(store, order_id)["filled_quantity"] == 0
    assert books(store) == (0, 0, 0)
    assert len(broker.sent) == 1


def test_a_rejection_is_final_and_frees_the_capital(store, broker, desk):
    broker.fail, broker.lose = OrderRejected("INSUFFICIENT_FUNDS", "no money"), True
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    assert stored(store, order_id)["status"] == "REJECTED"
    assert store["reservations"].count_documents({}) == 0
    assert store["signal_store"].find_one({"_id": "sig_1"})["status"] == "REJECTED"


def test_an_unreachable_broker_leaves_the_order_pending(store, broker, desk):
    broker.down = True
    order_id = add_order(store, make_order())
    with pytest.raises(TransientError):
        desk.on_orders([order_id])
    assert stored(store, order_id)["status"] == "PENDING"
    broker.down = False
    desk.on_orders([order_id])
    assert stored(store, order_id)["status"] == "FILLED"


def test_no_answer_but_it_arrived_is_adopted_not_resent(store, broker, desk):
    broker.fail = OrderStateUnknown("timed out")
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    assert len(broker.sent) == 1
    assert books(store)[0] == Decimal(17)


def test_no_answer_and_it_never_arrived_is_sent_once_more(store, broker, desk):
    broker.fail, broker.lose = OrderStateUnknown("timed out"), True
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    wait_for(lambda: stored(store, order_id)["status"] == "PENDING")
    assert store["incidents"].count_documents({"kind": "ORDER_UNKNOWN"}) == 1
    desk.on_orders([order_id])  # the sweeper's doorbell
    assert stored(store, order_id)["status"] == "FILLED"
    assert len(broker.sent) == 1
    incident = store["incidents"].find_one({"kind": "ORDER_UNKNOWN"})
    assert incident["status"] == "CLEARED"


def test_a_second_loss_is_asked_about_anew_and_a_person_is_asked_in_the_end(store, broker, desk):
    order_id = add_order(store, make_order())
    for attempt in range(1, 5):
        broker.fail, broker.lose = OrderStateUnknown("timed out"), True
        begun = time.monotonic()
        desk.on_orders([order_id])
        if attempt == 4:
            break
        wait_for(lambda: stored(store, order_id)["status"] == "PENDING")
        assert time.monotonic() - begun >= 0.3  # each time as long as the first
    time.sleep(1.0)
    assert stored(store, order_id)["status"] == "UNKNOWN"
    assert store["incidents"].find_one({"kind": "ORDER_UNKNOWN"})["status"] == "OPEN"
    assert broker.sent == []


def test_a_broker_that_does_not_answer_is_not_sent_the_rest(store, broker, desk):
    first = add_order(store, make_order())
    second = add_order(store, make_order(signal_id="sig_2"))
    broker.fail = OrderStateUnknown("timed out")
    with pytest.raises(TransientError):
        desk.on_orders([first, second])
    assert len(broker.sent) == 1
    assert stored(store, second)["status"] == "PENDING"
    desk.on_orders([second])
    wait_for(lambda: stored(store, first)["status"] == "FILLED")
    assert stored(store, second)["status"] == "FILLED"
    assert len(broker.sent) == 2


def test_many_orders_are_placed_and_booked_together(store, broker, desk):
    ids = [add_order(store, make_order(signal_id=f"sig_{number}")) for number in range(5)]
    desk.on_orders(ids)
    assert {stored(store, order_id)["status"] for order_id in ids} == {"FILLED"}
    assert books(store)[0] == Decimal(85)
    assert store["execution_confirmations"].count_documents({}) == 5


def test_while_the_broker_cannot_be_asked_nothing_is_resent(store, broker, desk):
    broker.fail, broker.lose = OrderStateUnknown("timed out"), True
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    broker.down = True
    time.sleep(1.0)
    assert stored(store, order_id)["status"] == "UNKNOWN"
    assert broker.sent == []


@pytest.mark.parametrize("reached", [True, False], ids=["sent", "not sent"])
def test_a_crash_after_the_intent_ends_in_one_order(store, broker, reached):
    allow_trading(store)
    order = make_order()
    order_id = add_order(store, order, status="SUBMITTING", owner_epoch=1)
    if reached:
        broker.sent.append(order)
    desk = make_desk(store, broker)
    desk.start()
    try:
        wait_for(lambda: stored(store, order_id)["status"] in {"FILLED", "PENDING"})
        wait_for(desk._is_open)
        desk.on_orders([order_id])
        assert stored(store, order_id)["status"] == "FILLED"
    finally:
        desk.stop()
    assert len(broker.sent) == 1
    assert books(store)[0] == Decimal(17)


def test_halted_sends_nothing(store, broker, desk):
    allow_trading(store, "HALTED")
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    assert stored(store, order_id)["status"] == "DENIED"
    assert broker.sent == []
    assert store["reservations"].count_documents({}) == 0


def test_a_halted_account_sends_nothing_and_says_who_halted_it(store, broker, desk):
    add_account(store)
    set_control(store, Scope.ACCOUNT, ACCOUNT, by="olga", reason="margin call", trading_state=HALT)
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    assert broker.sent == []
    wanted = "TRADING_HALTED: trading is HALTED for account Mock-1, set by olga: margin call"
    assert stored(store, order_id)["text"] == wanted


def test_what_is_halted_for_others_leaves(store, broker, desk):
    set_control(store, Scope.INSTRUMENT, "MSFT", by="olga", reason="news", trading_state=HALT)
    order_id = add_order(store, make_order())
    desk.on_orders([order_id])
    assert stored(store, order_id)["status"] == "FILLED"


def test_a_halt_does_not_stop_a_cancel(store, broker, desk):
    allow_trading(store, "HALTED")
    order_id = add_order(store, make_order(), status="SUBMITTED", cancel_requested_at=utc_now())
    desk.on_orders([order_id])
    assert [order.client_order_id for order in broker.canceled] == [order_id]


def test_an_expired_entry_is_not_sent(store, broker, desk):
    order_id = add_order(store, make_order(expires_at=utc_now().replace(year=2020)))
    desk.on_orders([order_id])
    assert stored(store, order_id)["status"] == "EXPIRED"
    assert broker.sent == []


def test_an_order_canceled_before_it_was_sent_never_leaves(store, broker, desk):
    order = make_order(order_type=OrderType.MARKET)
    order_id = add_order(store, order, cancel_requested_at=utc_now())
    desk.on_orders([order_id])
    assert stored(store, order_id)["status"] == "CANCELED"
    assert broker.sent == []


def test_a_second_desk_on_the_account_stands_by(store, broker, desk):
    other_broker = FakeBroker(ACCOUNT)
    other = make_desk(store, other_broker)
    other.start()
    try:
        order_id = add_order(store, make_order())
        with pytest.raises(TransientError):
            other.on_orders([order_id])
    finally:
        other.stop()
    assert other_broker.sent == []


def test_the_desk_opens_only_after_it_has_asked_the_broker(store, broker):
    allow_trading(store)
    broker.down = True
    desk = make_desk(store, broker)
    desk.start()
    try:
        wait_for(desk._lease.held)
        order_id = add_order(store, make_order())
        with pytest.raises(TransientError):
            desk.on_orders([order_id])
        broker.down = False
        wait_for(desk._is_open)
        desk.on_orders([order_id])
    finally:
        desk.stop()
    assert len(broker.sent) == 1


def test_a_stale_owner_can_book_nothing(store, broker, desk):
    order = make_order()
    order_id = add_order(store, order, status="SUBMITTED", owner_epoch=99)
    broker.sent.append(order)
    with pytest.raises(TransientError):
        desk._book([(stored(store, order_id), broker.find_order(order_id))])
    assert stored(store, order_id)["status"] == "SUBMITTED"
