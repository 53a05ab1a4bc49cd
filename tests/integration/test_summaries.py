"""Rows of days on the real store: however changes come, what a look at everything would make."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.common.leases import Lease
from services.common.orders import order_document
from services.common.store import Store
from services.dashboard_creator.summaries import Summaries
from services.dashboard_creator.summary_store import SummaryStore
from services.domain.orders import UNATTRIBUTED
from services.domain.words import FillOrigin, Intent, Side
from services.execution.adoption import Signature, adopt_execution
from services.execution.documents import Owner
from services.execution.ledger import Ledger
from tests.support.builders import (
    ACCOUNT,
    NOW,
    STRATEGY,
    make_execution,
    make_order,
    make_signal,
)
from tests.support.documents import make_decision_document, make_signal_document
from tests.support.rows import add_account, add_strategy

pytestmark = pytest.mark.servers


class _Died(Exception):
    """The process ends here."""


class DyingStore(SummaryStore):
    """A store whose process dies at a given write, counted from now."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, await_ms=20)
        self.dies_after: int | None = None

    def _count_down(self) -> None:
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                self.dies_after = None
                raise _Died

    def remake(self, key):
        self._count_down()
        return super().remake(key)

    def remake_month(self, strategy_id, month):
        self._count_down()
        super().remake_month(strategy_id, month)

    def save_checkpoint(self, token, waiting, *, at):
        self._count_down()
        super().save_checkpoint(token, waiting, at=at)


def make_summaries(store: Store, kept: SummaryStore) -> Summaries:
    return Summaries(kept, Lease(store, "summaries", ttl_seconds=5), every_seconds=0)


def stored(store: Store) -> dict[str, dict]:
    return {
        row["_id"]: row
        for name in ("strategy_days", "strategy_months")
        for row in store[name].find({})
    }


def recomputed(store: Store) -> dict[str, dict]:
    """What a look at everything makes, with nothing to start from."""
    store["strategy_days"].delete_many({})
    store["strategy_months"].delete_many({})
    make_summaries(store, SummaryStore(store)).remake_all()
    return stored(store)


