"""Row 21 of the fault matrix: clocks that are five minutes wrong, and clocks that are set back."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest

from brokers.errors import OrderStateUnknown
from services.common import clock, clock_watch
from services.common.bootstrap import create_topology
from services.common.bus import Publisher, Ring
from services.common.clock_watch import INCIDENT, ClockWatch
from services.common.controls import controls
from services.common.leases import Lease
from services.common.settings import CommonSettings
from services.common.topology import STANDARDIZED_SIGNALS
from services.domain.risk import scope_key, state_for
from services.domain.words import Intent, Scope, Side, TradingState
from tests.fakes.broker import FakeBroker
from tests.support.builders import make_order
from tests.support.desks import add_order, make_desk, settle, stored, wait_for
from tests.support.execution_process import wait_until
from tests.support.rows import ACCOUNT, add_account, add_signal, add_strategy, allow_trading
from tests.support.service_process import ServiceProcess

pytestmark = pytest.mark.servers
FIVE_MINUTES = 300
TTL_SECONDS = 0.6


@pytest.fixture
def wrong(monkeypatch):
    """Sets this process's clock forward, or back."""

    def set_(seconds):
        monkeypatch.setattr(clock, "_skew", clock._Skew(timedelta(seconds=seconds)))

    return set_


@pytest.fixture
def aside(wrong):
    """For what another machine does, whose clock is wrong."""

    @contextmanager
    def aside_(seconds):
        wrong(seconds)
        yield
        wrong(0)

    return aside_


# Leases: who renews keeps it, and who is dead is replaced, whatever the clocks say.


@pytest.mark.parametrize("seconds", [FIVE_MINUTES, -FIVE_MINUTES])
def test_an_owner_that_renews_is_not_replaced_by_one_whose_clock_is_wrong(store, aside, seconds):
    owner, other = (Lease(store, "x", ttl_seconds=TTL_SECONDS) for _ in range(2))
    assert owner.try_acquire()
    until = time.monotonic() + 4 * TTL_SECONDS
    while time.monotonic() < until:
        with aside(seconds):
            assert not other.try_acquire()
        assert owner.try_acquire()
        time.sleep(TTL_SECONDS / 20)
    assert (owner.held(), other.held(), owner.epoch) == (True, False, 1)


@pytest.mark.parametrize("seconds", [FIVE_MINUTES, -FIVE_MINUTES])
def test_a_dead_owner_whose_clock_was_wrong_is_replaced(store, aside, seconds):
    dead, heir = (Lease(store, "x", ttl_seconds=TTL_SECONDS) for _ in range(2))
    with aside(seconds):
        assert dead.try_acquire()
    wait_for(heir.try_acquire)
    assert not dead.held(), "its own time was over before"
    assert (dead.try_acquire(), heir.epoch) == (False, 2)


def test_a_clock_that_is_set_back_costs_nobody_the_lease(store, wrong):
    owner, other = (Lease(store, "x", ttl_seconds=TTL_SECONDS) for _ in range(2))
    assert owner.try_acquire()
    assert not other.try_acquire()
    wrong(-FIVE_MINUTES)
    assert owner.held()
    assert owner.try_acquire()
    wrong(0)  # as the other one's clock is: by it the lease has long expired
    assert not other.try_acquire()
    assert (owner.held(), owner.epoch) == (True, 1)


# What became of an order: the proof takes its time by a clock that nobody sets.


@pytest.fixture
def lost_exit(store):
    """Opens a desk whose broker gets an exit, answers nothing, and never shows it."""
    desks = []

    def open_(proof_seconds):
        allow_trading(store)
        broker = FakeBroker(ACCOUNT)
        desk = make_desk(store, broker, proof_seconds=proof_seconds)
        desk.start()
        desks.append(desk)
        wait_for(lambda: desk._is_open() and broker.handler)
        settle(desk, store, add_order(store, make_order(signal_id="sig_0")))
        broker.fail, broker.lose = OrderStateUnknown("timed out"), True
        leaving = make_order(side=Side.SELL, intent=Intent.EXIT, signal_id="sig_2")
        order_id = add_order(store, leaving)
        desk.wake([order_id])
        wait_for(lambda: "absent_since" in stored(store, order_id))
        return broker, order_id

    yield open_
    for desk in desks:
        desk.stop()


def test_a_clock_that_jumps_ahead_does_not_cut_a_proof_short(store, wrong, lost_exit):
    broker, order_id = lost_exit(proof_seconds=3600)
    asked = []
    find_orders = broker.find_orders
    broker.find_orders = lambda ids: asked.append(ids) or find_orders(ids)
    wrong(2 * 3600)
    wait_for(lambda: len(asked) >= 5)
    assert stored(store, order_id)["status"] == "UNKNOWN"
    assert len(broker.sent) == 1, "the entry; the exit may still arrive"


def test_a_clock_that_is_set_back_neither_doubles_a_send_nor_prolongs_a_proof(
    store, wrong, lost_exit
):
    broker, order_id = lost_exit(proof_seconds=0.5)
    wrong(-FIVE_MINUTES)
    row = wait_for(lambda: (row := stored(store, order_id))["status"] == "FILLED" and row)
    assert (row["resend_count"], len(broker.sent)) == (1, 2)


