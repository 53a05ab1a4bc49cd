"""Live against claimed: what is compared, when there is too little, and the words for it."""

import json
import math
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from services.portfolio_builder.live_comparison import (
    LEAST_DAYS,
    Verdict,
    compare,
    kolmogorov_smirnov,
)

FIRST = date(2025, 1, 6)


def returns(values, first=FIRST):
    return {first + timedelta(days=n): float(each) for n, each in enumerate(values)}


def noise(seed, days=250, mean=0.001, spread=0.01):
    return np.random.default_rng(seed).normal(mean, spread, days)


def test_the_same_record_is_as_claimed():
    claimed = returns(noise(1))
    found = compare(claimed, claimed)
    assert found.verdict is Verdict.AS_CLAIMED
    assert found.correlation == pytest.approx(1)
    assert found.tracking_difference_ratio == found.tracking_error_ratio == 0
    assert (found.ks_statistic, found.ks_p) == (0, 1)
    assert found.curve[-1].live == found.curve[-1].claimed


def test_a_record_that_loses_what_was_claimed_to_gain_is_not_as_claimed():
    claimed = noise(1, mean=0.002)
    found = compare(returns(noise(2, mean=-0.004)), returns(claimed))
    assert found.verdict is Verdict.NOT_AS_CLAIMED
    assert "more than chance explains" in " ".join(found.sentences)
    assert found.sharpe_difference < 0
    assert "hardly moves with the claim" in " ".join(found.sentences)


def test_figures_are_those_of_numpy():
    a, b = noise(1), noise(1) + noise(3, spread=0.005)
    found = compare(returns(a), returns(b))
    assert found.correlation == pytest.approx(np.corrcoef(a, b)[0, 1])
    per_year = found.live.rows_per_year
    assert found.tracking_difference_ratio == pytest.approx((a - b).mean() * per_year)
    assert found.tracking_error_ratio == pytest.approx((a - b).std(ddof=1) * math.sqrt(per_year))
    curve = np.cumprod(1 + a)
    peak = np.maximum.accumulate(np.concatenate([[1.0], curve]))
    assert found.live.max_drawdown_ratio == pytest.approx(
        (1 - np.concatenate([[1.0], curve]) / peak).max()
    )


def test_a_claim_that_ended_before_we_began_is_compared_as_a_distribution_only():
    found = compare(returns(noise(1)), returns(noise(2), first=date(2020, 1, 1)))
    assert (found.overlap_days, found.correlation, found.curve) == (0, None, ())
    assert found.ks_p is not None
    assert any("too few to compare day by day" in each for each in found.sentences)


@pytest.mark.parametrize("days", [0, 1, 2, LEAST_DAYS - 1])
def test_too_few_days_are_no_verdict(days):
    found = compare(returns(noise(1, days)), returns(noise(1)))
    assert found.verdict is Verdict.TOO_FEW_DAYS
    assert f"{days} live and 250 claimed days" in found.sentences[0]
    assert found.ks_p is None


@given(
    st.lists(st.floats(-0.9, 1), min_size=0, max_size=40),
    st.lists(st.floats(-0.9, 1), min_size=0, max_size=40),
)
def test_whatever_is_compared_is_json(live, claimed):
    found = compare(returns(live), returns(claimed))
    plain = found.model_dump(mode="json")
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@given(
    st.integers(0, 1000),
    st.integers(20, 300),
    st.integers(20, 300),
    st.sampled_from([0, 0.002, 0.005]),
)
def test_kolmogorov_smirnov_agrees_with_scipy(seed, first, second, shift):
    a, b = noise(seed, first), noise(seed + 5000, second) + shift
    statistic, p = kolmogorov_smirnov(a.tolist(), b.tolist())
    expected = ks_2samp(a, b, method="exact")
    assert statistic == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue, abs=1e-9)


@pytest.mark.parametrize("shift", [0, 0.0005, 0.001, 0.002])
def test_of_many_days_the_probability_is_that_of_scipy_to_a_hundredth(shift):
    a, b = noise(1, 1500), noise(2, 900) + shift
    _, p = kolmogorov_smirnov(a.tolist(), b.tolist())
    assert p == pytest.approx(ks_2samp(a, b, method="asymp").pvalue, abs=0.01)
