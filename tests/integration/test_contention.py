"""Many deciders and many strategies on one account: never over a limit, never stuck, all told."""

import random
import threading
import time
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.common.limits import set_limits
from services.common.locks import locks
from services.common.settings import CommonSettings
from services.common.store import Store, to_document
from services.domain.errors import PartlyDone, TransientError
from services.domain.words import ContentionPolicy, Scope
from tests.support.builders import make_limits, make_position
from tests.support.cerebro import make_cerebro
from tests.support.rows import (
    ACCOUNT,
    add_account,
    add_signal,
    add_strategy,
    allow_trading,
)

pytestmark = pytest.mark.servers

WIDE = make_limits(position="100", broker="100")
SIGNED = {"by": "test", "reason": "test"}


def set_up(store, ratios, **account):
    allow_trading(store)
    add_account(store, **account)
    for strategy_id, ratio in ratios.items():
        add_strategy(store, strategy_id, ratio=ratio)


def send(store, signal_id, strategy_id, quantity=1, symbol="AAPL", side="BUY", **fields):
    leg = {"quantity": quantity, "instrument": symbol, "price": 100, "action": side}
    leg["direction"] = "LONG" if side == "BUY" else "SHORT"
    add_signal(store, signal_id, strategy_id=strategy_id, account_equity=10_000, leg=leg, **fields)


# At 100 a share, Regulation T: 100 of capital and 50 of margin each.


def test_eight_workers_and_500_signals_exceed_nothing_and_never_stick(store, connection):
    ratios = {f"S{number}": "0.02" for number in range(4)}  # 20,000 each
    free = Decimal(30_000)
    set_up(store, ratios, available_funds=free)
    set_limits(
        store,
        Scope.ACCOUNT,
        ACCOUNT,
        {"max_gross_exposure_ratio": Decimal("0.055"), "max_position_ratio": Decimal("0.02")},
        **SIGNED,
    )
    set_limits(store, Scope.STRATEGY, "S0", {"max_order_quantity": Decimal(8)}, **SIGNED)
    set_limits(store, Scope.GLOBAL, "", {"max_orders_per_minute": 450}, **SIGNED)
    drawn = random.Random(4)  # noqa: S311 - the same signals every time
    for number in range(500):
        symbol, quantity = drawn.choice(["AAPL", "MSFT", "NVDA", "TSLA"]), drawn.randint(1, 10)
        send(store, f"s{number}", f"S{number % 4}", quantity=quantity, symbol=symbol)
    names = [f"s{number}" for number in range(500)]
    over: list[str] = []
    done = threading.Event()
    watch = threading.Thread(target=watch_limits, args=(store, free, over, done))
    workers = [
        threading.Thread(target=decide_all, args=(connection, seed, list(names)))
        for seed in range(8)
    ]
    watch.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=240)
    done.set()
    watch.join(timeout=30)
    assert not any(worker.is_alive() for worker in workers)
    assert over == []
    assert store["signal_store"].count_documents({"undecided": True}) == 0
    orders = list(store["orders"].find())
    assert len(orders) <= 450
    assert len({row["signal_id"] for row in orders}) == len(orders) > 20
    assert check_limits(list(store["reservations"].find()), free) == []
    assert all(row["order"]["quantity"] <= 8 for row in orders if row["strategy_id"] == "S0")


def decide_all(connection, seed, names):
    """One replica: every signal in its own order, in batches of its own, until all are decided."""
    own = Store.connect(CommonSettings(**connection))
    cerebro = make_cerebro(own, limits=WIDE)
    drawn = random.Random(seed)  # noqa: S311 - an order and batches of its own
    drawn.shuffle(names)
    until = time.monotonic() + 220
    while names and time.monotonic() < until:
        batch = names[: drawn.randint(1, 32)]
        try:
            cerebro.on_signals([{"signal_id": name} for name in batch])
        except TransientError:
            continue
        names = names[len(batch) :]
    own.close()


def watch_limits(store, free, over, done):
    """At any instant, not only at the end."""
    while not done.wait(0.02):
        with store.client.start_session() as session, session.start_transaction():
            over += check_limits(list(store["reservations"].find(session=session)), free)


def check_limits(held, free):
    found = []
    if sum((row["margin"] for row in held), Decimal(0)) > free:
        found.append("margin")
    if sum((row["capital"] for row in held), Decimal(0)) > 55_000:
        found.append("gross exposure")
    for name in {row["strategy_id"] for row in held}:
        if sum(row["capital"] for row in held if row["strategy_id"] == name) > 20_000:
            found.append(f"allocation of {name}")
    for key in {row["instrument_key"] for row in held}:
        if sum(row["capital"] for row in held if row["instrument_key"] == key) > 20_000:
            found.append(f"position in {key}")
    return found


def shared_account(store, policy, window="0", **fields):
    """Two strategies that may each use 10,000, in an account with margin for 6,000 of stock."""
    set_up(store, {"S1": "0.01", "S2": "0.01"}, available_funds=Decimal(3000))
    for strategy_id, values in fields.items():
        store["strategies"].update_one({"_id": strategy_id}, {"$set": values})
    set_limits(
        store,
        Scope.ACCOUNT,
        "*",
        {"contention_policy": policy, "contention_window_seconds": Decimal(window)},
        **SIGNED,
    )


