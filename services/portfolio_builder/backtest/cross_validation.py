"""Purged cross-validation: the same days tested on many paths, to see how much is chance. Pure.

Other than in a walk-forward, a fit also learns from days after those that it is tested on: the
result says how steady a method is, not what it would have earned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.portfolio_builder.backtest.metrics import drawdowns_of, excess_of, sharpe
from services.portfolio_builder.backtest.panel import Panel
from services.portfolio_builder.backtest.splits import Folds, Rows, purged_folds
from services.portfolio_builder.backtest.walk_forward import Decision, vector_of
from services.portfolio_builder.study import Record
from services.portfolio_builder.study_result import CrossValidation

#: 45 fits, 9 paths.
FOLDS, TEST_FOLDS = 10, 2
#: Left out after tested days, besides the purge.
EMBARGO_DAYS = 5


def folds_of(days: int, purge_days: int) -> Folds:
    """Rows of each fit.

    Raises:
        InvalidMessage: there are too few days.
    """
    return purged_folds(
        days, folds=FOLDS, test_folds=TEST_FOLDS, purge=purge_days, embargo=EMBARGO_DAYS
    )


def moved_together(panel: Panel, records: Sequence[Record], rows: Rows) -> list[Record]:
    """Records of these rows only, dated as if the others had never been.

    The rows take the last dates of the panel, so that there is no hole where days were left out,
    and a year still has as many of them.
    """
    last = panel.dates[len(panel.dates) - len(rows) :]
    moved = {panel.dates[int(row)]: day for row, day in zip(rows, last, strict=True)}
    found = []
    for each in records:
        own = [at for at, day in enumerate(each.dates) if day in moved]
        if own:
            found.append(
                replace(
                    each,
                    dates=tuple(moved[each.dates[at]] for at in own),
                    returns=each.returns[own],
                    margins=None if each.margins is None else each.margins[own],
                )
            )
    return found


def cross_validation_of(
    panel: Panel,
    folds: Folds,
    decisions: Sequence[Decision],
    purge_days: int,
    risk_free: float,
) -> CrossValidation:
    """What each path made: days of each fold under the weights of a fit that had not seen it."""
    weights = [vector_of(each.weights, panel.strategy_ids) for each in decisions]
    paths = [
        np.concatenate(
            [panel.path[rows] @ weights[fit] for rows, fit in zip(folds.rows, path, strict=True)]
        )
        for path in folds.paths
    ]
    periods = panel.periods_per_year
    return CrossValidation(
        folds=FOLDS,
        test_folds=TEST_FOLDS,
        purge_days=purge_days,
        embargo_days=EMBARGO_DAYS,
        sharpe=tuple(sharpe(excess_of(each, risk_free, periods), periods) for each in paths),
        max_drawdown_ratio=tuple(
            float(drawdowns_of(np.maximum(each, -1.0)).max()) for each in paths
        ),
        unsolved=sum(bool(each.why_not) for each in decisions),
    )
