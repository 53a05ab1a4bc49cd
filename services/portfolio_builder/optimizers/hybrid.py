"""Sharpe ratio and growth together: the frontier of both, and the point on it that is wanted. Pure.

Neither can be added to the other: they have different units. So the best of each is found first, S
and g, then the largest growth for each of some least Sharpe ratios in between (Haimes, Lasdon and
Wismer 1971, the ε-constraint method); α · Sharpe/S + (1 − α) · growth/g chooses between them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize_scalar

from services.portfolio_builder.optimizers import measure
from services.portfolio_builder.optimizers.ascent import ascend
from services.portfolio_builder.optimizers.cutting import Found
from services.portfolio_builder.optimizers.growth import Growth, max_growth
from services.portfolio_builder.optimizers.problem import (
    TOLERANCE,
    FrontierPoint,
    Matrix,
    NotSolved,
    Problem,
    Vector,
)
from services.portfolio_builder.optimizers.region import Region
from services.portfolio_builder.optimizers.sharpe import max_sharpe, without_still

#: Points of the frontier, its two ends among them.
POINTS = 9
#: Growth a year that is rounding, of weights that are.
_LEAST = 1e-9


def hybrid(region: Region, alpha: float) -> tuple[Found, tuple[FrontierPoint, ...]]:
    """The point of the frontier that is wanted, and the frontier from most growth to most Sharpe.

    Args:
        region: what is allowed.
        alpha: 1 = only Sharpe ratio, 0 = only growth.

    Raises:
        Infeasible: no weights keep the constraints.
        NotSolved: the solver gave up.
    """
    region, notes = without_still(region)
    grown = max_growth(region)
    sharp = max_sharpe(region, relative_caps=False)
    sweep = _Sweep(region, grown, sharp)
    if sweep.best_growth <= _LEAST or sweep.best_sharpe <= 0:
        why = "no growth" if sweep.best_growth <= _LEAST else "no Sharpe ratio"
        note = f"{why} above 0 can be had: there is nothing to choose between"
        chosen = grown if sweep.best_growth <= _LEAST else sharp
        words = (*notes, *chosen.notes, note)
        return replace(chosen, notes=words, bound=None, rivaled=False), ()
    points = sweep.frontier()
    best = max(range(len(points)), key=lambda at: sweep.score(points[at], alpha))
    chosen_point = points[best]
    if 0 < alpha < 1:
        low, high = points[max(best - 1, 0)], points[min(best + 1, len(points) - 1)]
        finer = sweep.between(max(low.sharpe, 0.0), high.sharpe, alpha)
        chosen_point = max((chosen_point, *finer), key=lambda point: sweep.score(point, alpha))
        climbed = sweep.climbed(chosen_point, alpha)
        chosen_point = max(chosen_point, climbed, key=lambda point: sweep.score(point, alpha))
    found = Found(chosen_point.weights, sweep.iterations, sweep.cuts, notes, within=region)
    return found, tuple(points)


class _Sweep:
    """Growth under a least Sharpe ratio; what one point learns of the region serves the next."""

    def __init__(self, region: Region, grown: Found, sharp: Found) -> None:
        self.region = region
        self.cuts = grown.cuts
        self.iterations = grown.iterations + sharp.iterations
        self.latest = grown.weights
        self.grown = self.point(grown.weights)
        self.sharp = self.point(_best_size(region, sharp.weights))
        self.best_growth = self.grown.growth
        self.best_sharpe = self.sharp.sharpe

    def point(self, weights: Vector) -> FrontierPoint:
        problem = self.region.problem
        inside = np.clip(weights, self.region.lower, self.region.upper)
        return FrontierPoint(
            inside, measure.sharpe(problem, inside), measure.growth(problem, inside)
        )

    def score(self, point: FrontierPoint, alpha: float) -> float:
        """From 0 to 1."""
        sharpe, growth = point.sharpe / self.best_sharpe, point.growth / self.best_growth
        return alpha * sharpe + (1 - alpha) * growth

    def at(self, floor: float) -> FrontierPoint | None:
        """The largest growth with this Sharpe ratio at least; None where no solver finds it."""
        try:
            found = ascend(
                self.region,
                Growth(self.region.problem),
                self.latest,
                cuts=self.cuts,
                sharpe_floor=floor,
                few=True,
            )
        except NotSolved:
            return None
        if found is None:
            return None
        self.iterations += found.iterations
        self.cuts = found.cuts
        self.latest = found.weights
        point = self.point(found.weights)
        return point if self.region.excess(point.weights) <= TOLERANCE else None

    def frontier(self) -> list[FrontierPoint]:
        # Only a least Sharpe ratio above 0 is a cone; below it there is nothing to want.
        floors = np.linspace(max(self.grown.sharpe, 0.0), self.best_sharpe, POINTS)[1:-1]
        if self.grown.sharpe > self.best_sharpe * (1 - 1e-6):
            return [self.grown, self.sharp]
        inner = [point for floor in floors if (point := self.at(float(floor)))]
        return [self.grown, *inner, self.sharp]

    def between(self, low: float, high: float, alpha: float) -> list[FrontierPoint]:
        """Points that come closer and closer to the best score."""
        tried: list[FrontierPoint] = []

        def loss(floor: float) -> float:
            point = self.at(floor)
            if point is None:
                return 0.0
            tried.append(point)
            return -self.score(point, alpha)

        if high - low > 1e-6 * self.best_sharpe:
            options = {"xatol": 1e-3 * (high - low), "maxiter": 5}
            minimize_scalar(loss, bounds=(low, high), method="bounded", options=options)
        return tried

    def climbed(self, point: FrontierPoint, alpha: float) -> FrontierPoint:
        """The local maximum of the score next to a point; the point where it finds none higher."""
        mixed = _Mixed(
            self.region.problem, alpha / self.best_sharpe, (1 - alpha) / self.best_growth
        )
        try:
            found = ascend(self.region, mixed, point.weights, cuts=self.cuts, few=True)
        except NotSolved:
            return point
        if found is None or self.region.excess(found.weights) > TOLERANCE / 10:
            return point
        self.iterations += found.iterations
        self.cuts = found.cuts
        return self.point(found.weights)


@dataclass(frozen=True)
class _Mixed:
    """A sum of Sharpe ratio and growth; concave along the frontier, not everywhere."""

    problem: Problem
    of_sharpe: float
    of_growth: float

    def slope(self, weights: Vector) -> Vector:
        covariance, mean = self.problem.covariance, self.problem.mean
        risk = measure.volatility(covariance, weights)
        own = mean / risk - float(mean @ weights) * (covariance @ weights) / risk**3
        slope: Vector = self.of_sharpe * own + self.of_growth * Growth(self.problem).slope(weights)
        return slope

    def curve(self, weights: Vector) -> Matrix:
        """Minus the second derivatives, without what of them is not concave."""
        covariance, mean = self.problem.covariance, self.problem.mean
        risk, pull = measure.volatility(covariance, weights), covariance @ weights
        gain = float(mean @ weights)
        crossed = np.outer(mean, pull)
        own = (crossed + crossed.T + gain * covariance) / risk**3
        own -= 3 * gain * np.outer(pull, pull) / risk**5
        both = self.of_sharpe * own + self.of_growth * Growth(self.problem).curve(weights)
        values, vectors = np.linalg.eigh(both)
        curve: Matrix = (vectors * np.maximum(values, 1e-9)) @ vectors.T
        return (curve + curve.T) / 2

    def reach(self, weights: Vector, step: Vector) -> float:
        return Growth(self.problem).reach(weights, step)


def _best_size(region: Region, weights: Vector) -> Vector:
    """The multiple of these weights, the largest that is allowed, with the largest growth."""
    low, high = 0.0, 1.0
    if region.excess(0.0 * weights) > 0:
        for _ in range(60):
            middle = (low + high) / 2
            if region.excess(middle * weights) > 0:
                low = middle
            else:
                high = middle
        low = high

    def loss(size: float) -> float:
        return -measure.growth(region.problem, size * weights)

    if low >= 1 - 1e-12:
        return weights
    best = minimize_scalar(loss, bounds=(low, 1.0), method="bounded", options={"xatol": 1e-10})
    sizes = [low if low > 0 else 1.0, float(best.x), 1.0]
    size = min(sizes, key=loss)
    return size * weights
