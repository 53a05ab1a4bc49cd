"""A signal without a price: from Cerebro's wish over account_data and the broker to the order."""

from __future__ import annotations

import re
import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest
import urllib3

from brokers.accounts import Purpose
from brokers.broker import Quote
from brokers.errors import BrokerUnavailable
from brokers.factory import BrokerConnection, create_broker
from services.account_data.poller import Poller
from services.account_data.service import AccountData
from services.account_data.store import AccountStore
from services.cerebro.patience import Patience
from services.cerebro.service import Cerebro
from services.cerebro.store import CerebroStore
from services.common.clock import utc_now
from services.common.store import to_document
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import TransientError
from services.domain.intake import take_in
from tests.support.accounts import ScriptedBroker, accounts_of, make_state, wait_until
from tests.support.builders import make_instrument, make_limits, make_position
from tests.support.documents import make_signal_document
from tests.support.rows import (
    ACCOUNT,
    STRATEGY,
    SilentPublisher,
    add_account,
    add_strategy,
    allow_trading,
    envelope,
)
from tests.support.servers import start_mock_broker

pytestmark = pytest.mark.servers
AAPL = make_instrument()


@pytest.fixture
def cerebro(store):
    """Cerebro, allowed to trade half of one account for the strategy."""
    add_strategy(store)
    add_account(store)
    allow_trading(store)
    return Cerebro(
        store,
        CerebroStore(store, reference_seconds=0),
        SilentPublisher(),
        limits=make_limits(),
        patience=Patience(Decimal(60), Decimal(60), Decimal(10)),
    )


def send(store, signal_id, *, price=None, action="BUY", age_seconds=0, **changes):
    """A market order of 10 AAPL, with the price the sender gave: none, or 0."""
    received_at = utc_now() - timedelta(seconds=age_seconds)
    sent = envelope(signal_id, leg={"price": price, "action": action}, **changes)
    taken = take_in(sent, strategy_id=STRATEGY, received_at=received_at)
    signal = taken.signals[0].model_copy(update={"signal_id": signal_id})
    row = make_signal_document(signal=signal, status="STANDARDIZED", undecided=True)
    del row["decision"]
    store["signal_store"].insert_one(row)


def ring(cerebro, signal_id):
    cerebro.on_signals([{"signal_id": signal_id}])


def decided(cerebro, signal_id):
    """One delivery of the bus: whether it is decided now."""
    try:
        ring(cerebro, signal_id)
    except TransientError:
        return False
    return True


def life(store, signal_id):
    return store["signal_store"].find_one({"_id": signal_id})


def price_row(store, account_id=ACCOUNT, instrument=AAPL):
    return store["market_prices"].find_one({"_id": f"{instrument.key}|{account_id}"})


def test_an_entry_waits_and_says_which_price_it_wants(store, cerebro):
    send(store, "s1")
    before = utc_now()
    with pytest.raises(TransientError, match=r"s1 waits: .*has not been asked yet"):
        ring(cerebro, "s1")
    assert life(store, "s1")["undecided"]
    row = price_row(store)
    assert (row["account_id"], row["instrument"]["symbol"]) == (ACCOUNT, "AAPL")
    assert row["wanted_at"] >= before
    assert store["orders"].count_documents({}) == 0


def test_a_signal_that_cannot_trade_asks_no_broker(store, cerebro):
    store["trading_accounts"].update_one({"_id": ACCOUNT}, {"$set": {"status": "INACTIVE"}})
    send(store, "s1")
    ring(cerebro, "s1")
    assert life(store, "s1")["decision"]["code"] == "ACCOUNT_INACTIVE"
    assert price_row(store) is None


def test_an_exit_without_a_price_asks_no_broker(store, cerebro):
    send(store, "s1", signal_type="EXIT", age_seconds=61)
    ring(cerebro, "s1")
    assert life(store, "s1")["decision"]["code"] == "NO_POSITION"
    assert price_row(store) is None


