"""An entry that wants a person: it waits in the store, one answer wins, and facts are fresh."""

import threading
from datetime import timedelta
from decimal import Decimal

import pytest

from scripts.decisions import again
from services.cerebro.approvals import Watch
from services.cerebro.store import CerebroStore
from services.common.approvals import AlreadyAnswered, answer_approval, approval
from services.common.clock import utc_now
from services.common.signed import Signed
from services.domain.approvals import AWAITS_APPROVAL, ApprovalAnswer, ApprovalStatus
from services.domain.errors import ConfigurationError, TransientError
from tests.support.cerebro import make_cerebro
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
OLGA = Signed("olga", "looks right")


@pytest.fixture
def cerebro(store, publisher):
    add_strategy(store)
    wants_approval(store)
    add_account(store)
    allow_trading(store)
    return make_cerebro(store, publisher)


def wants_approval(store, **terms):
    known = {"required": True, "timeout_s": Decimal(300), "on_timeout": "REJECT"}
    store["strategies"].update_one({"_id": STRATEGY}, {"$set": {"approval": known | terms}})


def ask(store, cerebro, name="s1", **fields):
    """A signal that now waits for a person."""
    add_signal(store, name, **fields)
    cerebro.on_signals([{"signal_id": name}])
    assert approval(store, name).status is ApprovalStatus.WAITING
    return name


def watch(store, cerebro):
    """One look of a Cerebro that may have been started this moment."""
    Watch(store, CerebroStore(store, reference_seconds=0), cerebro.on_signals).look()


def life(store, name="s1"):
    return store["signal_store"].find_one({"_id": name})


def decided(store, name="s1"):
    row = life(store, name)
    assert "undecided" not in row
    return row["decision"]


def quantities(store):
    return [row["order"]["quantity"] for row in store["orders"].find()]


def overdue(store, name="s1"):
    """As if its time had been up a second ago."""
    store["approvals"].update_one(
        {"_id": name}, {"$set": {"expires_at": utc_now() - timedelta(seconds=1)}}
    )


def replayed(store):
    return [found for _, found in again(store, store["signal_store"].find())]


def test_an_entry_waits_with_a_preview_and_orders_nothing(store, cerebro, publisher):
    ask(store, cerebro)
    assert store["orders"].count_documents({}) == store["reservations"].count_documents({}) == 0
    assert publisher.rung == []
    # To be decided, but nobody rings for it: not the sweeper, and no rival for margin.
    assert life(store)["undecided"] == AWAITS_APPROVAL
    row = store["approvals"].find_one({"_id": "s1"})
    # 1,000,000 × 0.5 / 500,000 × 10 = 10 shares at 150
    (order,) = row["orders"]
    assert (order["side"], order["quantity"], order["notional"]) == ("BUY", 10, 1500)
    assert row["preview"]["outcome"] == "APPROVED"
    assert row["preview"]["steps"]
    assert row["sentence"] == f"{STRATEGY} wants to enter: BUY 10 AAPL in {ACCOUNT}"
    # Rung again, it goes on waiting, and nobody is asked twice.
    cerebro.on_signals([{"signal_id": "s1"}])
    watch(store, cerebro)
    assert store["approvals"].count_documents({"open": True}) == 1
    assert [each["what"] for each in store["audit_log"].find()] == ["APPROVAL_ASKED"]


@pytest.mark.parametrize(
    ("answer", "outcome", "code", "ordered"),
    [
        (ApprovalAnswer.APPROVE, "APPROVED", "", [10]),
        (ApprovalAnswer.HALF, "RESIZED", "APPROVAL_BOUND", [5]),
        (ApprovalAnswer.REJECT, "DENIED", "APPROVAL_REJECTED", []),
    ],
)
def test_an_answer_decides_and_replays_the_same(store, cerebro, answer, outcome, code, ordered):
    ask(store, cerebro)
    answer_approval(store, "s1", answer, OLGA)
    # Whoever was to decide has died meanwhile: another one finds it in the store.
    watch(store, make_cerebro(store))
    decision = decided(store)
    assert (decision["outcome"], decision["code"]) == (outcome, code)
    (said,) = [each for each in decision["steps"] if each["name"] == "approval"][:1]
    assert "by olga: looks right" in said["sentence"]
    assert quantities(store) == ordered
    row = store["approvals"].find_one({"_id": "s1"})
    assert "open" not in row
    assert row["decided_at"] == decision["decided_at"]
    assert replayed(store) == [[]]


