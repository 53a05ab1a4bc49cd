"""Which days are learned from and which are tried: walk-forward and purged cross-validation. Pure.

Lopez de Prado, Advances in Financial Machine Learning (2018), chapters 7 and 12.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.domain.errors import InvalidMessage
from services.portfolio_builder.study import WalkForward

Rows: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Rows from `train_start` to `train_stop` and from `test_start` to `test_stop`, half-open."""

    train_start: int
    train_stop: int
    test_start: int
    test_stop: int


def walk_forward_splits(days: int, terms: WalkForward) -> list[Split]:
    """Windows that follow each other; the last one is as long as there are days.

    Raises:
        InvalidMessage: there is no day left to test.
    """
    first = terms.train_days + terms.purge_days
    if days <= first:
        raise InvalidMessage(
            f"a walk-forward with train_days {terms.train_days} and purge_days {terms.purge_days} "
            f"needs more than {first} days, there are {days}"
        )
    return [
        Split(
            train_start=0 if terms.anchored else start - first,
            train_stop=start - terms.purge_days,
            test_start=start,
            test_stop=min(start + terms.test_days, days),
        )
        for start in range(first, days, terms.test_days)
    ]


@dataclass(frozen=True)
class Fit:
    """One fit of a cross-validation: rows to learn from, and the folds left out of it."""

    train: Rows
    test_folds: tuple[int, ...]


@dataclass(frozen=True)
class Folds:
    """Combinatorial purged cross-validation.

    Attributes:
        rows: of each fold, in order.
        fits: one for each choice of folds to leave out.
        paths: for each path, which fit tests each fold: a path has every day once.
    """

    rows: tuple[Rows, ...]
    fits: tuple[Fit, ...]
    paths: tuple[tuple[int, ...], ...]


def purged_folds(days: int, *, folds: int, test_folds: int, purge: int, embargo: int) -> Folds:
    """Every choice of `test_folds` of `folds`, without the days beside those that are tested.

    Args:
        days: how many rows.
        folds: into which they are cut, the last one is the longest.
        test_folds: left out of each fit.
        purge: rows left out on both sides of tested ones.
        embargo: rows left out after tested ones besides.

    Raises:
        InvalidMessage: the folds would be too short.
    """
    size = days // folds
    if purge + embargo >= size - 1:
        raise InvalidMessage(
            f"a cross-validation of {folds} folds needs folds longer than purge and embargo, "
            f"{purge + embargo + 1} days; {days} days make {size} each"
        )
    of_row = np.minimum(np.arange(days) // size, folds - 1)
    rows = tuple(np.flatnonzero(of_row == each) for each in range(folds))
    choices = list(combinations(range(folds), test_folds))
    fits = tuple(Fit(_train(of_row, each, purge, embargo), each) for each in choices)
    of_fold = [[at for at, each in enumerate(choices) if fold in each] for fold in range(folds)]
    count = comb(folds - 1, test_folds - 1)
    paths = tuple(tuple(tests[path] for tests in of_fold) for path in range(count))
    return Folds(rows, fits, paths)


def _train(of_row: Rows, test_folds: tuple[int, ...], purge: int, embargo: int) -> Rows:
    tested = np.isin(of_row, test_folds)
    kept = ~tested
    edges = np.diff(tested.astype(np.int64))
    for last in np.flatnonzero(edges == 1):  # the last row before a tested one
        kept[max(0, last - purge + 1) : last + 1] = False
    for last in np.flatnonzero(edges == -1):  # the last tested row
        kept[last + 1 : last + 1 + purge + embargo] = False
    return np.flatnonzero(kept)
