"""A whole study: records in, everything that can be said of a method out. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from pydantic import JsonValue

from services.domain.errors import InvalidMessage
from services.portfolio_builder.backtest.choose import Chooser, Estimate, Estimates, Solve
from services.portfolio_builder.backtest.cross_validation import (
    cross_validation_of,
    folds_of,
    moved_together,
)
from services.portfolio_builder.backtest.doubts import doubts_of
from services.portfolio_builder.backtest.estimating import estimate_at, solve_with
from services.portfolio_builder.backtest.metrics import figures_of, months_of, rolling_sharpe
from services.portfolio_builder.backtest.overfitting import overfitting_of
from services.portfolio_builder.backtest.panel import (
    Panel,
    between,
    correlation_of,
    hash_of,
    panel_of,
    usable,
)
from services.portfolio_builder.backtest.splits import Folds, Split, walk_forward_splits
from services.portfolio_builder.backtest.walk_forward import (
    Decision,
    Trial,
    Weights,
    decide_window,
    track_of,
    windows_of,
)
from services.portfolio_builder.optimizers.problem import InvalidProblem, Solution
from services.portfolio_builder.study import Record, StudyRequest, WalkForward
from services.portfolio_builder.study_result import (
    Certified,
    CrossValidation,
    FrontierChoice,
    Portfolio,
    Proposed,
    StrategyPart,
    StudyResult,
    Track,
    WalkForwardResult,
)

#: Raised whenever the same request on the same records would give other numbers.
CODE_VERSION: Final = "1"
#: Of the rolling Sharpe ratio: half a year.
ROLLING_DAYS: Final = 126
#: Part done (0 to 1) and what is done now; whatever it raises ends the study.
Tell = Callable[[float, str], None]
Keep = Callable[[str, JsonValue], None]


@dataclass
class _Parts:
    """Parts of a study: those that were finished before are not done again."""

    tell: Tell
    finished: Mapping[str, JsonValue]
    keep: Keep
    total: int
    done: int = 0

    def decision(self, name: str, words: str, make: Callable[[], Decision]) -> Decision:
        """One decision, through JSON in any case, so that a resumed study cannot differ."""
        self.tell(self.done / self.total, words)
        kept = self.finished.get(name)
        if kept is None:
            kept = make().model_dump(mode="json")
            self.keep(name, kept)
        self.done += 1
        return Decision.model_validate(kept)


@dataclass(frozen=True)
class _Study:
    """What a study looks at."""

    request: StudyRequest
    records: list[Record]
    panel: Panel
    estimate: Estimate
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
    study = _Study(request, used, panel_of(used), estimate_at, solve_with, held)
    splits, folds = _splits(study)
    parts = _Parts(tell, finished, keep, 2 + len(splits or ()) + (len(folds.fits) if folds else 0))
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
        strategies=_strategies(study, estimates),
        current=held,
        proposed=proposed,
        correlation=correlation_of(study.panel),
        walk_forward=forward,
        cross_validation=crossed,
    )
    warnings = doubts_of(result, study.panel, set(current) - set(request.strategy_ids))
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


def _propose(study: _Study) -> tuple[Estimates, Proposed]:
    request = study.request
    records = between(study.records, _learned_from(study), study.panel.dates[-1])
    constraints = request.constraints
    if not study.current:
        constraints = constraints.model_copy(update={"max_turnover_ratio": None})
    try:
        found = study.estimate(records, constraints, study.current)
        if found.problem is None:
            reasons = " ".join(found.left_out.values())
            raise InvalidMessage(f"no strategy can be given weight: {reasons}")
        solution = study.solve(found.problem, request.method, request.alpha_ratio)
    except InvalidProblem as error:
        raise InvalidMessage(str(error)) from error
    return found, _proposed(study, found.problem.strategy_ids, solution)


def _learned_from(study: _Study) -> date:
    """The first day that weights of today are learned from: as far back as a window looks."""
    dates, terms = study.panel.dates, study.request.walk_forward
    if terms is None or terms.anchored:
        return dates[0]
    return dates[max(len(dates) - terms.train_days, 0)]


def _proposed(study: _Study, ids: Sequence[str], solution: Solution) -> Proposed:
    def by_strategy(weights: Sequence[float]) -> dict[str, float]:
        given = dict(zip(ids, weights, strict=True))
        return {each: given.get(each, 0.0) for each in study.strategies}

    weights = by_strategy(solution.weights.tolist())
    start = study.panel.dates.index(_learned_from(study))
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
            past,
            study.panel.dates[start:],
            study.panel.periods_per_year,
            risk_free=study.request.risk_free_ratio,
        ),
    )


def _walk_forward(study: _Study, splits: Sequence[Split], parts: _Parts) -> WalkForwardResult:
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
    returns = np.array(judged.returns)
    periods = panel.periods_per_year
    return WalkForwardResult(
        windows=windows_of(trial, tracks[0], risk_free=request.risk_free_ratio),
        dates=dates,
        tracks=tracks,
        months=months_of(returns, dates),
        rolling_days=ROLLING_DAYS,
        rolling_sharpe=rolling_sharpe(returns, ROLLING_DAYS, periods),
        overfitting=overfitting_of(judged.portfolio, returns, periods, trials=request.trials),
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


def _cross_validation(study: _Study, folds: Folds, parts: _Parts) -> CrossValidation:
    choose = Chooser(study.request, study.estimate, study.solve)
    decisions = []
    for number, fit in enumerate(folds.fits, start=1):

        def decide(train: np.ndarray = fit.train) -> Decision:
            return choose(moved_together(study.panel, study.records, train), None)

        words = f"cross-validation {number} of {len(folds.fits)}"
        decisions.append(parts.decision(f"fold-{number:04}", words, decide))
    terms = study.request.walk_forward or WalkForward()
    return cross_validation_of(study.panel, folds, decisions, terms.purge_days)


def _strategies(study: _Study, estimates: Estimates) -> tuple[StrategyPart, ...]:
    problem = estimates.problem
    caps: dict[str, float] = {}
    if problem is not None and problem.caps is not None:
        caps = dict(zip(problem.strategy_ids, problem.caps.tolist(), strict=True))
    return tuple(_strategy(study, record, estimates, caps) for record in study.records)


def _strategy(
    study: _Study, record: Record, estimates: Estimates, caps: Mapping[str, float]
) -> StrategyPart:
    strategy_id = record.strategy_id
    reasons = (estimates.left_out.get(strategy_id), estimates.capped.get(strategy_id))
    return StrategyPart(
        strategy_id=strategy_id,
        source=record.source,
        first_on=record.dates[0],
        last_on=record.dates[-1],
        days=len(record.dates),
        eligible=strategy_id not in estimates.left_out,
        cap_ratio=caps.get(strategy_id),
        notes=tuple(each for each in reasons if each),
        figures=figures_of(
            record.returns,
            record.dates,
            study.panel.periods_per_year,
            risk_free=study.request.risk_free_ratio,
        ),
    )
