"""The whole system as figures for Prometheus: what an alert may wake somebody for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from services.common.metrics import Figure
from services.dashboard_creator.system_models import System
from services.domain.risk import Control
from services.domain.words import Scope, TradingState

_STATES: Final = {"GREEN": 0, "AMBER": 1, "RED": 2}
_SWITCH: Final = {TradingState.ACTIVE: 0, TradingState.REDUCING: 1, TradingState.HALTED: 2}
_CHECK_WORDS: Final = "0 as it must be, 1 nearly, 2 not"


def figures_of(system: System, controls: Sequence[Control]) -> Iterator[Figure]:
    """Figures of the system page and of the kill switch."""
    yield Figure("system_incidents_open", "Incidents that a person must see", system.incidents)
    yield Figure("system_dead_letters", "Messages that were given up", system.dead_letters)
    yield Figure("system_failing_letters", "Messages that fail", system.failing_letters)
    for queue in system.queues:
        name = {"queue": queue.name}
        yield Figure("system_waiting", "What waits for its next step", queue.waiting, name)
        oldest = queue.oldest_age_s or 0  # nothing waits: none is old
        yield Figure("system_oldest_seconds", "For how long the oldest waits", oldest, name)
    for service in system.services:
        labels = {"service": service.name}
        yield Figure("system_service_up", "1 where it is UP", service.state == "UP", labels)
        if service.restarts is not None:
            words = "Times that the supervisor has started it again"
            yield Figure("system_restarts", words, service.restarts, labels)
    for check in system.checks:
        yield Figure("system_check", _CHECK_WORDS, _STATES[check.state], {"check": check.name})
    for account in system.accounts:
        for check in account.checks:
            labels = {"account": account.account_id, "check": check.name}
            yield Figure("system_account_check", _CHECK_WORDS, _STATES[check.state], labels)
    for control in controls:
        if control.scope in (Scope.GLOBAL, Scope.ACCOUNT):
            labels = {"scope": control.scope, "id": control.scope_id}
            words = "Kill switch: 0 ACTIVE, 1 REDUCING, 2 HALTED"
            yield Figure("system_trading_state", words, _SWITCH[control.trading_state], labels)
