"""What only TWS can do wrong, on command, beside the faults that all fakes have."""

from __future__ import annotations

import threading
from enum import StrEnum

from pydantic import Field

from services.domain.values import Frozen


class Telling(StrEnum):
    """How the fills of an order are told, other than they should be."""

    DUPLICATE_EXECUTION = "DUPLICATE_EXECUTION"  # execDetails twice, the same
    COMMISSION_FIRST = "COMMISSION_FIRST"  # commissionReport before its execDetails
    NO_COMMISSION = "NO_COMMISSION"  # no commissionReport until executions are asked for
    ONLY_EXECUTION = "ONLY_EXECUTION"  # no openOrder and no orderStatus of it
    STATUS_FIRST = "STATUS_FIRST"  # Filled before its execDetails


class Trick(Frozen):
    """A way of telling the next `count` reports that bring fills."""

    kind: Telling
    count: int = Field(1, ge=1, le=10_000)


class Mute(Frozen):
    """The next `count` requests of this name are never answered."""

    request: str
    count: int = Field(1, ge=1, le=10_000)


class Tricks:
    """Those that wait; filled by the control port, used up by the gateway's loop."""

    def __init__(self):
        self._lock = threading.Lock()
        self._tellings: list[Telling] = []
        self._mutes: list[str] = []
        #: Everything that is said leaves so many seconds late.
        self.delay_seconds = 0.0
        #: Nothing that arrives is looked at, and nothing is said.
        self.black_hole = False
        #: Market data: LIVE, DELAYED (10167) or NONE (354).
        self.market_data = "LIVE"
        #: Executions and ended orders of before this are not remembered, as after midnight.
        self.forgets_before = None

    def add(self, trick: Trick) -> None:
        """Wait for the next fills."""
        with self._lock:
            self._tellings += [trick.kind] * trick.count

    def mute(self, mute: Mute) -> None:
        """Wait for the next such requests."""
        with self._lock:
            self._mutes += [mute.request] * mute.count

    def next_telling(self) -> Telling | None:
        """How this one is told."""
        with self._lock:
            return self._tellings.pop(0) if self._tellings else None

    def mutes(self, request: str) -> bool:
        """Whether this one stays without an answer."""
        with self._lock:
            if request not in self._mutes:
                return False
            self._mutes.remove(request)
            return True

    def forget(self) -> None:
        """No tricks any more."""
        with self._lock:
            self._tellings, self._mutes = [], []
            self.delay_seconds, self.black_hole, self.market_data = 0.0, False, "LIVE"
            self.forgets_before = None
