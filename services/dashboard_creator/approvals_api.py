"""HTTP of the approval queue: what waits for a person, and their answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Query

from services.common.approvals import AlreadyAnswered, answer_approval
from services.common.clock import utc_now
from services.common.idempotency import IdempotencyKey, Repeatable, once
from services.common.problems import Refusal
from services.common.store import Document, Store, from_document
from services.dashboard_creator.acting import ACTS, READS, Reader, Reason, Trader, signed
from services.dashboard_creator.lists import cursor_of
from services.dashboard_creator.models import StepView
from services.dashboard_creator.paging import Activity, Wanted, newest_first
from services.domain.approvals import ApprovalAnswer, ApprovalRequest, ApprovalStatus
from services.domain.values import Frozen
from services.domain.words import Outcome


class ApprovalPreview(Frozen):
    """What was decided when the approval was asked for; it is decided again upon the answer."""

    outcome: Outcome
    code: str = ""
    reason: str = ""
    steps: tuple[StepView, ...] = ()


class ApprovalView(ApprovalRequest):
    """A request with the decision that it is about."""

    preview: ApprovalPreview


class ApprovalPage(Frozen):
    """Requests, newest first; `next` continues where they are more."""

    rows: tuple[ApprovalView, ...]
    next: str | None = None


class ApprovalGiven(Frozen):
    """What a person says to a request."""

    answer: ApprovalAnswer
    reason: Reason


def add_approval_routes(app: FastAPI, store: Store) -> None:
    """Look at requests and answer them; exactly one answer wins."""

    @app.get("/api/v1/approvals", responses=READS, tags=["approvals"])
    def list_approvals(
        _caller: Reader,
        status: ApprovalStatus | None = None,
        strategy_id: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[str | None, Query(description="`next` of the page before")] = None,
    ) -> ApprovalPage:
        """What waits for a person, or was answered, newest first."""
        query: Document = {} if status is None else {"status": status}
        if strategy_id is not None:
            query["strategy_id"] = strategy_id
        return _page(store, query, before, limit)

    @app.get("/api/v1/approvals/{signal_id}", responses=READS, tags=["approvals"])
    def get_approval(signal_id: str, _caller: Reader) -> ApprovalView:
        """One request with the waterfall of its decision."""
        return _existing(store, signal_id)

    @app.post("/api/v1/approvals/{signal_id}", responses=ACTS, tags=["approvals"])
    def answer_request(
        signal_id: str,
        asked: ApprovalGiven,
        caller: Trader,
        idempotency_key: IdempotencyKey = None,
    ) -> ApprovalView:
        """Approve, halve or reject; 409 says who was faster. Decided anew within a second."""

        def act() -> ApprovalView:
            _existing(store, signal_id)
            try:
                answer_approval(store, signal_id, asked.answer, signed(caller, asked.reason))
            except AlreadyAnswered as error:
                raise Refusal(409, "ALREADY_ANSWERED", str(error)) from error
            return _existing(store, signal_id)

        request = Repeatable(caller.name, idempotency_key, f"approval {signal_id}", asked)
        return once(store, request, ApprovalView, act, lambda _line: _existing(store, signal_id))


def _page(store: Store, query: Document, before: str | None, limit: int) -> ApprovalPage:
    def read(after: datetime, until: datetime, most: int | None) -> Sequence[Document]:
        window = {**query, "asked_at": {"$gt": after, "$lte": until}}
        return list(store["approvals"].find(window).sort("asked_at", -1).limit(most or 0))

    wanted = Wanted(limit=limit, field="asked_at", until=utc_now(), before=cursor_of(before))
    found = newest_first(read, wanted, Activity({}))
    return ApprovalPage(
        rows=tuple(_view(row) for row in found.rows),
        next=found.next.text() if found.next else None,
    )


def _existing(store: Store, signal_id: str) -> ApprovalView:
    """Raises: Refusal (404)."""
    found = store["approvals"].find_one({"_id": signal_id})
    if found is None:
        sentence = f"no approval of {signal_id!r} was asked for"
        raise Refusal(404, "UNKNOWN_APPROVAL", sentence)
    return _view(found)


def _view(row: Mapping[str, Any]) -> ApprovalView:
    preview = from_document(ApprovalPreview, row["preview"])
    return from_document(ApprovalView, {**row, "preview": preview})
