"""Our books against the broker's: nothing missed or invented, and a strategy's book is its own."""

from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.errors import BrokerUnavailable
from services.common.clock import utc_now
from services.common.locks import locks
from services.common.orders import order_document
from services.domain.orders import UNATTRIBUTED, client_order_id_for
from services.domain.words import LockRule, OrderStatus, Scope
from services.execution.ledger import Ledger
from services.execution.posting import Posting
from services.execution.reconciler import Reconciler, request_look
from tests.fakes.booked import BookedBroker
from tests.support.builders import ACCOUNT, STRATEGY, make_instrument, make_order
from tests.support.rows import add_account, allow_trading

pytestmark = pytest.mark.servers
APPLE, OTHER = make_instrument(), make_instrument("MSFT")
LATER = timedelta(seconds=10)


@pytest.fixture
def broker():
    return BookedBroker(ACCOUNT)


@pytest.fixture
def books(store, broker):
    allow_trading(store)
    add_account(store)
    return make_reconciler(store, broker)


def make_reconciler(store, broker):
    return Reconciler(
        store,
        Ledger(store),
        broker,
        ACCOUNT,
        book=lambda reports: Posting(store).book(reports, epoch=1),
        transact=store.transaction,
        every_seconds=60,
    )


def sent(store, broker, signal_id="sig_1", *, at=None, **fields):
    """An order that the broker has filled, and of which we have heard nothing."""
    order = make_order(signal_id=signal_id, **fields)
    broker.place_order(order)
    row = order_document(order, at=at or utc_now() - LATER)
    store["orders"].insert_one(row | {"status": OrderStatus.SUBMITTED, "owner_epoch": 1})
    store["signal_store"].insert_one({"_id": signal_id, "status": "WORKING", "stages": {}})
    return order


def holdings(store):
    return {
        (row["strategy_id"], row["instrument"]["symbol"]): row["quantity"]
        for row in store["positions"].find()
    }


def incidents(store, status="OPEN"):
    return sorted(row["kind"] for row in store["incidents"].find({"status": status}))


def everything(store):
    """All that a look may change; counts of incidents are not among it."""
    names = (
        "orders",
        "positions",
        "execution_confirmations",
        "cash_flows",
        "risk_locks",
        "controls",
    )
    return {name: sorted(map(str, store[name].find())) for name in names} | {
        "incidents": incidents(store),
        "foreign": [(row["_id"], row["status"]) for row in store["foreign_orders"].find()],
    }


def test_a_missed_fill_is_booked_through_the_orders_own_road_once(store, broker, books):
    order = sent(store, broker)
    now = utc_now()
    assert books.run(now).booked == 1
    assert books.run(now).booked == 0
    row = store["orders"].find_one({"_id": order.client_order_id})
    assert (row["status"], row["filled_quantity"]) == ("FILLED", 17)
    assert holdings(store) == {(STRATEGY, "AAPL"): 17}
    assert incidents(store) == []


def test_a_missed_fill_of_an_order_that_had_ended_is_booked_and_said(store, broker, books):
    order = sent(store, broker)
    ended = {"$set": {"status": "CANCELED"}, "$unset": {"working": ""}}
    store["orders"].update_one({"_id": order.client_order_id}, ended)
    books.run(utc_now())
    assert holdings(store) == {(STRATEGY, "AAPL"): 17}


def test_what_moved_a_moment_ago_is_left_to_its_desk(store, broker, books):
    sent(store, broker, at=utc_now())
    outcome = books.run(utc_now())
    assert (outcome.booked, outcome.unsettled, outcome.differences) == (0, True, ())
    assert holdings(store) == {}


def test_a_trade_by_hand_is_nobodys_and_never_changes_a_strategys_book(store, broker, books):
    sent(store, broker)
    books.run(utc_now())
    before = store["positions"].find_one({"strategy_id": STRATEGY})
    broker.trade_by_hand(APPLE, -5, price="160")
    assert books.run(utc_now()).foreign == 1
    assert store["positions"].find_one({"strategy_id": STRATEGY}) == before
    assert holdings(store) == {(STRATEGY, "AAPL"): 17, (UNATTRIBUTED, "AAPL"): -5}
    fill = store["execution_confirmations"].find_one({"execution_id": "H1"})
    assert (fill["origin"], fill["strategy_id"], fill["signal_id"]) == (
        "FOREIGN",
        UNATTRIBUTED,
        None,
    )
    assert incidents(store) == ["FOREIGN_TRADE"]
    outcome = books.run(utc_now())
    assert (outcome.differences, outcome.cash.gap, outcome.unsettled) == ((), 0, False)


