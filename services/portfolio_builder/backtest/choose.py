"""One decision: records in, weights out, or why there are none. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from services.portfolio_builder.backtest.walk_forward import Decision
from services.portfolio_builder.constraints import Constraints, Method
from services.portfolio_builder.optimizers.estimates import Estimate
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


class Estimates(Protocol):
    """What is known from records, under constraints, of weights held now."""

    def __call__(
        self,
        records: Sequence[Record],
        constraints: Constraints,
        held: Mapping[str, float],
        since: date | None = None,
    ) -> Estimate:
        """See `estimating.Estimator`."""


Solve = Callable[[Problem, Method, float], Solution]


@dataclass(frozen=True)
class Chooser:
    """Decides for one request.

    Attributes:
        with_benchmarks: whether other rules choose too.
    """

    request: StudyRequest
    estimate: Estimates
    solve: Solve
    with_benchmarks: bool = False

    def __call__(
        self, records: Sequence[Record], before: Decision | None, since: date | None = None
    ) -> Decision:
        """Weights from these records; the former ones where there are none.

        Args:
            records: cut off before the decision.
            before: what was decided last.
            since: only days from then on are learned from.
        """
        held = before.weights if before else {}
        constraints = at_first(self.request.constraints, held)
        try:
            found = self.estimate(records, constraints, held, since)
        except (Infeasible, InvalidProblem) as error:
            return self._unsolved(str(error), before)
        benchmarks, doubts = self._benchmarks(found.problem, before)
        ids = found.problem.strategy_ids
        try:
            solution = self.solve(found.problem, self.request.method, self.request.alpha_ratio)
        except (Infeasible, NotSolved, InvalidProblem) as error:
            left = self._unsolved(str(error), before)
            notes = (*left.notes, *doubts)
            return left.model_copy(
                update={"benchmarks": benchmarks, "eligible": ids, "notes": notes}
            )
        return Decision(
            weights=dict(zip(ids, solution.weights.tolist(), strict=True)),
            binding=solution.binding,
            notes=(*solution.notes, *doubts),
            eligible=ids,
            benchmarks=benchmarks,
        )

    def _benchmarks(
        self, problem: Problem, before: Decision | None
    ) -> tuple[dict[Portfolio, dict[str, float]], tuple[str, ...]]:
        """Weights of the other rules, and what a person must know of them."""
        if not self.with_benchmarks:
            return {}, ()
        ids = problem.strategy_ids
        found = {Portfolio.EQUAL_WEIGHT: dict.fromkeys(ids, 1.0 / len(ids))}
        if len(ids) > BENCHMARK_STRATEGIES:
            return found, ()
        doubts = []
        free = replace(problem, constraints=_FULL, caps=None, current=None)
        for portfolio, method in BENCHMARKS.items():
            try:
                weights = self.solve(free, method, 0.5).weights.tolist()
                found[portfolio] = dict(zip(ids, weights, strict=True))
            except (Infeasible, NotSolved, InvalidProblem) as error:
                former = before.benchmarks.get(portfolio) if before else None
                found[portfolio] = former or found[Portfolio.EQUAL_WEIGHT]
                instead = "its former weights" if former else "equal weights"
                doubts.append(f"{portfolio} has {instead} here: {error}")
        return found, tuple(doubts)

    def _unsolved(self, why: str, before: Decision | None) -> Decision:
        if before is None:
            return Decision(weights={}, why_not=why)
        return Decision(weights=before.weights, why_not=why, benchmarks=before.benchmarks)


def at_first(constraints: Constraints, held: Mapping[str, float]) -> Constraints:
    """What is bought while nothing is held is no turnover: it would take years to be invested."""
    if any(each > 0 for each in held.values()):
        return constraints
    return constraints.model_copy(update={"max_turnover_ratio": None})
