"""Which incidents a person may close, and where one that nobody answers stops entries. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.domain.words import Scope

#: Kinds that tell of something that is over: a person closes them. All others have a cause that
#: goes away, and what sees it go closes them; a dead letter is replayed or discarded.
CLOSED_BY_PERSONS: Final = frozenset(
    {
        "ALGO_STOPPED",
        "EXIT_DENIED",
        "EXIT_ENTRY_WORKING",
        "EXIT_FOUND_NOTHING",
        "FILL_CONTRADICTED",
        "GROUP_BROKEN",
        "KEY_REUSED",
        "MAIL_REFUSED",
        "MAIL_UNDELIVERED",
        "ORDER_DOUBLED",
        "ORDER_UNREADABLE",
        "PROCESS_DIES",
        "RATE_LIMITED",
        "SEQUENCE_REPEATED",
        "SIGNAL_QUARANTINED",
        "SQUARE_OFF_INCOMPLETE",
    }
)


def concerned(facts: Mapping[str, Any]) -> tuple[Scope, str]:
    """Scope that an incident is about, by its facts: an account, a strategy, else everything."""
    if account_id := facts.get("account_id"):
        return Scope.ACCOUNT, str(account_id)
    if strategy_id := facts.get("strategy_id"):
        return Scope.STRATEGY, str(strategy_id)
    return Scope.GLOBAL, ""
