"""Gaps in what a strategy sends, on the real store and bus: entries wait for them, exits do not."""

import threading
import time
from contextlib import suppress
from decimal import Decimal

import pytest

from scripts.resync import resync
from services.common.bus import Publisher, Ring, create_topology
from services.common.settings import CommonSettings
from services.common.store import to_document
from services.common.subscriber import Subscriber
from services.common.topology import CEREBRO_SIGNALS, STANDARDIZED_SIGNALS
from services.domain.errors import ConfigurationError, PartlyDone, TransientError
from services.domain.signals import PreviousPosition
from tests.support.builders import make_limits, make_position
from tests.support.cerebro import make_cerebro as cerebro_of
from tests.support.rows import (
    ACCOUNT,
    STRATEGY,
    add_account,
    add_signal,
    add_strategy,
    allow_trading,
    exit_fields,
)

pytestmark = pytest.mark.servers
AAPL = make_position().instrument.key


@pytest.fixture
def cerebro(store):
    return make_cerebro(store)


def make_cerebro(store, *, exit_seconds=60, gap_seconds=60):
    if not store["strategies"].find_one({}):
        add_strategy(store)
        add_account(store)
        allow_trading(store)
    return cerebro_of(store, limits=make_limits(position="1"), exit=exit_seconds, gap=gap_seconds)


def hold(store, quantity):
    held = make_position(quantity, "150", account_id=ACCOUNT)
    row = {"_id": "p", "open": True, "instrument_key": held.instrument.key, **to_document(held)}
    store["positions"].insert_one(row)


def doorbells(*names):
    return [{"signal_id": name} for name in names]


def decide(cerebro, *names):
    """Which of them wait."""
    try:
        cerebro.on_signals(doorbells(*names))
    except PartlyDone as error:
        return [names[place] for place in sorted(error.waiting)]
    return []


def decision(store, signal_id):
    return store["signal_store"].find_one({"_id": signal_id}).get("decision")


def incident(store, kind="SIGNAL_GAP", key=STRATEGY):
    return store["incidents"].find_one({"_id": f"{kind}|{key}"})


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def numbered(store, name, number, **changes):
    add_signal(store, name, sent={"sequence": number}, **changes)


def claiming(store, name, held, **changes):
    claim = PreviousPosition(sign=(held > 0) - (held < 0), size=abs(Decimal(held)))
    add_signal(store, name, sent={"previous_position": claim}, **changes)


def test_an_entry_past_a_gap_waits_and_the_rest_of_its_batch_does_not(store, cerebro):
    numbered(store, "s5", 5)
    assert decide(cerebro, "s5") == []
    numbered(store, "s7", 7)
    add_signal(store, "unnumbered")
    assert decide(cerebro, "s7", "unnumbered") == ["s7"]
    assert decision(store, "unnumbered")["outcome"] == "APPROVED"
    assert decision(store, "s7") is None
    assert store["orders"].count_documents({"signal_id": "s7"}) == 0
    assert store["sequences"].find_one({"_id": STRATEGY})["last"] == 5
    found = incident(store)
    assert found["status"] == "OPEN"
    assert found["sentence"] == f"{STRATEGY} sent number 7, but 6 has not come"
    assert decide(cerebro, "s7") == ["s7"]
    assert incident(store)["count"] == 1  # told once, however often it is tried


def test_the_missing_one_frees_those_that_wait_and_clears_the_incident(store, cerebro):
    for number in (5, 7):
        numbered(store, f"s{number}", number)
    assert decide(cerebro, "s5", "s7") == ["s7"]
    numbered(store, "s6", 6)
    assert decide(cerebro, "s6") == []
    assert incident(store)["status"] == "CLEARED"
    assert decide(cerebro, "s7") == []
    assert decision(store, "s7")["outcome"] == "APPROVED"
    row = store["sequences"].find_one({"_id": STRATEGY})
    assert (row["last"], row["missing"], row["unlisted"]) == (7, [], 0)


def test_an_entry_does_not_wait_for_ever(store):
    cerebro = make_cerebro(store, exit_seconds=600, gap_seconds=20)
    numbered(store, "s5", 5)
    decide(cerebro, "s5")
    numbered(store, "s7", 7, age_seconds=21)
    assert decide(cerebro, "s7") == []
    found = decision(store, "s7")
    assert (found["outcome"], found["code"]) == ("DENIED", "SEQUENCE_GAP")
    assert found["reason"] == f"{STRATEGY} sent number 7, but 6 has not come"
    numbered(store, "s6", 6)
    assert decide(cerebro, "s6") == []
    assert incident(store)["status"] == "CLEARED"


