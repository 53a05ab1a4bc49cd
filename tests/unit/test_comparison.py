"""What a change of allocation would mean, on records whose figures are known."""

import json
import math
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from services.portfolio_builder.comparison import Past, compare, figures_of

START = date(2024, 1, 1)


def past(returns, start=START, source="backtest"):
    return Past(source, {start + timedelta(days=n): each for n, each in enumerate(returns)})


def noise(seed, count=300, mean=0.001, deviation=0.01):
    return np.random.default_rng(seed).normal(mean, deviation, count).tolist()


def ratios(**given):
    return {name: Decimal(each) for name, each in given.items()}


def test_figures_are_those_of_numpy():
    returns = noise(1)
    days = [START + timedelta(days=n) for n in range(len(returns))]
    found = figures_of(days, returns)
    array = np.array(returns)
    levels = np.concatenate([[1.0], np.cumprod(1 + array)])
    years = len(returns) / 365.25
    assert found.total_return_ratio == pytest.approx(levels[-1] - 1, rel=1e-12)
    assert found.annual_return_ratio == pytest.approx(levels[-1] ** (1 / years) - 1, rel=1e-12)
    assert found.volatility_ratio == pytest.approx(array.std(ddof=1) * math.sqrt(365.25), rel=1e-12)
    sharpe = array.mean() / array.std(ddof=1) * math.sqrt(365.25)
    assert found.sharpe == pytest.approx(sharpe, rel=1e-12)
    worst = (1 - levels / np.maximum.accumulate(levels)).max()
    assert found.max_drawdown_ratio == pytest.approx(worst, rel=1e-12)


def test_a_loss_on_the_first_day_is_a_drawdown():
    days = [START + timedelta(days=n) for n in range(30)]
    assert figures_of(days, [-0.1] + [0.0] * 29).max_drawdown_ratio == pytest.approx(0.1)


def test_what_would_have_been_ruined_has_no_return():
    found = figures_of([START, START + timedelta(days=1)], [-1.5, 0.1])
    assert (found.max_drawdown_ratio, found.annual_return_ratio, found.sharpe) == (1.0, None, None)


def test_constant_returns_have_no_sharpe_ratio():
    days = [START + timedelta(days=n) for n in range(30)]
    assert figures_of(days, [0.01] * 30).sharpe is None


def test_turnover_is_the_sum_of_all_changes():
    found = compare(ratios(A="0.5", B="0.2"), ratios(A="0.3", C="0.4"), {}, last_days=10)
    # |0.3 − 0.5| + |0 − 0.2| + |0.4 − 0|
    assert found.turnover_ratio == Decimal("0.8")
    assert (found.total_before_ratio, found.total_after_ratio) == (Decimal("0.7"), Decimal("0.7"))
    changes = {each.strategy_id: each.change_ratio for each in found.strategies}
    assert changes == {"A": Decimal("-0.2"), "B": Decimal("-0.2"), "C": Decimal("0.4")}


def test_risk_shares_of_all_strategies_are_one():
    records = {name: past(noise(seed)) for seed, name in enumerate("ABC")}
    found = compare(ratios(A="0.5", B="0.2"), ratios(A="0.1", B="0.4", C="1"), records, last_days=9)
    for side in ("risk_share_before_ratio", "risk_share_after_ratio"):
        shares = [getattr(each, side) for each in found.strategies]
        assert math.fsum(shares) == pytest.approx(1, abs=1e-12)


def test_contributions_sum_to_the_mean_return_of_the_portfolio():
    records = {name: past(noise(seed)) for seed, name in enumerate("AB")}
    found = compare({}, ratios(A="0.5", B="1.5"), records, last_days=9)
    one, other = (records[name].returns.values() for name in "AB")
    daily = [0.5 * a + 1.5 * b for a, b in zip(one, other, strict=True)]
    told = math.fsum(each.return_after_ratio for each in found.strategies)
    assert told == pytest.approx(sum(daily) / len(daily) * 365.25, rel=1e-12)


def test_days_before_a_strategy_began_are_left_out_not_zero():
    late = START + timedelta(days=100)
    records = {"A": past(noise(1)), "B": past(noise(2, count=150), start=late)}
    found = compare(ratios(A="1"), ratios(A="0.5", B="0.5"), records, last_days=5)
    assert (found.aligned.from_on, found.aligned.before.days) == (late, 150)
    alone = compare(ratios(A="1"), ratios(A="0.5"), records, last_days=5)
    assert (alone.aligned.from_on, alone.aligned.before.days) == (START, 300)


def test_a_closed_market_made_nothing_that_day():
    weekdays = {day: each for day, each in past(noise(1)).returns.items() if day.weekday() < 5}
    records = {"A": Past("live", weekdays), "B": past(noise(2))}
    found = compare({}, ratios(A="1", B="0"), records, last_days=5)
    assert found.aligned.after.days == len(weekdays)
    together = compare({}, ratios(A="1", B="1"), records, last_days=5)
    assert together.aligned.after.days == len(
        [d for d in records["B"].returns if d <= max(weekdays)]
    )


def test_the_last_days_begin_anew_at_one():
    records = {"A": past([0.01] * 40)}
    found = compare(ratios(A="1"), ratios(A="2"), records, last_days=3)
    assert [each.before for each in found.curve] == pytest.approx([1.01, 1.01**2, 1.01**3])
    assert [each.after for each in found.curve] == pytest.approx([1.02, 1.02**2, 1.02**3])
    assert found.curve[-1].on == START + timedelta(days=39)
    assert found.recent.after.total_return_ratio == pytest.approx(1.02**3 - 1)


def test_a_strategy_without_a_record_is_told_and_left_out():
    found = compare({}, ratios(A="1", B="1"), {"A": past(noise(1))}, last_days=5)
    assert found.notes == ("B has no record: the figures are of the others",)
    assert {each.strategy_id: each.source for each in found.strategies} == {
        "A": "backtest",
        "B": "",
    }


def test_records_that_do_not_overlap_give_no_figures():
    later = START + timedelta(days=400)
    records = {"A": past(noise(1)), "B": past(noise(2), start=later)}
    found = compare({}, ratios(A="1", B="1"), records, last_days=5)
    assert (found.aligned, found.recent, found.curve) == (None, None, ())
    assert "0 days in common" in found.notes[0]


def test_huge_growth_stays_finite_in_json():
    for days in (30, 300):
        found = compare({}, ratios(A="100"), {"A": past([1.0] * days)}, last_days=days)
        assert found.aligned.after.annual_return_ratio is None
        json.dumps(found.model_dump(mode="json"), allow_nan=False)
