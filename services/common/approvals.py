"""Requests for a person's approval as they are stored: exactly one answer wins, also the clock's.

Cerebro puts a request beside the signal that waits, decides again once there is an answer, and
closes the request in the transaction that keeps the decision. So whatever dies in between, what is
open is still to be done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.signed import Signed
from services.common.store import Document, Store, from_document
from services.domain.approvals import ApprovalAnswer, ApprovalRequest, ApprovalStatus, OnTimeout
from services.domain.errors import ConfigurationError

#: Who has answered where nobody did.
CLOCK: Final = "the clock"


class AlreadyAnswered(ConfigurationError):
    """Somebody, or the clock, was faster; the sentence says who."""


def approval(
    store: Store, signal_id: str, session: ClientSession | None = None
) -> ApprovalRequest | None:
    """The request of a signal; None = there is none."""
    found = store["approvals"].find_one({"_id": signal_id}, session=session)
    return from_document(ApprovalRequest, found) if found else None


def answer_approval(
    store: Store, signal_id: str, answer: ApprovalAnswer, signed: Signed
) -> ApprovalRequest:
    """Answer a request; Cerebro decides the signal upon it within a second.

    Returns: the request as it is answered now.

    Raises:
        AlreadyAnswered: somebody has answered, or its time is up.
        ConfigurationError: there is no such request, or nobody and no reason named.
        TransientError: the database does not answer.
    """
    signed = signed.checked()

    def work(session: ClientSession) -> ApprovalRequest:
        before = approval(store, signal_id, session)
        if before is None:
            raise ConfigurationError(f"no approval of {signal_id!r} was asked for")
        now = utc_now()
        if before.status is not ApprovalStatus.WAITING:
            raise AlreadyAnswered(f"{signal_id} was {_answered(before)}")
        if now >= before.expires_at:
            raise AlreadyAnswered(
                f"{signal_id} could be answered until {before.expires_at:%Y-%m-%d %H:%M:%S} UTC: "
                f"that nobody did counts as {before.on_timeout}"
            )
        after = before.model_copy(
            update={
                "status": ApprovalStatus.of(answer),
                "answered_by": signed.by,
                "answered_at": now,
                "reason": signed.reason,
            }
        )
        if not _set(store, before, after, session):
            raise AlreadyAnswered(f"{signal_id} was answered at the same time: look")
        facts = {
            "signal_id": signal_id,
            "strategy_id": before.strategy_id,
            "before": {"status": before.status},
            "after": {"status": after.status},
        }
        signed.record(store, "APPROVAL_ANSWERED", facts, session)
        return after

    return store.transaction(work)


def expire_approval(store: Store, signal_id: str, now: datetime) -> None:
    """Let the clock answer a request whose time is up; an answer that was faster stays."""

    def work(session: ClientSession) -> None:
        before = approval(store, signal_id, session)
        if before is None or before.status is not ApprovalStatus.WAITING:
            return
        if now < before.expires_at:
            return
        goes = before.on_timeout is OnTimeout.APPROVE
        seconds = (before.expires_at - before.asked_at).total_seconds()
        after = before.model_copy(
            update={
                "status": ApprovalStatus.APPROVED if goes else ApprovalStatus.EXPIRED,
                "answered_by": CLOCK,
                "answered_at": now,
                "reason": f"nobody answered within {seconds:.0f} s",
            }
        )
        if not _set(store, before, after, session):
            return
        facts = {
            "signal_id": signal_id,
            "strategy_id": before.strategy_id,
            "before": {"status": before.status},
            "after": {"status": after.status},
        }
        audit(
            store, "APPROVAL_TIMED_OUT", service="cerebro", by=CLOCK, facts=facts, session=session
        )

    store.transaction(work)


def withdraw_approval(store: Store, signal_id: str, *, by: str, reason: str) -> bool:
    """Reject a request because the strategy itself wants out; False where it was answered."""
    try:
        answer_approval(store, signal_id, ApprovalAnswer.REJECT, Signed(by, reason))
    except ConfigurationError:
        return False
    return True


def _set(
    store: Store, before: ApprovalRequest, after: ApprovalRequest, session: ClientSession
) -> bool:
    answered: Document = {
        name: getattr(after, name) for name in ("status", "answered_by", "answered_at", "reason")
    }
    as_read = {"_id": before.signal_id, "status": ApprovalStatus.WAITING}
    changed = store["approvals"].update_one(as_read, {"$set": answered}, session=session)
    return bool(changed.modified_count)


def _answered(request: ApprovalRequest) -> str:
    answer = request.answer()
    if answer is None:
        return str(request.status)
    return f"{answer.in_words}, at {answer.answered_at:%Y-%m-%d %H:%M:%S} UTC"