def test_an_exit_past_a_gap_goes_with_a_warning_and_opens_the_incident(store, cerebro):
    hold(store, "18")
    numbered(store, "s5", 5)
    decide(cerebro, "s5")
    store["orders"].update_many({}, {"$unset": {"working": ""}})
    numbered(store, "s7", 7, **exit_fields())
    assert decide(cerebro, "s7") == []
    found = decision(store, "s7")
    assert found["outcome"] == "APPROVED"
    assert "but 6 has not come; an exit goes all the same" in found["reason"]
    assert store["sequences"].find_one({"_id": STRATEGY})["missing"] == [6]
    assert incident(store)["status"] == "OPEN"
    numbered(store, "s8", 8)
    assert decide(cerebro, "s8") == ["s8"]


def test_an_exit_without_position_waits_for_what_its_number_says_is_missing(store, cerebro):
    numbered(store, "s5", 5, leg={"instrument": "MSFT"})
    decide(cerebro, "s5")
    numbered(store, "s7", 7, **exit_fields())
    assert decide(cerebro, "s7") == ["s7"]
    numbered(store, "old", 7, age_seconds=61, **exit_fields())
    assert decide(cerebro, "old") == []
    assert decision(store, "old")["code"] == "NO_POSITION"


def test_a_number_that_comes_again_is_an_incident_and_no_gap(store, cerebro):
    for name, number in (("a", 5), ("b", 6), ("c", 5)):
        numbered(store, name, number)
    assert decide(cerebro, "a", "b", "c") == []
    assert decision(store, "c")["outcome"] == "APPROVED"
    assert "number 5 again" in incident(store, "SEQUENCE_REPEATED")["sentence"]
    assert incident(store) is None


def test_a_doubled_doorbell_is_no_repeated_number(store, cerebro):
    numbered(store, "a", 5)
    for _ in range(2):
        assert decide(cerebro, "a") == []
    assert incident(store, "SEQUENCE_REPEATED") is None


