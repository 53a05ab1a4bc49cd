"""What a study found out: plain JSON, never NaN; None where a figure is not defined. Pure.

All ratios are fractions (0.05 is 5 %), losses and drawdowns positive numbers. Figures are annual
where the name or the docstring does not say otherwise.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from services.domain.values import Frozen
from services.portfolio_builder.study import StudyRequest

Number = Annotated[float, Field(allow_inf_nan=False)]
Numbers = tuple[Number, ...]


class Portfolio(StrEnum):
    """Whose days a track shows."""

    METHOD = "METHOD"
    WITH_OVERLAYS = "WITH_OVERLAYS"  # the method's weights, scaled by volatility and drawdown
    EQUAL_WEIGHT = "EQUAL_WEIGHT"  # 1/n of each strategy that was old enough
    CURRENT = "CURRENT"  # the allocation as it is now, held all the time
    RISK_PARITY = "RISK_PARITY"
    HRP = "HRP"


class Drawdown(Frozen):
    """The largest loss from a peak.

    Attributes:
        ratio: of the equity at the peak, a positive number.
        peak_on: last day at the peak; the first day where it fell from the very start.
        trough_on: day of the lowest equity.
        recovered_on: first day at the peak again; None = not yet.
        days: calendar days from the peak to the recovery, or to the last day.
    """

    ratio: Number
    peak_on: date
    trough_on: date
    recovered_on: date | None
    days: int


class Figures(Frozen):
    """What daily returns were like.

    Attributes:
        days: how many returns.
        periods_per_year: by which the figures are annual.
        total_return_ratio: compounded, of all days.
        cagr_ratio: compounded, by calendar days.
        volatility_ratio: sample standard deviation.
        sharpe: of returns in excess of cash.
        sortino: mean over the root mean square of losses.
        drawdown: None = equity never fell.
        calmar: CAGR over the largest drawdown.
        var_95_ratio: loss of a day that one of twenty exceeds, historical.
        es_95_ratio: mean loss of the worst twentieth of days, historical.
        kurtosis: 3 for a normal distribution.
        hit_ratio: share of gains among days that were not 0.
        psr: probability that the true Sharpe ratio is above 0.
    """

    first_on: date
    last_on: date
    days: int
    periods_per_year: Number
    total_return_ratio: Number
    cagr_ratio: Number | None
    volatility_ratio: Number | None
    sharpe: Number | None
    sortino: Number | None
    drawdown: Drawdown | None
    calmar: Number | None
    var_95_ratio: Number
    es_95_ratio: Number
    skew: Number | None
    kurtosis: Number | None
    hit_ratio: Number | None
    best_day_ratio: Number
    worst_day_ratio: Number
    best_month_ratio: Number
    worst_month_ratio: Number
    psr: Number | None

    @property
    def max_drawdown_ratio(self) -> float:
        """0 where equity never fell."""
        return self.drawdown.ratio if self.drawdown else 0.0


class Certified(Frozen):
    """Why weights can be believed: see `optimizers.problem.Certificate`."""

    solver: str
    second_solver: str
    gap: Number | None
    max_violation: Number
    iterations: int


class FrontierChoice(Frozen):
    """One choice between Sharpe ratio and growth, in sample."""

    weights: dict[str, Number]
    sharpe: Number
    growth: Number


class StrategyPart(Frozen):
    """What a study made of one strategy.

    Attributes:
        source: whose record it is: `backtest`, `developer_live` or `live`.
        days: of its record as used.
        eligible: whether it may be given weight.
        cap_ratio: most that its short or unproven record lets it have; None = no such cap.
        notes: why it was left out or capped, in sentences.
        figures: of its record; None = too short.
    """

    strategy_id: str
    source: str
    first_on: date
    last_on: date
    days: int
    eligible: bool
    cap_ratio: Number | None
    notes: tuple[str, ...]
    figures: Figures | None


class Proposed(Frozen):
    """Weights learned from the days up to the last one.

    From all of them, or as many as a window of a rolling walk-forward looks back: what is proposed
    is what was tried.

    Attributes:
        weights: ratios of equity, of every strategy of the request.
        objective: in the method's own unit.
        binding: constraints that hold it back, in words.
        in_sample: the past under these weights, without costs: what they were fitted to.
    """

    weights: dict[str, Number]
    objective: Number
    binding: tuple[str, ...]
    notes: tuple[str, ...]
    certificate: Certified
    frontier: tuple[FrontierChoice, ...]
    in_sample: Figures


class Window(Frozen):
    """One decision of a walk-forward and the days that followed it.

    Attributes:
        number: from 1.
        weights: held in the test days, of every strategy of the request.
        why_not: why there was no solution and the weights before were kept; "" = solved.
        in_sample: training days under these weights, without costs; None where there are none.
        out_of_sample: test days after costs, without overlays.
    """

    number: int
    train_first_on: date
    train_last_on: date
    test_first_on: date
    test_last_on: date
    weights: dict[str, Number]
    why_not: str
    binding: tuple[str, ...]
    notes: tuple[str, ...]
    in_sample: Figures | None
    out_of_sample: Figures


class Track(Frozen):
    """One portfolio on the test days, after costs.

    Attributes:
        returns: daily, one for each of `dates` of the walk-forward.
        equity: at the end of each day, from 1.
        exposure: sum of weights on each day, a ratio of equity.
        margin_ratio: margin in use on each day, of equity; None = margins are not known.
        turnover: traded on each day, sum of |change of weight|.
        costs: of trading and financing on each day, of equity.
        turnover_ratio: a year.
        ruined_on: day on which nothing was left.
    """

    portfolio: Portfolio
    figures: Figures
    returns: Numbers
    equity: Numbers
    exposure: Numbers
    margin_ratio: Numbers | None
    turnover: Numbers
    costs: Numbers
    turnover_ratio: Number
    ruined_on: date | None


class Month(Frozen):
    """Return of a calendar month, or of the part of it that was tested."""

    year: int
    month: int
    ratio: Number


class Overfitting(Frozen):
    """How much of a result may be luck.

    Attributes:
        portfolio: whose returns are judged.
        psr: probability that the true Sharpe ratio is above 0.
        trials: how many studies were tried, this one among them.
        expected_max_sharpe: what the best of so many would show by luck alone.
        dsr: probability that the true Sharpe ratio is above that.
        bootstrap_seed: of the random numbers.
        bootstrap_drawdown_95_ratio: largest drawdown that one of twenty resampled paths exceeds.
    """

    portfolio: Portfolio
    psr: Number | None
    trials: int
    expected_max_sharpe: Number
    dsr: Number | None
    bootstrap_seed: int
    bootstrap_drawdown_95_ratio: Number


class WalkForwardResult(Frozen):
    """What the method did on days that it had not seen.

    Attributes:
        dates: test days, oldest first.
        tracks: the method first, then with overlays where asked for, then benchmarks.
        months: of the judged track: with overlays where there are any.
        rolling_days: of the rolling Sharpe ratio.
        rolling_sharpe: of the judged track, one for each date; None until there are enough days.
    """

    windows: tuple[Window, ...]
    dates: tuple[date, ...]
    tracks: tuple[Track, ...]
    months: tuple[Month, ...]
    rolling_days: int
    rolling_sharpe: tuple[Number | None, ...]
    overfitting: Overfitting

    def track(self, portfolio: Portfolio) -> Track | None:
        """The days of one portfolio, if it was tried."""
        return next((each for each in self.tracks if each.portfolio is portfolio), None)

    @property
    def judged(self) -> Track:
        """What would be traded: with overlays where there are any."""
        return self.track(Portfolio.WITH_OVERLAYS) or self.tracks[0]


class CrossValidation(Frozen):
    """Purged cross-validation: the same days tested on many paths.

    Attributes:
        folds: the days were cut into.
        test_folds: left out of each fit.
        sharpe: of each path, before costs; None where a path never held anything.
        max_drawdown_ratio: of each path.
        unsolved: fits without a solution, whose days are in cash.
    """

    folds: int
    test_folds: int
    purge_days: int
    embargo_days: int
    sharpe: tuple[Number | None, ...]
    max_drawdown_ratio: Numbers
    unsolved: int


class StudyResult(Frozen):
    """Everything that a study found out.

    Attributes:
        code_version: of the program that made it.
        data_hash: SHA-256 of the records as used.
        warnings: what a person must know first, in sentences.
        current: the allocation at the time, of strategies of the request that have any.
        correlation: of the strategies on common days, in their order; None where not defined.
    """

    request: StudyRequest
    code_version: str
    data_hash: str
    first_on: date
    last_on: date
    warnings: tuple[str, ...]
    strategies: tuple[StrategyPart, ...]
    current: dict[str, Number]
    proposed: Proposed
    correlation: tuple[tuple[Number | None, ...], ...]
    walk_forward: WalkForwardResult | None
    cross_validation: CrossValidation | None
