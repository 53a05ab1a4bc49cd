#!/usr/bin/env python3
"""How long the optimizers take, how good and how feasible they are, beside others on one problem.

    python3 scripts/bench_optimizers.py [--rounds 3] [--problems 90] [--large]

Strategies that never were: common factors, volatility in clusters, common crashes. One thread. The
others are CLARABEL with exponential cones through cvxpy, skfolio, and SLSQP with analytic
gradients; each is given the same problem in the form that it has. Then the same growth under a
drawdown for many random problems: how many are feasible, and how far from the best of the others.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is loaded
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cvxpy
import numpy as np
from skfolio.optimization import MeanRisk, ObjectiveFunction

from services.portfolio_builder.constraints import Constraints, Method
from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.goals import goal_of
from services.portfolio_builder.optimizers.problem import TOLERANCE, Problem, Vector
from services.portfolio_builder.optimizers.region import region_of
from services.portfolio_builder.optimizers.second import slsqp
from services.portfolio_builder.optimizers.solve import solve

DAYS, YEARLY = 1260, 252.0


def market(count: int, seed: int) -> np.ndarray:
    """Daily returns: mean Sharpe ratio 0.36, volatility about 25 %, correlation about 0.2."""
    rng = np.random.default_rng(seed)
    loads = rng.normal(0, 0.3, (count, 6))
    loads[:, 0] = rng.uniform(0.2, 0.9, count)
    shocks = rng.standard_t(5, (DAYS, 6)) @ loads.T + rng.standard_t(5, (DAYS, count))
    crash = (rng.random(DAYS) < 0.004) * rng.uniform(2, 5, DAYS)
    shocks -= crash[:, None] * rng.uniform(0.2, 1.2, count)
    regime = np.exp(np.convolve(rng.normal(0, 0.35, DAYS + 40), np.ones(41) / 6.4, "valid"))
    shocks *= regime[:, None]
    shocks = (shocks - shocks.mean(axis=0)) / shocks.std(axis=0)
    daily = rng.uniform(0.1, 0.4, count) / np.sqrt(YEARLY)
    drift = rng.normal(0.36, 0.5, count) / np.sqrt(YEARLY)
    returns: np.ndarray = np.clip((drift + shocks) * daily, -0.5, 0.5)
    return returns


def problem_of(returns: np.ndarray, **limits: float) -> Problem:
    """Sample moments: every library is given the same."""
    count = returns.shape[1]
    return Problem(
        strategy_ids=tuple(f"S-{number}" for number in range(count)),
        returns=returns,
        mean=returns.mean(axis=0) * YEARLY,
        covariance=np.cov(returns.T) * YEARLY,
        periods_per_year=YEARLY,
        constraints=Constraints.model_validate(limits),
    )


@dataclass(frozen=True)
class Row:
    """What one solver made of a problem."""

    name: str
    weights: Vector | None
    milliseconds: float


def ours(problem: Problem, method: Method, rounds: int) -> list[Row]:
    """As it is used, and without the second opinion."""
    return [
        best_of(rounds, "ours", lambda: solve(problem, method).weights),
        best_of(
            rounds,
            "ours without SLSQP",
            lambda: solve(problem, method, second_opinion=False).weights,
        ),
    ]


def best_of(rounds: int, name: str, work: Callable[[], Vector | None]) -> Row:
    """The fastest of some rounds; a solver that fails has no weights."""
    times, weights = [], None
    for _ in range(rounds):
        began = time.perf_counter()
        try:
            weights = work()
        except Exception as error:  # noqa: BLE001 another library's
            print(f"  {name}: {type(error).__name__}: {error}"[:100])
        times.append((time.perf_counter() - began) * 1000)
    return Row(name, weights, min(times))


def show(problem: Problem, method: Method, rows: list[Row]) -> None:
    """One table; the ratio is to the first row."""
    goal, region = goal_of(problem, method, (), 0.0), region_of(problem)
    print(
        f"{'':34} {'objective':>12} {'max drawdown':>13} {'violation':>10} {'ms':>8} {'ratio':>6}"
    )
    for row in rows:
        ratio = row.milliseconds / rows[0].milliseconds
        if row.weights is None:
            print(
                f"{row.name:34} {'failed':>12} {'':13} {'':10} {row.milliseconds:8.1f} {ratio:6.1f}"
            )
            continue
        depth = measure.drawdown(problem.returns @ row.weights)
        excess = max(region.excess(row.weights), 0.0)
        print(
            f"{row.name:34} {goal.value(row.weights):12.8f} {depth:13.6f} {excess:10.1e} "
            f"{row.milliseconds:8.1f} {ratio:6.1f}"
        )


def exponential_cones(problem: Problem) -> Vector | None:
    """The exact program of growth under a drawdown; the objective is daily, as CLARABEL needs."""
    limits, (days, count) = problem.constraints, problem.returns.shape
    weights, path = cvxpy.Variable(count), cvxpy.Variable(days)
    rules = [weights >= 0, weights <= limits.max_weight_ratio]
    rules += [cvxpy.sum(weights) <= limits.max_total_ratio]
    rules += [path <= cvxpy.log1p(problem.returns @ weights)]
    if limits.max_drawdown_ratio is not None:
        depth = cvxpy.Variable(days + 1)
        rules += [depth >= 0, depth[1:] >= depth[:-1] - path]
        rules += [depth <= -np.log1p(-limits.max_drawdown_ratio)]
    cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(path) / days), rules).solve(solver="CLARABEL")
    return None if weights.value is None else np.maximum(weights.value, 0.0)


def skfolio_growth(problem: Problem) -> Vector:
    """Largest mean under its drawdown, which is not compounded."""
    limits = problem.constraints
    model = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_RETURN,
        max_weights=limits.max_weight_ratio,
        budget=None,
        min_budget=0,
        max_budget=limits.max_total_ratio,
        max_max_drawdown=limits.max_drawdown_ratio,
    )
    weights: Vector = model.fit(problem.returns).weights_
    return weights


def skfolio_sharpe(problem: Problem) -> Vector:
    """Its ratio of mean and variance, sum 1."""
    model = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_RATIO,
        max_weights=problem.constraints.max_weight_ratio,
    )
    weights: Vector = model.fit(problem.returns).weights_
    return weights


def cvxpy_sharpe(problem: Problem) -> Vector | None:
    """Charnes and Cooper's program, sum 1."""
    count = len(problem.mean)
    scaled, total = cvxpy.Variable(count), cvxpy.Variable()
    rules = [scaled >= 0, problem.mean @ scaled == 1, cvxpy.sum(scaled) == total]
    rules += [scaled <= problem.constraints.max_weight_ratio * total]
    aim = cvxpy.Minimize(cvxpy.quad_form(scaled, cvxpy.psd_wrap(problem.covariance)))
    cvxpy.Problem(aim, rules).solve(solver="CLARABEL")
    return None if scaled.value is None else scaled.value / scaled.value.sum()


