"""Our own record beside what the developer claims: how they differ, and what to make of it. Pure.

Rules of the verdict: Sharpe ratio, distribution (Kolmogorov–Smirnov), drawdown beyond one and a
half times the worst claimed one, and correlation on days that both have.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from statistics import fmean, stdev
from typing import Final, NamedTuple

from services.domain.values import Frozen
from services.portfolio_builder.records.figures import Figures, figures_of

#: Fewer days tell nothing.
LEAST_DAYS: Final = 20
_DOUBT: Final = 0.05
_DRAWDOWN_TIMES: Final = 1.5
_LEAST_CORRELATION: Final = 0.3
_SHARPE_ERRORS: Final = 2.0
#: Pairs of days up to which the probability is counted, not estimated: a tenth of a second.
_EXACT_TO: Final = 200_000


class Verdict(StrEnum):
    """What the comparison comes to."""

    TOO_FEW_DAYS = "TOO_FEW_DAYS"
    AS_CLAIMED = "AS_CLAIMED"
    DOUBTFUL = "DOUBTFUL"  # one rule speaks against the claim
    NOT_AS_CLAIMED = "NOT_AS_CLAIMED"  # two or more do


class CurvePoint(Frozen):
    """What 1 has become on a day that both have; ratios."""

    date: date
    live: float
    claimed: float


class Comparison(Frozen):
    """Live against claimed; None = not known.

    Attributes:
        overlap_days: that both have.
        tracking_difference_ratio: mean of live less claimed on those, a year.
        tracking_error_ratio: standard deviation of the same, a year.
        correlation: on those.
        sharpe_difference: live less the whole claim.
        sharpe_error: standard error of the live one, √((1 + S²/2)/n) a year (Lo, Financial Analysts
            Journal 58, 2002).
        ks_statistic: largest distance of the two distributions of daily returns.
        ks_p: how likely so large a distance is if both are the same.
        sentences: the verdict in words, a rule each.
        curve: days that both have.
    """

    verdict: Verdict
    sentences: tuple[str, ...]
    overlap_days: int
    live: Figures | None
    claimed: Figures | None
    claimed_on_overlap: Figures | None = None
    tracking_difference_ratio: float | None = None
    tracking_error_ratio: float | None = None
    correlation: float | None = None
    sharpe_difference: float | None = None
    sharpe_error: float | None = None
    ks_statistic: float | None = None
    ks_p: float | None = None
    curve: tuple[CurvePoint, ...] = ()


class _Finding(NamedTuple):
    against: bool
    sentence: str


def compare(live: Mapping[date, float], claimed: Mapping[date, float]) -> Comparison:
    """Compare daily returns by day; on the days of both, and as distributions.

    Args:
        live: our own.
        claimed: the developer's, backtest or live.
    """
    both = sorted(live.keys() & claimed.keys())
    ours, theirs = _figures(live), _figures(claimed)
    if len(live) < LEAST_DAYS or len(claimed) < LEAST_DAYS or ours is None or theirs is None:
        sentence = (
            f"{len(live)} live and {len(claimed)} claimed days: at least {LEAST_DAYS} of each are "
            "needed to compare them"
        )
        return Comparison(
            verdict=Verdict.TOO_FEW_DAYS,
            sentences=(sentence,),
            overlap_days=len(both),
            live=ours,
            claimed=theirs,
            curve=_curve(both, live, claimed),
        )
    statistic, p = kolmogorov_smirnov(list(live.values()), list(claimed.values()))
    difference, error = _sharpe(ours, theirs)
    on_both = len(both) >= LEAST_DAYS
    correlation = _correlation(both, live, claimed) if on_both else None
    findings = [
        _drawdown_rule(ours, theirs),
        _distribution_rule(statistic, p),
        *_sharpe_rule(difference, error),
        *_correlation_rule(correlation, len(both)),
    ]
    tracking = _tracking(both, live, claimed, ours.rows_per_year) if on_both else (None, None)
    return Comparison(
        verdict=_verdict(findings),
        sentences=tuple(each.sentence for each in findings),
        overlap_days=len(both),
        live=ours,
        claimed=theirs,
        claimed_on_overlap=_figures({day: claimed[day] for day in both}),
        tracking_difference_ratio=tracking[0],
        tracking_error_ratio=tracking[1],
        correlation=correlation,
        sharpe_difference=difference,
        sharpe_error=error,
        ks_statistic=statistic,
        ks_p=p,
        curve=_curve(both, live, claimed),
    )


def _verdict(findings: Sequence[_Finding]) -> Verdict:
    against = sum(each.against for each in findings)
    if against > 1:
        return Verdict.NOT_AS_CLAIMED
    return Verdict.DOUBTFUL if against else Verdict.AS_CLAIMED


def _figures(returns: Mapping[date, float]) -> Figures | None:
    if len(returns) < 2:
        return None
    days = sorted(returns)
    return figures_of(days, [returns[day] for day in days])


def _drawdown_rule(ours: Figures, theirs: Figures) -> _Finding:
    live, worst = ours.max_drawdown_ratio, theirs.max_drawdown_ratio
    against = live > _DRAWDOWN_TIMES * worst
    words = "more than" if against else "within"
    sentence = f"live drawdown {live:.1%}, {words} 1.5 × the worst claimed one of {worst:.1%}"
    return _Finding(against, sentence)


def _distribution_rule(statistic: float, p: float) -> _Finding:
    against = p < _DOUBT
    words = "are of another distribution" if against else "may be of the same distribution"
    sentence = f"daily returns {words} (Kolmogorov–Smirnov {statistic:.3f}, p = {p:.3g})"
    return _Finding(against, sentence)


def _sharpe(ours: Figures, theirs: Figures) -> tuple[float | None, float | None]:
    if ours.sharpe is None or theirs.sharpe is None:
        return None, None
    daily = ours.sharpe / math.sqrt(ours.rows_per_year)
    error = math.sqrt((1 + daily * daily / 2) / ours.days * ours.rows_per_year)
    return ours.sharpe - theirs.sharpe, error


def _sharpe_rule(difference: float | None, error: float | None) -> list[_Finding]:
    if difference is None or error is None:
        return []
    against = difference < -_SHARPE_ERRORS * error
    words = "more than chance explains" if against else "which chance explains"
    side = "below" if difference < 0 else "above"
    sentence = (
        f"live Sharpe ratio {abs(difference):.2f} {side} the claimed one, standard error "
        f"{error:.2f}"
    )
    return [_Finding(against, f"{sentence}, {words}" if difference < 0 else sentence)]


def _correlation_rule(correlation: float | None, days: int) -> list[_Finding]:
    if correlation is None:
        return [_Finding(False, f"{days} days that both have: too few to compare day by day")]
    against = correlation < _LEAST_CORRELATION
    words = "hardly moves with the claim" if against else "moves with the claim"
    sentence = f"on {days} days that both have, live {words} (correlation {correlation:.2f})"
    return [_Finding(against, sentence)]


def _correlation(
    days: Sequence[date], live: Mapping[date, float], claimed: Mapping[date, float]
) -> float | None:
    a, b = [live[day] for day in days], [claimed[day] for day in days]
    mean_a, mean_b = fmean(a), fmean(b)
    spread = math.sqrt(
        math.fsum((x - mean_a) ** 2 for x in a) * math.fsum((y - mean_b) ** 2 for y in b)
    )
    if spread <= 0:
        return None
    together = math.fsum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True))
    return max(-1.0, min(1.0, together / spread))


def _tracking(
    days: Sequence[date],
    live: Mapping[date, float],
    claimed: Mapping[date, float],
    per_year: float,
) -> tuple[float, float]:
    differences = [live[day] - claimed[day] for day in days]
    return fmean(differences) * per_year, stdev(differences) * math.sqrt(per_year)


def _curve(
    days: Sequence[date], live: Mapping[date, float], claimed: Mapping[date, float]
) -> tuple[CurvePoint, ...]:
    points, ours, theirs = [], 1.0, 1.0
    for day in days:
        ours, theirs = ours * (1 + live[day]), theirs * (1 + claimed[day])
        points.append(CurvePoint(date=day, live=ours, claimed=theirs))
    return tuple(points)


def kolmogorov_smirnov(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Largest distance of two distributions, and how likely it is between two alike."""
    first, second = sorted(a), sorted(b)
    distance = max(
        abs(bisect_right(first, each) / len(first) - bisect_right(second, each) / len(second))
        for each in (*first, *second)
    )
    exact = len(first) * len(second) <= _EXACT_TO
    likely = _exact if exact else _asymptotic
    return distance, min(1.0, max(0.0, likely(distance, len(first), len(second))))


