"""What an admin may ask of an optimizer: a method and the constraints that its result keeps.

Apart from the optimizers, so that a process that only takes requests need not carry numpy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from services.domain.values import Frozen

Ratio = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Part = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class Method(StrEnum):
    """What an optimizer is after."""

    MAX_SHARPE = "MAX_SHARPE"
    MAX_GROWTH = "MAX_GROWTH"  # maximum CAGR
    HYBRID = "HYBRID"  # of the two
    MIN_VARIANCE = "MIN_VARIANCE"
    RISK_PARITY = "RISK_PARITY"
    HRP = "HRP"
    EQUAL_WEIGHT = "EQUAL_WEIGHT"


class Bounds(Frozen):
    """What one strategy may be given."""

    min_ratio: Ratio = 0.0
    max_ratio: Ratio = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_ratio > self.max_ratio:
            raise ValueError(
                f"min_ratio must not be above max_ratio, was {self.min_ratio:g} "
                f"above {self.max_ratio:g}"
            )
        return self


class GroupCap(Frozen):
    """What several strategies may be given together."""

    name: str = Field(min_length=1, max_length=60)
    strategy_ids: tuple[str, ...] = Field(min_length=1)
    max_ratio: Ratio


class Constraints(Frozen):
    """What every result keeps; None = no such limit. All ratios are of equity.

    Attributes:
        max_total_ratio: sum of all weights; 2 = 200 %.
        min_total_ratio: the least that must be allocated.
        max_weight_ratio: of each strategy that `bounds` does not name.
        bounds: of single strategies, by id.
        groups: caps of several together.
        max_volatility_ratio: annual.
        max_drawdown_ratio: largest loss from a peak, compounded, on the path of the past.
        max_cvar_ratio: mean loss of the worst days of the past, as a positive number.
        cvar_confidence_ratio: 0.95 = of the worst 5 % of days.
        max_margin_ratio: margin in use, on every day of the past.
        max_turnover_ratio: sum of |weight − current weight|.
    """

    max_total_ratio: Ratio = 2.0
    min_total_ratio: Ratio = 0.0
    max_weight_ratio: Ratio = 1.0
    bounds: dict[str, Bounds] = Field(default_factory=dict)
    groups: tuple[GroupCap, ...] = ()
    max_volatility_ratio: Ratio | None = None
    max_drawdown_ratio: Part | None = None
    max_cvar_ratio: Part | None = None
    cvar_confidence_ratio: Part = 0.95
    max_margin_ratio: Ratio | None = None
    max_turnover_ratio: Ratio | None = None
