"""When accounts are polled: each at its own pace, at once where somebody needs it."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from brokers.broker import BrokerPosition, MarginQuote, Quote
from brokers.errors import BrokerUnavailable, UnsupportedOrder
from services.account_data import poller as poller_module
from services.account_data import service as service_module
from services.account_data.poller import Poller
from services.account_data.service import AccountData
from services.account_data.store import AccountStore
from services.cerebro.store import CerebroStore
from services.common.clock import utc_now
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import Declined, TransientError
from services.domain.instruments import Instrument
from services.domain.words import InstrumentType
from tests.support.accounts import (
    ScriptedBroker,
    accounts_of,
    make_document,
    make_state,
    wait_until,
)
from tests.support.builders import make_preview_leg

pytestmark = pytest.mark.servers
SPY = Instrument(instrument_type=InstrumentType.ETF, symbol="SPY")


def add(store, *account_ids, **fields):
    rows = [make_document(each, equity=None, as_of=None, **fields) for each in account_ids]
    store["trading_accounts"].insert_many(rows)


@pytest.fixture
def begin(store):
    """Starts account data on brokers by account; ends it with the test."""
    begun = []

    def begin_(brokers, *, seconds=60.0, max_age=1000.0):
        polling = AccountData(
            AccountStore(store),
            accounts_of(store),
            lambda account: brokers[account.account_id],
            poll_seconds=seconds,
            max_age_seconds=max_age,
            on_death=pytest.fail,
        )
        polling.start()
        begun.append(polling)
        return polling

    yield begin_
    for polling in begun:
        polling.stop()


class Hanging(ScriptedBroker):
    """Answers when it is released; where it has no answers, with an error."""

    def __init__(self, *answers):
        super().__init__(*answers)
        self.release = threading.Event()
        self.hangs = False

    def account_state(self):
        self.hangs = True
        self.release.wait(30)
        if self.answers:
            return super().account_state()
        raise BrokerUnavailable("it hung")


@pytest.fixture
def gapless(monkeypatch):
    monkeypatch.setattr(poller_module, "MINIMUM_GAP_SECONDS", 0.05)


def test_a_broker_that_hangs_keeps_no_other_account_waiting(store, begin, gapless):
    add(store, "A", "B", "C")
    hanging = Hanging()
    others = {name: ScriptedBroker(make_state(name)) for name in "BC"}
    begin({"A": hanging, **others}, seconds=0.1)
    wait_until(lambda: hanging.hangs)
    asked = {name: broker.asked for name, broker in others.items()}
    wait_until(lambda: all(others[name].asked > asked[name] + 3 for name in others))
    assert store["trading_accounts"].find_one({"_id": "A"})["as_of"] is None
    hanging.release.set()


def test_a_broker_that_hangs_is_an_incident_until_it_answers(store, begin, gapless):
    add(store, "A")
    hanging = Hanging(make_state("A"))
    begin({"A": hanging}, seconds=0.1, max_age=0.6)
    opened = {"_id": "ACCOUNT_UNREACHABLE|A", "status": "OPEN"}
    wait_until(lambda: store["incidents"].find_one(opened))
    error = store["trading_accounts"].find_one({"_id": "A"})["poll_error"]
    assert error["sentence"] == "the broker has neither answered nor failed for 0.6 s"
    hanging.release.set()
    wait_until(lambda: store["incidents"].find_one({"status": "CLEARED"}))


def test_who_waits_for_a_broker_that_hangs_leaves_room_for_others(
    store, begin, gapless, monkeypatch
):
    monkeypatch.setattr(service_module, "_MOST_WAITING", 1)
    add(store, "A", "B")
    hanging, other = Hanging(make_state("A")), ScriptedBroker(make_state("B"))
    polling = begin({"A": hanging, "B": other}, seconds=600)
    wait_until(lambda: hanging.hangs)
    first = threading.Thread(target=polling.sync, args=("A",), daemon=True)
    first.start()

    def is_full():
        try:
            polling.sync("B")
        except TransientError as error:
            return "others wait for answers of brokers already" in str(error)
        return False

    wait_until(is_full)
    hanging.release.set()
    first.join(10)
    asked = other.asked
    polling.sync("B")
    assert other.asked > asked


def test_an_account_has_a_pace_of_its_own_and_a_changed_one_is_followed(
    store, begin, gapless, monkeypatch
):
    monkeypatch.setattr(service_module, "_FOLLOW_SECONDS", 0.1)
    add(store, "slow", "fast")
    store["trading_accounts"].update_one({"_id": "fast"}, {"$set": {"poll_seconds": 0.1}})
    brokers = {name: ScriptedBroker(make_state(name)) for name in ("slow", "fast")}
    begin(brokers, seconds=600)
    wait_until(lambda: brokers["fast"].asked > 5)
    assert brokers["slow"].asked == 1
    change = {"$set": {"poll_seconds": Decimal("0.1")}}
    store["trading_accounts"].update_one({"_id": "slow"}, change)
    wait_until(lambda: brokers["slow"].asked > 5)


def test_no_pace_is_so_slow_that_one_missed_answer_makes_figures_stale(store, begin, gapless):
    add(store, "A")
    broker = ScriptedBroker(make_state("A"))
    begin({"A": broker}, seconds=600, max_age=0.2)
    assert wait_until(lambda: broker.asked > 3)


def test_after_a_failure_a_broker_is_asked_again_soon(store, begin, gapless, monkeypatch):
    monkeypatch.setattr(poller_module, "RETRY_SECONDS", 0.1)
    add(store, "A")
    broker = ScriptedBroker(BrokerUnavailable("gone"), BrokerUnavailable("gone"), make_state("A"))
    begin({"A": broker}, seconds=600)
    wait_until(lambda: store["trading_accounts"].find_one({"_id": "A"})["as_of"])
    assert broker.asked == 3


def test_a_new_day_asks_every_account(store, begin, gapless):
    add(store, "A", "B")
    brokers = {name: ScriptedBroker(make_state(name)) for name in "AB"}
    polling = begin(brokers, seconds=600)
    wait_until(lambda: all(each.asked == 1 for each in brokers.values()))
    polling.ring_all()
    assert wait_until(lambda: all(each.asked == 2 for each in brokers.values()))


def test_a_person_who_syncs_gets_figures_of_after_the_question(store, begin, gapless):
    add(store, "A")
    broker = ScriptedBroker(make_state("A"))
    polling = begin({"A": broker}, seconds=600)
    asked_at = utc_now()
    broker.answers = [make_state("A", equity=Decimal(5), as_of=asked_at)]
    polling.sync("A")
    row = store["trading_accounts"].find_one({"_id": "A"})
    assert (row["equity"], row["as_of"]) == (5, asked_at)
    broker.answers = [BrokerUnavailable("the line is dead")]
    with pytest.raises(TransientError, match="account A: the line is dead"):
        polling.sync("A")
    with pytest.raises(Declined, match="'B' is not polled"):
        polling.sync("B")


def test_who_waits_for_a_broker_that_hangs_is_told_so(store, begin, monkeypatch):
    monkeypatch.setattr(service_module, "_ANSWER_SECONDS", 0.3)
    add(store, "A")
    hanging = Hanging()
    polling = begin({"A": hanging})
    wait_until(lambda: hanging.hangs)
    for ask in (
        lambda: polling.sync("A"),
        lambda: polling.preview("A", [make_preview_leg("10")]),
    ):
        with pytest.raises(TransientError, match=r"did not answer within 0\.3 s"):
            ask()
    hanging.release.set()


def test_a_preview_goes_over_the_accounts_own_connection(store, begin):
    add(store, "A")
    broker = ScriptedBroker(make_state("A"))
    margins = {"initial_margin": Decimal(100), "maintenance_margin": Decimal(80)}
    broker.margins = [MarginQuote(**margins, as_of=utc_now()), UnsupportedOrder("no previews")]
    polling = begin({"A": broker})
    legs = [make_preview_leg("10")]
    assert polling.preview("A", legs).initial_margin == 100
    assert broker.previewed == [legs]
    with pytest.raises(UnsupportedOrder, match="no previews"):
        polling.preview("A", legs)


def test_a_question_that_nobody_waits_for_any_more_is_not_asked(store, begin, monkeypatch):
    monkeypatch.setattr(service_module, "_ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(poller_module, "MINIMUM_GAP_SECONDS", 0.05)
    add(store, "A")
    hanging = Hanging()
    polling = begin({"A": hanging})
    wait_until(lambda: hanging.hangs)
    with pytest.raises(TransientError):
        polling.preview("A", [make_preview_leg("10")])
    hanging.hangs = False
    hanging.release.set()
    polling.ring_all()
    wait_until(lambda: hanging.hangs)
    assert hanging.previewed == []


def test_what_a_decision_waits_for_is_seen_by_one_look_for_all(store, begin):
    """From the row that Cerebro writes to the answer, without anybody ringing."""
    add(store, "A", "B")
    brokers = {name: ScriptedBroker(make_state(name)) for name in "AB"}
    polling = begin(brokers, seconds=600)
    wait_until(lambda: all(each.asked for each in brokers.values()))
    brokers["A"].quotes = [Quote(instrument=SPY, price=Decimal(150), as_of=utc_now())]
    CerebroStore(store, reference_seconds=0).questions.want_prices("A", [SPY], at=utc_now())
    wait_until(lambda: store["market_prices"].find_one({"price": Decimal(150)}))
    assert brokers["B"].quoted == []
    wait_until(lambda: polling._wanted == set())
    assert brokers["A"].quoted == [SPY]
    assert [broker.asked for broker in brokers.values()] == [1, 1]


def test_the_end_does_not_wait_for_a_broker_that_hangs_and_lets_go_of_who_asks(store):
    add(store, "A")
    hanging = Hanging()
    poller = Poller(
        BrokerAccount("A", "MOCK"), AccountStore(store), lambda _: hanging, poll_seconds=60
    )
    poller.start()
    wait_until(lambda: hanging.hangs)
    told = []

    def asks():
        try:
            poller.ask(lambda broker: broker.preview_margin([]), seconds=30)
        except TransientError as error:
            told.append(str(error))

    asking = threading.Thread(target=asks)
    asking.start()
    wait_until(poller._woken.is_set)
    poller.end()
    began = time.monotonic()
    poller.join(0.2)
    assert time.monotonic() - began < 5
    hanging.release.set()
    asking.join(10)
    assert len(told) == 1


# What is stored of positions


def held(price, quantity="10"):
    return [
        BrokerPosition(
            instrument=SPY,
            quantity=Decimal(quantity),
            average_price=Decimal(100),
            market_price=None if price is None else Decimal(price),
        )
    ]


def poll_once(store, broker):
    account = BrokerAccount("Mock-1", "MOCK")
    Poller(account, AccountStore(store), lambda _: broker, poll_seconds=60).poll()


def test_positions_and_the_last_price_of_the_day_are_stored(store):
    add(store, "Mock-1")
    for minutes, price in ((3, "103"), (2, "104")):
        at = utc_now() - timedelta(minutes=minutes)
        broker = ScriptedBroker(make_state(as_of=at))
        broker.held = held(price)
        poll_once(store, broker)
    stored = store["account_positions"].find_one({"_id": "Mock-1"})
    (position,) = stored["positions"]
    assert (position["market_value"], position["unrealized_pnl"]) == (1040, 40)
    *_, mark = store["daily_marks"].find().sort("date", 1)  # two, where midnight was between
    day = f"{mark['as_of']:%Y-%m-%d}"
    assert mark == {
        "_id": f"Mock-1|{SPY.key}|{day}",
        "account_id": "Mock-1",
        "instrument_key": SPY.key,
        "date": day,
        "price": Decimal(104),
        "currency": "USD",
        "fx_rate": Decimal(1),
        "as_of": mark["as_of"],
    }
    assert store["trading_accounts"].find_one({})["unrealized_pnl"] == 40


def test_positions_that_are_not_told_stay_and_show_their_age(store):
    add(store, "Mock-1")
    broker = ScriptedBroker(make_state())
    broker.held = held("103")
    poll_once(store, broker)
    before = store["account_positions"].find_one({})
    broker.held = BrokerUnavailable("positions are away")
    poll_once(store, broker)
    after = store["account_positions"].find_one({})
    assert after == before | {"error": "positions are away"}
    assert store["trading_accounts"].find_one({})["poll_error"] is None


def test_a_position_without_a_price_makes_no_mark_and_the_gain_unknown(store):
    add(store, "Mock-1")
    broker = ScriptedBroker(make_state())
    broker.held = held(None)
    poll_once(store, broker)
    assert store["daily_marks"].count_documents({}) == 0
    assert store["trading_accounts"].find_one({})["unrealized_pnl"] is None


def test_a_day_has_its_first_highest_lowest_and_last_equity(store):
    add(store, "Mock-1")
    for equity in ("100", "104", "97", "101"):
        state = make_state(equity=Decimal(equity))
        poll_once(store, ScriptedBroker(state))
    rows = list(store["equity_history"].find().sort("date", 1))
    if len(rows) == 1:  # else midnight has passed meanwhile
        (day,) = rows
        found = [day[name] for name in ("open", "high", "low", "close", "flows", "currency")]
        assert found == [100, 104, 97, 101, 0, "USD"]
    assert rows[-1]["close"] == 101
    assert store["fund_history"].find_one({"account_type": "PAPER"})["close"] == 101


# Brokers that push


def test_a_broker_that_pushes_rings_by_itself(store, begin, gapless):
    add(store, "A")
    broker = ScriptedBroker(make_state("A"))
    broker.connected, broker.pushes = False, True
    broker.connect = lambda: setattr(broker, "connected", True)
    begin({"A": broker}, seconds=600)
    wait_until(lambda: broker.asked == 1)
    broker.bell()
    assert wait_until(lambda: broker.asked == 2)