def test_half_is_rounded_down(store, cerebro):
    ask(store, cerebro, leg={"quantity": 7})
    answer_approval(store, "s1", ApprovalAnswer.HALF, OLGA)
    watch(store, cerebro)
    assert quantities(store) == [Decimal(3)]


@pytest.mark.parametrize(
    ("then", "status", "code", "ordered"),
    [("REJECT", "EXPIRED", "APPROVAL_EXPIRED", []), ("APPROVE", "APPROVED", "", [10])],
)
def test_the_clock_answers_when_nobody_does(store, cerebro, then, status, code, ordered):
    wants_approval(store, on_timeout=then)
    ask(store, cerebro)
    watch(store, cerebro)
    assert life(store)["undecided"]
    overdue(store)
    with pytest.raises(AlreadyAnswered, match=f"counts as {then}"):
        answer_approval(store, "s1", ApprovalAnswer.APPROVE, OLGA)
    watch(store, make_cerebro(store))
    decision = decided(store)
    assert decision["code"] == code
    assert (approval(store, "s1").status, quantities(store)) == (status, ordered)
    assert approval(store, "s1").answered_by == "the clock"
    assert replayed(store) == [[]]


def test_one_of_many_answers_wins_and_the_others_hear_whose(store, cerebro):
    ask(store, cerebro)
    won, lost = [], []

    def say(name, answer):
        while True:
            try:
                won.append(answer_approval(store, "s1", answer, Signed(name, "mine")))
            except AlreadyAnswered as error:
                lost.append(str(error))
            except TransientError:
                continue
            return

    said = [("olga", ApprovalAnswer.APPROVE), ("piet", ApprovalAnswer.REJECT)] * 3
    threads = [threading.Thread(target=say, args=each) for each in said]
    threads += [threading.Thread(target=watch, args=(store, make_cerebro(store)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = won
    assert len(lost) == 5
    with pytest.raises(AlreadyAnswered, match=f"by {winner.answered_by}: mine"):
        answer_approval(store, "s1", ApprovalAnswer.HALF, OLGA)
    watch(store, cerebro)
    expected = [10] if winner.status is ApprovalStatus.APPROVED else []
    assert quantities(store) == expected
    assert store["audit_log"].count_documents({"what": "APPROVAL_ANSWERED"}) == 1


def test_waiting_makes_no_signal_stale_but_other_facts_count(store, cerebro):
    store["strategies"].update_one(
        {"_id": STRATEGY}, {"$set": {"max_signal_age_seconds": Decimal(30)}}
    )
    for name in ("fresh", "halted"):
        ask(store, cerebro, name)
    # Both have waited for two minutes: asked for then, when they were fresh.
    back = timedelta(seconds=120)
    for name in ("fresh", "halted"):
        row = store["signal_store"].find_one({"_id": name})
        changes = {"received_at": row["received_at"] - back}
        changes |= {"signal.received_at": row["signal"]["received_at"] - back}
        store["signal_store"].update_one({"_id": name}, {"$set": changes})
        asked_at = store["approvals"].find_one({"_id": name})["asked_at"] - back
        store["approvals"].update_one({"_id": name}, {"$set": {"asked_at": asked_at}})
    answer_approval(store, "fresh", ApprovalAnswer.APPROVE, OLGA)
    watch(store, cerebro)
    assert decided(store, "fresh")["outcome"] == "APPROVED"
    (order,) = store["orders"].find()
    assert order["order"]["expires_at"] > utc_now()  # the last gate knows of the wait, too
    allow_trading(store, "REDUCING")
    answer_approval(store, "halted", ApprovalAnswer.APPROVE, OLGA)
    watch(store, cerebro)
    assert decided(store, "halted")["code"] == "TRADING_REDUCING"
    assert replayed(store) == [[], []]


def test_no_more_goes_than_was_shown(store, cerebro):
    ask(store, cerebro)
    store["trading_accounts"].update_one({"_id": ACCOUNT}, {"$set": {"equity": Decimal(3_000_000)}})
    answer_approval(store, "s1", ApprovalAnswer.APPROVE, OLGA)
    watch(store, cerebro)
    assert quantities(store) == [Decimal(10)]
    assert decided(store)["code"] == "APPROVAL_BOUND"


def test_exits_and_small_entries_never_wait(store, cerebro):
    wants_approval(store, above_notional=Decimal(1500))  # 10 × 150 is not above
    add_signal(store, "small")
    add_signal(store, "leave", **exit_fields(), age_seconds=61)
    cerebro.on_signals([{"signal_id": "small"}, {"signal_id": "leave"}])
    assert quantities(store) == [Decimal(10)]
    assert decided(store, "leave")["code"] == "NO_POSITION"
    ask(store, cerebro, "large", leg={"quantity": 11})
    wants_approval(store, required=False)
    add_signal(store, "free", leg={"quantity": 12})
    cerebro.on_signals([{"signal_id": "free"}])
    assert decided(store, "free")["outcome"] == "APPROVED"
    assert approval(store, "small") is approval(store, "free") is None


def test_an_exit_withdraws_the_entry_that_waits(store, cerebro):
    ask(store, cerebro)
    add_signal(store, "leave", **exit_fields())
    cerebro.on_signals([{"signal_id": "leave"}])
    assert decided(store, "leave")["code"] == "NO_POSITION"  # an exit is never held
    with pytest.raises(AlreadyAnswered, match="sent EXIT leave meanwhile"):
        answer_approval(store, "s1", ApprovalAnswer.APPROVE, OLGA)
    watch(store, cerebro)
    assert decided(store)["code"] == "APPROVAL_REJECTED"
    assert quantities(store) == []


def test_a_waiting_entry_is_no_gap_for_the_next(store, cerebro):
    ask(store, cerebro, "one", sequence=1)
    wants_approval(store, above_notional=Decimal(10_000))
    add_signal(store, "two", sequence=2)
    cerebro.on_signals([{"signal_id": "two"}])
    assert decided(store, "two")["outcome"] == "APPROVED"
    answer_approval(store, "one", ApprovalAnswer.APPROVE, OLGA)
    watch(store, cerebro)
    assert decided(store, "one")["outcome"] == "APPROVED"
    assert store["incidents"].count_documents({}) == 0


def test_a_request_that_breaks_is_told_once_tried_seldom_and_closes_when_it_is_decided(
    store, cerebro, monkeypatch, caplog
):
    now, tries, broken = utc_now(), [], True

    def decide(batch):
        if broken and batch == [{"signal_id": "s1"}]:
            tries.append(now)
            raise KeyError("no such thing")
        cerebro.on_signals(batch)

    def watched():
        return Watch(store, CerebroStore(store, reference_seconds=0), decide)

    monkeypatch.setattr("services.cerebro.approvals.utc_now", lambda: now)
    ask(store, cerebro)
    ask(store, cerebro, "s2")
    for name in ("s1", "s2"):
        answer_approval(store, name, ApprovalAnswer.APPROVE, OLGA)
    looking, began = watched(), now
    for _ in range(240):  # two minutes of looks, twice a second
        looking.look()
        now += timedelta(seconds=0.5)
    # The other one was not kept waiting, and this one was tried after 1, 3, 7, 15, 31 and 63 s.
    assert decided(store, "s2")["outcome"] == "APPROVED"
    assert [(each - began).total_seconds() for each in tries] == [0, 1, 3, 7, 15, 31, 63]
    (incident,) = store["incidents"].find()
    assert (incident["kind"], incident["key"], incident["status"], incident["count"]) == (
        "APPROVAL_STUCK",
        "s1",
        "OPEN",
        7,
    )
    told = [each for each in caplog.records if "incident APPROVAL_STUCK" in each.message]
    assert len([each for each in told if each.levelname == "ERROR"]) == 1
    # Mended, by a process that was started anew: decided once, and the incident is closed.
    broken = False
    looking = watched()
    looking.look()
    looking.look()
    assert decided(store)["outcome"] == "APPROVED"
    assert store["incidents"].find_one()["status"] == "CLEARED"
    assert store["orders"].count_documents({}) == 2


def test_an_answer_needs_a_request_and_a_reason(store, cerebro):
    with pytest.raises(ConfigurationError, match="no approval of 'nothing'"):
        answer_approval(store, "nothing", ApprovalAnswer.APPROVE, OLGA)
    ask(store, cerebro)
    with pytest.raises(ConfigurationError, match="reason"):
        answer_approval(store, "s1", ApprovalAnswer.APPROVE, Signed("olga", " "))
    assert approval(store, "s1").status is ApprovalStatus.WAITING
