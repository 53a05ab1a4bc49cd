"""HTTP of evidence: all that is stored of one signal, in a chain that shows any change."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from services.common.audit import audit
from services.common.callers import Caller
from services.common.clock import utc_now
from services.common.problems import Refusal
from services.common.store import Store
from services.dashboard_creator.acting import READS, Owner
from services.dashboard_creator.evidence import records
from services.domain.evidence import FORMAT, chain
from services.domain.users import Permission
from services.domain.values import Frozen, Instant


class EvidenceRecord(Frozen):
    """One record; `hash` is of everything else in it, `previous` of the record before."""

    number: int
    kind: str
    body: dict[str, Any]
    previous: str
    hash: str


class EvidenceBundle(Frozen):
    """All records of a signal; `scripts/verify_evidence.py` checks it offline."""

    format: str = FORMAT
    signal_id: str
    made_at: Instant
    made_by: str
    redacted: bool
    count: int
    head: str
    records: tuple[EvidenceRecord, ...]


def add_evidence_routes(app: FastAPI, store: Store) -> None:
    """Make bundles; each is in the audit log with its head."""

    @app.get("/api/v1/signals/{signal_id}/evidence", responses=READS, tags=["signals"])
    def get_evidence(signal_id: str, caller: Owner, redacted: bool = False) -> EvidenceBundle:
        """Raw payload, decision, orders, fills and audit lines of a signal, hash-chained.

        `redacted=true` leaves out what tells how large an account is; developers get no other.
        """
        if not redacted and Permission.READ not in caller.permissions:
            sentence = f"{caller.role} may have the redacted bundle only: add ?redacted=true"
            raise Refusal(403, "NOT_ALLOWED", sentence)
        return _bundle(store, signal_id, caller, redacted=redacted)


def _bundle(store: Store, signal_id: str, caller: Caller, *, redacted: bool) -> EvidenceBundle:
    life = store["signal_store"].find_one({"_id": signal_id})
    # A strategy of somebody else is as unknown as none.
    if life is None or not caller.may_see(life["strategy_id"]):
        raise Refusal(404, "UNKNOWN_SIGNAL", f"there is no signal {signal_id!r}")
    now = utc_now()
    first = {
        "signal_id": signal_id,
        "strategy_id": life["strategy_id"],
        "made_at": now,
        "made_by": caller.name,
        "redacted": redacted,
    }
    chained = chain([("bundle", first), *records(store, life, redacted=redacted)])
    head = chained[-1]["hash"]
    facts = {"signal_id": signal_id, "head": head, "records": len(chained), "redacted": redacted}
    audit(store, "EVIDENCE_MADE", service="dashboard_creator", by=caller.name, facts=facts)
    return EvidenceBundle(
        signal_id=signal_id,
        made_at=now,
        made_by=caller.name,
        redacted=redacted,
        count=len(chained),
        head=head,
        records=tuple(EvidenceRecord(**each) for each in chained),
    )
