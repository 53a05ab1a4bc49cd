"""Leases against a simple model: one owner at a time, whatever fails and whoever stands still.

Each owner is a real `Lease` on the store in memory; calls fail before and after their effect.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pymongo.errors import PyMongoError

from services.common.leases import Lease
from services.common.store import Store
from tests.simulation.clock import VirtualClock
from tests.simulation.store import Memory

TTL = 5.0
_OWNERS = 3
_FAULTS = st.sampled_from([None, None, None, "fail", "lost"])


class Leases(RuleBasedStateMachine):
    """Owners compete, crash with a transaction open, give back, and time passes."""

    def __init__(self):
        super().__init__()
        self.clock = VirtualClock()
        self.rules = self.clock.rules()
        self.rules.__enter__()
        self.fault = None
        self.store = Store(Memory(self.clock, self._touch), "model")
        self.owners = [self._owner() for _ in range(_OWNERS)]
        self.epochs = []

    def teardown(self):
        self.rules.__exit__(None, None, None)

    def _touch(self, kind, _name):
        fault, self.fault = self.fault, None
        return fault if kind == "write" or fault == "fail" else None

    def _owner(self):
        return Lease(self.store, "account|A", ttl_seconds=TTL)

    @rule(who=st.integers(0, _OWNERS - 1), fault=_FAULTS)
    def ask(self, who, fault):
        lease, before, self.fault = self.owners[who], self._row(), fault
        free = before is None or before["expires_at"] < self.clock.now()
        try:
            taken = lease.try_acquire()
        except PyMongoError:
            return
        finally:
            self.fault = None
        if taken and (not self.epochs or self.epochs[-1] != lease.epoch):
            assert free
            self.epochs.append(lease.epoch)
        assert taken is lease.held()

    @rule(seconds=st.floats(0.1, 2 * TTL))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(who=st.integers(0, _OWNERS - 1))
    def give_back(self, who):
        lease = self.owners[who]
        was_held = lease.held()
        lease.stop()
        assert not lease.held()
        if was_held:
            assert self._row()["expires_at"] < self.clock.now()
        self.owners[who] = self._owner()

    @rule(who=st.integers(0, _OWNERS - 1))
    def die(self, who):
        self.owners[who] = self._owner()

    def _row(self):
        return self.store.client["leases"].documents.get("account|A")

    @invariant()
    def one_owner_at_a_time(self):
        held = [lease for lease in self.owners if lease.held()]
        assert len(held) <= 1
        assert all(lease.epoch == self._row()["epoch"] for lease in held)

    @invariant()
    def epochs_only_grow(self):
        assert self.epochs == sorted(set(self.epochs))


TestLeases = Leases.TestCase
TestLeases.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
