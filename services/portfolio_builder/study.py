"""A study: strategies, a method and constraints in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from services.domain.values import Frozen
from services.portfolio_builder.constraints import Constraints, Method, Ratio

if TYPE_CHECKING:
    from services.portfolio_builder.optimizers.problem import Vector

Days = Annotated[int, Field(ge=1, le=10_000)]


@dataclass(frozen=True)
class Record:
    """The daily record of one strategy, oldest first, each day once.

    Attributes:
        source: `backtest`, `developer_live` or `live`.
        dates: T days.
        returns: T returns on allocated capital, above −1.
        margins: T ratios of margin to the allocated capital; None = not known.
    """

    strategy_id: str
    source: str
    dates: tuple[date, ...]
    returns: Vector
    margins: Vector | None = None


class History(Frozen):
    """How much history a strategy needs to be given weight, and how far its record is believed.

    Attributes:
        least_days: of its record, to take part at all.
        full_days: for the whole of its cap; with fewer in proportion.
        silent_days: calendar days without a return after which it takes part no longer.
        backtest_part: of the cap of what was never traded.
        shrinkage: of Sharpe ratios to their mean: 0 = none, 1 = all the same.
    """

    least_days: Annotated[int, Field(ge=20, le=10_000)] = 252
    full_days: Days = 756
    silent_days: Days = 21
    backtest_part: Annotated[float, Field(ge=0, le=1)] = 0.5
    shrinkage: Annotated[float, Field(ge=0, le=1)] = 0.5


class WalkForward(Frozen):
    """How a method is tried on days that it has not seen.

    Attributes:
        anchored: the training days begin with the first one always; else they roll.
        purge_days: left out between training and test days.
        rebalance_days: between rebalancings within a test; weights drift meanwhile.
        cost_bps: commission and spread, of turnover.
        financing_ratio: annual, of what is allocated above equity.
        target_volatility_ratio: annual; scales exposure by yesterday's estimate. None = not scaled.
        governor: whether exposure is cut in drawdowns, from `governor_start_ratio` on.
    """

    anchored: bool = True
    train_days: Days = 252
    test_days: Days = 63
    purge_days: Annotated[int, Field(ge=0, le=250)] = 5
    rebalance_days: Days = 1
    cost_bps: Annotated[float, Field(ge=0, le=1000)] = 2.0
    financing_ratio: Ratio = 0.0
    target_volatility_ratio: Ratio | None = None
    governor: bool = False
    governor_start_ratio: Ratio = 0.05
    governor_stop_ratio: Ratio = 0.20

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.target_volatility_ratio == 0:
            raise ValueError("target_volatility_ratio must be above 0, was 0: it would hold cash")
        if self.governor_start_ratio >= self.governor_stop_ratio:
            raise ValueError(
                f"governor_start_ratio must be below governor_stop_ratio, was "
                f"{self.governor_start_ratio:g} and {self.governor_stop_ratio:g}"
            )
        return self


class StudyRequest(Frozen):
    """What an admin wants to know.

    Attributes:
        strategy_ids: whose records take part.
        method: what the weights are to be best at.
        constraints: what they keep.
        alpha_ratio: of the hybrid: 1 = only Sharpe ratio, 0 = only growth.
        risk_free_ratio: annual; 0 for records of what is traded on margin.
        history: how much of it a strategy needs.
        walk_forward: how it is tried; None = only the weights are wanted.
        cross_validation: whether purged cross-validation is wanted too.
        from_on: only days from then on.
        asked_on: day of the request: a record with a later one is refused; None = not checked.
        trials: how many studies were tried for the same purpose, this one among them: the more, the
            less the best of them proves.
    """

    strategy_ids: tuple[str, ...] = Field(min_length=1, max_length=1000)
    method: Method = Method.HYBRID
    constraints: Constraints = Constraints()
    alpha_ratio: Annotated[float, Field(ge=0, le=1)] = 0.5
    risk_free_ratio: Annotated[float, Field(ge=-0.1, le=0.5)] = 0.0
    history: History = History()
    walk_forward: WalkForward | None = WalkForward()
    cross_validation: bool = False
    from_on: date | None = None
    asked_on: date | None = None
    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 1