def test_one_account_with_a_price_waits_for_the_other(store, cerebro):
    add_account(store, "Mock-2")
    store["strategies"].update_one(
        {}, {"$push": {"accounts": {"account_id": "Mock-2", "weight_ratio": Decimal(1)}}}
    )
    send(store, "s1")
    assert not decided(cerebro, "s1")
    AccountStore(store).save_price(ACCOUNT, AAPL, quote("150"), at=utc_now())
    assert not decided(cerebro, "s1")
    AccountStore(store).save_price("Mock-2", AAPL, quote("151"), at=utc_now())
    assert decided(cerebro, "s1")
    prices = {each["account_id"]: each["order"]["reference_price"] for each in orders(store)}
    assert prices == {ACCOUNT: Decimal(150), "Mock-2": Decimal(151)}


def test_a_partial_exit_of_a_fraction_waits_too_but_not_for_ever(store, cerebro):
    held = make_position("18", "150")
    row = {"_id": "p", "open": True, "instrument_key": AAPL.key, **to_document(held)}
    store["positions"].insert_one(row)
    fraction = {"$set": {"signal.legs.0.quantity_unit": "EQUITY_FRACTION"}}
    for signal_id, age_seconds in (("s1", 0), ("s2", 11)):
        send(store, signal_id, action="SELL", signal_type="SCALE_OUT", age_seconds=age_seconds)
        store["signal_store"].update_one({"_id": signal_id}, fraction)
    assert not decided(cerebro, "s1")
    assert price_row(store)["account_id"] == ACCOUNT
    assert decided(cerebro, "s2")
    assert [each["order"]["quantity"] for each in orders(store)] == [Decimal(18)]


def orders(store):
    return list(store["orders"].find())


def quote(price, **fields):
    return Quote(instrument=AAPL, price=Decimal(price), **{"as_of": utc_now(), **fields})


def poll(store, broker, account_id=ACCOUNT):
    account = BrokerAccount(account_id, "MOCK")
    return Poller(account, AccountStore(store), lambda _: broker, poll_seconds=60)


def want(store, account_id=ACCOUNT, *, ago_seconds=0.0):
    at = utc_now() - timedelta(seconds=ago_seconds)
    CerebroStore(store, reference_seconds=0).questions.want_prices(account_id, [AAPL], at=at)


def asked(store, *answers):
    """What is stored once the broker has given these answers, one for each time of asking."""
    broker = ScriptedBroker(make_state())
    broker.quotes = list(answers)
    poller = poll(store, broker)
    for _ in answers:
        want(store)
        poller.quote(until=0)
    assert broker.quotes == []
    return price_row(store)


def test_a_price_is_stored_with_its_age_and_never_younger_than_our_clock(store):
    old = utc_now() - timedelta(hours=1)
    row = asked(store, quote("150.25", as_of=old))
    assert (row["price"], row["as_of"], row["error"]) == (Decimal("150.25"), old, None)
    row = asked(store, quote("151", as_of=utc_now() + timedelta(hours=1)))
    assert row["as_of"] == row["answered_at"] <= utc_now()


@pytest.mark.parametrize("failure", [BrokerUnavailable("connection refused"), KeyError("last")])
def test_a_failure_keeps_the_price_and_its_age(store, failure):
    first = asked(store, quote("150"))
    row = asked(store, failure)
    assert (row["price"], row["as_of"]) == (first["price"], first["as_of"])
    assert str(failure) in row["error"]


def test_none_ends_an_earlier_price_and_an_earlier_error(store):
    row = asked(store, quote("150"), BrokerUnavailable("gone"), None)
    assert (row["price"], row["as_of"], row["error"]) == (None, None, None)


def test_only_what_is_wanted_now_and_here_is_asked(store):
    broker = ScriptedBroker(make_state())
    poller = poll(store, broker)
    want(store, "Mock-2")
    want(store, ago_seconds=31)
    poller.quote(until=0)
    assert broker.quoted == []
    want(store)
    broker.quotes = [quote("150")]
    poller.quote(until=0)
    poller.quote(until=0)  # answered since
    assert broker.quoted == [AAPL]