def _exact(distance: float, m: int, n: int) -> float:
    """Share of all orders of two samples with so large a distance.

    By counting paths on the m × n lattice (P. J. Kim and R. I. Jennrich, Selected Tables in
    Mathematical Statistics 1, 1973).
    """
    most = (0.5 + math.floor(distance * m * n - 1e-7)) / (m * n)
    inside = [float(j / n <= most) for j in range(n + 1)]
    for i in range(1, m + 1):
        weight = i / (i + n)
        inside[0] = weight * inside[0] if i / m <= most else 0.0
        for j in range(1, n + 1):
            within = abs(i / m - j / n) <= most
            inside[j] = weight * inside[j] + inside[j - 1] if within else 0.0
    return 1 - inside[n]


def _asymptotic(distance: float, m: int, n: int) -> float:
    """The same for many days.

    2 Σ (−1)^(k−1) exp(−2 k² λ²), λ = (√e + 0.12 + 0.11/√e) D, e = mn / (m + n) (M. A. Stephens,
    Journal of the Royal Statistical Society B 32, 1970).
    """
    root = math.sqrt(m * n / (m + n))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 0.2:  # it is 1 to nine digits there, and the series converges slowly
        return 1.0
    return 2 * math.fsum(
        (-1) ** (k - 1) * math.exp(-2 * k * k * scaled * scaled) for k in range(1, 101)
    )
