"""What persons are asked of signals, kept: the collection `approvals`."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.store import Store, from_document, to_document
from services.decision.record import decision_document
from services.domain.approvals import AWAITS_APPROVAL, ApprovalRequest
from services.domain.decisions import Decision
from services.domain.errors import TransientError


class ApprovalStore:
    """Requests by the signal that they are about."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, signal_ids: Sequence[str], session: ClientSession) -> dict[str, ApprovalRequest]:
        """What persons were asked of these signals."""
        found = self._store["approvals"].find(
            {"_id": {"$in": list(signal_ids)}}, {"preview": 0}, session=session
        )
        return {row["_id"]: from_document(ApprovalRequest, row) for row in found}

    def open(self) -> list[ApprovalRequest]:
        """Everything that a person was asked of signals that are not decided."""
        found = self._store["approvals"].find({"open": True}, {"preview": 0})
        return [from_document(ApprovalRequest, row) for row in found]

    def save(
        self, asked: Sequence[tuple[ApprovalRequest, Decision]], session: ClientSession
    ) -> None:
        """Keep what persons are asked, and that these signals wait for it.

        Raises: TransientError: one of the signals was decided meanwhile.
        """
        for request, decision in asked:
            changed = self._store["signal_store"].update_one(
                {"_id": request.signal_id, "undecided": True},
                {"$set": {"undecided": AWAITS_APPROVAL, "intent": decision.intent}},
                session=session,
            )
            if not changed.modified_count:
                raise TransientError(f"{request.signal_id} was decided meanwhile")
            preview = decision_document(decision)
            del preview["context"]
            row = {"_id": request.signal_id, **to_document(request), "open": True}
            self._store["approvals"].insert_one({**row, "preview": preview}, session=session)
            facts = {
                "signal_id": request.signal_id,
                "strategy_id": request.strategy_id,
                "before": None,
                "after": {"status": request.status, "expires_at": request.expires_at},
            }
            audit(
                self._store,
                "APPROVAL_ASKED",
                service="cerebro",
                by="cerebro",
                facts=facts,
                session=session,
            )

    def close(self, decisions: Sequence[Decision], session: ClientSession) -> None:
        """Note that these are decided upon their answers."""
        for decision in decisions:
            if decision.context.approval is not None:
                self._store["approvals"].update_one(
                    {"_id": decision.signal_id},
                    {"$set": {"decided_at": decision.decided_at}, "$unset": {"open": ""}},
                    session=session,
                )
