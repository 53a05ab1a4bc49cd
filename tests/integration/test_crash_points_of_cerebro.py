"""Cerebro dies between a person's answer and the decision: one decision, one order, the same."""

import pytest

from scripts.decisions import again
from services.common.approvals import answer_approval, approval
from services.common.bus import create_topology
from services.common.failpoints import EXIT_CODE, FailPoint
from services.common.settings import CommonSettings
from services.common.signed import Signed
from services.domain.approvals import ApprovalAnswer, ApprovalStatus
from tests.support.cerebro import make_cerebro
from tests.support.execution_process import wait_until
from tests.support.rows import (
    STRATEGY,
    add_account,
    add_signal,
    add_strategy,
    allow_trading,
)
from tests.support.service_process import ServiceProcess

pytestmark = pytest.mark.servers
POINTS = tuple(each for each in FailPoint if each.startswith("cerebro."))


@pytest.fixture
def started(bus_connection, tmp_path):
    create_topology(CommonSettings(**bus_connection))
    processes = []

    def start(crash_at=""):
        processes.append(ServiceProcess("cerebro", bus_connection, tmp_path, crash_at=crash_at))
        return processes[-1]

    yield start
    for each in processes:
        each.kill()


def quiet(store):
    """Everything that a decision writes, to see that nothing follows."""
    names = ("signal_store", "orders", "reservations", "approvals", "audit_log")
    return {name: list(store[name].find()) for name in names}


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_between_answer_and_decision_leaves_one_decision(store, started, point):
    add_strategy(store)
    store["strategies"].update_one({"_id": STRATEGY}, {"$set": {"approval": {"required": True}}})
    add_account(store)
    allow_trading(store)
    add_signal(store, "s1")
    make_cerebro(store).on_signals([{"signal_id": "s1"}])
    assert approval(store, "s1").status is ApprovalStatus.WAITING
    answer_approval(store, "s1", ApprovalAnswer.HALF, Signed("olga", "thin market"))

    assert started(point).ends() == EXIT_CODE
    open_at_death = store["approvals"].count_documents({"open": True})
    assert open_at_death == (0 if point is FailPoint.DECIDED else 1)

    if point is FailPoint.BEFORE_DECISION:
        # The database keeps the rows of a dead transaction for a minute; not that long here.
        store.client.admin.command("killAllSessions", [])
    second = started()
    wait_until(lambda: not store["approvals"].count_documents({"open": True}), second.tail)
    decided = quiet(store)
    (life,), (order,) = decided["signal_store"], decided["orders"]
    assert (life["decision"]["outcome"], order["order"]["quantity"]) == ("RESIZED", 5)
    assert [found for _, found in again(store, [life])] == [[]]
    # Another one that starts finds nothing left to do.
    second.kill()
    make_cerebro(store).on_signals([{"signal_id": "s1"}])
    assert quiet(store) == decided