def test_a_broker_that_hangs_delays_only_its_own_account(store):
    release = threading.Event()

    class Hanging(ScriptedBroker):
        def last_price(self, instrument):
            release.wait(30)
            return super().last_price(instrument)

    brokers = {"A": Hanging(make_state("A")), "B": ScriptedBroker(make_state("B"))}
    for account_id, broker in brokers.items():
        broker.quotes = [quote("150")]
        add_account(store, account_id)
        want(store, account_id)
    polling = AccountData(
        AccountStore(store),
        accounts_of(store),
        lambda account: brokers[account.account_id],
        poll_seconds=1,
        max_age_seconds=60,
        on_death=pytest.fail,
    )
    polling.start()
    try:
        wait_until(lambda: price_row(store, "B").get("price"))
        assert "answered_at" not in price_row(store, "A")
        release.set()
        wait_until(lambda: price_row(store, "A").get("price"))
    finally:
        release.set()
        polling.stop()


def test_slow_answers_do_not_keep_the_next_poll_waiting(store):
    broker = ScriptedBroker(make_state())
    broker.quotes = [None]
    other = make_instrument("MSFT")
    CerebroStore(store, reference_seconds=0).questions.want_prices(
        ACCOUNT, [AAPL, other], at=utc_now()
    )
    poll(store, broker).quote(until=time.monotonic())
    assert len(broker.quoted) == 1


@pytest.fixture
def market(store, tmp_path):
    """The mock broker as a process, asked by account_data; its address, to set prices."""
    with start_mock_broker(tmp_path) as server:
        connection = BrokerConnection(mock_base_url=server.address, timeout_seconds=5)
        polling = AccountData(
            AccountStore(store),
            accounts_of(store),
            lambda account: create_broker(account, connection, purpose=Purpose.DATA),
            poll_seconds=1,
            max_age_seconds=60,
            on_death=pytest.fail,
        )
        polling.start()
        yield server
        polling.stop()


def set_price(server, price):
    with urllib3.PoolManager(retries=False) as pool:
        url = f"{server.address}/v1/prices/{AAPL.key}"
        assert pool.request("PUT", url, json={"price": price}).status == 200


@pytest.mark.parametrize("price", [None, 0])
def test_without_a_price_the_one_of_the_mock_broker_is_traded(store, cerebro, market, price):
    set_price(market, "160")
    send(store, "s1", price=price)
    wait_until(lambda: decided(cerebro, "s1"))
    (order,) = orders(store)
    # 10 × 500,000 / 500,000
    assert order["order"]["quantity"] == Decimal(10)
    assert order["order"]["reference_price"] == Decimal(160)
    (held,) = store["reservations"].find()
    assert held["capital"] == Decimal(1600)
    decision = life(store, "s1")["decision"]
    assert decision["outcome"] == "APPROVED"
    (step,) = [each for each in decision["steps"] if each["name"] == "price"]
    assert re.fullmatch(r"AAPL at 160 from the broker of Mock-1, \d+\.\d s old", step["sentence"])


def test_a_price_nobody_has_denies_when_the_wait_is_over(store, cerebro, market):
    send(store, "s1")
    assert not decided(cerebro, "s1")
    wait_until(lambda: price_row(store).get("answered_at"))
    assert not decided(cerebro, "s1")  # it may still come
    signal = life(store, "s1")["signal"]
    early = signal["received_at"] - timedelta(seconds=11)
    store["signal_store"].update_one(
        {"_id": "s1"}, {"$set": {"signal.received_at": early, "received_at": early}}
    )
    ring(cerebro, "s1")
    found = life(store, "s1")
    assert (found["status"], found["decision"]["code"]) == ("DENIED", "PRICE_MISSING")
    assert re.fullmatch(
        r"the signal names no price for AAPL, and the broker of Mock-1 knew none \d+\.\d s ago",
        found["decision"]["reason"],
    )


def test_a_dead_broker_denies_when_the_wait_is_over_and_says_so(store, cerebro, market):
    market.kill()
    send(store, "s1")
    assert not decided(cerebro, "s1")
    wait_until(lambda: price_row(store).get("error"))
    send(store, "s2", age_seconds=11)
    ring(cerebro, "s2")
    decision = life(store, "s2")["decision"]
    assert decision["code"] == "PRICE_MISSING"
    assert "the broker of Mock-1 could not be asked" in decision["reason"]