# Whoever decides or sends looks at its own clock.


@pytest.fixture
def watch(store):
    allow_trading(store)
    made = ClockWatch(store, "cerebro", most_seconds=30, fresh_seconds=60)
    clock.doubted_by(made.trouble)
    yield made
    clock.doubted_by(str)


def state(store):
    return state_for(controls(store), {scope_key(Scope.GLOBAL)})[0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(FIVE_MINUTES, "300 s ahead of the database's"), (-FIVE_MINUTES, "300 s behind the data")],
)
def test_a_wrong_clock_lets_exits_through_only_and_is_told_until_it_is_right(
    store, watch, wrong, seconds, words
):
    watch.look()
    assert state(store) is TradingState.ACTIVE
    wrong(seconds)
    watch.look()
    assert state(store) is TradingState.REDUCING
    incident = store["incidents"].find_one({"_id": f"{INCIDENT}|cerebro"})
    assert incident["sentence"].startswith(f"the clock of cerebro is {words}")
    assert controls(store)[-1].reason in incident["sentence"]
    wrong(0)
    watch._held_until = 0.0  # what a step leaves behind is another test's
    watch._course = clock_watch._course()
    watch.look()
    assert state(store) is TradingState.ACTIVE
    assert store["incidents"].find_one({})["status"] == "CLEARED"


@pytest.mark.parametrize("seconds", [20, -20])
def test_what_drills_do_to_clocks_is_no_trouble(store, watch, wrong, seconds):
    wrong(seconds)
    watch.look()
    assert state(store) is TradingState.ACTIVE


def passes(watch, monkeypatch, *seconds):
    """The watch's next looks at the monotonic clock show this, and its course stays the same."""
    moments = iter(seconds)
    fake = SimpleNamespace(monotonic=lambda: next(moments, seconds[-1]))
    monkeypatch.setattr(clock_watch, "_course", lambda: watch._course)
    monkeypatch.setattr(clock_watch, "time", fake)


def test_an_answer_that_took_long_is_no_wrong_clock(store, watch, monkeypatch):
    passes(watch, monkeypatch, 1000, 1400)
    watch.look()
    assert state(store) is TradingState.ACTIVE


def test_a_step_back_is_seen_at_once_and_holds_entries_until_old_figures_are_old(
    store, watch, wrong, monkeypatch
):
    watch.look()
    wrong(-FIVE_MINUTES)
    assert state(store) is TradingState.REDUCING, "without a look at the database"
    assert "was set back by 300 s" in controls(store)[-1].reason
    # 300 s, and the 60 s for which figures count as fresh
    passes(watch, monkeypatch, watch._held_until - 1)
    assert state(store) is TradingState.REDUCING
    passes(watch, monkeypatch, watch._held_until + 1)
    assert state(store) is TradingState.ACTIVE


# Whole processes.


@pytest.mark.parametrize("seconds", [FIVE_MINUTES, -FIVE_MINUTES])
def test_cerebro_five_minutes_wrong_denies_entries_and_says_why(
    store, bus_connection, tmp_path, seconds
):
    add_strategy(store)
    add_account(store)
    allow_trading(store)
    settings = CommonSettings(**bus_connection)
    create_topology(settings)
    add_signal(store, "sig_1")
    process = ServiceProcess("cerebro", bus_connection, tmp_path, CLOCK_SKEW=f"cerebro={seconds}")
    ring = Ring("sig_1", {"signal_id": "sig_1"})
    assert Publisher(settings).ring(STANDARDIZED_SIGNALS, [ring])
    try:
        row = wait_until(
            lambda: (row := store["signal_store"].find_one({"decision": {"$ne": None}})) and row,
            process.tail,
        )
    finally:
        process.kill()
    assert (row["decision"]["outcome"], row["decision"]["code"]) == ("DENIED", "TRADING_REDUCING")
    assert "the clock of cerebro is 300 s" in row["decision"]["reason"]


@pytest.mark.parametrize("skew", ["300", "-300", "-300@4"])
def test_execution_five_minutes_wrong_sends_exits_only_and_nothing_twice(
    open_trade, monkeypatch, skew
):
    """The last one is set back while it runs; the owner before it died with the account held."""
    trade = open_trade()
    trade.start().opens(*trade.accounts)
    entry = trade.add(1)
    trade.ring(entry)
    trade.becomes(entry, "FILLED")
    trade.kill_all()
    monkeypatch.setenv("CLOCK_SKEW", f"execution={skew}")
    trade.start().opens(*trade.accounts)
    wait_until(lambda: trade.incidents(kind=INCIDENT, status="OPEN"), "nobody has seen it")
    late, leaving = trade.add(2), trade.add(3, side=Side.SELL, intent=Intent.EXIT)
    trade.ring(late, leaving)
    assert "TRADING_REDUCING" in trade.becomes(late, "DENIED")["text"]
    trade.becomes(leaving, "FILLED")
    assert [trade.sent(each) for each in (entry, late, leaving)] == [1, 0, 1]
    monkeypatch.delenv("CLOCK_SKEW")
    assert trade.settled() == []
