"""What a person must know before believing a study, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from services.portfolio_builder.backtest.panel import Panel, oddities_of
from services.portfolio_builder.study_result import (
    Figures,
    Portfolio,
    StudyResult,
    Track,
    WalkForwardResult,
)

#: A deflated Sharpe ratio below is not distinguishable from luck at the usual level.
CONFIDENT = 0.95
#: A weight is at its cap where less than this part of it is left.
CLOSE = 1e-4
_NAMES = {
    Portfolio.METHOD: "the method",
    Portfolio.WITH_OVERLAYS: "the method with overlays",
    Portfolio.EQUAL_WEIGHT: "equal weight",
    Portfolio.CURRENT: "the current allocation",
    Portfolio.RISK_PARITY: "risk parity",
    Portfolio.HRP: "HRP",
}


def doubts_of(result: StudyResult, panel: Panel, others: AbstractSet[str]) -> tuple[str, ...]:
    """All doubts, the gravest first.

    Args:
        result: the study, without them.
        panel: its records.
        others: strategies of the current allocation that are not part of the study.
    """
    found: list[str] = []
    if result.walk_forward:
        found += _of_walk_forward(result, result.walk_forward)
    else:
        found.append("The method was not tried on days that it had not seen.")
    found += _of_records(result)
    if others:
        names = ", ".join(sorted(others))
        found.append(f"The current allocation also has {names}, which this study leaves out.")
    return (*found, *oddities_of(panel))


def _of_walk_forward(result: StudyResult, forward: WalkForwardResult) -> list[str]:
    judged = forward.judged
    figures = judged.figures
    found = [
        f"Out of sample {_named(each)} lost everything on {each.ruined_on}."
        for each in forward.tracks
        if each.ruined_on
    ]
    equal = forward.track(Portfolio.EQUAL_WEIGHT)
    if equal and (figures.sharpe or 0.0) < (equal.figures.sharpe or 0.0):
        found.append(
            f"Out of sample {_named(judged)} has a Sharpe ratio of {_two(figures.sharpe)}, below "
            f"that of equal weights, {_two(equal.figures.sharpe)}."
        )
    found += _of_drawdown(result, [forward.tracks[0], judged])
    found += _of_margin(result, judged)
    unsolved = [each for each in forward.windows if each.why_not]
    if unsolved:
        found.append(
            f"{len(unsolved)} of {len(forward.windows)} windows had no solution, and the weights "
            f"before were kept; the first, of {unsolved[0].test_first_on}: {unsolved[0].why_not}"
        )
    found += _of_luck(forward, result.proposed.in_sample)
    return found


def _of_drawdown(result: StudyResult, tracks: list[Track]) -> list[str]:
    limit = result.request.constraints.max_drawdown_ratio
    return [
        f"Out of sample {_named(each)} lost {each.figures.max_drawdown_ratio:.1%} from its peak, "
        f"more than max_drawdown_ratio {limit:g}, which was kept in sample."
        for each in {one.portfolio: one for one in tracks}.values()
        if limit is not None and each.figures.max_drawdown_ratio > limit
    ]


def _of_margin(result: StudyResult, judged: Track) -> list[str]:
    limits, found = result.request.constraints, []
    if judged.margin_ratio is None:
        found.append("Margins are not known of all strategies: margin in use is not shown.")
    elif limits.max_margin_ratio is not None:
        used = max(judged.margin_ratio)
        if used > limits.max_margin_ratio:
            found.append(
                f"Out of sample margin was {used:.0%} of equity at most, above max_margin_ratio "
                f"{limits.max_margin_ratio:g}: that day's margin cannot be known before."
            )
    return found


def _of_luck(forward: WalkForwardResult, in_sample: Figures) -> list[str]:
    found, luck = [], forward.overfitting
    before, after = in_sample.sharpe, forward.judged.figures.sharpe
    if before is not None and before > 0 and after is not None and after < before / 2:
        found.append(
            f"The Sharpe ratio falls from {before:.2f} in sample to {after:.2f} out of sample: "
            "most of it was fitted."
        )
    if luck.dsr is not None and luck.dsr < CONFIDENT:
        found.append(
            f"{_by_luck(luck.trials, luck.expected_max_sharpe)} has a probability of only "
            f"{luck.dsr:.0%}."
        )
    return found


def _by_luck(trials: int, expected: float) -> str:
    if trials == 1:
        return "That the true Sharpe ratio out of sample is above 0"
    best = f"The best of {trials} studies has a Sharpe ratio of {expected:.2f} by luck alone"
    return f"{best}; that the true one is above"


def _of_records(result: StudyResult) -> list[str]:
    found = []
    asked_on = result.request.asked_on
    silent = (asked_on - result.last_on).days if asked_on else 0
    if silent > result.request.history.silent_days:
        found.append(
            f"The newest record ends on {result.last_on}, {silent} days before the study was asked "
            "for: what happened since is not in it."
        )
    left_out = [each for each in result.strategies if not each.eligible]
    found += [f"{each.strategy_id} is left out: {' '.join(each.notes)}" for each in left_out]
    found += _of_caps(result)
    claimed = [each for each in result.strategies if each.source != "live"]
    if len(claimed) == len(result.strategies):
        found.append("No record is built from our own fills: all are claims of developers.")
    elif claimed:
        names = ", ".join(each.strategy_id for each in claimed)
        found.append(f"Not built from our own fills but claims of developers: {names}.")
    return found


def _of_caps(result: StudyResult) -> list[str]:
    """Where records lower caps, and the lower caps decide."""
    history, weights = result.request.history, result.proposed.weights
    held = [
        each
        for each in result.strategies
        if each.eligible
        and each.notes
        and each.cap_ratio
        and weights[each.strategy_id] >= each.cap_ratio * (1 - CLOSE)
    ]
    if not held:
        return []
    return [
        f"{len(held)} of {len(result.strategies)} strategies have the most that their records let "
        "them have, which is less than the constraints say: of a backtest that was never traded "
        f"history.backtest_part {history.backtest_part:g} of the cap counts, of less than "
        f"history.full_days {history.full_days} days a part. A study may be run with others."
    ]


def _named(track: Track) -> str:
    return _NAMES[track.portfolio]


def _two(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
