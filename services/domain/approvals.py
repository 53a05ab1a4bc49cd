"""A person's approval of an entry: when it is asked for, and what was answered. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from services.domain.values import ZERO, Frozen, Instant, NonNegative, Positive

#: `undecided` of a signal that a person was asked about: to be decided, but not by being rung for.
AWAITS_APPROVAL: Final = "APPROVAL"


class ApprovalAnswer(StrEnum):
    """What a person may say to a request."""

    APPROVE = "APPROVE"
    HALF = "HALF"  # half of each quantity, rounded down
    REJECT = "REJECT"


class ApprovalStatus(StrEnum):
    """Where a request stands."""

    WAITING = "WAITING"
    APPROVED = "APPROVED"
    HALVED = "HALVED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"  # nobody answered in time, and that counts as a no

    @classmethod
    def of(cls, answer: ApprovalAnswer) -> ApprovalStatus:
        """What an answer makes of a request."""
        return {
            ApprovalAnswer.APPROVE: cls.APPROVED,
            ApprovalAnswer.HALF: cls.HALVED,
            ApprovalAnswer.REJECT: cls.REJECTED,
        }[answer]


class OnTimeout(StrEnum):
    """What it counts as that nobody answers."""

    REJECT = "REJECT"
    APPROVE = "APPROVE"


class ApprovalTerms(Frozen):
    """Whether entries of a strategy wait for a person.

    Attributes:
        required: False = they do not, whatever else is set.
        timeout_s: how long they wait, seconds.
        on_timeout: what happens then.
        above_notional: only where the orders in one account come to more, in its currency; None =
            every entry waits.
    """

    required: bool = True
    timeout_s: Annotated[Decimal, Field(gt=0, le=86400, allow_inf_nan=False)] = Decimal(300)
    on_timeout: OnTimeout = OnTimeout.REJECT
    above_notional: Positive | None = None


class Approval(Frozen):
    """An answered request, as a decision sees it.

    Attributes:
        by: who answered; of a time-out the clock.
        quantities: what was shown, by `quantity_key`: more than that was not approved.
        asked_at: when the signal was decided first; up to `expires_at` waiting makes it no older.
    """

    status: ApprovalStatus
    by: str
    reason: str
    asked_at: Instant
    expires_at: Instant
    answered_at: Instant
    quantities: dict[str, NonNegative] = Field(default_factory=dict)

    def waited_seconds(self, now: datetime) -> Decimal:
        """How long the signal stood still for the person, seconds."""
        waited = min(now, self.expires_at) - self.asked_at
        return max(ZERO, Decimal(str(waited.total_seconds())))

    @property
    def in_words(self) -> str:
        """Who answered what, and why."""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.status.lower()} by {self.by}{reason}"


def quantity_key(account_id: str, leg_index: int) -> str:
    """Key of a quantity that was shown: opaque."""
    return f"{account_id}|{leg_index}"


class ApprovalOrder(Frozen):
    """One order that would go out; `notional` in the account's currency."""

    account_id: str
    leg_index: int
    symbol: str
    side: str
    quantity: Positive
    order_type: str
    limit_price: Decimal | None = None
    notional: NonNegative


class ApprovalRequest(Frozen):
    """What a person is asked.

    Attributes:
        sentence: the signal and what would be ordered, in words.
        answered_by: who, or the clock; None while it waits.
        reason: of the answer.
        decided_at: when the signal was decided upon it; None = not yet.
    """

    signal_id: str
    strategy_id: str
    status: ApprovalStatus = ApprovalStatus.WAITING
    sentence: str
    orders: tuple[ApprovalOrder, ...]
    asked_at: Instant
    expires_at: Instant
    on_timeout: OnTimeout
    answered_by: str | None = None
    answered_at: Instant | None = None
    reason: str | None = None
    decided_at: Instant | None = None

    def answer(self) -> Approval | None:
        """As a decision sees it; None while it waits."""
        if self.answered_by is None or self.answered_at is None:
            return None
        return Approval(
            status=self.status,
            by=self.answered_by,
            reason=self.reason or "",
            asked_at=self.asked_at,
            expires_at=self.expires_at,
            answered_at=self.answered_at,
            quantities={
                quantity_key(each.account_id, each.leg_index): each.quantity for each in self.orders
            },
        )
