"""What account data keeps for limits and margins: rates, marks, the fund, and margin previews."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal

import pytest
import urllib3

from brokers.accounts import Purpose
from brokers.broker import MarginQuote
from brokers.errors import BrokerUnavailable, OrderRejected, UnsupportedOrder
from brokers.factory import BrokerConnection, create_broker
from services.account_data.poller import Poller
from services.account_data.states import Told
from services.account_data.store import AccountStore
from services.common.clock import utc_now
from services.common.store import from_document, to_document
from services.domain.accounts import AccountSnapshot, MarginPreview, margin_preview_id
from services.domain.broker_accounts import BrokerAccount
from services.domain.instruments import Instrument
from services.domain.marks import reset
from services.domain.risk import Fund
from services.domain.words import InstrumentType, Side
from tests.fakes.broker import FakeBroker
from tests.support.accounts import ScriptedBroker, make_document, make_state
from tests.support.builders import make_preview_leg
from tests.support.servers import start_mock_broker

pytestmark = pytest.mark.servers
ACCOUNT = "Mock-1"
LEGS = (make_preview_leg("10"), make_preview_leg("5", Side.SELL))
KEY = margin_preview_id(ACCOUNT, LEGS)


def believing(store):
    """Writes whatever equity comes: these tests are of what follows from it."""
    return AccountStore(store, jump_ratio=Decimal(100))


def make_poller(store, broker, account_id=ACCOUNT):
    account = BrokerAccount(account_id, "MOCK")
    return Poller(account, believing(store), lambda _: broker, poll_seconds=60)


def add(store, *account_ids, **fields):
    rows = [make_document(each, equity=None, as_of=None, **fields) for each in account_ids]
    store["trading_accounts"].insert_many(rows)


def poll(store, equity, account_id=ACCOUNT, **fields):
    """One poll of an account whose broker reports this equity."""
    state = make_state(account_id, equity=Decimal(equity), **fields)
    make_poller(store, ScriptedBroker(state), account_id).poll()


def snapshot(store, account_id=ACCOUNT):
    """The account as Cerebro reads it."""
    return from_document(AccountSnapshot, store["trading_accounts"].find_one({"_id": account_id}))


def fund(store, account_type="PAPER"):
    return from_document(Fund, store["funds"].find_one({"_id": account_type}))


def test_rates_and_marks_are_stored_with_the_amounts(store):
    add(store, ACCOUNT)
    poll(store, "100", fx_rates={"EUR": Decimal("1.08")})
    poll(store, "90", fx_rates={"JPY": Decimal("0.00625")})
    account = snapshot(store)
    assert (account.equity, account.fx_rates) == (90, {"JPY": Decimal("0.00625")})
    assert (account.marks.day_start, account.marks.peak, account.marks.last) == (100, 100, 90)
    assert account.marks.max_drawdown_ratio == Decimal("0.1")


def test_a_day_of_the_marks_is_that_of_the_brokers_time(store):
    yesterday = utc_now() - timedelta(days=1)
    add(store, ACCOUNT)
    poll(store, "100", as_of=yesterday)
    assert snapshot(store).marks.day == yesterday.date().isoformat()


def test_a_failure_leaves_marks_and_rates(store):
    add(store, ACCOUNT)
    poll(store, "100", fx_rates={"EUR": Decimal("1.08")})
    before = snapshot(store)
    make_poller(store, ScriptedBroker(BrokerUnavailable("gone"))).poll()
    assert snapshot(store) == before


def test_what_the_operator_set_is_not_overwritten(store):
    add(store, ACCOUNT, previews_margin=True, margin_model="INDIA", instrument_types=["STOCK"])
    poll(store, "100")
    account = snapshot(store)
    assert (account.previews_margin, account.margin_model) == (True, "INDIA")
    assert account.instrument_types == (InstrumentType.STOCK,)


def test_marks_in_another_currency_are_forgotten(store):
    add(store, ACCOUNT)
    poll(store, "8000")
    poll(store, "100", currency="EUR")
    assert snapshot(store).marks.peak == 100


def test_marks_that_cannot_be_read_make_nothing_fresh(store):
    add(store, ACCOUNT, marks={"day": "2025-11-21"})
    poller = make_poller(store, ScriptedBroker(make_state()))
    poller.poll()
    assert store["trading_accounts"].find_one({"_id": ACCOUNT})["as_of"] is None


class Interrupted:
    """A store that lets something else happen after the first `find_one` of one collection."""

    def __init__(self, store, collection, happen):
        self._store, self._collection, self._happen = store, collection, happen
        self.looks = 0

    def __getitem__(self, name):
        return self if name == self._collection else self._store[name]

    def transaction(self, work):
        return self._store.transaction(work)

    def find_one(self, *args, **kwargs):
        found = self._store[self._collection].find_one(*args, **kwargs)
        self.looks += 1
        if self.looks == 1:
            self._happen()
        return found

    def update_one(self, *args, **kwargs):
        return self._store[self._collection].update_one(*args, **kwargs)


def test_a_reset_between_reading_and_writing_is_not_undone(store):
    add(store, ACCOUNT)
    poll(store, "100")
    poll(store, "50")

    def accept_the_loss():
        marks = to_document(reset(snapshot(store).marks, Decimal(50), utc_now()))
        store["trading_accounts"].update_one({"_id": ACCOUNT}, {"$set": {"marks": marks}})

    interrupted = Interrupted(store, "trading_accounts", accept_the_loss)
    state = make_state(equity=Decimal(50))
    believing(interrupted).save_state(Told(state), recorded_at=utc_now())
    assert interrupted.looks == 2
    assert snapshot(store).marks.peak == 50


@pytest.mark.parametrize("first", [True, False])
def test_a_poller_that_was_overtaken_takes_the_fund_not_back(store, first):
    add(store, "A", "B")
    poll(store, "100", "A")
    poll(store, "100", "B")
    if first:
        store["funds"].delete_many({})
    store["trading_accounts"].update_one({"_id": "A"}, {"$set": {"equity": Decimal(150)}})
    interrupted = Interrupted(store, "funds", lambda: poll(store, "300", "B"))
    believing(interrupted).keep_fund("A", now=utc_now())
    assert interrupted.looks == 2
    # 150 + 300
    assert (fund(store).equity, fund(store).marks.peak) == (450, 450)


def test_the_fund_is_kept_with_each_poll(store):
    add(store, "A", "B")
    poll(store, "100", "A")
    assert (fund(store).equity, fund(store).account_ids) == (None, ("A", "B"))
    assert fund(store).missing == "B: its broker has not reported its equity yet"
    poll(store, "800", "B", currency="INR", fx_rates={"USD": Decimal(80)})
    # 100 + 800 / 80
    assert (fund(store).equity, fund(store).missing) == (110, "")
    oldest = min(snapshot(store, each).as_of for each in "AB")
    assert fund(store).as_of == oldest
    poll(store, "45", "A")
    assert (fund(store).marks.peak, fund(store).marks.last) == (110, 55)


def test_paper_and_live_are_two_funds(store):
    add(store, "A")
    add(store, "L", account_type="LIVE")
    poll(store, "100", "A")
    poll(store, "7", "L")
    assert (fund(store).equity, fund(store, "LIVE").equity) == (100, 7)


def test_an_account_that_cannot_be_read_makes_only_the_fund_unknown(store):
    add(store, "A")
    add(store, "B", margin_model="NONSENSE")
    poll(store, "100", "A")
    assert fund(store).missing == "B: what is stored of it cannot be read"
    assert snapshot(store, "A").equity == 100
    store["trading_accounts"].update_one({"_id": "B"}, {"$set": {"status": "INACTIVE"}})
    poll(store, "100", "A")
    assert fund(store).equity == 100


def test_pollers_that_write_at_once_lose_none_of_each_other(store):
    names = ["A", "B", "C", "D"]
    add(store, *names)
    for name in names:
        poll(store, "1000", name)

    def fall(name):
        for equity in range(990, 940, -10):
            poll(store, str(equity), name)

    threads = [threading.Thread(target=fall, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    # each ends at 950
    assert (fund(store).equity, fund(store).marks.last) == (3800, 3800)
    assert (fund(store).marks.day_start, fund(store).marks.peak) == (4000, 4000)


def want(store, *, ago_seconds=0.0):
    at = utc_now() - timedelta(seconds=ago_seconds)
    wanted = {"account_id": ACCOUNT, "wanted_at": at, "legs": [to_document(leg) for leg in LEGS]}
    store["margin_previews"].update_one({"_id": KEY}, {"$set": wanted}, upsert=True)


def preview(store):
    return from_document(MarginPreview, store["margin_previews"].find_one({"_id": KEY}))


def quote(initial="750", maintenance="-375", **fields):
    fields.setdefault("as_of", utc_now())
    return MarginQuote(
        initial_margin=Decimal(initial), maintenance_margin=Decimal(maintenance), **fields
    )


def asked(store, *answers):
    """What is stored once the broker has given these answers, one for each time of asking."""
    broker = ScriptedBroker(make_state())
    broker.margins = list(answers)
    for _ in answers:
        want(store)
        make_poller(store, broker).quote(until=0)
    assert broker.previewed == [LEGS] * len(answers)
    return preview(store)


def test_a_wanted_preview_is_answered(store):
    found = asked(store, quote())
    assert (found.initial_margin, found.maintenance_margin, found.error) == (750, -375, None)
    assert found.legs == LEGS
    assert found.answered_at >= found.wanted_at


def test_a_preview_is_never_younger_than_our_clock(store):
    found = asked(store, quote(as_of=utc_now() + timedelta(hours=1)))
    assert found.as_of == found.answered_at <= utc_now()


@pytest.mark.parametrize(
    "failure",
    [BrokerUnavailable("connection refused"), OrderRejected("NO_PRICE", "no price"), KeyError("x")],
)
def test_a_failing_preview_leaves_the_older_amounts_and_their_age(store, failure):
    first = asked(store, quote())
    found = asked(store, failure)
    assert (found.initial_margin, found.as_of) == (first.initial_margin, first.as_of)
    assert str(failure) in found.error
    assert asked(store, quote("1")).error is None


def test_a_broker_without_previews_answers_that_it_has_none(store):
    assert "previews no margin" in asked(store, UnsupportedOrder("previews no margin")).error
    want(store)
    make_poller(store, FakeBroker(ACCOUNT)).quote(until=0)
    assert preview(store).error == "this broker previews no margin, asked of AAPL, AAPL"


def test_what_nobody_waits_for_any_more_is_not_asked(store):
    broker = ScriptedBroker(make_state())
    want(store, ago_seconds=31)
    make_poller(store, broker).quote(until=0)
    assert broker.previewed == []
    asked(store, quote())
    make_poller(store, broker).quote(until=0)  # answered since
    assert broker.previewed == []


def test_legs_with_an_expiry_come_back_as_they_were_asked(store):
    option = Instrument(
        instrument_type=InstrumentType.OPTION,
        symbol="SPX",
        expiry="2026-12-18",
        strike=Decimal(5000),
        right="C",
        multiplier=Decimal(100),
    )
    legs = (make_preview_leg("2", instrument=option),)
    key = margin_preview_id(ACCOUNT, legs)
    row = {"account_id": ACCOUNT, "wanted_at": utc_now(), "legs": [to_document(legs[0])]}
    store["margin_previews"].insert_one({"_id": key, **row})
    broker = ScriptedBroker(make_state())
    broker.margins = [quote()]
    make_poller(store, broker).quote(until=0)
    assert broker.previewed == [legs]
    assert store["margin_previews"].find_one({"_id": key})["initial_margin"] == 750


def test_the_mock_broker_answers_by_its_own_rule(store, tmp_path):
    with start_mock_broker(tmp_path) as server:
        connection = BrokerConnection(mock_base_url=server.address, timeout_seconds=5)
        broker = create_broker(BrokerAccount(ACCOUNT, "MOCK"), connection, purpose=Purpose.DATA)
        poller = make_poller(store, broker)
        want(store)
        poller.quote(until=0)
        assert preview(store).error == "no price is known for AAPL"
        url = f"{server.address}/v1/prices/{LEGS[0].instrument.key}"
        with urllib3.PoolManager(retries=False) as pool:
            assert pool.request("PUT", url, json={"price": "100"}).status == 200
        want(store)
        poller.quote(until=0)
        # |10 − 5| × 100 × 50 %
        assert preview(store).initial_margin == 250
        broker.close()
