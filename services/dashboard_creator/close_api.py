"""HTTP of closing positions: one, all of a strategy, or all of an account."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI
from pydantic import Field

from services.common.closes import FiguresChanged, SeenPosition, close_position, flatten
from services.common.idempotency import IdempotencyKey, Repeatable, once
from services.common.kills import run_of_line
from services.common.problems import Refusal
from services.common.signed import Signed
from services.common.store import Document, Store
from services.dashboard_creator.acting import ACTS, Reason, Trader, refused_as, signed
from services.domain.kills import KillRun, RunState
from services.domain.values import Frozen, Instant
from services.domain.words import Scope

_Id = Annotated[str, Field(max_length=200)]


class FlattenOrder(Frozen):
    """What is to be closed at market, and what the person saw of it.

    One position is named by strategy, account and instrument; with the strategy alone, or the
    account alone, all it holds is closed and its entries stay stopped until a person resumes it.

    Attributes:
        confirm: every position that is to be closed, with the side and quantity of the order that
            closes it; anything else is 409 with the present figures.
    """

    strategy_id: _Id = ""
    account_id: _Id = ""
    instrument_key: _Id = ""
    confirm: Annotated[tuple[SeenPosition, ...], Field(min_length=1, max_length=1000)]
    reason: Reason


class FlattenStarted(Frozen):
    """A run that closes; GET /api/v1/kill/{run_id} of signal_gateway proves how far it is."""

    run_id: str
    state: RunState
    requested_at: Instant
    due_at: Instant
    sentence: str


def add_close_routes(app: FastAPI, store: Store, *, timeout_seconds: float) -> None:
    """Close what is held; never more than that, and never into the opposite position."""

    @app.post("/api/v1/positions/flatten", status_code=202, responses=ACTS, tags=["acts"])
    def flatten_positions(
        asked: FlattenOrder, caller: Trader, idempotency_key: IdempotencyKey = None
    ) -> FlattenStarted:
        """Close a position, a strategy or an account at market; 409 where the figures changed."""

        def act() -> FlattenStarted:
            return _started(_close(store, asked, signed(caller, asked.reason), timeout_seconds))

        def recall(line: Document) -> FlattenStarted:
            return _started(run_of_line(store, line))

        request = Repeatable(caller.name, idempotency_key, "flatten", asked)
        return once(store, request, FlattenStarted, act, recall)


def _close(store: Store, asked: FlattenOrder, by: Signed, timeout: float) -> KillRun:
    try:
        with refused_as("NOT_CLOSED"):
            return _carried_out(store, asked, by, timeout)
    except Refusal as refusal:
        if isinstance(refusal.__cause__, FiguresChanged):
            raise Refusal(409, "FIGURES_CHANGED", str(refusal), field="confirm") from refusal
        raise


def _carried_out(store: Store, asked: FlattenOrder, by: Signed, timeout: float) -> KillRun:
    named = (bool(asked.strategy_id), bool(asked.account_id), bool(asked.instrument_key))
    if named == (True, True, True):
        (seen, *more) = asked.confirm
        place = (seen.strategy_id, seen.account_id, seen.instrument_key)
        if more or place != (asked.strategy_id, asked.account_id, asked.instrument_key):
            sentence = "confirm must repeat the position that is named, and no other"
            raise Refusal(422, "CONFIRMATION_MISMATCH", sentence, field="confirm")
        return close_position(store, seen, by, timeout_seconds=timeout)
    if named == (True, False, False):
        place_of_all = (Scope.STRATEGY, asked.strategy_id)
    elif named == (False, True, False):
        place_of_all = (Scope.ACCOUNT, asked.account_id)
    else:
        sentence = "name strategy, account and instrument; or the strategy, or the account, alone"
        raise Refusal(422, "SCOPE_MISSING", sentence)
    return flatten(store, place_of_all, asked.confirm, by, timeout_seconds=timeout)


def _started(run: KillRun) -> FlattenStarted:
    return FlattenStarted(
        run_id=run.run_id,
        state=run.state,
        requested_at=run.requested_at,
        due_at=run.due_at,
        sentence=run.in_words,
    )
