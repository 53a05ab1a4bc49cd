"""One drill from start to report: hurt the system while it works, wait for quiet, compare."""

from __future__ import annotations

import math
import os
import platform
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import urllib3
from pymongo.errors import PyMongoError

from scripts.drill import oracle, plan
from scripts.drill.driver import Driver
from scripts.drill.faults import Faults
from scripts.drill.oracle import Oracle
from scripts.drill.person import Person
from scripts.drill.report import Result
from scripts.drill.stack import Stack
from services.common.clock import utc_now
from services.common.store import Store
from services.domain.errors import TransientError

_WELL_PATIENCE_SECONDS = 120.0
_QUIET_PATIENCE_SECONDS = 150.0
#: Longer than what a broker was told to hide is hidden, and than two looks at it take.
_HIDDEN_SECONDS = plan.MOST_SECONDS + 1
_LOOK_SECONDS = 1.0
_STILL_SECONDS = 3.0


class Asked(NamedTuple):
    """The size of a drill.

    Attributes:
        skew_seconds: how wrong the worst clock may be.
        freeze_seconds: how long the longest freeze lasts.
    """

    seed: int
    signals: int = 5000
    rate: float = 20
    strategies: int = 8
    accounts: int = 4
    faults: int = 100
    skew_seconds: float = 20.0
    freeze_seconds: float = plan.MOST_SECONDS


class Story(NamedTuple):
    """Everybody who takes part in one drill."""

    stack: Stack
    plan: plan.Plan
    driver: Driver
    faults: Faults
    accounts: tuple[str, ...]


def run(
    asked: Asked, home: Path, *, port_offset: int | None, tell: Callable[[str], None]
) -> Result:
    """Start, hurt, wait, compare, stop; the report. `tell` is told how it goes on."""
    accounts = tuple(f"Mock-{number + 1}" for number in range(asked.accounts))
    strategies = [f"Drill_{number + 1}" for number in range(asked.strategies)]
    made = plan.make(
        asked.seed,
        signals=asked.signals,
        rate=asked.rate,
        faults=asked.faults,
        strategies=strategies,
        accounts=accounts,
        skew_seconds=asked.skew_seconds,
        freeze_seconds=asked.freeze_seconds,
    )
    began, started_at = time.monotonic(), utc_now()
    seconds: dict[str, float] = {}
    stack = Stack(home, port_offset, made.skews)
    try:
        tell("starting every process")
        stack.start(strategies, accounts)
        _lap(seconds, "start", began)
        driver = Driver(stack.url("signal_gateway"), stack.keys)
        story = Story(stack, made, driver, Faults(stack, made.faults, asked.seed), accounts)
        tell(f"{len(made.sendings)} sendings and {len(made.faults)} faults begin")
        _storm(story, seconds, tell)
        result = _judge(story, seconds, tell)
    finally:
        stack.stop()
    secrets = {f"the key of {name}": key for name, key in stack.keys.items()}
    result["rules"]["no secret stands in a log"] = oracle.leaks(stack.home.logs, secrets)
    _lap(seconds, "in all", began)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    return result | {
        "clean": not any(result["rules"].values()),
        "asked": asked._asdict(),
        "started_at": started_at.isoformat(),
        "machine": machine,
        "skews": made.skews,
        "seconds": seconds,
    }


def _lap(seconds: dict[str, float], name: str, began: float) -> None:
    seconds[name] = round(time.monotonic() - began, 1)


def _storm(story: Story, seconds: dict[str, float], tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    with story.faults:
        story.driver.run(story.plan.sendings)
    _lap(seconds, "storm", began)
    done = sum(story.faults.done.values())
    tell(f"{len(story.driver.accepted)} signals accepted, {done} faults done; waiting for quiet")


def _judge(story: Story, seconds: dict[str, float], tell: Callable[[str], None]) -> Result:
    began = time.monotonic()
    problems = []
    if not _until(story.stack.is_well, _WELL_PATIENCE_SECONDS):
        problems.append(f"not every process was ready after {_WELL_PATIENCE_SECONDS:g} s")
    story.stack.broker("DELETE", "/v1/faults")
    story.stack.broker("DELETE", "/v1/feeds")
    if any("HIDE_ORDER" in name for name in story.faults.done):
        time.sleep(_HIDDEN_SECONDS)
    store = story.stack.store()
    try:
        judge = Oracle(story.stack, store, story.accounts)
        person = Person(story.stack, store, story.accounts)
        rules = _quiet(judge, person, story)
        _lap(seconds, "until quiet", began)
        tell("comparing a second time: nothing may move by itself")
        before = judge.snapshot()
        time.sleep(_STILL_SECONDS)
        rules["a second look moves nothing"] = oracle.moved(before, judge.snapshot())
        rules["every process is ready again"] = problems
        rules["senders got no answer that must not be"] = story.driver.wrong
        return _facts(story, store) | {"rules": rules, "person": dict(person.acts)}
    finally:
        store.close()


def _quiet(judge: Oracle, person: Person, story: Story) -> dict[str, list[str]]:
    """Ask until all holds, or until it has had time enough since the last signal was decided."""
    until, fewest = time.monotonic() + _QUIET_PATIENCE_SECONDS, math.inf
    rules: dict[str, list[str]] = {"database and broker answer": ["they never did"]}
    while True:
        try:
            undecided = judge.undecided()
            if undecided < fewest:
                until, fewest = time.monotonic() + _QUIET_PATIENCE_SECONDS, undecided
            person.look()
            if undecided:  # far from quiet: everything is compared once it can be
                rules = {"every signal has been decided": [f"{undecided} are not"]}
            else:
                rules = judge.differences(story.driver.accepted)
        except (PyMongoError, TransientError, urllib3.exceptions.HTTPError) as error:
            rules = {"database and broker answer": [f"{type(error).__name__}: {error}"]}
        if not any(rules.values()) or time.monotonic() > until:
            return rules
        time.sleep(_LOOK_SECONDS)


def _until(holds: Callable[[], bool], patience_seconds: float) -> bool:
    until = time.monotonic() + patience_seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _facts(story: Story, store: Store) -> Result:
    """What happened, in numbers."""
    states = Counter(row["status"] for row in store["orders"].find({}, {"status": 1}))
    outcomes = Counter(row["status"] for row in store["signal_store"].find({}, {"status": 1}))
    incidents = Counter(
        f"{row['kind']} {row['status'].lower()}" for row in store["incidents"].find()
    )
    return {
        "accepted": len(story.driver.accepted),
        "requests": story.driver.attempts,
        "refused": dict(story.driver.refused),
        "orders": sum(states.values()),
        "order_states": dict(states),
        "outcomes": dict(outcomes),
        "denials": dict(_denials(store).most_common()),
        "fills": store["execution_confirmations"].count_documents({}),
        "faults": dict(story.faults.done),
        "faults_done": sum(story.faults.done.values()),
        "missed": story.faults.missed,
        "log": story.faults.log,
        "incidents": dict(incidents),
        "restarts": story.stack.restarts(),
    }


def _denials(store: Store) -> Counter[str]:
    """Why signals were denied: by their decision, or by the last gate, as their orders say."""
    found: Counter[str] = Counter()
    fields = {"intent": 1, "decision.code": 1}
    for row in store["signal_store"].find({"status": "DENIED"}, fields):
        code = row["decision"]["code"]
        if not code:
            orders = store["orders"].find({"signal_id": row["_id"]}, {"text": 1})
            codes = {order["text"].partition(":")[0] for order in orders}
            code = f"at the gate: {', '.join(sorted(codes))}"
        found[f"{row['intent']} {code}"] += 1
    return found
