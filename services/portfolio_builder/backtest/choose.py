"""One decision: records in, weights out, or why there are none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from services.portfolio_builder.backtest.walk_forward import Decision, Weights
from services.portfolio_builder.constraints import Constraints, Method
from services.portfolio_builder.optimizers.problem import (
    Infeasible,
    InvalidProblem,
    NotSolved,
    Problem,
    Solution,
)
from services.portfolio_builder.study import Record, StudyRequest
from services.portfolio_builder.study_result import Portfolio

#: Rules that are tried beside the method, each fully invested and otherwise free.
BENCHMARKS = {Portfolio.RISK_PARITY: Method.RISK_PARITY, Portfolio.HRP: Method.HRP}
_FULL = Constraints(max_total_ratio=1, min_total_ratio=1, max_weight_ratio=1)
#: With more strategies than this they would take longer than they are worth.
BENCHMARK_STRATEGIES = 100


@dataclass(frozen=True)
class Estimates:
    """What is known of the future from records of the past.

    Attributes:
        problem: of the strategies that are old enough; None = there is none.
        left_out: why a strategy is not in it, in a sentence.
        capped: why one may have only so much, in a sentence.
    """

    problem: Problem | None
    left_out: dict[str, str] = field(default_factory=dict)
    capped: dict[str, str] = field(default_factory=dict)


#: Of records, constraints and the weights held now.
Estimate = Callable[[Sequence[Record], Constraints, Weights], Estimates]
Solve = Callable[[Problem, Method, float], Solution]


@dataclass(frozen=True)
class Chooser:
    """Decides for one request.

    Attributes:
        with_benchmarks: whether other rules choose too.
    """

    request: StudyRequest
    estimate: Estimate
    solve: Solve
    with_benchmarks: bool = False

    def __call__(self, records: Sequence[Record], before: Decision | None) -> Decision:
        """Weights from these records; the former ones where there are none."""
        held = before.weights if before else {}
        constraints = self.request.constraints
        if not held:
            # What is bought first is no turnover: with a cap it would take years to be invested.
            constraints = constraints.model_copy(update={"max_turnover_ratio": None})
        try:
            found = self.estimate(records, constraints, held)
        except InvalidProblem as error:
            return self._unsolved(str(error), before)
        if found.problem is None:
            return self._unsolved(f"no strategy is old enough: {_joined(found.left_out)}", before)
        benchmarks = self._benchmarks(found.problem, before) if self.with_benchmarks else {}
        ids = found.problem.strategy_ids
        try:
            solution = self.solve(found.problem, self.request.method, self.request.alpha_ratio)
        except (Infeasible, NotSolved, InvalidProblem) as error:
            left = self._unsolved(str(error), before)
            return left.model_copy(update={"benchmarks": benchmarks, "eligible": ids})
        return Decision(
            weights=dict(zip(ids, solution.weights.tolist(), strict=True)),
            binding=solution.binding,
            notes=solution.notes,
            eligible=ids,
            benchmarks=benchmarks,
        )

    def _benchmarks(
        self, problem: Problem, before: Decision | None
    ) -> dict[Portfolio, dict[str, float]]:
        ids = problem.strategy_ids
        found = {Portfolio.EQUAL_WEIGHT: dict.fromkeys(ids, 1.0 / len(ids))}
        if len(ids) > BENCHMARK_STRATEGIES:
            return found
        free = replace(problem, constraints=_FULL, caps=None, current=None)
        for portfolio, method in BENCHMARKS.items():
            try:
                weights = self.solve(free, method, 0.5).weights.tolist()
                found[portfolio] = dict(zip(ids, weights, strict=True))
            except (Infeasible, NotSolved, InvalidProblem):
                former = before.benchmarks.get(portfolio) if before else None
                found[portfolio] = former or found[Portfolio.EQUAL_WEIGHT]
        return found

    def _unsolved(self, why: str, before: Decision | None) -> Decision:
        if before is None:
            return Decision(weights={}, why_not=why)
        return Decision(weights=before.weights, why_not=why, benchmarks=before.benchmarks)


def _joined(reasons: dict[str, str], most: int = 3) -> str:
    found = list(reasons.values())
    more = f", and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(found[:most]) + more


def narrowed(constraints: Constraints, strategy_ids: Sequence[str]) -> Constraints:
    """Constraints without what names strategies that do not take part."""
    taking_part = set(strategy_ids)
    groups = [
        each.model_copy(
            update={"strategy_ids": tuple(one for one in each.strategy_ids if one in taking_part)}
        )
        for each in constraints.groups
    ]
    return constraints.model_copy(
        update={
            "bounds": {one: each for one, each in constraints.bounds.items() if one in taking_part},
            "groups": tuple(each for each in groups if each.strategy_ids),
        }
    )
