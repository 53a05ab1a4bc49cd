"""A whole study: records in, everything that can be said of a method out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import JsonValue

from services.domain.errors import InvalidMessage
from services.portfolio_builder.backtest.choose import Chooser, Estimates, Solve, at_first
from services.portfolio_builder.backtest.cross_validation import (
    cross_validation_of,
    folds_of,
    moved_together,
)
from services.portfolio_builder.backtest.doubts import doubts_of
from services.portfolio_builder.backtest.estimating import Estimator, solve_with
from services.portfolio_builder.backtest.metrics import (
    excess_of,
    figures_of,
    months_of,
    rolling_sharpe,
)
from services.portfolio_builder.backtest.overfitting import overfitting_of
from services.portfolio_builder.backtest.panel import (
    Panel,
    correlation_of,
    hash_of,
    panel_of,
    usable,
)
from services.portfolio_builder.backtest.progress import Keep, Parts, Tell
from services.portfolio_builder.backtest.splits import Folds, Split, walk_forward_splits
from services.portfolio_builder.backtest.standing import parts_of
from services.portfolio_builder.backtest.walk_forward import (
    Decision,
    Trial,
    Weights,
    decide_window,
    track_of,
    windows_of,
)
from services.portfolio_builder.optimizers.estimates import Estimate
from services.portfolio_builder.optimizers.problem import InvalidProblem, Solution
from services.portfolio_builder.study import Record, StudyRequest, WalkForward
from services.portfolio_builder.study_result import (
    Certified,
    CrossValidation,
    FrontierChoice,
    Portfolio,
    Proposed,
    StudyResult,
    Track,
    WalkForwardResult,
)

#: Raised whenever the same request on the same records would give other numbers.
CODE_VERSION: Final = "1"
#: Of the rolling Sharpe ratio: half a year.
ROLLING_DAYS: Final = 126


@dataclass(frozen=True)
class _Study:
    """What a study looks at."""

    request: StudyRequest
    records: list[Record]
    panel: Panel
    estimate: Estimates
    solve: Solve
    current: Weights

    @property
    def strategies(self) -> tuple[str, ...]:
        return self.panel.strategy_ids


def run_study(
    request: StudyRequest,
    records: Sequence[Record],
    current: Mapping[str, float],
    *,
    tell: Tell,
    finished: Mapping[str, JsonValue],
    keep: Keep,
) -> StudyResult:
    """Find weights from all days, and try the method on days that it has not seen.

    Args:
        request: what is wanted.
        records: of the strategies of the request, and maybe others.
        current: the allocation as it is now, ratios by strategy.
        tell: hears how far it is, before each part; may raise to end the study.
        finished: parts by name that a study of the same request and records handed to `keep`
            before; with them the result is the same bit for bit.
        keep: is handed each finished part.

    Raises:
        InvalidMessage: a record or the request cannot be used.
        Infeasible: no weights keep the constraints today.
        NotSolved: no solver found weights today.
    """
    used = usable(records, request.strategy_ids, from_on=request.from_on, today=request.asked_on)
    _check_names(request)
    held = {each: current[each] for each in request.strategy_ids if current.get(each, 0.0) > 0}
    study = _Study(request, used, panel_of(used), Estimator(request), solve_with, held)
    splits, folds = _splits(study)
    parts = Parts(tell, finished, keep, 2 + len(splits or ()) + (len(folds.fits) if folds else 0))
    tell(0.0, "weights from all days")
    estimates, proposed = _propose(study)
    parts.done += 1
    forward = _walk_forward(study, splits, parts) if splits else None
    crossed = _cross_validation(study, folds, parts) if folds else None
    tell(1.0 - 1.0 / parts.total, "figures")
    result = StudyResult(
        request=request,
        code_version=CODE_VERSION,
        data_hash=hash_of(used),
        first_on=study.panel.dates[0],
        last_on=study.panel.dates[-1],
        warnings=(),
        strategies=parts_of(used, estimates, request.risk_free_ratio),
        current=held,
        proposed=proposed,
        correlation=correlation_of(study.panel),
        walk_forward=forward,
        cross_validation=crossed,
    )
    others = {each for each, ratio in current.items() if ratio > 0} - set(request.strategy_ids)
    warnings = doubts_of(result, study.panel, others)
    tell(1.0, "done")
    return result.model_copy(update={"warnings": warnings})


def _check_names(request: StudyRequest) -> None:
    named = {*request.constraints.bounds}
    named |= {each for group in request.constraints.groups for each in group.strategy_ids}
    unknown = sorted(named - set(request.strategy_ids))
    if unknown:
        raise InvalidMessage(
            f"constraints must name strategies of the study, found {', '.join(unknown)}"
        )


def _splits(study: _Study) -> tuple[list[Split] | None, Folds | None]:
    request, days = study.request, len(study.panel.dates)
    terms = request.walk_forward
    splits = walk_forward_splits(days, terms) if terms else None
    if not request.cross_validation:
        return splits, None
    return splits, folds_of(days, (terms or WalkForward()).purge_days)


def _propose(study: _Study) -> tuple[Estimate, Proposed]:
    request = study.request
    constraints = at_first(request.constraints, study.current)
    since = study.panel.dates[_learned_from(study)] if _learned_from(study) else None
    try:
        found = study.estimate(study.records, constraints, study.current, since)
        solution = study.solve(found.problem, request.method, request.alpha_ratio)
    except InvalidProblem as error:
        raise InvalidMessage(str(error)) from error
    return found, _proposed(study, found.problem.strategy_ids, solution)


def _learned_from(study: _Study) -> int:
    """The first row that weights of today are learned from: as far back as a window looks."""
    terms = study.request.walk_forward
    if terms is None or terms.anchored:
        return 0
    return max(len(study.panel.dates) - terms.train_days, 0)


def _proposed(study: _Study, ids: Sequence[str], solution: Solution) -> Proposed:
    def by_strategy(weights: Sequence[float]) -> dict[str, float]:
        given = dict(zip(ids, weights, strict=True))
        return {each: given.get(each, 0.0) for each in study.strategies}

    weights = by_strategy(solution.weights.tolist())
    start = _learned_from(study)
    past = study.panel.path[start:] @ np.array([weights[each] for each in study.strategies])
    certificate = solution.certificate
    return Proposed(
        weights=weights,
        objective=solution.objective,
        binding=solution.binding,
        notes=solution.notes,
        certificate=Certified(
            solver=certificate.solver,
            second_solver=certificate.second_solver,
            gap=certificate.gap,
            max_violation=certificate.max_violation,
            iterations=certificate.iterations,
        ),
        frontier=tuple(
            FrontierChoice(
                weights=by_strategy(each.weights.tolist()), sharpe=each.sharpe, growth=each.growth
            )
            for each in solution.frontier
        ),
        in_sample=figures_of(
            np.maximum(past, -1.0),
            study.panel.dates[start:],
            study.panel.periods_per_year,
            risk_free=study.request.risk_free_ratio,
        ),
    )


def _walk_forward(study: _Study, splits: Sequence[Split], parts: Parts) -> WalkForwardResult:
    request, panel = study.request, study.panel
    choose = Chooser(request, study.estimate, study.solve, with_benchmarks=True)
    decisions: list[Decision] = []
    for number, split in enumerate(splits, start=1):
        before = decisions[-1] if decisions else None

        def decide(split: Split = split, before: Decision | None = before) -> Decision:
            return decide_window(panel, study.records, split, choose, before)

        words = f"window {number} of {len(splits)}, from {panel.dates[split.test_start]}"
        decisions.append(parts.decision(f"window-{number:04}", words, decide))
    terms = request.walk_forward or WalkForward()
    trial = Trial(panel, tuple(splits), tuple(decisions), terms)
    tracks = _tracks(study, trial)
    dates = panel.dates[splits[0].test_start :]
    judged = next((each for each in tracks if each.portfolio is Portfolio.WITH_OVERLAYS), tracks[0])
    periods, rate = panel.periods_per_year, request.risk_free_ratio
    returns = np.array(judged.returns)
    return WalkForwardResult(
        windows=windows_of(trial, tracks[0], risk_free=rate),
        dates=dates,
        tracks=tracks,
        months=months_of(returns, dates),
        rolling_days=ROLLING_DAYS,
        rolling_sharpe=rolling_sharpe(excess_of(returns, rate, periods), ROLLING_DAYS, periods),
        overfitting=overfitting_of(judged, trials=request.trials, risk_free=rate),
    )


def _tracks(study: _Study, trial: Trial) -> tuple[Track, ...]:
    wanted = [Portfolio.METHOD]
    if trial.terms.target_volatility_ratio is not None or trial.terms.governor:
        wanted.append(Portfolio.WITH_OVERLAYS)
    wanted.append(Portfolio.EQUAL_WEIGHT)
    if study.current:
        wanted.append(Portfolio.CURRENT)
    chosen = {each for decision in trial.decisions for each in decision.benchmarks}
    wanted += [each for each in (Portfolio.RISK_PARITY, Portfolio.HRP) if each in chosen]
    rate = study.request.risk_free_ratio
    return tuple(track_of(trial, each, risk_free=rate, held=study.current) for each in wanted)


def _cross_validation(study: _Study, folds: Folds, parts: Parts) -> CrossValidation:
    choose = Chooser(study.request, study.estimate, study.solve)
    decisions = []
    for number, fit in enumerate(folds.fits, start=1):

        def decide(train: np.ndarray = fit.train) -> Decision:
            return choose(moved_together(study.panel, study.records, train), None)

        words = f"cross-validation {number} of {len(folds.fits)}"
        decisions.append(parts.decision(f"fold-{number:04}", words, decide))
    terms = study.request.walk_forward or WalkForward()
    return cross_validation_of(
        study.panel, folds, decisions, terms.purge_days, study.request.risk_free_ratio
    )
