"""HTTP of kill switches and overrides: look, set, and release with a typed word."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI
from pydantic import Field

from services.common.idempotency import IdempotencyKey, Repeatable, once
from services.common.store import Document, Store, from_document
from services.dashboard_creator.acting import (
    ACTS,
    READS,
    Reader,
    Reason,
    Trader,
    refused_as,
    signed,
)
from services.dashboard_creator.control_acts import (
    ControlChange,
    ControlView,
    set_by_person,
    view_of,
    views,
)
from services.domain.risk import Control
from services.domain.values import Frozen, Instant, Share
from services.domain.words import Override, Scope, TradingState


class ControlOrder(Frozen):
    """What is to hold for a scope; what is not sent stays.

    Attributes:
        trading_state: the kill switch: REDUCING pauses entries, ACTIVE resumes them; a HALT stops
            exits, too.
        override: a restriction beside the switch, which may have an end.
        scale_ratio: entries are made this much smaller, 0 to 1.
        expires_at: when `override` and `scale_ratio` end by themselves; a switch never does.
        confirm: RESUME, typed, where a HALT or the switch of everything is released.
    """

    trading_state: TradingState | None = None
    override: Override | None = None
    scale_ratio: Share | None = None
    expires_at: Instant | None = None
    confirm: Annotated[str, Field(max_length=20)] = ""
    reason: Reason


def add_control_routes(app: FastAPI, store: Store) -> None:
    """Switches and overrides of every scope."""

    @app.get("/api/v1/controls", responses=READS, tags=["risk"])
    def list_controls(_caller: Reader) -> list[ControlView]:
        """Every switch and override that is set; that of everything comes first."""
        return views(store)

    @app.put("/api/v1/controls/{scope}/{scope_id:path}", responses=ACTS, tags=["risk"])
    def set_controls(
        scope: Scope,
        scope_id: str,
        asked: ControlOrder,
        caller: Trader,
        idempotency_key: IdempotencyKey = None,
    ) -> ControlView:
        """Set switch, override or scale of a scope; the id of GLOBAL is `*`."""

        def act() -> ControlView:
            change = ControlChange(**asked.model_dump(exclude={"reason"}))
            with refused_as("CONTROL_REFUSED", 422):
                by = signed(caller, asked.reason)
                return set_by_person(store, (scope, scope_id), change, by)

        def recall(line: Document) -> ControlView:
            return view_of(from_document(Control, line["facts"]["after"]))

        request = Repeatable(caller.name, idempotency_key, f"control {scope} {scope_id}", asked)
        return once(store, request, ControlView, act, recall)