def asked(problem: Problem, method: Method) -> Vector | None:
    """SLSQP with the gradients of ours."""
    score = goal_of(problem, method, (), 0.0).score
    return slsqp(region_of(problem), score) if score else None


def every_method(rounds: int) -> None:
    """All our methods on 50 strategies and 5 years."""
    problem = problem_of(market(50, 1), max_weight_ratio=0.2, max_drawdown_ratio=0.1)
    print("50 strategies, 5 years, each at most 0.2, total at most 2, drawdown at most 10 %")
    print(f"{'':34} {'ms':>8} {'without SLSQP':>14} {'violation':>10} {'gap':>9} {'bound':>9}")
    for method in Method:
        row = best_of(rounds, method.value, lambda m=method: solve(problem, m).weights)
        alone = best_of(
            rounds, "", lambda m=method: solve(problem, m, second_opinion=False).weights
        )
        made = solve(problem, method).certificate
        gap = "" if made.gap is None else f"{made.gap:9.1e}"
        bound = "" if made.optimality_gap is None else f"{made.optimality_gap:9.1e}"
        print(
            f"{method.value:34} {row.milliseconds:8.1f} {alone.milliseconds:14.1f} "
            f"{made.max_violation:10.1e} {gap:>9} {bound:>9}"
        )


