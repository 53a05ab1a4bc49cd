"""Which incidents a person may close."""

from __future__ import annotations

from typing import Final

#: Kinds that tell of something that is over: a person closes them. All others have a cause that
#: goes away, and what sees it go closes them; a dead letter is replayed or discarded.
CLOSED_BY_PERSONS: Final = frozenset(
    {
        "ALGO_STOPPED",
        "EXIT_DENIED",
        "EXIT_ENTRY_WORKING",
        "FILL_CONTRADICTED",
        "GROUP_BROKEN",
        "KEY_REUSED",
        "MAIL_REFUSED",
        "MAIL_UNDELIVERED",
        "ORDER_DOUBLED",
        "ORDER_UNREADABLE",
        "RATE_LIMITED",
        "SEQUENCE_REPEATED",
        "SIGNAL_QUARANTINED",
        "SQUARE_OFF_INCOMPLETE",
    }
)
