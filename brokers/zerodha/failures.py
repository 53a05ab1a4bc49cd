"""What a failed call to Kite means for an order: pure, from what was heard of it.

Zerodha's advice: after any answer to a placement that is no 400, look into the order book
(https://kite.trade/forum/discussion/comment/41029). And after one kind of 400 too: "Order request
timed out. Please check the order book" came with 400 and the order was placed
(https://kite.trade/forum/discussion/comment/35732).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from brokers.errors import (
    BrokerError,
    BrokerUnavailable,
    LoginRequired,
    OrderRejected,
    OrderStateUnknown,
)

#: Kite's own words for "I will not do this"; OrderException is one only with a status below 500.
_REFUSALS: Final = frozenset(
    {
        "InputException",
        "MarginException",
        "HoldingException",
        "PermissionException",
        "UserException",
        "OrderException",
    }
)
_IN_DOUBT: Final = re.compile(r"time[d-]?[ -]?out|order ?book", re.IGNORECASE)
_MOST_LETTERS: Final = 300


class Purpose(StrEnum):
    """What a call was made for."""

    ORDER = "ORDER"  # places
    CHANGE = "CHANGE"  # changes or cancels an order: the book then tells how it stands
    QUESTION = "QUESTION"  # changes nothing
    PREVIEW = "PREVIEW"  # changes nothing, and may be refused like an order


class Failure(NamedTuple):
    """What is known of a call that brought no result.

    Attributes:
        sent: whether a part of it may have reached Kite.
        status: of the HTTP answer; None = there was none.
        error_type: Kite's own word; empty = there is none.
        message: Kite's sentence, or what happened instead of one.
    """

    sent: bool
    status: int | None = None
    error_type: str = ""
    message: str = ""

    @property
    def means_login(self) -> bool:
        """Whether the access token is not good any more: Kite looks at it before anything else."""
        return self.error_type == "TokenException"

    def means_refusal(self, purpose: Purpose) -> bool:
        """Whether Kite has definitely refused what was asked."""
        if self.status is None or _IN_DOUBT.search(self.message):
            return False
        if self.status >= 500:
            return purpose is Purpose.CHANGE and self.error_type == "OrderException"
        return self.error_type in _REFUSALS or self.status == 400

    @property
    def means_throttled(self) -> bool:
        """Whether the rate limiter answered: it stands before the order system."""
        return self.status == 429

    @property
    def answered(self) -> bool:
        """Whether Kite itself works: it answered, and not with a fault of its own."""
        return self.status is not None and 400 <= self.status < 500

    @property
    def words(self) -> str:
        """What happened, cut to a length for a log."""
        kind = " ".join(str(each) for each in (self.status, self.error_type) if each)
        return f"{kind}: {self.message}"[:_MOST_LETTERS] if kind else self.message[:_MOST_LETTERS]


def error_of(failure: Failure, purpose: Purpose, login: str) -> BrokerError:
    """The error that says what the caller must do.

    Args:
        failure: what is known.
        purpose: of the call.
        login: the sentence that says how to log in.
    """
    if failure.means_login:
        return LoginRequired(f"{login} (Kite said {failure.message[:_MOST_LETTERS]!r})")
    if not failure.sent:
        return BrokerUnavailable(f"Kite was not reached, nothing was sent: {failure.words}")
    if failure.means_throttled:
        return BrokerUnavailable(f"Kite's rate limiter took nothing: {failure.words}")
    if purpose is not Purpose.QUESTION and failure.means_refusal(purpose):
        return OrderRejected(failure.error_type or "REFUSED", failure.message[:_MOST_LETTERS])
    if purpose in {Purpose.ORDER, Purpose.CHANGE}:
        return OrderStateUnknown(f"Kite did not say what became of it: {failure.words}")
    return BrokerUnavailable(f"Kite could not be asked: {failure.words}")
