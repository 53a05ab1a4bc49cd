"""Go or no-go: one that says no is enough, and each says what to do."""

from datetime import UTC, datetime

import pytest

from scripts.ready import checks_of
from services.dashboard_creator.readiness import AccountReadiness, Check
from services.dashboard_creator.system_models import Queue, ServiceRow, System
from services.domain.risk import Control
from services.domain.words import Scope, TradingState

NOW = datetime(2026, 1, 5, tzinfo=UTC)
GOOD = Check(name="broker", state="GREEN", sentence="the broker answers")
ACCOUNT = AccountReadiness(account_id="IB-1", state="GREEN", checks=(GOOD,))
UP = ServiceRow(name="cerebro", state="UP")


def found(switches=(), **changes):
    fields = {
        "generated_at": NOW,
        "started_at": None,
        "services": (UP,),
        "queues": (),
        "dead_letters": 0,
        "failing_letters": 0,
        "incidents": 0,
        "checks": (),
        "accounts": (ACCOUNT,),
    }
    checks = [each for _, each in checks_of(System(**fields | changes), switches)]
    assert all(each.fix for each in checks if each.state != "GREEN")
    return {(each.name, each.state) for each in checks}


def test_all_that_is_well_is_told():
    assert found() == {("process", "GREEN"), ("broker", "GREEN")}


@pytest.mark.parametrize(
    ("changes", "name", "state"),
    [
        ({"services": (ServiceRow(name="cerebro", state="DOWN"),)}, "process", "RED"),
        ({"services": (ServiceRow(name="mongodb", state="NOT_READY"),)}, "process", "RED"),
        ({"accounts": ()}, "accounts", "RED"),
        ({"incidents": 2}, "trouble", "AMBER"),
        ({"dead_letters": 1}, "trouble", "AMBER"),
        (
            {"queues": (Queue(name="orders not sent", waiting=1, overdue=1, oldest_age_s=9),)},
            "trouble",
            "AMBER",
        ),
        (
            {"switches": [Control(scope=Scope.GLOBAL, trading_state=TradingState.HALTED)]},
            "switch",
            "RED",
        ),
        (
            {
                "switches": [
                    Control(
                        scope=Scope.ACCOUNT,
                        scope_id="IB-1",
                        trading_state=TradingState.REDUCING,
                    )
                ]
            },
            "switch",
            "AMBER",
        ),
    ],
)
def test_what_is_not_well_says_no_or_warns(changes, name, state):
    assert (name, state) in found(**changes)


def test_what_a_system_need_not_have_is_no_reason():
    services = (UP, ServiceRow(name="mock_broker", state="DOWN"))
    assert found(services=services) == found()
