"""Hierarchical risk parity. Pure.

López de Prado (2016), Building diversified portfolios that outperform out of sample: a tree of
single linkage over the distances √((1 − correlation) / 2); its leaves in order; each list of leaves
is halved, and the halves share what they have by the inverse of their variances.
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from services.portfolio_builder.optimizers.check import STILL
from services.portfolio_builder.optimizers.cutting import Found
from services.portfolio_builder.optimizers.fit import fitted, wanted_total
from services.portfolio_builder.optimizers.problem import Matrix, Vector
from services.portfolio_builder.optimizers.region import Region


def hrp(region: Region) -> Found:
    """Hierarchical weights of what may have a weight, made to keep the constraints.

    Raises:
        Infeasible: no weights keep the constraints.
        NotSolved: the solver gave up.
    """
    covariance = region.problem.covariance
    open_ = (np.diag(covariance) >= STILL) & (region.upper > 0)
    wanted = np.zeros(len(open_))
    if open_.any():
        wanted[open_] = hierarchical(covariance[np.ix_(open_, open_)]) * wanted_total(region)
    return fitted(region, wanted, "hierarchical weights")


def hierarchical(covariance: Matrix) -> Vector:
    """Weights of sum 1, of strategies that all move."""
    count = len(covariance)
    weights = np.ones(count)
    lists = [_leaves(covariance)] if count > 1 else []
    while lists:
        leaves = lists.pop()
        left, right = leaves[: len(leaves) // 2], leaves[len(leaves) // 2 :]
        risks = _variance(covariance, left), _variance(covariance, right)
        part = 1 - risks[0] / (risks[0] + risks[1])
        weights[left] *= part
        weights[right] *= 1 - part
        lists += [half for half in (left, right) if len(half) > 1]
    return weights


def _leaves(covariance: Matrix) -> list[int]:
    spread = np.sqrt(np.diag(covariance))
    correlation = np.clip(covariance / np.outer(spread, spread), -1.0, 1.0)
    distance = np.sqrt((1 - correlation) / 2)
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "single")
    return [int(leaf) for leaf in leaves_list(tree)]


def _variance(covariance: Matrix, leaves: list[int]) -> float:
    """Of the leaves together, each weighted by the inverse of its own."""
    own = covariance[np.ix_(leaves, leaves)]
    inverse = 1 / np.diag(own)
    shares = inverse / inverse.sum()
    return float(shares @ own @ shares)