def growth_under_drawdown(count: int, rounds: int, *, slow: bool) -> None:
    """One problem of growth, all solvers."""
    cap = 0.2 if count <= 50 else 0.1
    problem = problem_of(market(count, 1), max_weight_ratio=cap, max_drawdown_ratio=0.1)
    method = Method.MAX_GROWTH
    print(f"\n{count} strategies, max growth, each at most {cap}, drawdown at most 10 %")
    rows = ours(problem, method, rounds)
    rows.append(best_of(rounds, "cvxpy, exponential cones", lambda: exponential_cones(problem)))
    rows.append(best_of(rounds, "skfolio, not compounded", lambda: skfolio_growth(problem)))
    if slow or count <= 50:
        rows.append(best_of(rounds, "SLSQP, 60 steps", lambda: asked(problem, method)))
    show(problem, method, rows)


def largest_sharpe(count: int, rounds: int) -> None:
    """One problem of the Sharpe ratio, all solvers."""
    problem = problem_of(market(count, 1), max_weight_ratio=0.2, max_total_ratio=1)
    method = Method.MAX_SHARPE
    print(f"\n{count} strategies, max Sharpe, each at most 0.2, sum 1")
    rows = ours(problem, method, rounds)
    rows.append(best_of(rounds, "cvxpy, QP", lambda: cvxpy_sharpe(problem)))
    rows.append(best_of(rounds, "skfolio, ratio", lambda: skfolio_sharpe(problem)))
    if count <= 50:
        rows.append(best_of(rounds, "SLSQP, own size", lambda: asked(problem, method)))
    show(problem, method, rows)


def reliability(problems: int) -> None:
    """Growth under a drawdown: random problems, ours beside exponential cones and SLSQP."""
    kept = {"ours": 0, "exponential cones": 0, "SLSQP": 0}
    took = dict.fromkeys(kept, 0.0)
    worst_gap = worst_excess = worst_bound = -np.inf
    for number in range(problems):
        count, room = (20, 50)[number % 2], (0.06, 0.1, 0.2)[number % 3]
        returns = market(count, 1000 + number)
        problem = problem_of(returns, max_weight_ratio=0.2, max_drawdown_ratio=room)
        region = region_of(problem)
        rows = [
            best_of(1, "ours", lambda p=problem: solve(p, Method.MAX_GROWTH).weights),
            best_of(1, "exponential cones", lambda p=problem: exponential_cones(p)),
            best_of(1, "SLSQP", lambda p=problem: asked(p, Method.MAX_GROWTH)),
        ]
        values = {}
        for row in rows:
            took[row.name] += row.milliseconds
            if row.weights is not None and region.excess(row.weights) <= TOLERANCE:
                kept[row.name] += 1
                values[row.name] = measure.growth(problem, row.weights)
        if "ours" in values and rows[0].weights is not None:
            worst_excess = max(worst_excess, region.excess(rows[0].weights))
            made = solve(problem, Method.MAX_GROWTH, second_opinion=False).certificate
            worst_bound = max(worst_bound, made.optimality_gap or 0.0)
            others = [value for name, value in values.items() if name != "ours"]
            worst_gap = max([worst_gap, *(other - values["ours"] for other in others)])
    print(f"\n{problems} random problems, 20 and 50 strategies, drawdown 6, 10 and 20 %")
    print(f"{'':34} {'feasible':>12} {'mean ms':>9}")
    for name, count in kept.items():
        print(f"{name:34} {f'{count}/{problems}':>12} {took[name] / problems:9.1f}")
    print(f"ours below the best of the others at most by {worst_gap:.1e} of annual log growth")
    print(f"ours below the bound of the linear program at most by {worst_bound:.1e}")
    print(f"ours beyond a constraint at most by {max(worst_excess, 0.0):.1e}")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="of each, the fastest counts")
    parser.add_argument("--problems", type=int, default=90, help="random ones")
    parser.add_argument("--large", action="store_true", help="500 strategies for others too")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="Solution may be inaccurate")  # cvxpy's
    every_method(arguments.rounds)
    largest_sharpe(50, arguments.rounds)
    growth_under_drawdown(50, arguments.rounds, slow=True)
    if arguments.large:
        largest_sharpe(500, 1)
        growth_under_drawdown(500, 1, slow=False)
    else:
        problem = problem_of(market(500, 1), max_weight_ratio=0.1, max_drawdown_ratio=0.1)
        print("\n500 strategies, max growth, each at most 0.1, drawdown at most 10 %")
        row = best_of(arguments.rounds, "ours", lambda: solve(problem, Method.MAX_GROWTH).weights)
        show(problem, Method.MAX_GROWTH, [row])
    reliability(arguments.problems)
    return 0


if __name__ == "__main__":
    sys.exit(main())
