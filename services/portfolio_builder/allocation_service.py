"""Allocations: proposed by anybody, approved by a person, active at once, never lost.

An approval is one transaction: the current allocation (compare-and-set on the version it was
compared with), its row in the history, the proposal, the audit log. Cerebro reads the current one
again after REFERENCE_CACHE_S.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.clock import utc_now
from services.common.problems import Refusal
from services.domain.values import ZERO, Frozen
from services.portfolio_builder.allocation_rules import Verdict, judge, left_out, objections_to
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.allocations import (
    Allocation,
    Approval,
    Origin,
    Proposal,
    ProposalStatus,
    Wish,
    in_percent,
    rows_of,
)
from services.portfolio_builder.comparison import Comparison, compare

_log = logging.getLogger(__name__)
#: That a refusal says.
_MOST_FAULTS: Final = 10


class Compared(Frozen):
    """A comparison, what it is with, and what else a person must know before they approve.

    Attributes:
        version: of the current allocation: an approval must name it.
        objections: why it wants a written override.
        faults: why it cannot be approved as it is.
        what_if: body for POST /api/v1/whatif, which decides real signals of the last days again.
    """

    version: int
    comparison: Comparison
    objections: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    what_if: dict[str, dict[str, Decimal]]


class Allocations:
    """What an admin does with allocations."""

    def __init__(self, store: AllocationStore, *, max_total_ratio: Decimal) -> None:
        self._store = store
        self._max_total_ratio = max_total_ratio

    def current(self) -> Allocation:
        """What trades now."""
        return self._store.current()

    def history(self, *, before: int | None, limit: int) -> list[Allocation]:
        """Earlier versions and the current one, the newest first."""
        return self._store.history(before=before, limit=limit)

    def version(self, number: int) -> Allocation:
        """One version. Raises: Refusal (404)."""
        found = self._store.version(number)
        if found is None:
            sentence = f"there is no version {number} of the allocation"
            raise Refusal(404, "UNKNOWN_VERSION", sentence)
        return found

    def proposals(self, *, status: ProposalStatus | None, limit: int) -> list[Proposal]:
        """Proposals, the newest first."""
        return self._store.proposals(status=status, limit=limit)

    def proposal(self, proposal_id: str) -> Proposal:
        """One proposal. Raises: Refusal (404)."""
        return self._proposal(proposal_id)

    def _proposal(self, proposal_id: str, session: ClientSession | None = None) -> Proposal:
        found = self._store.proposal(proposal_id, session)
        if found is None:
            raise Refusal(404, "UNKNOWN_PROPOSAL", f"there is no proposal {proposal_id!r}")
        return found

    def propose(self, wish: Wish) -> Proposal:
        """Keep a proposal; it trades nothing.

        Raises:
            Refusal: it could never be approved; the sentence says why.
        """
        check_reason(wish.reason)

        def work(session: ClientSession) -> Proposal:
            proposal = self._made(wish, session)
            self._store.add_proposal(proposal, session)
            facts = _facts(proposal)
            self._store.audit("ALLOCATION_PROPOSED", by=wish.by, facts=facts, session=session)
            return proposal

        try:
            return self._store.transaction(work)
        except DuplicateKeyError:
            return self.proposal(str(wish.proposal_id))

    def _made(self, wish: Wish, session: ClientSession) -> Proposal:
        verdict = self._permitted(wish.ratios, session)
        current = self._store.current(session)
        return Proposal(
            proposal_id=wish.proposal_id or f"p_{uuid.uuid4().hex[:16]}",
            origin=wish.origin,
            allocations=rows_of(wish.ratios),
            base_version=current.version,
            proposed_by=wish.by,
            proposed_at=utc_now(),
            reason=wish.reason.strip(),
            evidence=wish.evidence,
            reverts_to=wish.reverts_to,
            objections=objections_to(wish.evidence),
            warnings=(*verdict.warnings, *left_out(current.ratios, wish.ratios)),
        )

    def _permitted(self, ratios: Mapping[str, Decimal], session: ClientSession) -> Verdict:
        """Raises: Refusal: it keeps not every rule."""
        verdict = self._judged(ratios, session)
        if verdict.faults:
            more = len(verdict.faults) - _MOST_FAULTS
            sentence = "; ".join(verdict.faults[:_MOST_FAULTS])
            sentence += f"; and {more} more" if more > 0 else ""
            raise Refusal(422, "ALLOCATION_REFUSED", sentence, field="allocations")
        return verdict

    def _judged(
        self, ratios: Mapping[str, Decimal], session: ClientSession | None = None
    ) -> Verdict:
        return judge(
            ratios,
            strategies=self._store.known(ratios, session),
            accounts=self._store.account_ids(session),
            caps=self._store.caps(session)[1],
            max_total_ratio=self._max_total_ratio,
        )

    def compare(
        self, ratios: Mapping[str, Decimal], *, last_days: int, objections: tuple[str, ...] = ()
    ) -> Compared:
        """Set ratios against the current ones; changes nothing."""
        current = self._store.current()
        verdict = self._judged(ratios)
        before = current.ratios
        whole = {name: ratios.get(name, ZERO) for name in before.keys() | ratios.keys()}
        used = [name for name, ratio in whole.items() if ratio or before.get(name)]
        records = self._store.records(used)
        return Compared(
            version=current.version,
            comparison=compare(before, ratios, records, last_days=last_days),
            objections=objections,
            faults=verdict.faults,
            warnings=(*verdict.warnings, *left_out(before, ratios)),
            what_if={"allocations": dict(sorted(whole.items()))},
        )

    def compare_proposal(self, proposal_id: str, *, last_days: int) -> Compared:
        """A proposal against the current allocation. Raises: Refusal (404)."""
        proposal = self.proposal(proposal_id)
        return self.compare(proposal.ratios, last_days=last_days, objections=proposal.objections)

    def approve(self, proposal_id: str, approval: Approval) -> Allocation:
        """Make a proposal the current allocation, at once and everywhere.

        Raises:
            Refusal: it is decided already, the current allocation has moved since it was compared,
                a rule forbids it now, or it wants an override.
        """
        check_reason(approval.reason)
        return self._approved(
            lambda session: self._approve(self._proposal(proposal_id, session), approval, session)
        )

    def approve_directly(self, wish: Wish, approval: Approval) -> Allocation:
        """Propose and approve in one step. Raises: Refusal."""
        check_reason(approval.reason)

        def work(session: ClientSession) -> Allocation:
            proposal = self._made(wish, session)
            self._store.add_proposal(proposal, session)
            return self._approve(proposal, approval, session)

        return self._approved(work)

    def revert(self, number: int, approval: Approval) -> Allocation:
        """Approve the content of an earlier version once more, as a new one.

        Raises:
            Refusal: there is no such version, or what holds for every approval.
        """
        wish = Wish(
            ratios=self.version(number).ratios,
            by=approval.by,
            reason=approval.reason,
            origin=Origin.REVERT,
            reverts_to=number,
        )
        return self.approve_directly(wish, approval)

    def _approved(self, work: Callable[[ClientSession], Allocation]) -> Allocation:
        try:
            found = self._store.transaction(work)
        except DuplicateKeyError as error:
            sentence = "somebody else approved an allocation at the same time: compare again"
            raise Refusal(409, "ALLOCATION_MOVED", sentence) from error
        _log.info(
            "allocation version %s, approved by %s: %s",
            found.version,
            found.approved_by,
            ", ".join(f"{row.strategy_id} {in_percent(row.ratio)}" for row in found.allocations),
        )
        return found

    def _approve(
        self, proposal: Proposal, approval: Approval, session: ClientSession
    ) -> Allocation:
        if proposal.status is not ProposalStatus.OPEN:
            raise _closed(proposal)
        current = self._store.current(session)
        if current.version != approval.version:
            raise _moved(current, approval.version)
        verdict = self._permitted(proposal.ratios, session)
        override = approval.override.strip()
        if proposal.objections and not override:
            sentence = f"{'; '.join(proposal.objections)}: send override with the reason to do so"
            raise Refusal(409, "OVERRIDE_MISSING", sentence, field="override")
        now = utc_now()
        new = Allocation(
            version=max(current.version, self._store.latest_version(session)) + 1,
            allocations=proposal.allocations,
            approved_by=approval.by,
            approved_at=now,
            reason=approval.reason.strip(),
            proposal_id=proposal.proposal_id,
            reverts_to=proposal.reverts_to,
            override=override if proposal.objections else "",
            warnings=(*verdict.warnings, *left_out(current.ratios, proposal.ratios)),
        )
        decided = {
            "status": ProposalStatus.APPROVED,
            "decided_by": approval.by,
            "decided_at": now,
            "decision": new.reason,
            "version": new.version,
        }
        if not self._store.replace_current(new, expected=current, session=session):
            raise _moved(self._store.current(session), approval.version)
        if not self._store.decide_proposal(proposal.proposal_id, decided, session):
            raise _closed(proposal)
        facts = {
            **_facts(proposal),
            "version": new.version,
            "before": [row.model_dump() for row in current.allocations],
            "before_version": current.version,
            "approved_because": new.reason,
            "override": new.override,
        }
        self._store.audit("ALLOCATION_APPROVED", by=approval.by, facts=facts, session=session)
        return new

    def reject(self, proposal_id: str, *, by: str, reason: str) -> Proposal:
        """Close a proposal without approving it. Raises: Refusal."""
        check_reason(reason)

        def work(session: ClientSession) -> Proposal:
            proposal = self._proposal(proposal_id, session)
            changes = {
                "status": ProposalStatus.REJECTED,
                "decided_by": by,
                "decided_at": utc_now(),
                "decision": reason.strip(),
            }
            if not self._store.decide_proposal(proposal_id, changes, session):
                raise _closed(proposal)
            facts = {"proposal_id": proposal_id, "reason": reason.strip()}
            self._store.audit("ALLOCATION_REJECTED", by=by, facts=facts, session=session)
            return proposal.model_copy(update=changes)

        return self._store.transaction(work)


def check_reason(reason: str) -> None:
    """Raises: Refusal: it says nothing."""
    if not reason.strip():
        raise Refusal(422, "REASON_MISSING", "reason must say why, was empty", field="reason")


def _moved(current: Allocation, version: int) -> Refusal:
    who = f", approved by {current.approved_by}" if current.approved_by else ""
    return Refusal(
        409,
        "ALLOCATION_MOVED",
        f"the current allocation is version {current.version}{who}, this was compared with "
        f"version {version}: compare again",
        field="version",
    )


def _closed(proposal: Proposal) -> Refusal:
    by = f" by {proposal.decided_by}" if proposal.decided_by else ""
    return Refusal(
        409,
        "PROPOSAL_CLOSED",
        f"the proposal {proposal.proposal_id} is {proposal.status}{by}: make a new one",
    )


def _facts(proposal: Proposal) -> dict[str, Any]:
    return {
        "proposal_id": proposal.proposal_id,
        "origin": proposal.origin,
        "allocations": [row.model_dump() for row in proposal.allocations],
        "test_id": proposal.evidence.test_id if proposal.evidence else None,
        "reverts_to": proposal.reverts_to,
        "reason": proposal.reason,
    }
