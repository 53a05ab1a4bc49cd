"""Time that passes only when the simulation says so, for all code that asks what time it is."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest import mock

#: A Friday on which every exchange of the simulation trades.
BEGINNING = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


class VirtualClock:
    """Seconds since the beginning.

    Attributes:
        skew: how wrong the wall clock of whoever asks now is, in seconds.
    """

    def __init__(self):
        self.seconds = 0.0
        self.skew = 0.0

    def advance(self, seconds):
        """Let time pass."""
        self.seconds += seconds

    def monotonic(self):
        """As `time.monotonic`; never 0, which some code takes for never."""
        return 1000.0 + self.seconds

    def time(self):
        """As `time.time`, with the skew."""
        return BEGINNING.timestamp() + self.seconds + self.skew

    def now(self):
        """As `datetime.now(UTC)` where clocks are right: at the broker."""
        return BEGINNING + timedelta(seconds=self.seconds)

    @contextmanager
    def rules(self):
        """While this is open, the clocks that the road reads are this one."""
        clock = self

        class Datetime(datetime):
            @classmethod
            def now(cls, tz=None):
                return clock.now() if tz is UTC else clock.now().astimezone(tz)

        class Skewed(datetime):
            @classmethod
            def now(cls, tz=None):
                return Datetime.now(tz) + timedelta(seconds=clock.skew)

        with (
            mock.patch.object(time, "monotonic", self.monotonic),
            mock.patch.object(time, "time", self.time),
            mock.patch.multiple("services.common.clock", datetime=Skewed),
            mock.patch.multiple("services.signal_gateway.limits", datetime=Skewed),
            mock.patch.multiple("brokers.mock.books", datetime=Datetime),
            mock.patch.multiple("brokers.mock.engine", datetime=Datetime),
            mock.patch.multiple("brokers.mock.exchange", datetime=Datetime),
        ):
            yield self
