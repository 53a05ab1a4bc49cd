"""A real desk and its account's part in kill runs, stepped by the test."""

from __future__ import annotations

from services.common.clock import utc_now
from services.execution.kill_runs import KillRuns
from tests.support.desks import make_desk, wait_for

_NOT_LEFT = ("PENDING", "SUBMITTING")


class _Idle:
    """In place of the desk's own kill runs: the test says when they are looked at."""

    is_open = False

    def step(self, _broker, _now):
        return ()

    def wait(self, _trouble, _now):
        pass


class Clerk:
    """Carries out what kill runs want; nothing that the broker hides is ever proven absent."""

    def __init__(self, store, broker):
        self.store, self.broker = store, broker
        self.desk = make_desk(store, broker, proof_seconds=3600)
        self.desk._kills = _Idle()
        self.desk.start()
        wait_for(self.desk._is_open)
        self.restart()

    def restart(self):
        """Forget of kill runs what is not in the store."""
        self.runs = another(self.store, self.broker)

    def look(self):
        """One step of the kill runs, without telling the desk."""
        return list(self.runs.step(self.broker, utc_now()))

    def turn(self):
        """One step, as the desk's own thread does it."""
        self.desk.wake(self.look())

    def settle(self, order_id):
        """Until an order has left, or never will."""
        self.desk.wake([order_id])
        query = {"_id": order_id, "status": {"$nin": _NOT_LEFT}}
        wait_for(lambda: self.store["orders"].find_one(query))

    def stop(self):
        self.desk.stop()


def another(store, broker):
    """What another desk of the same account would do for kill runs."""
    return KillRuns(store, broker.account_id, idle_seconds=0, settle_seconds=0.2)
