"""HTTP of the gateway for operators: kill with proof. A switch is released by scripts/kill.py."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.common.callers import Caller, allow
from services.common.clock import utc_now
from services.common.idempotency import IdempotencyKey, Repeatable, once
from services.common.kills import (
    ConfirmationMissing,
    KillRequest,
    kill_run,
    kill_runs,
    request_kill,
    run_of_line,
)
from services.common.problems import Refusal, problem_responses
from services.common.store import Document, Store
from services.domain.errors import ConfigurationError, TransientError
from services.domain.kills import KillRun, KillStage
from services.domain.users import Permission
from services.domain.words import Scope

_PROBLEMS = problem_responses(401, 403, 404, 409, 422, 429, 503)

Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Trader = Annotated[Caller, Depends(allow(Permission.TRADE))]


def _scope(word: Any) -> Any:  # noqa: ANN401 - whatever was sent; what is no word is refused later
    if not isinstance(word, str):
        return word
    name = word.strip().upper().replace("-", "_")
    return "GLOBAL" if name == "ALL" else name


def _stage(word: Any) -> Any:  # noqa: ANN401 - the same
    return word.strip().upper() if isinstance(word, str) else word


class KillOrder(BaseModel):
    """What to stop; `ALL` is another word for `GLOBAL`, which has no `scope_id`."""

    model_config = ConfigDict(extra="forbid")

    scope: Annotated[Scope, BeforeValidator(_scope)]
    scope_id: str = Field("", max_length=200)
    stage: Annotated[KillStage, BeforeValidator(_stage)]
    reason: str = Field(min_length=1, max_length=500)
    confirm: bool = False


class KillView(KillRun):
    """A run; `seconds` from the request to the proof, once there is one."""

    seconds: float | None = None


def add_kill_routes(app: FastAPI, store: Store, *, timeout_seconds: float) -> None:
    """Serve who may."""

    @app.post(
        "/api/v1/kill",
        status_code=202,
        response_model=KillView,
        responses=_PROBLEMS,
        tags=["operators"],
    )
    def kill(asked: KillOrder, by: Trader, idempotency_key: IdempotencyKey = None) -> KillView:
        """Stop entries, cancel orders, close positions; 202 once the switch is set.

        FLATTEN, CANCEL of everything and a REDUCE that releases a HALT want `confirm`. The run says
        whether the broker has proven it: only `state` DONE is done.
        """
        wanted = KillRequest(
            scope=asked.scope,
            scope_id=asked.scope_id,
            stage=asked.stage,
            by=by.name,
            reason=asked.reason,
            confirmed=asked.confirm,
        )

        def recall(line: Document) -> KillView:
            return _view(run_of_line(store, line))

        request = Repeatable(by.name, idempotency_key, "kill", asked)
        act = partial(_kill, store, wanted, timeout_seconds)
        return once(store, request, KillView, act, recall)

    @app.get("/api/v1/kill", response_model=list[KillView], responses=_PROBLEMS, tags=["operators"])
    def list_kills(_by: Reader, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> list[KillView]:
        """The latest runs, newest first."""
        return [_view(run) for run in kill_runs(store, limit=limit)]

    @app.get(
        "/api/v1/kill/{run_id}", response_model=KillView, responses=_PROBLEMS, tags=["operators"]
    )
    def get_kill(run_id: str, _by: Reader) -> KillView:
        """One run: every account, what the broker said, and what remains."""
        run = kill_run(store, run_id)
        if run is None:
            raise Refusal(404, "UNKNOWN_KILL", f"there is no kill run {run_id!r}")
        return _view(run)


def _kill(store: Store, wanted: KillRequest, timeout_seconds: float) -> KillView:
    try:
        return _view(request_kill(store, wanted, timeout_seconds=timeout_seconds))
    except ConfirmationMissing as error:
        sentence = f"{error}: send confirm: true"
        raise Refusal(409, "CONFIRMATION_MISSING", sentence, field="confirm") from error
    except ConfigurationError as error:
        raise Refusal(422, "KILL_REFUSED", str(error)) from error
    except TransientError as error:
        raise Refusal(503, "NOT_STORED", str(error)) from error


def _view(run: KillRun) -> KillView:
    run = run.at(utc_now())
    return KillView(**run.model_dump(), seconds=run.took_seconds)
