"""HTTP of allocations: look, propose, compare, approve, reject, revert."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Annotated, Final

from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field

from services.common.callers import Caller, allow
from services.common.problems import problem_responses
from services.domain.users import Permission
from services.domain.values import Count
from services.portfolio_builder.allocation_caps import AllocationCaps
from services.portfolio_builder.allocation_rules import Caps
from services.portfolio_builder.allocation_service import Allocations, Compared
from services.portfolio_builder.allocations import (
    MOST_STRATEGIES,
    Allocation,
    AllocationRow,
    Approval,
    Proposal,
    ProposalStatus,
    Ratio,
    StrategyId,
    Wish,
    in_percent,
)

_READ = problem_responses(401, 403, 404, 422, 500, 503)
_WRITE = problem_responses(401, 403, 404, 409, 413, 422, 500, 503)
_TAGS: Final[list[str | Enum]] = ["allocations"]

Reason = Annotated[str, Field(min_length=1, max_length=1000)]
#: 0 to 10,000 percent of equity, as the seed's clients send it.
Percent = Annotated[Decimal, Field(ge=0, le=10_000, decimal_places=10, allow_inf_nan=False)]
Ratios = Annotated[dict[StrategyId, Ratio], Field(max_length=MOST_STRATEGIES)]
LastDays = Annotated[int, Query(ge=1, le=2520)]
Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Admin = Annotated[Caller, Depends(allow(Permission.CONFIGURE))]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PercentAllocation(_Body):
    """An allocation in percent, 12.5 = 12.5 %, to be approved at once.

    Attributes:
        version: of the current allocation that it was made against; 0 = there is none.
    """

    allocations: Annotated[dict[StrategyId, Percent], Field(max_length=MOST_STRATEGIES)]
    version: Count
    reason: Reason


class ProposalBody(_Body):
    """An allocation as ratios, 0.125 = 12.5 %; who is not named gets nothing."""

    allocations: Ratios
    reason: Reason


class ComparisonBody(_Body):
    """Ratios to look at; changes nothing."""

    allocations: Ratios
    last_days: Annotated[int, Field(ge=1, le=2520)] = 63


class ApprovalBody(_Body):
    """A person's word; the name is that of the key.

    Attributes:
        version: of the current allocation, as the comparison named it.
        override: why it is approved although a study speaks against it.
    """

    version: Count
    reason: Reason
    override: Annotated[str, Field(max_length=1000)] = ""


class RejectionBody(_Body):
    """Why a proposal is not wanted."""

    reason: Reason


class RevertBody(_Body):
    """Which version is to hold again, and the current one that it was compared with."""

    to_version: Count
    version: Count
    reason: Reason


class CapsBody(Caps):
    """Caps with the version that they were made against, and why."""

    version: Count
    reason: Reason


class CapsView(Caps):
    """Caps and their version."""

    version: int


class RowView(AllocationRow):
    """A ratio, and the same in percent."""

    percent: str


class AllocationView(Allocation):
    """An allocation with its sum; ratios of equity."""

    allocations: tuple[RowView, ...] = ()
    sum_ratio: Decimal
    sum_percent: str


def add_allocation_routes(app: FastAPI, allocations: Allocations, caps: AllocationCaps) -> None:
    """Serve who may."""
    _add_current(app, allocations)
    _add_proposals(app, allocations)
    _add_caps(app, caps)


def _add_current(app: FastAPI, allocations: Allocations) -> None:
    @app.get("/api/v1/allocations/current", responses=_READ, tags=_TAGS)
    def get_current_allocation(_by: Reader) -> AllocationView:
        """What trades now; version 0 where nothing was ever approved."""
        return _view(allocations.current())

    @app.get("/api/v1/allocations/history", responses=_READ, tags=_TAGS)
    def list_allocation_history(
        _by: Reader,
        before: Count | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> list[AllocationView]:
        """Every version, the newest first: who approved it, and why."""
        return [_view(each) for each in allocations.history(before=before, limit=limit)]

    @app.get("/api/v1/allocations/history/{version}", responses=_READ, tags=_TAGS)
    def get_allocation_version(version: Count, _by: Reader) -> AllocationView:
        """One version."""
        return _view(allocations.version(version))

    @app.post("/api/v1/allocations/approve", responses=_WRITE, tags=_TAGS)
    def approve_allocation(body: PercentAllocation, by: Admin) -> AllocationView:
        """Propose and approve in one step, in percent; active everywhere within a second."""
        ratios = {name: percent / 100 for name, percent in body.allocations.items()}
        return _view(
            allocations.approve_directly(
                Wish(ratios=ratios, by=by.name, reason=body.reason),
                Approval(version=body.version, by=by.name, reason=body.reason),
            )
        )

    @app.post("/api/v1/allocations/revert", responses=_WRITE, tags=_TAGS)
    def revert_allocation(body: RevertBody, by: Admin) -> AllocationView:
        """Have an earlier version hold again, as a new one."""
        approval = Approval(version=body.version, by=by.name, reason=body.reason)
        return _view(allocations.revert(body.to_version, approval))

    @app.post("/api/v1/allocations/compare", responses=_WRITE, tags=_TAGS)
    def compare_allocation(body: ComparisonBody, _by: Reader) -> Compared:
        """Any ratios against the current ones: weights, risk, returns, and the last days."""
        return allocations.compare(body.allocations, last_days=body.last_days)


def _add_proposals(app: FastAPI, allocations: Allocations) -> None:
    @app.get("/api/v1/allocations/proposals", responses=_READ, tags=_TAGS)
    def list_proposals(
        _by: Reader,
        status: ProposalStatus | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> list[Proposal]:
        """Proposals, the newest first."""
        return allocations.proposals(status=status, limit=limit)

    @app.post("/api/v1/allocations/proposals", status_code=201, responses=_WRITE, tags=_TAGS)
    def propose_allocation(body: ProposalBody, by: Admin) -> Proposal:
        """Propose an allocation; it trades nothing until a person approves it."""
        return allocations.propose(Wish(ratios=body.allocations, by=by.name, reason=body.reason))

    @app.get("/api/v1/allocations/proposals/{proposal_id}", responses=_READ, tags=_TAGS)
    def get_proposal(proposal_id: str, _by: Reader) -> Proposal:
        """One proposal: what it asks for, where it comes from, what became of it."""
        return allocations.proposal(proposal_id)

    @app.get("/api/v1/allocations/proposals/{proposal_id}/comparison", responses=_READ, tags=_TAGS)
    def compare_proposal(proposal_id: str, _by: Reader, last_days: LastDays = 63) -> Compared:
        """A proposal against the current allocation; the approval must name its `version`."""
        return allocations.compare_proposal(proposal_id, last_days=last_days)

    @app.post("/api/v1/allocations/proposals/{proposal_id}/approve", responses=_WRITE, tags=_TAGS)
    def approve_proposal(proposal_id: str, body: ApprovalBody, by: Admin) -> AllocationView:
        """Make it the current allocation; active everywhere within a second."""
        return _view(allocations.approve(proposal_id, Approval(by=by.name, **body.model_dump())))

    @app.post("/api/v1/allocations/proposals/{proposal_id}/reject", responses=_WRITE, tags=_TAGS)
    def reject_proposal(proposal_id: str, body: RejectionBody, by: Admin) -> Proposal:
        """Close it without approving it."""
        return allocations.reject(proposal_id, by=by.name, reason=body.reason)


def _add_caps(app: FastAPI, kept: AllocationCaps) -> None:
    @app.get("/api/v1/allocations/caps", responses=_READ, tags=_TAGS)
    def get_allocation_caps(_by: Reader) -> CapsView:
        """The most that single strategies and groups may be given, beside the total."""
        version, caps = kept.current()
        return CapsView(version=version, **caps.model_dump())

    @app.put("/api/v1/allocations/caps", responses=_WRITE, tags=_TAGS)
    def put_allocation_caps(body: CapsBody, by: Admin) -> CapsView:
        """Replace all caps; the next approval must keep them."""
        caps = Caps(**body.model_dump(exclude={"version", "reason"}))
        version, held = kept.set(caps, version=body.version, by=by.name, reason=body.reason)
        return CapsView(version=version, **held.model_dump())


def _view(allocation: Allocation) -> AllocationView:
    rows = tuple(
        RowView(**row.model_dump(), percent=in_percent(row.ratio)) for row in allocation.allocations
    )
    total = allocation.total_ratio
    return AllocationView(
        **allocation.model_dump(exclude={"allocations"}),
        allocations=rows,
        sum_ratio=total,
        sum_percent=in_percent(total),
    )