def test_a_correction_without_our_id_still_reaches_its_order(store, broker, books):
    order = sent(store, broker)
    books.run(utc_now())
    told = broker.told[0].model_copy(
        update={"client_order_id": "", "revision": 1, "quantity": Decimal(16)}
    )
    broker.told.append(told)
    store["orders"].update_one({}, {"$set": {"updated_at": utc_now() - LATER}})
    outcome = books.run(utc_now())
    assert (outcome.booked, outcome.foreign) == (1, 0)
    assert store["orders"].find_one({"_id": order.client_order_id})["filled_quantity"] == 16
    assert holdings(store) == {(STRATEGY, "AAPL"): 16}


def test_what_is_traded_while_the_broker_is_asked_is_not_compared(store, broker, books):
    books.run(utc_now())
    answer = broker.positions

    def trades_meanwhile():
        told = answer()
        broker.trade_by_hand(APPLE, 5, name=f"H{len(broker.told)}")
        return told

    broker.positions = trades_meanwhile
    now = utc_now()
    for number in range(3):  # each look misses 5 shares in the positions
        outcome = books.run(now + number * LATER)
        assert (outcome.differences, locks(store, now)) == ((), ())
    assert holdings(store) == {(UNATTRIBUTED, "AAPL"): 15}
    broker.positions = answer
    assert books.run(now + 3 * LATER).cash.gap == 0


def test_what_is_booked_between_the_answers_and_the_comparison_is_not_compared(
    store, broker, books, monkeypatch
):
    books.run(utc_now())
    ask = books._ask

    def booked_meanwhile(since):
        answers = ask(since)
        order = sent(store, broker, f"sig_{len(broker.sent)}")
        row = store["orders"].find_one({"_id": order.client_order_id})
        Posting(store).book([(row, broker.find_order(order.client_order_id))], epoch=1)
        return answers

    monkeypatch.setattr(books, "_ask", booked_meanwhile)
    now = utc_now()
    for number in range(3):
        outcome = books.run(now + number * LATER)
        assert (outcome.differences, outcome.cash.gap, locks(store, now)) == ((), 0, ())
    monkeypatch.undo()
    outcome = books.run(now + 3 * LATER)
    assert (outcome.differences, outcome.cash.gap) == ((), 0)
    assert holdings(store) == {(STRATEGY, "AAPL"): 51}


def test_a_correction_and_a_bust_of_a_trade_by_hand_follow_it(store, broker, books):
    first = broker.trade_by_hand(APPLE, 5)
    books.run(utc_now())
    broker.told.append(first.model_copy(update={"quantity": Decimal(4), "revision": 1}))
    books.run(utc_now())
    assert holdings(store) == {(UNATTRIBUTED, "AAPL"): 4}
    broker.told.append(first.model_copy(update={"busted": True, "revision": 2}))
    books.run(utc_now())
    assert incidents(store, "CLEARED") == ["FOREIGN_TRADE"]
    outcome = books.run(utc_now())
    assert holdings(store) == {(UNATTRIBUTED, "AAPL"): 0}
    assert (outcome.differences, outcome.cash.gap) == ((), 0)


def test_what_the_broker_said_was_canceled_and_works_on_is_canceled_again(store, broker, books):
    order = make_order()
    row = order_document(order, at=utc_now() - LATER)
    store["orders"].insert_one(row | {"status": OrderStatus.CANCELED, "working": False})
    broker.rest_by_hand(APPLE, client_order_id=order.client_order_id)
    outcome = books.run(utc_now())
    assert [each.client_order_id for each in broker.canceled] == [order.client_order_id]
    assert incidents(store) == ["ORDER_STILL_WORKING"]
    assert (outcome.unsettled, outcome.foreign_orders) == (True, 0)
    broker.resting.clear()
    books.run(utc_now())
    assert len(broker.canceled) == 1
    assert incidents(store, "CLEARED") == ["ORDER_STILL_WORKING"]


