"""Figures of daily returns. Pure.

Formulas: `Figures`; annual by the returns a year; drawdowns from an equity of 1 before the first
day, so that a loss on it counts. Expected shortfall is that of Rockafellar and Uryasev (2000):
the worst n(1 − a) days, the last of them in part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from statistics import NormalDist

import numpy as np

from services.domain.errors import InvalidMessage
from services.portfolio_builder.optimizers.problem import Vector
from services.portfolio_builder.study_result import Drawdown, Figures, Month

YEAR_DAYS = 365.25
#: Below this a standard deviation is rounding, of a series that does not move.
STILL = 1e-12
#: Logarithm of the largest equity that figures are told of.
MOST_GROWTH = 100 * math.log(10)


def years_of(dates: Sequence[date]) -> float:
    """From the first day to the last, both counted."""
    return ((dates[-1] - dates[0]).days + 1) / YEAR_DAYS


def equity_of(returns: Vector) -> Vector:
    """What 1 became at the end of each day."""
    return np.cumprod(1.0 + returns, dtype=np.float64)


def drawdowns_of(returns: Vector) -> Vector:
    """Loss from the peak so far at the end of each day, a positive ratio."""
    equity = equity_of(returns)
    return 1.0 - equity / np.maximum(np.maximum.accumulate(equity), 1.0)


def cagr(returns: Vector, years: float) -> float | None:
    """Compounded growth a year; None where it is too large to say."""
    with np.errstate(over="ignore"):
        growth = float(np.prod(1.0 + returns) ** np.float64(1.0 / years)) - 1.0
    return growth if np.isfinite(growth) else None


def volatility(returns: Vector, periods: float) -> float | None:
    """Sample standard deviation a year; None for a single day."""
    if len(returns) < 2:
        return None
    return float(np.std(returns, ddof=1) * np.sqrt(periods))


def sharpe(returns: Vector, periods: float) -> float | None:
    """Mean over standard deviation, annual; None where nothing moves."""
    deviation = float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0
    if deviation < STILL:
        return None
    return float(np.mean(returns) / deviation * np.sqrt(periods))


def sortino(returns: Vector, periods: float) -> float | None:
    """Mean over the root mean square of losses, annual; None where nothing was lost."""
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)))
    if downside < STILL:
        return None
    return float(np.mean(returns) / downside * np.sqrt(periods))


def excess_of(returns: Vector, risk_free: float, periods: float) -> Vector:
    """Returns above what cash earns, an annual ratio."""
    excess: Vector = returns - ((1.0 + risk_free) ** (1.0 / periods) - 1.0)
    return excess


def value_at_risk(returns: Vector, confidence: float = 0.95) -> float:
    """Loss of a day that a share of 1 − confidence of the days exceeds; negative for a gain."""
    return float(-np.quantile(returns, 1.0 - confidence))


def expected_shortfall(returns: Vector, confidence: float = 0.95) -> float:
    """Mean loss of the worst days, exactly a share of 1 − confidence of all days."""
    count = len(returns) * (1.0 - confidence)
    if count < 1.0:
        return float(-np.min(returns))
    whole = int(count)
    worst = np.sort(returns)
    part = (count - whole) * worst[min(whole, len(worst) - 1)]
    return float(-(np.sum(worst[:whole]) + part) / count)


def moments(returns: Vector) -> tuple[float, float] | None:
    """Skew and kurtosis of the days; a normal distribution has 0 and 3."""
    centered = returns - np.mean(returns)
    variance = float(np.mean(centered**2))
    if variance < STILL**2:
        return None
    skew = float(np.mean(centered**3)) / variance**1.5
    return skew, float(np.mean(centered**4)) / variance**2


def probabilistic_sharpe(returns: Vector, periods: float, threshold: float = 0.0) -> float | None:
    """Probability that the true Sharpe ratio is above `threshold`, annual.

    Bailey and Lopez de Prado (2012), The Sharpe ratio efficient frontier, eq. 14.
    """
    ratio, shape = sharpe(returns, periods), moments(returns)
    if ratio is None or shape is None:
        return None
    return sharpe_probability(
        ratio / np.sqrt(periods), threshold / np.sqrt(periods), len(returns), shape
    )


def sharpe_probability(
    ratio: float, threshold: float, days: int, shape: tuple[float, float]
) -> float:
    """The same of figures: Sharpe ratios are daily here, `shape` is skew and kurtosis."""
    skew, kurtosis = shape
    # Below 0 only by sampling: a moment of four days can say anything.
    spread = max(1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio**2, STILL)
    return NormalDist().cdf((ratio - threshold) * math.sqrt((days - 1) / spread))


def worst_drawdown(returns: Vector, dates: Sequence[date]) -> Drawdown | None:
    """The largest loss from a peak, when it was and how long it lasted; None = never fell."""
    losses = drawdowns_of(returns)
    trough = int(np.argmax(losses))
    ratio = float(losses[trough])
    if ratio < STILL:
        return None
    at_peak = np.flatnonzero(losses[:trough] < STILL)
    peak_on = dates[int(at_peak[-1])] if len(at_peak) else dates[0]
    back = np.flatnonzero(losses[trough:] < STILL)
    recovered_on = dates[trough + int(back[0])] if len(back) else None
    return Drawdown(
        ratio=ratio,
        peak_on=peak_on,
        trough_on=dates[trough],
        recovered_on=recovered_on,
        days=((recovered_on or dates[-1]) - peak_on).days,
    )


def months_of(returns: Vector, dates: Sequence[date]) -> tuple[Month, ...]:
    """Compounded return of every calendar month that has days."""
    keys = np.array([day.year * 12 + day.month - 1 for day in dates])
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    growth = np.multiply.reduceat(1.0 + returns, starts)
    return tuple(
        Month(year=int(key // 12), month=int(key % 12) + 1, ratio=float(each) - 1.0)
        for key, each in zip(keys[starts], growth, strict=True)
    )


def rolling_sharpe(returns: Vector, days: int, periods: float) -> tuple[float | None, ...]:
    """Sharpe ratio of the last `days` on each day; None until there are so many."""
    if len(returns) < days or days < 2:
        return (None,) * len(returns)
    windows = np.lib.stride_tricks.sliding_window_view(returns, days)
    deviation = np.std(windows, axis=1, ddof=1)
    means = np.mean(windows, axis=1) * np.sqrt(periods)
    found = [
        None if each < STILL else float(mean / each)
        for mean, each in zip(means, deviation, strict=True)
    ]
    return (*(None,) * (days - 1), *found)


def figures_of(
    returns: Vector, dates: Sequence[date], periods: float, *, risk_free: float = 0.0
) -> Figures:
    """All figures of daily returns.

    Args:
        returns: one or more, finite, each −1 or more.
        dates: as many, rising.
        periods: returns a year.
        risk_free: annual, taken off for Sharpe ratio, Sortino ratio and their probability.

    Raises:
        InvalidMessage: they compound to what is no number any more.
    """
    grown = float(np.sum(np.log1p(returns[returns > -1.0])))
    if grown > MOST_GROWTH:
        raise InvalidMessage(
            f"daily returns from {dates[0]} to {dates[-1]} must compound to less than "
            f"10^{MOST_GROWTH / math.log(10):.0f}, was 10^{grown / math.log(10):.0f}: "
            "are they in percent?"
        )
    excess = excess_of(returns, risk_free, periods)
    growth = cagr(returns, years_of(dates))
    drawdown = worst_drawdown(returns, dates)
    shape = moments(returns)
    moved = np.count_nonzero(returns)
    months = [each.ratio for each in months_of(returns, dates)]
    return Figures(
        first_on=dates[0],
        last_on=dates[-1],
        days=len(returns),
        periods_per_year=periods,
        total_return_ratio=float(np.prod(1.0 + returns)) - 1.0,
        cagr_ratio=growth,
        volatility_ratio=volatility(returns, periods),
        sharpe=sharpe(excess, periods),
        sortino=sortino(excess, periods),
        drawdown=drawdown,
        calmar=growth / drawdown.ratio if drawdown and growth is not None else None,
        var_95_ratio=value_at_risk(returns),
        es_95_ratio=expected_shortfall(returns),
        skew=shape[0] if shape else None,
        kurtosis=shape[1] if shape else None,
        hit_ratio=float(np.count_nonzero(returns > 0) / moved) if moved else None,
        best_day_ratio=float(np.max(returns)),
        worst_day_ratio=float(np.min(returns)),
        best_month_ratio=max(months),
        worst_month_ratio=min(months),
        psr=probabilistic_sharpe(excess, periods),
    )
