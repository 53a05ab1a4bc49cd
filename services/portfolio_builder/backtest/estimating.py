"""What a study asks of the estimates and of the optimizers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from services.portfolio_builder.backtest.panel import between
from services.portfolio_builder.constraints import Constraints, Method
from services.portfolio_builder.optimizers.estimates import (
    Circumstances,
    Estimate,
    HistoryRules,
    estimate,
)
from services.portfolio_builder.optimizers.problem import Problem, Solution, Vector
from services.portfolio_builder.optimizers.solve import solve
from services.portfolio_builder.study import Record, StudyRequest


@dataclass(frozen=True)
class Estimator:
    """Estimates on the terms of one request."""

    request: StudyRequest

    def __call__(
        self,
        records: Sequence[Record],
        constraints: Constraints,
        held: Mapping[str, float],
        since: date | None = None,
    ) -> Estimate:
        """What can be known on the morning after the last day of the records.

        Args:
            records: cut off before the decision.
            constraints: of strategies that may be left out too.
            held: weights now, by strategy.
            since: only days from then on are learned from, but how old a strategy is, and so
                whether it takes part and how far, goes by its whole record.

        Raises:
            InvalidProblem: no strategy can take part, or records do not fit together.
            Infeasible: a strategy that cannot take part must be given something.
        """
        on = max(each.dates[-1] for each in records) + timedelta(days=1)
        known = Circumstances(
            constraints=constraints,
            current=held,
            risk_free_ratio=self.request.risk_free_ratio,
        )
        rules = HistoryRules(**self.request.history.model_dump())
        whole = estimate(records, on, known, rules=rules)
        if since is None:
            return whole
        window = estimate(
            [
                each
                for each in between(records, since, on)
                if each.strategy_id not in whole.left_out
            ],
            on,
            replace(known, constraints=whole.problem.constraints),
            rules=replace(rules, least_days=2, full_days=1, backtest_part=1.0, calendar_part=1.0),
        )
        problem = replace(window.problem, caps=_caps_of(whole, window.problem.strategy_ids))
        left_out = whole.left_out | window.left_out
        return Estimate(problem, window.days, left_out, whole.capped)


def _caps_of(whole: Estimate, strategy_ids: Sequence[str]) -> Vector | None:
    if whole.problem.caps is None:
        return None
    caps = dict(zip(whole.problem.strategy_ids, whole.problem.caps, strict=True))
    return np.array([caps[each] for each in strategy_ids])


def solve_with(problem: Problem, method: Method, alpha_ratio: float) -> Solution:
    """Weights, by the optimizers."""
    return solve(problem, method, alpha_ratio=alpha_ratio)
