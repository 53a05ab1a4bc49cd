"""What a path was, by its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portfolio_builder.optimizers import measure

paths = st.lists(st.floats(-0.9, 2), min_size=1, max_size=60).map(np.array)


@given(paths)
def test_the_drawdown_is_the_largest_loss_between_any_two_moments(daily):
    equity = np.concatenate(([1.0], np.cumprod(1 + daily)))
    worst = max(1 - equity[late] / equity[early]
                for late in range(len(equity)) for early in range(late + 1))  # fmt: skip
    assert measure.drawdown(daily) == pytest.approx(worst, abs=1e-12)


def test_the_loss_of_the_first_day_counts():
    assert measure.drawdown(np.array([-0.2, 0.1])) == pytest.approx(0.2)


def test_a_day_that_takes_everything_is_a_drawdown_of_one():
    assert measure.drawdown(np.array([0.5, -1.2, 3.0])) == 1


@given(paths, st.floats(0.01, 0.8))
def test_every_loss_beyond_a_limit_is_one(daily, limit):
    losses = measure.losses_beyond(daily, limit, most=5)
    for start, end in zip(losses.starts, losses.ends, strict=True):
        assert 1 - np.prod(1 + daily[start:end]) > limit - 1e-12
    assert (len(losses.starts) > 0) == (measure.drawdown(daily) > limit)


def test_the_tail_counts_the_last_day_in_part():
    # 25 days at 90 %: 2.5 days. (10 + 9 + ½ · 8) / 2.5 = 9.2 %
    daily = -np.arange(25) / 100 + 0.14
    assert measure.tail_mean(daily, 0.9) == pytest.approx(0.092)


@given(paths, st.floats(0.5, 0.99))
def test_the_tail_is_the_worst_there_is(daily, confidence):
    shares = measure.tail_shares(daily, confidence)
    assert shares.sum() == pytest.approx(1)
    assert shares.min() >= 0
    assert measure.tail_mean(daily, confidence) >= -daily.mean() - 1e-12
    assert measure.tail_mean(daily, confidence) <= -daily.min() + 1e-12
