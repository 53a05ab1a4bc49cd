"""A second witness: account data's own session at the broker, compared with our books."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.broker import BrokerPosition
from brokers.errors import BrokerUnavailable
from services.account_data.poller import Poller
from services.account_data.store import AccountStore
from services.account_data.witness import INCIDENT, Witness
from services.common.alarms import AlarmWatch
from services.common.clock import utc_now
from services.common.controls import controls
from services.common.store import to_document
from services.domain.books import Position, position_id
from services.domain.broker_accounts import BrokerAccount
from services.domain.orders import UNATTRIBUTED
from services.domain.words import TradingState
from tests.support.accounts import ScriptedBroker, make_document, make_state
from tests.support.builders import make_instrument
from tests.support.documents import make_order_document
from tests.support.rows import ACCOUNT, allow_trading

pytestmark = pytest.mark.servers
AAPL, IBM = make_instrument("AAPL"), make_instrument("IBM")
SETTLE_SECONDS = 60
NOW = utc_now()


def theirs(instrument=AAPL, quantity="10"):
    return BrokerPosition(
        instrument=instrument, quantity=Decimal(quantity), average_price=Decimal(1)
    )


def book(store, instrument=AAPL, quantity="10", strategy_id="S1"):
    position = Position(
        strategy_id=strategy_id,
        account_id=ACCOUNT,
        instrument=instrument,
        quantity=Decimal(quantity),
        average_price=Decimal(1),
    )
    row = {"_id": position_id(strategy_id, ACCOUNT, instrument), "open": True}
    row |= {"instrument_key": instrument.key, **to_document(position)}
    store["positions"].replace_one({"_id": row["_id"]}, row, upsert=True)


@pytest.fixture
def look(store):
    store["trading_accounts"].insert_one(make_document())
    store["reconciliations"].insert_one({"_id": ACCOUNT, "looked_at": NOW})

    def look_(*told, at=0, before=None):
        witness = Witness(store, settle_seconds=SETTLE_SECONDS)  # a new one, as after a restart
        books = witness.books(ACCOUNT) if before is None else before
        return witness.compare(ACCOUNT, told, books, at=NOW + timedelta(seconds=at))

    return look_


def told(store):
    return store["incidents"].find_one({"kind": INCIDENT})


def test_a_difference_that_stays_is_told_with_both_numbers_and_cleared_when_it_goes(store, look):
    book(store, quantity="12")
    look(theirs())
    look(theirs(), at=30)
    assert told(store) is None
    (found,) = look(theirs(), at=60)
    assert found.confirmed
    row = told(store)
    assert row["status"] == "OPEN"
    assert row["sentence"].startswith(
        f"{ACCOUNT}, AAPL: the broker holds 10, our books say 12, by a look of its own"
    )
    facts = row["facts"]
    assert (facts["account_id"], facts["instrument_key"]) == (ACCOUNT, AAPL.key)
    assert (facts["broker"], facts["books"]) == (Decimal(10), Decimal(12))
    assert look(theirs(quantity="12"), at=90) == ()
    assert told(store)["status"] == "CLEARED"


def test_what_the_broker_alone_or_our_books_alone_hold_differs(store, look):
    book(store, IBM, "-3")
    for at in (0, 60):
        found = look(theirs(), at=at)
    assert {(e.instrument.symbol, e.broker, e.books) for e in found} == {
        ("AAPL", Decimal(10), Decimal(0)),
        ("IBM", Decimal(0), Decimal(-3)),
    }


def test_strategies_and_what_is_nobodys_count_together(store, look):
    book(store, quantity="7", strategy_id="S1")
    book(store, quantity="-2", strategy_id="S2")
    book(store, quantity="5", strategy_id=UNATTRIBUTED)
    assert look(theirs()) == ()


def test_a_gap_that_changes_is_a_new_one(store, look):
    book(store, quantity="12")
    look(theirs())
    look(theirs(quantity="11"), at=30)
    (found,) = look(theirs(quantity="11"), at=60)
    assert (found.confirmed, found.since) == (False, NOW + timedelta(seconds=30))
    assert told(store) is None


@pytest.mark.parametrize(
    ("status", "age_seconds", "is_left_out"),
    [
        ("UNKNOWN", 600, True),
        ("SUBMITTING", 600, True),
        ("SUBMITTED", 1, True),
        ("SUBMITTED", 600, False),
    ],
)
def test_what_moves_just_now_is_left_out_and_what_rests_is_not(
    store, look, status, age_seconds, is_left_out
):
    store["orders"].insert_one(make_order_document(status=status, instrument=AAPL))
    for at in (0, 60):
        moved = NOW + timedelta(seconds=at - age_seconds)
        store["orders"].update_one({}, {"$set": {"updated_at": moved}})
        look(theirs(), at=at)
    assert (told(store) is None) is is_left_out


def test_what_was_booked_while_the_broker_was_asked_is_left_out(store, look):
    book(store, quantity="12")
    for at in (0, 60, 120):
        assert look(theirs(), at=at, before={AAPL.key: Decimal(10)}) == ()


def test_an_account_that_execution_never_opened_has_no_books(store, look):
    store["reconciliations"].delete_many({})
    for at in (0, 60):
        assert look(theirs(), at=at) == ()
    assert told(store) is None


def poller(store, held):
    """Polls a broker that says this of positions."""
    broker = ScriptedBroker(make_state(equity=Decimal("7.70")))
    broker.held = held
    account = BrokerAccount(ACCOUNT, "MOCK")
    return Poller(account, AccountStore(store, settle_seconds=0), lambda _: broker, poll_seconds=60)


def test_a_poll_looks_by_its_own_session_and_an_alarm_that_nobody_answers_stops_entries(
    store, look
):
    allow_trading(store)
    book(store, quantity="12")
    polling = poller(store, [theirs()])
    polling.poll()
    assert told(store) is None, "one look is believed by nobody"
    polling.poll()
    assert told(store)["status"] == "OPEN"
    store["incidents"].update_one({}, {"$set": {"open_since": NOW - timedelta(seconds=301)}})
    assert AlarmWatch(store, after_seconds=300).look() == 1
    assert controls(store)[-1].trading_state is TradingState.REDUCING


def test_a_question_that_failed_says_nothing_of_the_books(store, look):
    book(store, quantity="12")
    for at in (0, 60):
        look(theirs(), at=at)
    poller(store, BrokerUnavailable("away")).poll()
    assert told(store)["status"] == "OPEN"
    assert store["trading_accounts"].find_one({})["poll_error"] is None


def test_books_that_cannot_be_read_keep_no_figures_back(store, look, caplog):
    store["positions"].insert_one({"_id": "broken", "open": True, "account_id": ACCOUNT})
    poller(store, [theirs()]).poll()
    assert store["trading_accounts"].find_one({})["equity"] == Decimal("7.70")
    assert "could not be read" in caplog.text
    assert told(store) is None