def test_replicas_that_count_at_once_lose_no_number(store):
    replicas = [make_cerebro(store) for _ in range(3)]
    for number in range(1, 25):
        numbered(store, f"s{number}", number, **exit_fields())
    hold(store, "1000")
    decide(replicas[0], "s1")

    def work(replica, numbers):
        for number in numbers:
            while store["signal_store"].find_one({"_id": f"s{number}", "undecided": True}):
                with suppress(TransientError):  # it waits, or they came into conflict
                    replica.on_signals(doorbells(f"s{number}"))

    threads = [
        threading.Thread(target=work, args=(replica, range(24 - place, 1, -3)))
        for place, replica in enumerate(replicas)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = store["sequences"].find_one({"_id": STRATEGY})
    assert (row["last"], row["missing"]) == (24, [])


def test_an_entry_waits_while_the_sender_holds_what_we_never_heard_of(store, cerebro):
    claiming(store, "a", 0)
    assert decide(cerebro, "a") == []
    claiming(store, "c", 15)
    assert decide(cerebro, "c") == ["c"]
    found = incident(store, key=f"{STRATEGY}|{AAPL}")
    assert found["status"] == "OPEN"
    assert "held 15 AAPL before, but its signals so far make that 10" in found["sentence"]
    claiming(store, "b", 10, leg={"quantity": 5})
    assert decide(cerebro, "b") == []
    assert decide(cerebro, "c") == []
    assert incident(store, key=f"{STRATEGY}|{AAPL}")["status"] == "CLEARED"


def test_an_entry_that_never_fits_is_denied(store, cerebro):
    claiming(store, "a", 0)
    decide(cerebro, "a")
    claiming(store, "c", 15, age_seconds=61)
    assert decide(cerebro, "c") == []
    assert decision(store, "c")["code"] == "POSITION_GAP"


def test_both_flat_heals_but_not_while_an_entry_works(store, cerebro):
    claiming(store, "a", 0)
    decide(cerebro, "a")  # reserved: the entry works
    claiming(store, "b", 0)
    assert decide(cerebro, "b") == ["b"]
    store["reservations"].delete_many({})  # it ended without a fill
    assert decide(cerebro, "b") == []
    assert incident(store, key=f"{STRATEGY}|{AAPL}")["status"] == "CLEARED"


def test_an_operator_accepts_a_gap_and_what_waits_goes_on(store, cerebro, connection):
    numbered(store, "s5", 5)
    claiming(store, "a", 0)
    decide(cerebro, "s5", "a")
    numbered(store, "s7", 7)
    claiming(store, "c", 15)
    assert decide(cerebro, "s7", "c") == ["s7", "c"]
    forgotten = resync(CommonSettings(**connection), STRATEGY, by="anna")
    assert sorted(forgotten) == [
        f"{STRATEGY}: count at 5",
        f"{STRATEGY}|{AAPL}: signals so far make 10",
    ]
    assert store["incidents"].count_documents({"status": "OPEN"}) == 0
    (line,) = store["audit_log"].find()
    assert (line["what"], line["by"]) == ("GAP_ACCEPTED", "anna")
    assert line["facts"]["strategy_id"] == STRATEGY
    assert decide(cerebro, "s7", "c") == []
    assert decision(store, "c")["outcome"] == "APPROVED"


def test_a_gap_of_an_unknown_strategy_cannot_be_accepted(store, connection):
    with pytest.raises(ConfigurationError, match="no strategy named 'Nobody'"):
        resync(CommonSettings(**connection), "Nobody", by="anna")


def test_an_old_exit_goes_with_both_numbers_in_its_reason(store, cerebro):
    hold(store, "18")
    add_signal(store, "leave", age_seconds=75, valid_for_s=30, **exit_fields())
    assert decide(cerebro, "leave") == []
    found = decision(store, "leave")
    assert found["outcome"] == "APPROVED"
    assert found["reason"].startswith("exit age: 75.")
    assert "valid for 30 s" in found["reason"]


@pytest.fixture
def bus_of(bus_connection, store):
    """A running subscription of a Cerebro with this patience; returns what rings for signals."""
    settings = CommonSettings(**bus_connection)
    create_topology(settings)
    running = []

    def start(**patience):
        handler = make_cerebro(store, **patience).on_signals
        subscriber = Subscriber(settings, store, CEREBRO_SIGNALS, handler, on_death=pytest.fail)
        subscriber.start()
        running.append(subscriber)
        publisher = Publisher(settings)
        return lambda *names: publisher.ring(
            STANDARDIZED_SIGNALS, [Ring(STRATEGY, {"signal_id": name}) for name in names]
        )

    yield start
    for subscriber in running:
        subscriber.stop()


def test_an_exit_before_its_entry_holds_nobody_up_and_goes_when_it_has_filled(store, bus_of):
    ring = bus_of()
    add_signal(store, "leave", entry_signal_id="enter", **exit_fields())
    ring("leave")
    add_signal(store, "other", leg={"instrument": "MSFT"})
    ring("other")
    wait_for(lambda: decision(store, "other"))  # by the same thread that gave the exit back
    assert decision(store, "leave") is None
    add_signal(store, "enter")
    ring("enter")
    wait_for(lambda: decision(store, "enter"))
    assert decision(store, "leave") is None
    store["orders"].update_one(
        {"signal_id": "enter"},
        {"$set": {"filled_quantity": Decimal(10)}, "$unset": {"working": ""}},
    )
    hold(store, "10")
    wait_for(lambda: decision(store, "leave"))
    (order,) = store["orders"].find({"order.entry_signal_id": "enter"})
    assert order["order"]["quantity"] == Decimal(10)


def test_an_exit_whose_entry_never_comes_is_denied_with_an_incident(store, bus_of):
    ring = bus_of(exit_seconds=1)
    add_signal(store, "leave", entry_signal_id="never", **exit_fields())
    ring("leave")
    wait_for(lambda: decision(store, "leave"))
    assert decision(store, "leave")["code"] == "ENTRY_NOT_FOUND"
    wait_for(lambda: incident(store, "EXIT_DENIED", "leave"))


def test_a_held_entry_follows_the_missing_one_over_the_bus(store, bus_of):
    ring = bus_of()
    for number in (5, 7, 6):
        numbered(store, f"s{number}", number)
    ring("s5")
    wait_for(lambda: decision(store, "s5"))
    ring("s7")
    wait_for(lambda: incident(store))
    assert decision(store, "s7") is None
    ring("s6")
    wait_for(lambda: decision(store, "s7"))
    decided = [decision(store, name)["decided_at"] for name in ("s5", "s6", "s7")]
    assert decided == sorted(decided)
