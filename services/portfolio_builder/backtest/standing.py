"""Whether each strategy may have weight, and what its own record was like. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from services.portfolio_builder.backtest.metrics import figures_of, years_of
from services.portfolio_builder.optimizers.estimates import Estimate
from services.portfolio_builder.study import Record
from services.portfolio_builder.study_result import Figures, StrategyPart

#: With fewer days a record has no figures.
LEAST_DAYS: Final = 20


def parts_of(
    records: Sequence[Record], found: Estimate, risk_free: float
) -> tuple[StrategyPart, ...]:
    """Every strategy of a study, in the order of the records.

    Args:
        records: as used.
        found: the estimates of today.
        risk_free: annual.
    """
    problem = found.problem
    caps: dict[str, float] = {}
    if problem.caps is not None:
        caps = dict(zip(problem.strategy_ids, problem.caps.tolist(), strict=True))
    return tuple(_part(each, found, caps, risk_free) for each in records)


def _part(
    record: Record, found: Estimate, caps: Mapping[str, float], risk_free: float
) -> StrategyPart:
    strategy_id = record.strategy_id
    reasons = (found.left_out.get(strategy_id), found.capped.get(strategy_id))
    return StrategyPart(
        strategy_id=strategy_id,
        source=record.source,
        first_on=record.dates[0],
        last_on=record.dates[-1],
        days=len(record.dates),
        eligible=strategy_id not in found.left_out,
        cap_ratio=caps.get(strategy_id),
        notes=tuple(each for each in reasons if each),
        figures=_figures(record, risk_free),
    )


def _figures(record: Record, risk_free: float) -> Figures | None:
    """Annual by the strategy's own days: one that trades at weekends may stand beside it."""
    if len(record.dates) < LEAST_DAYS:
        return None
    periods = len(record.dates) / years_of(record.dates)
    return figures_of(record.returns, record.dates, periods, risk_free=risk_free)
