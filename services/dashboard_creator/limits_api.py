"""HTTP of limits: what is set and how much of it is used, a change, and what it would have done."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import FastAPI
from pydantic import Field

from services.common.idempotency import IdempotencyKey, Repeatable, once
from services.common.limits import Outdated, set_limits
from services.common.locks import LockChanged, clear_lock
from services.common.problems import Refusal
from services.common.store import Document, Store, from_document
from services.dashboard_creator.acting import (
    ACTS,
    READS,
    Configurer,
    Reader,
    Reason,
    refused_as,
)
from services.dashboard_creator.limit_views import Limits, LimitSetView, limits_now
from services.dashboard_creator.preview import LimitPreview, preview
from services.domain.errors import ConfigurationError
from services.domain.risk import LimitSet, TradingHours
from services.domain.values import Count, Frozen, Instant
from services.domain.words import Scope

LimitValues = Annotated[
    dict[str, bool | int | Decimal | str | TradingHours | None], Field(min_length=1, max_length=50)
]


class LimitOrder(Frozen):
    """Limits by name, as in LimitSet; `null` removes one, what is not named stays.

    Attributes:
        version: that was looked at, 0 where the scope had none; another one now is 409.
    """

    limits: LimitValues
    version: Count
    reason: Reason


class LimitQuestion(Frozen):
    """What would be otherwise, and of which days."""

    scope: Scope
    scope_id: Annotated[str, Field(max_length=200)] = ""
    changes: LimitValues
    days: Annotated[float, Field(gt=0, le=30)] = 30


class LockReset(Frozen):
    """What a person accepts, and why.

    Attributes:
        locked_at: of the lock that they looked at; another one now is 409.
    """

    locked_at: Instant
    reason: Reason


class LockIsReset(Frozen):
    """What was reset, and what losses are counted from now."""

    lock_id: str
    sentence: str


def add_limit_routes(app: FastAPI, store: Store) -> None:
    """Limits of every scope."""

    @app.get("/api/v1/limits", responses=READS, tags=["risk"])
    def list_limits(_caller: Reader) -> Limits:
        """Every scope that has limits, and how much of each is used where that has a number."""
        return limits_now(store)

    @app.put("/api/v1/limits/{scope}/{scope_id:path}", responses=ACTS, tags=["risk"])
    def set_scope_limits(
        scope: Scope,
        scope_id: str,
        asked: LimitOrder,
        caller: Configurer,
        idempotency_key: IdempotencyKey = None,
    ) -> LimitSetView:
        """Set or remove limits of one scope.

        The id of GLOBAL is `*`, and of ACCOUNT that of all accounts without limits of their own.
        """

        def act() -> LimitSetView:
            place = (scope, "" if scope is Scope.GLOBAL else scope_id)
            try:
                after = set_limits(
                    store,
                    *place,
                    asked.limits,
                    by=caller.name,
                    reason=asked.reason,
                    version=asked.version,
                )
            except Outdated as error:
                raise Refusal(409, "VERSION_CONFLICT", str(error), field="version") from error
            except ConfigurationError as error:
                raise Refusal(422, "LIMITS_REFUSED", str(error), field="limits") from error
            return LimitSetView.of(after)

        def recall(line: Document) -> LimitSetView:
            return LimitSetView.of(from_document(LimitSet, line["facts"]["after"]))

        request = Repeatable(caller.name, idempotency_key, f"limits {scope} {scope_id}", asked)
        return once(store, request, LimitSetView, act, recall)

    @app.post("/api/v1/limits/preview", responses=READS, tags=["risk"])
    def preview_limits(asked: LimitQuestion, _caller: Reader) -> LimitPreview:
        """Which signals of the last days would have been decided otherwise; nothing is changed."""
        with refused_as("LIMITS_REFUSED", 422):
            return preview(store, (asked.scope, asked.scope_id), asked.changes, days=asked.days)

    _add_locks(app, store)


def _add_locks(app: FastAPI, store: Store) -> None:
    @app.post("/api/v1/risk-locks/{lock_id:path}/reset", responses=ACTS, tags=["risk"])
    def reset_lock(
        lock_id: str,
        asked: LockReset,
        caller: Configurer,
        idempotency_key: IdempotencyKey = None,
    ) -> LockIsReset:
        """Accept a loss: entries go again, and losses are counted anew from the equity of now."""

        def act() -> LockIsReset:
            if store["risk_locks"].find_one({"_id": lock_id}, {"_id": 1}) is None:
                raise Refusal(404, "UNKNOWN_LOCK", f"there is no lock {lock_id!r}: it has ended")
            signed = {"by": caller.name, "reason": asked.reason}
            try:
                sentence = clear_lock(store, lock_id, **signed, seen_at=asked.locked_at)
            except LockChanged as error:
                raise Refusal(409, "FIGURES_CHANGED", str(error), field="locked_at") from error
            except ConfigurationError as error:
                raise Refusal(409, "LOCK_NOT_RESET", str(error)) from error
            return LockIsReset(lock_id=lock_id, sentence=sentence)

        def recall(line: Document) -> LockIsReset:
            return LockIsReset(lock_id=lock_id, sentence=line["facts"]["cleared"])

        request = Repeatable(caller.name, idempotency_key, f"reset lock {lock_id}", asked)
        return once(store, request, LockIsReset, act, recall)