class World:
    """Signals and fills of two strategies over weeks, told late, twice, wrong and taken back."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._random = random.Random(seed)  # noqa: S311
        self._ledger = Ledger(store)
        self._signals: list[str] = []
        self._foreign: list[str] = []
        self._told: list[tuple[Owner, object]] = []
        for name in (STRATEGY, "Other"):
            add_strategy(store, name)
        add_account(store)

    def _moment(self):
        return NOW - timedelta(days=self._random.randrange(40), minutes=self._random.randrange(600))

    def signal_comes(self) -> None:
        name, at = f"sig_{len(self._signals)}", self._moment()
        signal = make_signal(signal_id=name, received_at=at)
        document = make_signal_document(
            signal=signal,
            strategy_id=self._random.choice([STRATEGY, "Other"]),
            status="STANDARDIZED",
            stages={"received_at": at},
        )
        del document["decision"]
        self._store["signal_store"].insert_one(document)
        self._signals.append(name)

    def signal_moves(self) -> None:
        if not self._signals:
            return
        name = self._random.choice(self._signals)
        status = self._random.choice(["DENIED", "COMPLETED", "WORKING", "REJECTED"])
        outcome = "DENIED" if status == "DENIED" else "APPROVED"
        changes = {
            "status": status,
            "decision": make_decision_document(outcome, code="MARGIN_EXCEEDED"),
            "stages.decided_at": utc_now(),
        }
        if status == "COMPLETED":
            changes["stages.first_fill_at"] = utc_now()
        self._store["signal_store"].update_one({"_id": name}, {"$set": changes})

    def fill_comes(self) -> None:
        number = len(self._told)
        side = self._random.choice([Side.BUY, Side.SELL])
        intent = Intent.ENTRY if side is Side.BUY else Intent.EXIT
        order = make_order(
            "1000",
            side=side,
            intent=intent,
            signal_id=f"for_{number}",
            symbol=self._random.choice(["AAPL", "MSFT"]),
        ).model_copy(update={"strategy_id": self._random.choice([STRATEGY, "Other"])})
        self._store["orders"].insert_one(order_document(order, at=utc_now()))
        execution = make_execution(
            str(self._random.randrange(1, 20)),
            str(self._random.randrange(90, 110)),
            order=order,
            side=side,
            execution_id=f"X{number:04}",
            occurred_at=self._moment(),
            commission=Decimal(1),
        )
        self._book(Owner(order.strategy_id, ACCOUNT, order), execution)

    def foreign_trade_comes(self) -> None:
        name = f"F{len(self._told):04}"
        execution = make_execution("5", "100", execution_id=name, occurred_at=self._moment())
        execution = execution.model_copy(update={"client_order_id": ""})
        self._book(Owner(UNATTRIBUTED, ACCOUNT, origin=FillOrigin.FOREIGN), execution)
        self._foreign.append(name)

    def trade_is_adopted(self) -> None:
        if self._foreign:
            name = self._random.choice(self._foreign)
            to = self._random.choice([STRATEGY, "Other", UNATTRIBUTED])
            adopt_execution(self._store, name, to=to, signed=Signature("olga", "hers"))

    def fill_is_corrected(self) -> None:
        found = [each for each in self._told if each[0].order is not None]
        if not found:
            return
        owner, execution = self._random.choice(found)
        changes = {
            "revision": execution.revision + 1,
            "price": Decimal(self._random.randrange(80, 120)),
            "busted": self._random.random() < 0.4,
            # A broker may tell a correction with a time of its own, days later.
            "occurred_at": execution.occurred_at + timedelta(days=self._random.choice([0, 0, 3])),
        }
        corrected = execution.model_copy(update=changes)
        self._told.remove((owner, execution))
        self._book(owner, corrected)

    def _book(self, owner, execution) -> None:
        fills = [(owner, execution)]
        self._store.transaction(lambda session: self._ledger.book_owned(fills, session))
        self._told.append((owner, execution))

    def goes_on(self, steps: int) -> None:
        acts = (
            *[self.signal_comes, self.signal_moves, self.fill_comes, self.fill_comes],
            *[self.fill_is_corrected, self.foreign_trade_comes, self.trade_is_adopted],
        )
        for _ in range(steps):
            self._random.choice(acts)()


@pytest.mark.parametrize("seed", [1, 4])
def test_restarts_crashes_repeats_and_corrections_leave_a_full_recomputation(
    store: Store, seed: int
):
    world, chance = World(store, seed), random.Random(seed)  # noqa: S311
    kept = DyingStore(store)
    earlier = None
    for _ in range(8):
        world.goes_on(7)
        what = chance.choice(["crash", "restart", "repeat"])
        if what == "crash":
            kept.dies_after = chance.randrange(6)
            with suppress(_Died):  # the next one begins where the token is
                make_summaries(store, kept).catch_up()
            kept.dies_after = None
        elif what == "repeat" and earlier is not None:  # changes are told again
            store["checkpoints"].replace_one({"_id": "summaries"}, earlier, upsert=True)
            make_summaries(store, kept).catch_up()
        else:
            make_summaries(store, kept).catch_up()
            earlier = store["checkpoints"].find_one({"_id": "summaries"})
    make_summaries(store, kept).catch_up()
    found = stored(store)
    assert found == recomputed(store)
    assert sum(row["fills"] for key, row in found.items() if "date" in row) > 10


def test_a_lost_history_of_changes_makes_all_rows_anew(store: Store):
    world = World(store, 3)
    world.goes_on(12)
    make_summaries(store, SummaryStore(store, await_ms=20)).catch_up()
    stale = {"strategy_id": "Gone", "date": "2026-01-01", "received": 5}
    store["strategy_days"].insert_one({"_id": "Gone|2026-01-01", **stale})
    world.goes_on(5)
    SummaryStore(store).forget_token()
    make_summaries(store, SummaryStore(store, await_ms=20)).catch_up()
    found = stored(store)
    assert "Gone|2026-01-01" not in found
    assert found == recomputed(store)


def test_a_running_process_follows_within_moments(store: Store):
    lease = Lease(store, "summaries", ttl_seconds=5)
    summaries = Summaries(SummaryStore(store), lease, every_seconds=0.05)
    summaries.start()
    try:
        wait_until(lambda: summaries.state() == "following")
        store["signal_store"].insert_one(make_signal_document())
        wait_until(lambda: store["strategy_days"].count_documents({}) == 1)
        wait_until(lambda: store["strategy_months"].count_documents({}) == 1)
    finally:
        summaries.stop()
    # It stops with everything made: the next process has nothing to repeat.
    assert store["checkpoints"].find_one({"_id": "summaries"})["waiting"] == []


def wait_until(true, seconds=15.0):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


class CountingStore(SummaryStore):
    """Counts rows that are made, and what they are made of."""

    rows = documents = 0

    def remake(self, key):
        row = super().remake(key)
        self.rows += 1
        self.documents += row.received + row.fills
        return row


def test_the_cost_of_a_change_does_not_grow_with_history(store: Store):
    costs = []
    for days in (4, 40):
        old = [
            make_signal(signal_id=f"old_{days}_{day}_{each}", received_at=NOW - timedelta(days=day))
            for day in range(1, days + 1)
            for each in range(5)
        ]
        store["signal_store"].insert_many([make_signal_document(signal=each) for each in old])
        make_summaries(store, SummaryStore(store, await_ms=20)).catch_up()
        new = make_signal(signal_id=f"new_{days}", received_at=NOW - timedelta(days=days))
        store["signal_store"].insert_one(make_signal_document(signal=new))
        kept = CountingStore(store, await_ms=20)
        begun = time.perf_counter()
        make_summaries(store, kept).catch_up()
        took = (time.perf_counter() - begun) * 1000
        costs.append((kept.rows, kept.documents))
        stored_signals = store["signal_store"].count_documents({})
        print(f"{stored_signals} signals stored: {costs[-1]} rows and documents, {took:.0f} ms")  # noqa: T201
    # Its own day, with five older signals each in the first 4 days, and in those after: 6 or 11.
    assert costs[0] == (1, 6)
    assert costs[1] == (1, 6)
