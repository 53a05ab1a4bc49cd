"""The optimizers of the seed by the names that its clients send, as studies of ours. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from services.portfolio_builder.constraints import Constraints, Method
from services.portfolio_builder.study import StudyRequest


class Constructor(StrEnum):
    """The optimizers of the seed."""

    MAX_SHARPE = "max_sharpe"
    MAX_CAGR = "max_cagr"
    MAX_CAGR_V2 = "max_cagr_v2"
    MAX_CAGR_SHARPE = "max_cagr_sharpe"
    MAX_HYBRID = "max_hybrid"


class _Meant(NamedTuple):
    method: Method
    constraints: Constraints
    alpha_ratio: float = 0.5


#: What each meant to do, with its own defaults. `max_cagr_sharpe` wanted growth at a Sharpe ratio
#: of at least 3.5, which few records can have: the hybrid shows what each ratio costs instead.
_MEANT: Final = {
    Constructor.MAX_SHARPE: _Meant(Method.MAX_SHARPE, Constraints(max_total_ratio=2.0)),
    Constructor.MAX_CAGR: _Meant(
        Method.MAX_GROWTH,
        Constraints(max_total_ratio=2.0, max_weight_ratio=0.2, max_drawdown_ratio=0.2),
    ),
    Constructor.MAX_CAGR_V2: _Meant(
        Method.MAX_GROWTH, Constraints(max_total_ratio=2.0, max_drawdown_ratio=0.2)
    ),
    Constructor.MAX_CAGR_SHARPE: _Meant(
        Method.HYBRID, Constraints(max_total_ratio=2.0, max_drawdown_ratio=0.2)
    ),
    Constructor.MAX_HYBRID: _Meant(
        Method.HYBRID, Constraints(max_total_ratio=2.3, max_drawdown_ratio=0.06), alpha_ratio=0.85
    ),
}


def request_of(
    constructor: Constructor, strategy_ids: tuple[str, ...], *, max_total_ratio: float
) -> StudyRequest:
    """The study that the seed's client means.

    Args:
        constructor: which optimizer.
        strategy_ids: whose records take part.
        max_total_ratio: the most that may be approved; the seed went to 2.3.
    """
    meant = _MEANT[constructor]
    total = min(meant.constraints.max_total_ratio, max_total_ratio)
    return StudyRequest(
        strategy_ids=strategy_ids,
        method=meant.method,
        constraints=meant.constraints.model_copy(update={"max_total_ratio": total}),
        alpha_ratio=meant.alpha_ratio,
    )
