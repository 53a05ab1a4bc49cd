"""A method tried on days that it has not seen, one window after the other. Pure.

Every decision is made from records cut off before the purge, so that it cannot know a later day;
what came of it is then simulated in one path over all windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
from pydantic import Field

from services.domain.values import Frozen
from services.portfolio_builder.backtest.metrics import YEAR_DAYS, figures_of, years_of
from services.portfolio_builder.backtest.overlay import (
    Governor,
    forecast_volatility,
    volatility_scales,
)
from services.portfolio_builder.backtest.panel import Panel, between
from services.portfolio_builder.backtest.simulate import Path, Target, Terms, simulate
from services.portfolio_builder.backtest.splits import Split
from services.portfolio_builder.optimizers.problem import Vector
from services.portfolio_builder.study import Record, WalkForward
from services.portfolio_builder.study_result import Number, Portfolio, Track, Window

Weights = Mapping[str, float]


class Decision(Frozen):
    """Weights chosen at one moment, and what is to be known of them.

    Attributes:
        weights: of strategies that have any.
        why_not: why no weights were found and the former ones stay; "" = found.
        eligible: strategies that were old enough.
        benchmarks: weights that other rules chose at the same moment.
    """

    weights: dict[str, Number]
    why_not: str = ""
    binding: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    eligible: tuple[str, ...] = ()
    benchmarks: dict[Portfolio, dict[str, Number]] = Field(default_factory=dict)


class Choose(Protocol):
    """Decides from records that end before the decision, and knows the decision before it."""

    def __call__(
        self, records: Sequence[Record], before: Decision | None, since: date | None = None
    ) -> Decision:
        """See `choose.Chooser`."""


@dataclass(frozen=True)
class Trial:
    """Windows of a panel and what was decided for each."""

    panel: Panel
    splits: tuple[Split, ...]
    decisions: tuple[Decision, ...]
    terms: WalkForward

    def weights_at(self, decision: Decision, portfolio: Portfolio) -> Vector:
        """What a portfolio holds from a decision on, in the order of the panel."""
        own = portfolio in (Portfolio.METHOD, Portfolio.WITH_OVERLAYS)
        chosen = decision.weights if own else decision.benchmarks.get(portfolio, {})
        return vector_of(chosen, self.panel.strategy_ids)


def vector_of(weights: Weights, strategy_ids: Sequence[str]) -> Vector:
    """Weights in the order of the strategies; one without has 0."""
    return np.array([weights.get(each, 0.0) for each in strategy_ids], dtype=np.float64)


def decide_window(
    panel: Panel, records: Sequence[Record], split: Split, choose: Choose, before: Decision | None
) -> Decision:
    """What is decided from the training days of a window, and from nothing else."""
    last = panel.dates[split.train_stop - 1]
    since = panel.dates[split.train_start] if split.train_start else None
    return choose(between(records, panel.dates[0], last), before, since)


def track_of(trial: Trial, portfolio: Portfolio, *, risk_free: float, held: Weights) -> Track:
    """What a portfolio made on the test days, after costs.

    Args:
        trial: windows and decisions.
        portfolio: which one.
        risk_free: annual.
        held: the current allocation, for `Portfolio.CURRENT`.
    """
    panel, start = trial.panel, trial.splits[0].test_start
    overlaid = portfolio is Portfolio.WITH_OVERLAYS
    terms = trial.terms
    governor = None
    if overlaid and terms.governor:
        governor = Governor(terms.governor_start_ratio, terms.governor_stop_ratio)
    if portfolio is Portfolio.CURRENT:
        targets = [Target(0, vector_of(held, panel.strategy_ids))]
    else:
        targets = _targets(trial, portfolio, scaled=overlaid)
    path = simulate(
        panel.path[start:],
        targets,
        Terms(
            rebalance_days=terms.rebalance_days,
            cost_ratio=terms.cost_bps / 10_000,
            financing_ratio=terms.financing_ratio * _years_between(panel.dates[start - 1 :]),
        ),
        margins=None if panel.margins is None else panel.margins[start:],
        governor=governor,
    )
    return _track(portfolio, path, panel, start, risk_free)


def _years_between(dates: Sequence[date]) -> Vector:
    """From each day to the next one: over a weekend money is borrowed for three."""
    days = np.array([each.toordinal() for each in dates], dtype=np.float64)
    years: Vector = np.diff(days) / YEAR_DAYS
    return years


def _targets(trial: Trial, portfolio: Portfolio, *, scaled: bool) -> list[Target]:
    start = trial.splits[0].test_start
    wanted = trial.terms.target_volatility_ratio if scaled else None
    targets: list[Target] = []
    scale = None
    for split, decision in zip(trial.splits, trial.decisions, strict=True):
        weights = trial.weights_at(decision, portfolio)
        scales = None
        if wanted is not None:
            # The past under the weights of now: yesterday's volatility of what is held today.
            past = trial.panel.path[: split.test_stop] @ weights
            # Days a year as known by then: a record that begins later may trade at weekends.
            known = trial.panel.dates[: split.test_start]
            forecast = forecast_volatility(past, len(known) / years_of(known))
            scales = volatility_scales(forecast[split.test_start :], wanted, scale)
            scale = float(scales[-1])
        targets.append(Target(split.test_start - start, weights, scales))
    return targets


def _track(portfolio: Portfolio, path: Path, panel: Panel, start: int, risk_free: float) -> Track:
    dates = panel.dates[start:]
    periods = panel.periods_per_year
    ruined_on = None if path.ruined_at is None else dates[path.ruined_at]
    margin = None if path.margin_ratio is None else tuple(path.margin_ratio.tolist())
    return Track(
        portfolio=portfolio,
        figures=figures_of(path.returns, dates, periods, risk_free=risk_free),
        returns=tuple(path.returns.tolist()),
        equity=tuple(path.equity.tolist()),
        exposure=tuple(path.exposure.tolist()),
        margin_ratio=margin,
        turnover=tuple(path.turnover.tolist()),
        costs=tuple(path.costs.tolist()),
        turnover_ratio=float(path.turnover.sum()) / len(dates) * periods,
        ruined_on=ruined_on,
    )


def windows_of(trial: Trial, method: Track, *, risk_free: float) -> tuple[Window, ...]:
    """Each decision with what it looked like in its training days and what came after.

    Args:
        trial: windows and decisions.
        method: the track of the method.
        risk_free: annual.
    """
    panel, start = trial.panel, trial.splits[0].test_start
    made = np.array(method.returns)
    found = []
    for number, (split, decision) in enumerate(
        zip(trial.splits, trial.decisions, strict=True), start=1
    ):
        weights = trial.weights_at(decision, Portfolio.METHOD)
        train = panel.path[split.train_start : split.train_stop] @ weights
        train_dates = panel.dates[split.train_start : split.train_stop]
        test_dates = panel.dates[split.test_start : split.test_stop]
        tested = made[split.test_start - start : split.test_stop - start]
        periods = panel.periods_per_year
        held = bool(np.any(weights))
        found.append(
            Window(
                number=number,
                train_first_on=train_dates[0],
                train_last_on=train_dates[-1],
                test_first_on=test_dates[0],
                test_last_on=test_dates[-1],
                weights=dict(zip(panel.strategy_ids, weights.tolist(), strict=True)),
                why_not=decision.why_not,
                binding=decision.binding,
                notes=decision.notes,
                in_sample=figures_of(
                    np.maximum(train, -1.0), train_dates, periods, risk_free=risk_free
                )
                if held
                else None,
                out_of_sample=figures_of(tested, test_dates, periods, risk_free=risk_free),
            )
        )
    return tuple(found)