def margins(store):
    held = store["reservations"].find({"closing_quantity": 0})
    return {row["strategy_id"]: row["margin"] for row in held}


def decide(store, *names):
    make_cerebro(store, limits=WIDE).on_signals([{"signal_id": name} for name in names])


def test_first_come_first_served_and_the_ledger_says_who_got_less(store):
    shared_account(store, ContentionPolicy.FIRST_COME)
    send(store, "a", "S1", quantity=50, age_seconds=2)
    send(store, "b", "S2", quantity=50, age_seconds=1)
    decide(store, "b", "a")
    assert margins(store) == {"S1": 2500, "S2": 500}
    (row,) = store["contention_ledger"].find()
    assert (row["signal_id"], row["policy"]) == ("b", "FIRST_COME")
    assert (row["asked_margin"], row["got_margin"]) == (2500, 500)
    assert row["rivals"] == {"S1": 2500}


def test_pro_rata_gives_each_the_same_part_of_what_it_asks(store):
    shared_account(store, ContentionPolicy.PRO_RATA)
    send(store, "a", "S1", quantity=80, age_seconds=2)  # 4,000
    send(store, "b", "S2", quantity=40, age_seconds=1)  # 2,000
    decide(store, "a", "b")
    assert margins(store) == {"S1": 2000, "S2": 1000}
    rows = {row["signal_id"]: row for row in store["contention_ledger"].find()}
    assert (rows["a"]["asked_margin"], rows["a"]["got_margin"]) == (4000, 2000)
    assert (rows["b"]["asked_margin"], rows["b"]["got_margin"]) == (2000, 1000)


def test_pro_rata_finds_rivals_whose_doorbell_is_elsewhere(store):
    shared_account(store, ContentionPolicy.PRO_RATA)
    send(store, "a", "S1", quantity=60)
    send(store, "b", "S2", quantity=60)
    decide(store, "a")
    assert margins(store) == {"S1": 1500, "S2": 1500}
    decide(store, "b")  # its own doorbell finds it decided
    assert store["orders"].count_documents({}) == 2


def test_pro_rata_takes_nothing_where_there_is_enough(store):
    shared_account(store, ContentionPolicy.PRO_RATA)
    send(store, "a", "S1", quantity=30)
    send(store, "b", "S2", quantity=20)
    decide(store, "a", "b")
    assert margins(store) == {"S1": 1500, "S2": 1000}
    assert store["contention_ledger"].count_documents({}) == 0


def test_a_shadow_strategy_takes_no_margin_from_others(store):
    shared_account(store, ContentionPolicy.PRO_RATA, S2={"mode": "SHADOW"})
    send(store, "a", "S1", quantity=50)
    send(store, "b", "S2", quantity=50)
    decide(store, "a", "b")
    assert margins(store) == {"S1": 2500}
    assert store["contention_ledger"].count_documents({}) == 0
    shadow = store["signal_store"].find_one({"_id": "b"})
    assert (shadow["status"], shadow["decision"]["code"]) == ("DENIED", "STRATEGY_SHADOW")
    assert [row["signal_id"] for row in store["orders"].find()] == ["a"]


def test_priority_serves_the_first_in_rank_before_the_first_to_come(store):
    shared_account(store, ContentionPolicy.PRIORITY, S1={"priority": 5}, S2={"priority": 1})
    send(store, "a", "S1", quantity=50, age_seconds=2)
    send(store, "b", "S2", quantity=50, age_seconds=1)
    decide(store, "a", "b")
    assert margins(store) == {"S1": 500, "S2": 2500}


def test_entries_gather_for_the_window_and_exits_do_not_wait(store):
    shared_account(store, ContentionPolicy.PRO_RATA, window="5")
    send(store, "a", "S1", quantity=60)
    held = make_position("10", symbol="MSFT", strategy_id="S1")
    store["positions"].insert_one({"_id": "p", "open": True, **to_document(held)})
    send(store, "x", "S1", symbol="MSFT", side="SELL", signal_type="EXIT")
    with pytest.raises(PartlyDone, match="a waits: entries gather"):
        decide(store, "a", "x")
    assert "undecided" not in store["signal_store"].find_one({"_id": "x"})
    send(store, "b", "S2", quantity=60)
    earlier = utc_now() - timedelta(seconds=6)
    update = {"$set": {"received_at": earlier, "signal.received_at": earlier}}
    store["signal_store"].update_one({"_id": "a"}, update)
    decide(store, "b")
    assert margins(store) == {"S1": 1500, "S2": 1500}


def test_a_passed_limit_is_kept_as_a_lock_that_stops_the_next_entry(store):
    set_up(store, {"S1": "0.5"})
    changes = {"max_entries": 1, "entries_window_seconds": Decimal(60)}
    set_limits(store, Scope.STRATEGY, "S1", changes, **SIGNED)
    for name in ("a", "b", "c"):
        send(store, name, "S1", symbol=name.upper())
        decide(store, name)
    codes = [store["signal_store"].find_one({"_id": name})["decision"]["code"] for name in "abc"]
    assert codes == ["", "REPEATED_EXECUTION", "ENTRIES_LOCKED"]
    (lock,) = locks(store, utc_now())
    assert lock.scope_id == "S1"
