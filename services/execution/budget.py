"""How fast a broker may be talked to: token buckets, so that it never has to refuse us."""

from __future__ import annotations

import math
from collections.abc import Callable

from brokers.broker import Capabilities

#: Of a broker's limit this process uses so much: account data polls the same account beside us.
_SHARE = 0.8
#: Calls that queries leave for orders.
_RESERVE = 2.0


class Bucket:
    """Tokens that come back at a rate; one second's worth at most is saved up."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second)
        self._clock = clock
        self._tokens = self._most
        self._filled_at = clock()

    def available(self) -> float:
        """Tokens now."""
        now = self._clock()
        grown = self._tokens + (now - self._filled_at) * self._per_second
        self._tokens, self._filled_at = min(self._most, grown), now
        return self._tokens

    def take(self) -> None:
        """One token less; below 0 is owed, and paid back before the next is free."""
        self._tokens = self.available() - 1


class Budget:
    """What an account's broker takes of us now. Not for several threads.

    Args:
        capabilities: of the broker, with its limits.
        clock: seconds that never go back, e.g. `time.monotonic`.
    """

    def __init__(self, capabilities: Capabilities, clock: Callable[[], float]) -> None:
        limits = (capabilities.messages_per_second, capabilities.orders_per_second)
        self._messages, self._orders = (
            None if limit is None else Bucket(limit * _SHARE, clock) for limit in limits
        )

    def orders_now(self, most: int) -> int:
        """How many orders, changes or cancels may leave at once, up to `most`."""
        buckets = [bucket for bucket in (self._messages, self._orders) if bucket is not None]
        return min([most, *(math.floor(bucket.available()) for bucket in buckets)])

    def may_ask(self) -> bool:
        """Whether a query may leave without taking the place of an order."""
        return self._messages is None or self._messages.available() >= 1 + min(
            _RESERVE, self._messages.available() / 2
        )

    def order_left(self) -> None:
        """Count an order, change or cancel."""
        self.asked()
        if self._orders is not None:
            self._orders.take()

    def asked(self) -> None:
        """Count a query."""
        if self._messages is not None:
            self._messages.take()
