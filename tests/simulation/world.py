"""One seed: processes, store, bus and broker on one thread, in an order that the seed decides.

Whatever a service asks of the world comes through `touch`. There the seed may let the call fail,
before its effect or after it, let the process die, let another process take a step in the middle,
or let the whole process stand still while the others go on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
from contextlib import ExitStack, contextmanager
from unittest import mock

from services.common import failpoints
from services.common.problems import Refusal
from services.common.store import Store
from services.signal_gateway.authentication import Claim
from tests.simulation.broker import CASH, open_exchange
from tests.simulation.bus import Bus
from tests.simulation.clock import VirtualClock
from tests.simulation.operator import Operator
from tests.simulation.oracle import Oracle
from tests.simulation.processes import (
    LEASE_SECONDS,
    PROOF_SECONDS,
    Deciding,
    Executing,
    Gateway,
    Ingesting,
)
from tests.simulation.script import PRICES, RATIO, STORM_SECONDS, STRATEGIES, Script
from tests.simulation.store import Memory
from tests.support.rows import add_account, add_strategy, allow_trading

#: Then whatever is not at its end is a finding.
_PATIENCE_SECONDS = 90.0
#: How long the world goes on after everything was killed and started anew, in which nothing moves.
_AFTERWARDS_SECONDS = 3.0
_CALL_SECONDS = 0.0004
_DEEPEST = 3
#: An owner that stands still between its last look at the lease and the first byte for longer than
#: lease and proof of absence together may send what the next one has sent: decision 12 says so.
_LONGEST_IN_SEND = (LEASE_SECONDS + PROOF_SECONDS) * 0.8
_LONGEST = 9.0
_FIRST = {name: str(price) for name, price in PRICES.items()}


class Death(BaseException):
    """The process ends here, as by a SIGKILL: no handler of it may notice."""


class Finding(Exception):
    """Something that must never be so."""


class Round:
    """What one thread does again and again.

    Attributes:
        process: whose; None = of the world itself, which never fails.
        bell: wakes it before its time.
        hand: who does it; threads of one process that have hands of their own may cross.
    """

    __slots__ = ("bell", "due", "hand", "name", "process", "step")

    def __init__(self, process, name, step, due, bell=None, hand=None):
        self.process, self.name, self.step, self.due, self.bell = process, name, step, due, bell
        self.hand = hand or process


class World:
    """Everything there is in one seed."""

    def __init__(self, seed, signals, *, told=None):
        self.script = Script(seed, signals)
        self.clock = VirtualClock()
        self.calm = False
        self._chance = random.Random(f"world {seed}")  # noqa: S311
        self._told = told
        self._digest = hashlib.sha256()
        #: Processes that are in the middle of something, the last one on top of the others.
        self._running = []
        self._hands = []
        self._frozen = None
        #: Whose call the next one is; None = the world's own.
        self._current = None
        self._rounds = []
        self._kinds = {}
        #: By process: how wrong the clock of its machine is.
        self._skews = {}
        self._sessions = 0
        self.faults = 0
        self.steps = 0
        self.memory = Memory(self.clock, self.touch)
        self.bus = Bus(self.clock, self.touch, self._chance)
        self.store = Store(self.memory, "simulation")
        self.receipts = {}
        #: Orders that leave the strategy with more than was reserved for it: see `SimulatedBroker`.
        self.surprised = set()

    # --- what the services ask of the world

    def touch(self, kind, name):
        """One call of a process: what goes wrong with it; None = nothing."""
        if self._current is None:
            return None
        if kind == "die":
            raise Death(name)
        self.clock.advance(_CALL_SECONDS)
        if self.calm or (rates := self.script.rates.get(kind)) is None:
            return None
        drawn = self._chance.random()
        for action, share in rates:
            if drawn < share:
                return self._strike(kind, name, action)
            drawn -= share
        return None

    def _strike(self, kind, name, action):
        self.note(f"{self._current.name}: {action} in {kind} {name}")
        if action == "cross":
            self._cross()
            return None
        if action == "freeze":
            self._freeze(_LONGEST_IN_SEND if kind == "send" else _LONGEST)
            return None
        self.faults += 1
        if action == "die" and (
            kind not in {"write", "commit", "send"} or self._chance.random() < 0.5
        ):
            raise Death(name)
        return action

    def lets_stream_cross(self):
        """Whether the thread of the stream is faster than the answer."""
        return not self.calm and self._chance.random() < 0.3

    def _cross(self):
        """Another process takes a step in the middle of a call, more often than not a message's."""
        if len(self._running) < _DEEPEST:
            desks = [each for each in self._rounds if each.name == "desk" and self._is_free(each)]
            if desks and self._chance.random() < 0.25:  # so that accounts end at once what is one
                self._step(self._chance.choice(desks))
            elif self.bus.next_due() is not None and self._chance.random() < 0.5:
                self._step(self._doorbells)
            else:
                self._advance(soon=0.5, waits=False)

    def _freeze(self, longest):
        """The process stands still; the others go on."""
        if len(self._running) > 1:
            return
        self.faults += 1
        until = self.clock.seconds + min(longest, self._chance.choice((0.3, 1.0, 4.0, 9.0)))
        self._frozen = self._current
        while self.clock.seconds < until:
            self._advance(until=until)
        self._frozen = None

    # --- time

    def _advance(self, *, soon=0.0, waits=True, until=None):
        """One step of somebody who does not run already; or let time pass to the next."""
        now = self.clock.seconds
        limit, following, due = now + soon, until or 1e9, []
        for each in self._rounds:
            if not self._is_free(each):
                continue
            if each.due <= limit or (each.bell is not None and each.bell.is_set()):
                due.append(each)
            elif each.due < following:
                following = each.due
        if due:
            self._step(due[0] if len(due) == 1 else self._chance.choice(due))
        elif waits:
            self.clock.seconds = max(following, now + 0.001)

    def _is_free(self, chosen):
        """Whether nobody of the process is at work, or the desks of other accounts only."""
        if chosen.process not in self._running:
            return True
        hand = self._hands[-1]
        is_desk = isinstance(hand, str) and isinstance(chosen.hand, str)
        inside = chosen.process is self._running[-1] and chosen.process is not self._frozen
        return is_desk and inside and chosen.hand not in self._hands

    def _step(self, chosen):
        self.steps += 1
        process = chosen.process
        # Nobody else takes the same step meanwhile, and what is due again is said by its end.
        chosen.due = self.clock.seconds + 1e6
        if process is None:
            with self._as(None):
                chosen.due = self.clock.seconds + chosen.step()
            return
        self.note(f"{process.name} {chosen.name}")
        pause = self.inside(process, chosen.step, chosen.hand)
        if pause is not None:
            chosen.due = self.clock.seconds + pause

    def inside(self, process, work, hand=None):
        """Have a process do something; None where it died of it."""
        self._running.append(process)
        self._hands.append(hand or process)
        try:
            with self._as(process):
                return work()
        except Death as death:
            if process in self._running[:-1]:
                raise  # with the thread of it that this one has crossed
            self._bury(process, f"dies at {death}")
        finally:
            self._running.pop()
            self._hands.pop()
        return None

    @contextmanager
    def _as(self, process):
        before, self._current = self._current, process
        skew, self.clock.skew = self.clock.skew, 0.0 if process is None else process.skew
        try:
            yield
        finally:
            self._current, self.clock.skew = before, skew

    def add_round(self, process, name, step, due, bell=None, hand=None):
        """A thread begins."""
        self._rounds.append(Round(process, name, step, due, bell, hand))
        return self._rounds[-1]

    # --- processes

    def _start(self, name, kind):
        process = kind(name, self)
        process.skew = self._skews.setdefault(name, self.script.skew_of(name))
        self._kinds[name] = kind
        for named, step in process.rounds:
            self.add_round(process, named, step, self.clock.seconds + self._chance.random())
        self.note(f"{name} starts")
        self.processes[name] = process

    def _bury(self, process, words):
        self.note(f"{process.name} {words}")
        self._rounds = [each for each in self._rounds if each.process is not process]
        del self.processes[process.name]
        born = self.clock.seconds + 0.2 + self._chance.random() * 2

        def rise():
            self._rounds.remove(birth)
            self._start(process.name, self._kinds[process.name])
            return 0.0

        birth = Round(None, f"{process.name} is born", rise, born)
        self._rounds.append(birth)

    # --- the world's own

    def _begin(self):
        self.exchange = open_exchange(self.script.market)
        for account_id in self.script.accounts:
            self.exchange.open_account(account_id)
            add_account(self.store, account_id, str(CASH))
        for symbol, price in PRICES.items():
            self.exchange.set_price(f"STOCK:{symbol}:USD", price)
        allow_trading(self.store)
        accounts, ratio = self.script.accounts, str(RATIO)
        self._keys = {name: add_strategy(self.store, name, accounts, ratio) for name in STRATEGIES}
        self.oracle = Oracle(self)
        self.processes = {}
        self._start("gateway", Gateway)
        self._start("ingestion", Ingesting)
        for number in range(self.script.deciders):
            self._start(f"cerebro-{number + 1}", Deciding)
        for number in range(self.script.executors):
            self._start(f"execution-{number + 1}", Executing)
        for number, sending in enumerate(self.script.sendings):
            self._add_sender(number, sending)
        self._doorbells = self.add_round(None, "bus", self._deliver, 0.0, bell=self.bus.bell)
        self.add_round(None, "market", self._tick, 0.5)
        self.add_round(None, "operator", Operator(self).look, STORM_SECONDS)

    def _add_sender(self, number, sending):
        body = json.dumps(sending.body).encode()
        claim = Claim(bearer=self._keys[sending.strategy_id])

        def post():
            gateway = self.processes.get("gateway")
            if gateway is None or gateway in self._running:
                return 0.5
            answer = self.inside(gateway, lambda: self._answer(gateway, body, claim))
            if answer is None:
                return 0.3 + self._chance.random()
            self.receipts[number] = answer
            self.note(f"sender {number}: {answer}")
            return 1e9

        self.add_round(None, f"sender {number}", post, sending.at)

    def _answer(self, gateway, body, claim):
        """What a sender is told; None = they send again."""
        try:
            return gateway.service.post(body, claim, remote="10.0.0.1").signal_id
        except Refusal as refusal:
            return None if refusal.status >= 500 else f"refused {refusal.code}"

    def _deliver(self):
        self.bus.bell.clear()
        batch = self.bus.take_batch()
        if batch:
            name = batch[0].subscription
            ready = [
                each
                for each in self.processes.values()
                if name in each.subscribers and each not in self._running
            ]
            if ready:
                process = self._chance.choice(ready)
                numbers = " ".join(each.message_id for each in batch)
                self.note(f"{process.name} handles {name} {numbers}")
                self.inside(process, lambda: process.subscribers[name].handle(batch) or 0)
        following = self.bus.next_due()
        return 1e6 if following is None else max(following - self.clock.seconds, 0.0)

    def _tick(self):
        """The market moves, a little and back; once all is calm far enough to fill what rests."""
        self.exchange.catch_up()
        symbol = self._chance.choice(sorted(PRICES))
        away = self._chance.choice((-0.015, 0, 0, 0, 0.015)) if self.calm else 0
        price = PRICES[symbol] * (1000 + int(1000 * away)) / 1000
        self.exchange.set_price(f"STOCK:{symbol}:USD", price)
        return 0.6

    # --- the run

    def run(self):
        """To the end; what was found, in sentences."""
        logging.disable(logging.CRITICAL)
        with ExitStack() as rules:
            rules.callback(logging.disable, logging.NOTSET)
            rules.enter_context(self.clock.rules())
            rules.enter_context(mock.patch.object(failpoints, "_armed", self))
            self._begin()
            rules.callback(self.exchange.close)
            try:
                found = self._live()
            except Finding as finding:
                found = [str(finding)]
        self.note(f"found {found}")
        return found

    def reach(self, point):
        """A failpoint of the services."""
        self.touch("failpoint", str(point))

    def _live(self):
        while self.clock.seconds < STORM_SECONDS:
            self._advance()
            self._check()
        self.calm = True
        self.note("calm")
        found = self._settle(self.clock.seconds + _PATIENCE_SECONDS)
        if found:
            return found
        # What an owner that had lost the account booked, the next one sees within 30 s: now.
        for process in self.processes.values():
            for desk in process.desks.values():
                desk._times.soon("tending")
        found = self._settle(self.clock.seconds + _PATIENCE_SECONDS)
        if found:
            return found
        before = self.oracle.snapshot()
        for process in list(self.processes.values()):
            self._bury(process, "is killed")
        self._live_until(self.clock.seconds + _AFTERWARDS_SECONDS)
        found = self._settle(self.clock.seconds + _PATIENCE_SECONDS)
        return found + self.oracle.moved(before)

    def _settle(self, deadline):
        """Until nothing differs in two looks; what differs at the end of all patience."""
        clean = 0
        while True:
            self._live_until(self.clock.seconds + 0.8)
            found = self.oracle.differences()
            clean = 0 if found else clean + 1
            if clean == 2 or self.clock.seconds > deadline:
                return found

    def _live_until(self, moment):
        while self.clock.seconds < moment:
            self._advance(until=moment)
            self._check()

    def _check(self):
        found = self.oracle.overspent()
        if found:
            raise Finding(found)

    # --- what happened

    def note(self, words):
        """One line of the trace."""
        line = f"{self.clock.seconds:9.4f} {words}"
        self._digest.update(line.encode())
        if self._told is not None:
            self._told(line)

    @property
    def trace(self):
        """Stands for everything that happened."""
        return self._digest.hexdigest()[:16]
