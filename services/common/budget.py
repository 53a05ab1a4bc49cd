"""How fast a broker may be talked to: token buckets, so that it never has to refuse us.

Two processes talk to the same account: execution may use the larger part of what a broker takes,
account data the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

#: Of a broker's limit execution uses so much.
ORDERS_SHARE: Final = 0.8
#: And account data, which polls the same account beside it.
DATA_SHARE: Final = 0.2
#: Calls that queries leave for orders.
_RESERVE: Final = 2.0


class Limits(Protocol):
    """What a broker takes in a second (`Capabilities`); None = no limit."""

    @property
    def messages_per_second(self) -> float | None:
        """All calls together."""

    @property
    def orders_per_second(self) -> float | None:
        """Placements, changes and cancels."""


class Bucket:
    """Tokens that come back at a rate; one second's worth at most is saved up."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self.per_second = per_second
        self._most = max(1.0, per_second)
        self._clock = clock
        self._tokens = self._most
        self._filled_at = clock()

    def available(self) -> float:
        """Tokens now."""
        now = self._clock()
        grown = self._tokens + (now - self._filled_at) * self.per_second
        self._tokens, self._filled_at = min(self._most, grown), now
        return self._tokens

    def take(self) -> None:
        """One token less; below 0 is owed, and paid back before the next is free."""
        self._tokens = self.available() - 1

    def seconds_until_free(self) -> float:
        """How long until there is a whole token; 0 = there is one."""
        return max(0.0, (1 - self.available()) / self.per_second)


class Budget:
    """What an account's broker takes of us now. Not for several threads.

    Args:
        limits: of the broker.
        clock: seconds that never go back, e.g. `time.monotonic`.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._messages: Bucket | None = None
        self._orders: Bucket | None = None
        self.follow(limits)

    def follow(self, limits: Limits) -> None:
        """Keep to these limits from now on: a broker may tell them only when it is connected."""
        self._messages = self._fitted(self._messages, limits.messages_per_second)
        self._orders = self._fitted(self._orders, limits.orders_per_second)

    def _fitted(self, bucket: Bucket | None, limit: float | None) -> Bucket | None:
        if limit is None:
            return None
        rate = limit * ORDERS_SHARE
        return bucket if bucket and bucket.per_second == rate else Bucket(rate, self._clock)

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