def test_an_order_that_has_just_ended_is_left_to_its_desk(store, broker, books):
    order = make_order()
    row = order_document(order, at=utc_now())
    store["orders"].insert_one(row | {"status": OrderStatus.CANCELED, "working": False})
    broker.rest_by_hand(APPLE, client_order_id=order.client_order_id)
    books.run(utc_now())
    assert (broker.canceled, incidents(store)) == ([], [])


def test_a_second_look_at_the_same_answers_changes_nothing(store, broker, books):
    sent(store, broker)
    broker.trade_by_hand(OTHER, 5)
    broker.rest_by_hand(OTHER)
    broker.held[make_instrument("IBM")] = Decimal(3)
    now = utc_now()
    books.run(now, everything=True)
    books.run(now + LATER, everything=True)
    before = everything(store)
    for look in (books, make_reconciler(store, broker)):
        assert (look.run(now + LATER, everything=True).booked) == 0
        assert everything(store) == before


@pytest.mark.parametrize("question", ["executions", "positions", "account_state", "open_orders"])
def test_a_question_without_an_answer_changes_nothing(store, broker, books, question):
    sent(store, broker)
    broker.trade_by_hand(OTHER, 5)
    broker.broken.add(question)
    before = everything(store)
    with pytest.raises(BrokerUnavailable):
        books.run(utc_now())
    assert everything(store) == before
    assert store["reconciliations"].find_one({"_id": ACCOUNT}) is None


def test_what_no_execution_explains_locks_the_instrument_until_it_agrees(store, broker, books):
    sent(store, broker)
    broker.held[APPLE] = Decimal(100)
    now = utc_now()
    first = books.run(now)
    assert [each.confirmed for each in first.differences] == [False]
    assert (locks(store, now), incidents(store)) == ((), [])
    (difference,) = books.run(now + LATER).differences
    assert (difference.broker, difference.books, difference.confirmed) == (117, 17, True)
    (lock,) = locks(store, now)
    assert (lock.scope, lock.scope_id, lock.account_id) == (Scope.INSTRUMENT, APPLE.key, ACCOUNT)
    assert lock.rule is LockRule.POSITION_MISMATCH
    incident = store["incidents"].find_one({"kind": "POSITION_MISMATCH"})
    assert "the broker holds 117, our books say 17" in incident["sentence"]
    assert (incident["facts"]["broker"], incident["facts"]["books"]) == (117, 17)
    assert holdings(store) == {(STRATEGY, "AAPL"): 17}  # nothing is invented
    del broker.held[APPLE]
    books.run(now + 2 * LATER)
    assert (locks(store, now), incidents(store)) == ((), [])
    assert incidents(store, "CLEARED") == ["POSITION_MISMATCH"]


def test_a_gap_that_is_not_the_same_twice_is_not_believed(store, broker, books):
    now = utc_now()
    for seconds, quantity in ((0, 100), (10, 90), (20, 80)):
        broker.held[APPLE] = Decimal(quantity)
        books.run(now + timedelta(seconds=seconds))
    assert locks(store, now) == ()


def test_two_looks_at_once_do_not_confirm(store, broker, books):
    broker.held[APPLE] = Decimal(100)
    now = utc_now()
    for _ in range(3):
        assert not books.run(now).differences[0].confirmed


def test_a_foreign_order_is_remembered_told_once_and_left_alone(store, broker, books):
    broker.rest_by_hand(OTHER)
    for _ in range(2):
        assert books.run(utc_now()).foreign_orders == 1
    assert store["incidents"].find_one({"kind": "FOREIGN_ORDER"})["count"] == 1
    assert broker.canceled == []
    broker.resting.clear()
    assert books.run(utc_now()).foreign_orders == 0
    assert store["foreign_orders"].find_one()["status"] == "GONE"
    assert incidents(store, "CLEARED") == ["FOREIGN_ORDER"]


def test_our_own_working_orders_are_not_foreign(store, broker, books):
    order = sent(store, broker)
    broker.rest_by_hand(APPLE, client_order_id=order.client_order_id)
    assert books.run(utc_now()).foreign_orders == 0


