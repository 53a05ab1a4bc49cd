"""Whether a problem can be looked at at all. Pure."""

from __future__ import annotations

import numpy as np

from services.portfolio_builder.optimizers.problem import InvalidProblem, Problem

#: A strategy whose annual variance is below has not moved: a Sharpe ratio says nothing of it.
STILL = 1e-12


def check(problem: Problem) -> None:
    """Refuse what no optimizer could answer.

    Raises:
        InvalidProblem: with what was expected and what was found.
    """
    _check_shapes(problem)
    _check_numbers(problem)
    _check_names(problem)


def _check_shapes(problem: Problem) -> None:
    count = len(problem.strategy_ids)
    if count == 0:
        raise InvalidProblem("expected at least one strategy, found none")
    if len(set(problem.strategy_ids)) != count:
        raise InvalidProblem("expected each strategy once, found one of them twice")
    if problem.returns.ndim != 2 or len(problem.returns) == 0:
        raise InvalidProblem("expected at least one day of returns, found none")
    days = len(problem.returns)
    expected = {
        "returns": (problem.returns, (days, count)),
        "mean": (problem.mean, (count,)),
        "covariance": (problem.covariance, (count, count)),
        "margins": (problem.margins, (days, count)),
        "caps": (problem.caps, (count,)),
        "current": (problem.current, (count,)),
    }
    for name, (array, shape) in expected.items():
        if array is None:
            continue
        if array.shape != shape:
            raise InvalidProblem(f"{name} must have the shape {shape}, was {array.shape}")
        if not np.isfinite(array).all():
            raise InvalidProblem(f"{name} must be finite numbers, found others")


def _check_numbers(problem: Problem) -> None:
    worst = np.unravel_index(int(problem.returns.argmin()), problem.returns.shape)
    if problem.returns[worst] <= -1:
        raise InvalidProblem(
            f"returns must be above −100 %, was {problem.returns[worst]:.0%} of "
            f"{problem.strategy_ids[worst[1]]} on day {worst[0] + 1}"
        )
    if not (np.isfinite(problem.periods_per_year) and problem.periods_per_year > 0):
        raise InvalidProblem(f"periods_per_year must be above 0, was {problem.periods_per_year:g}")
    for name, array in (("margins", problem.margins), ("caps", problem.caps)):
        if array is not None and array.min() < 0:
            raise InvalidProblem(f"{name} must be 0 or more, was {array.min():g}")
    if problem.current is not None and problem.current.min() < 0:
        raise InvalidProblem(f"current weights must be 0 or more, was {problem.current.min():g}")
    largest = max(float(np.abs(problem.covariance).max()), STILL)
    if np.abs(problem.covariance - problem.covariance.T).max() > 1e-9 * largest:
        raise InvalidProblem("covariance must be symmetric, was not")
    lowest = float(np.linalg.eigvalsh(problem.covariance)[0])
    if lowest < -1e-8 * largest * len(problem.mean):
        raise InvalidProblem(
            f"covariance must have no eigenvalue below 0, found {lowest:.3g}: correlations of "
            "different windows do not fit together"
        )


def _check_names(problem: Problem) -> None:
    known = set(problem.strategy_ids)
    constraints = problem.constraints
    named = {("bounds", each) for each in constraints.bounds}
    named |= {
        (f"group {group.name}", each) for group in constraints.groups for each in group.strategy_ids
    }
    unknown = sorted(where for where in named if where[1] not in known)
    if unknown:
        where, strategy_id = unknown[0]
        raise InvalidProblem(f"{where} must name strategies that take part, found {strategy_id}")
    if constraints.max_margin_ratio is not None and problem.margins is None:
        raise InvalidProblem(
            "max_margin_ratio needs the margin of every strategy, found none in the records"
        )
