"""Which constraints stand against each other where no weights keep them all. Pure.

A deletion filter (Chinneck and Dravnieks 1991): leave out one constraint after the other; what can
go while the rest is still impossible goes, and what remains is a smallest set that is impossible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from services.portfolio_builder.constraints import Bounds
from services.portfolio_builder.optimizers.cutting import Found, nearest
from services.portfolio_builder.optimizers.problem import Infeasible, NotSolved, Problem
from services.portfolio_builder.optimizers.region import Region, region_of

_WIDE = 100.0  # the largest that a ratio may be


def member(region: Region) -> Found | None:
    """Some weights of the region."""
    return nearest(region, region.lower)


def feasible(found: Found | None, region: Region) -> Found:
    """What was found.

    Raises:
        Infeasible: nothing was found; says which constraints stand against each other.
    """
    if found is None:
        raise Infeasible(conflict(region))
    return found


def conflict(region: Region) -> str:
    """A sentence that names a smallest set of constraints that no weights keep together."""
    problem = region.problem
    crossed = region.lower > region.upper + 1e-12
    if crossed.any():
        at = int(crossed.argmax())
        return (
            f"{problem.strategy_ids[at]} must be given at least {region.lower[at]:g}, but may be "
            f"given at most {region.upper[at]:g}"
        )
    needed = []
    for name, without in _ways_out(problem):
        relaxed = without(problem)
        if _possible(relaxed):
            needed.append(name)
        else:
            problem = relaxed
    if len(needed) < 2:
        return f"no weights keep {' and '.join(needed) or 'the constraints'}"
    return f"no weights keep {', '.join(needed[:-1])} and {needed[-1]} together"


def _possible(problem: Problem) -> bool:
    try:
        return member(region_of(problem)) is not None
    except NotSolved:
        return False


_Change = Callable[[Problem], Problem]


def _ways_out(problem: Problem) -> list[tuple[str, _Change]]:
    """Constraints that could be left out, by name; limits of risk first."""
    limits = problem.constraints
    found = [
        (name, _without(field, None)) for field, name in region_of(problem).risk_names().items()
    ]
    found += [
        (f"group {group.name} {group.max_ratio:g}", _without_group(group.name))
        for group in limits.groups
    ]
    floors = [each for each, bounds in limits.bounds.items() if bounds.min_ratio > 0]
    if len(floors) <= 20:
        found += [
            (f"at least {limits.bounds[each].min_ratio:g} of {each}", _without_floors((each,)))
            for each in floors
        ]
    else:
        found.append((f"the least of {len(floors)} strategies", _without_floors(tuple(floors))))
    found.append(
        (f"max_total_ratio {limits.max_total_ratio:g}", _without("max_total_ratio", _WIDE))
    )
    if limits.min_total_ratio > 0:
        name = f"min_total_ratio {limits.min_total_ratio:g}"
        found.append((name, _without("min_total_ratio", 0.0)))
    found.append((f"the most of each strategy ({_most(problem)})", _without_ceilings))
    return found


def _most(problem: Problem) -> str:
    upper = region_of(problem).upper
    low, high = float(upper.min()), float(upper.max())
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _without(field: str, neutral: float | None) -> _Change:
    def change(problem: Problem) -> Problem:
        return replace(problem, constraints=problem.constraints.model_copy(update={field: neutral}))

    return change


def _without_group(name: str) -> _Change:
    def change(problem: Problem) -> Problem:
        groups = tuple(each for each in problem.constraints.groups if each.name != name)
        return replace(
            problem, constraints=problem.constraints.model_copy(update={"groups": groups})
        )

    return change


def _without_floors(strategy_ids: tuple[str, ...]) -> _Change:
    def change(problem: Problem) -> Problem:
        bounds = {
            each: Bounds(max_ratio=bound.max_ratio) if each in strategy_ids else bound
            for each, bound in problem.constraints.bounds.items()
        }
        return replace(
            problem, constraints=problem.constraints.model_copy(update={"bounds": bounds})
        )

    return change


def _without_ceilings(problem: Problem) -> Problem:
    bounds = {
        each: Bounds(min_ratio=bound.min_ratio, max_ratio=_WIDE)
        for each, bound in problem.constraints.bounds.items()
    }
    changes = {"bounds": bounds, "max_weight_ratio": _WIDE}
    return replace(problem, caps=None, constraints=problem.constraints.model_copy(update=changes))