@pytest.mark.parametrize("filled", [False, True], ids=["open", "filled"])
def test_an_id_of_ours_that_we_do_not_know_halts_the_account_once(store, broker, books, filled):
    stray = client_order_id_for("another system's", 0, ACCOUNT, 1)
    if filled:
        broker.trade_by_hand(APPLE, 5, client_order_id=stray)
    else:
        broker.rest_by_hand(APPLE, client_order_id=stray)
    books.run(utc_now())
    (control,) = store["controls"].find({"scope_id": ACCOUNT})
    assert (control["trading_state"], control["set_by"]) == ("HALTED", "execution")
    assert "FOREIGN_HAND" in incidents(store)
    store["controls"].update_one({"_id": control["_id"]}, {"$set": {"trading_state": "ACTIVE"}})
    books.run(utc_now())
    assert store["controls"].find_one({"_id": control["_id"]})["trading_state"] == "ACTIVE"


def test_cash_follows_fills_and_commissions_to_the_cent(store, broker, books):
    now = utc_now()
    assert books.run(now).cash.expected == 1_000_000
    sent(store, broker)  # 17 × 150 + 1.00
    broker.trade_by_hand(OTHER, -3, price="99.99")  # 3 × 99.99 − 1.05
    books.run(now)
    cash = books.run(now).cash
    assert cash.broker == cash.expected == Decimal("997747.92")


def test_money_that_no_fill_explains_is_an_incident_and_locks_nothing(store, broker, books):
    now = utc_now()
    books.run(now)
    broker.cash += Decimal("0.01")
    books.run(now)
    assert incidents(store) == []
    books.run(now + LATER)
    incident = store["incidents"].find_one({"kind": "CASH_MISMATCH", "status": "OPEN"})
    assert "1000000.01 USD" in incident["sentence"]
    assert locks(store, now) == ()
    broker.cash -= Decimal("0.01")
    books.run(now + LATER)
    assert incidents(store) == []


def paid(store, amount, **fields):
    """What account data keeps of a payment that a person has entered."""
    row = {"_id": f"f{amount}", "account_id": ACCOUNT, "currency": "USD", "amount": Decimal(amount)}
    store["capital_flows"].insert_one(row | {"status": "PENDING", "settled_at": None} | fields)


def test_a_payment_that_was_entered_explains_cash_before_and_after_it_is_seen(store, broker, books):
    now = utc_now()
    books.run(now)
    paid(store, "500")
    assert books.run(now).cash.gap == 0
    broker.cash += 500
    assert books.run(now + LATER).cash.gap == 0
    settled = {"status": "SETTLED", "settled_at": now + LATER}
    store["capital_flows"].update_one({}, {"$set": settled})
    assert books.run(now + 2 * LATER).cash.gap == 0
    assert incidents(store) == []


def test_a_payment_of_before_cash_was_compared_explains_nothing_twice(store, broker, books):
    now = utc_now()
    books.run(now)
    paid(store, "500", status="SETTLED", settled_at=now - LATER)
    paid(store, "300", status="REVERSED", settled_at=now + LATER)
    assert books.run(now + LATER).cash.gap == 0


def test_a_position_that_is_not_the_sum_of_its_fills_is_found(store, broker, books):
    sent(store, broker)
    books.run(utc_now())
    store["positions"].update_one({}, {"$set": {"quantity": Decimal(18)}})
    books.run(utc_now(), everything=True)
    incident = store["incidents"].find_one({"kind": "BOOKS_BROKEN"})
    assert "is 18, its fills sum to 17" in incident["sentence"]
    store["positions"].update_one({}, {"$set": {"quantity": Decimal(17)}})
    books.run(utc_now(), everything=True)
    assert "BOOKS_BROKEN" in incidents(store, "CLEARED")


def test_a_request_makes_a_look_due_and_is_answered(store, broker, books):
    books.run(utc_now())
    assert not books.due()
    request_look(store, ACCOUNT, request_id="r1", by="olga")
    books._next_look = 0.0
    assert books.due()
    books.run(utc_now())
    assert store["reconciliations"].find_one({"_id": ACCOUNT})["answered"] == "r1"
    books._next_look = 0.0
    assert not books.due()
