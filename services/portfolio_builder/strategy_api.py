"""HTTP of strategies."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import Body, Depends, FastAPI, Header, Query, Response
from pydantic import Field

from services.common.callers import Caller, allow
from services.common.problems import Refusal, problem_responses
from services.domain.risk import LimitSet, TradingHours
from services.domain.users import Permission
from services.domain.values import Count, Frozen
from services.portfolio_builder.strategies import Strategies, StrategyList
from services.portfolio_builder.strategy_terms import SETTABLE, StrategySheet, StrategyView

_PROBLEMS = problem_responses(401, 403, 404, 409, 422, 428, 503)
_BAD = problem_responses(401, 403, 409, 422, 503)
Reader = Annotated[Caller, Depends(allow(Permission.READ))]
Admin = Annotated[Caller, Depends(allow(Permission.CONFIGURE))]
_Reason = Annotated[str, Field(min_length=1, max_length=1000)]


class NewStrategy(StrategySheet):
    """A strategy to be made. Credentials are made at the gateway."""

    reason: _Reason


class StrategyUpdate(StrategySheet):
    """What is to be otherwise: fields that are not sent stay, a list that is sent is all of it.

    Attributes:
        version: that was looked at; may come as If-Match instead.
        reason: why; goes to the audit log.
    """

    strategy_id: str = ""
    version: Count | None = None
    reason: _Reason


class LimitChanges(Frozen):
    """Limits by name, as in LimitSet; `null` removes one, what is not named stays."""

    limits: dict[str, bool | int | Decimal | str | TradingHours | None] = Field(min_length=1)
    reason: _Reason


class Signed(Frozen):
    """Why, and of which version."""

    version: Count | None = None
    reason: _Reason


def add_strategy_routes(app: FastAPI, strategies: Strategies) -> None:
    """Create, change, archive and look at strategies."""

    @app.get(
        "/api/v1/strategies", tags=["strategies"], responses=problem_responses(401, 403, 422, 503)
    )
    def list_strategies(
        _by: Reader,
        archived: Annotated[bool, Query(description="those that are archived, too")] = False,
    ) -> StrategyList:
        """Every strategy with its accounts, limits, allocation, and what keeps it from trading."""
        return strategies.all(archived=archived)

    @app.post("/api/v1/strategies", status_code=201, tags=["strategies"], responses=_BAD)
    def create_strategy(asked: NewStrategy, response: Response, by: Admin) -> StrategyView:
        """Make a strategy; its credentials are made at the gateway."""
        fields = asked.model_dump(exclude={"reason"}, exclude_unset=True)
        return _tagged(strategies.create(fields, by=by.name, reason=asked.reason), response)

    @app.get("/api/v1/strategies/{strategy_id}", tags=["strategies"], responses=_PROBLEMS)
    def get_strategy(strategy_id: str, response: Response, _by: Reader) -> StrategyView:
        """One strategy; its version is the ETag, too."""
        return _tagged(strategies.one(strategy_id), response)

    @app.put("/api/v1/strategies/{strategy_id}", tags=["strategies"], responses=_PROBLEMS)
    def update_strategy(
        strategy_id: str,
        asked: StrategyUpdate,
        response: Response,
        by: Admin,
        if_match: Annotated[str | None, Header()] = None,
    ) -> StrategyView:
        """Set the fields that are sent, all or none, of the version that was looked at."""
        if asked.strategy_id not in {"", strategy_id}:
            sentence = f"strategy_id cannot be changed, was {asked.strategy_id!r}"
            raise Refusal(422, "BAD_STRATEGY_ID", sentence, field="strategy_id")
        version = _version(asked.version, if_match)
        changes = asked.model_dump(include=set(SETTABLE), exclude_unset=True)
        view = strategies.change(
            strategy_id, changes, version=version, by=by.name, reason=asked.reason
        )
        return _tagged(view, response)

    @app.delete("/api/v1/strategies/{strategy_id}", tags=["strategies"], responses=_PROBLEMS)
    def archive_strategy(
        strategy_id: str,
        asked: Annotated[Signed, Body()],
        response: Response,
        by: Admin,
        if_match: Annotated[str | None, Header()] = None,
    ) -> StrategyView:
        """Archive one that holds nothing, has no orders under way and no allocation."""
        version = _version(asked.version, if_match)
        view = strategies.archive(strategy_id, version=version, by=by.name, reason=asked.reason)
        return _tagged(view, response)

    @app.post("/api/v1/strategies/{strategy_id}/restore", tags=["strategies"], responses=_PROBLEMS)
    def restore_strategy(
        strategy_id: str,
        asked: Signed,
        response: Response,
        by: Admin,
        if_match: Annotated[str | None, Header()] = None,
    ) -> StrategyView:
        """Take an archived strategy back; it stays INACTIVE until it is set ACTIVE."""
        version = _version(asked.version, if_match)
        view = strategies.restore(strategy_id, version=version, by=by.name, reason=asked.reason)
        return _tagged(view, response)

    @app.put("/api/v1/strategies/{strategy_id}/limits", tags=["strategies"], responses=_PROBLEMS)
    def set_strategy_limits(strategy_id: str, asked: LimitChanges, by: Admin) -> LimitSet:
        """Set or remove limits of the strategy; the same as `scripts/limits.py set strategy`."""
        return strategies.set_limits(strategy_id, asked.limits, by=by.name, reason=asked.reason)


def _tagged(view: StrategyView, response: Response) -> StrategyView:
    response.headers["ETag"] = f'"{view.version}"'
    return view


def _version(in_body: int | None, if_match: str | None) -> int:
    """The version that was looked at. Raises: Refusal (428): none is named, or two."""
    named = (if_match or "").strip().removeprefix("W/").strip('"')
    if named and not (named.isdecimal() and len(named) < 16):
        sentence = f'If-Match must be a version such as "3", was {if_match!r}'
        raise Refusal(422, "BAD_VERSION", sentence, field="If-Match")
    versions = {int(named)} if named else set()
    versions |= {in_body} if in_body is not None else set()
    if len(versions) != 1:
        found = "none" if not versions else "two"
        sentence = (
            "name the version that you looked at, as `version` or If-Match, so that nobody's "
            f"change is overwritten; found {found}"
        )
        raise Refusal(428, "VERSION_MISSING", sentence, field="version")
    return versions.pop()
