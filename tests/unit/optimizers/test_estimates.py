"""What records say before a day, and what they cannot."""

from datetime import date, timedelta
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from services.portfolio_builder.constraints import Bounds, Constraints, GroupCap, Method
from services.portfolio_builder.optimizers.estimates import (
    Circumstances,
    HistoryRules,
    estimate,
)
from services.portfolio_builder.optimizers.problem import Infeasible, InvalidProblem
from services.portfolio_builder.optimizers.solve import solve
from services.portfolio_builder.study import Record

FIRST = date(2020, 1, 1)  # a Wednesday
ON = date(2024, 1, 1)


def weekdays(begin=FIRST, end=ON):
    days = (begin + timedelta(days=number) for number in range((end - begin).days))
    return tuple(day for day in days if day.weekday() < 5)


def every_day(begin=FIRST, end=ON):
    return tuple(begin + timedelta(days=number) for number in range((end - begin).days))


def record(name, dates=None, seed=0, source="live", *, mean=0.0005, margins=None, returns=None):
    dates = weekdays() if dates is None else dates
    if returns is None:
        returns = np.random.default_rng(seed).normal(mean, 0.01, len(dates))
    return Record(name, source, dates, returns, margins)


def three():
    return [record(name, seed=number) for number, name in enumerate(("A", "B", "C"))]


def test_mean_and_volatility_are_of_the_strategys_own_days():
    records = three()
    assert (records[0].dates[0], records[0].dates[-1]) == (FIRST, date(2023, 12, 29))
    found = estimate(records, ON, rules=HistoryRules(shrinkage=0)).problem
    own = records[0].returns
    yearly = 1043 / (1459 / 365.25)  # weekdays in the days from the first to the last
    assert found.mean[0] == pytest.approx(own.mean() * yearly)
    assert sqrt(found.covariance[0, 0]) == pytest.approx(own.std(ddof=1) * sqrt(yearly))
    assert found.periods_per_year == pytest.approx(yearly)


def test_sharpe_ratios_are_shrunk_half_of_the_way_to_their_mean():
    raw = estimate(three(), ON, rules=HistoryRules(shrinkage=0)).problem
    found = estimate(three(), ON).problem
    spread = np.sqrt(np.diag(raw.covariance))
    ratios = raw.mean / spread
    assert found.mean / spread == pytest.approx((ratios + ratios.mean()) / 2)
    alike = estimate(three(), ON, rules=HistoryRules(shrinkage=1)).problem
    assert alike.mean / spread == pytest.approx(ratios.mean())


def test_costs_and_cash_are_taken_from_the_mean():
    rules = HistoryRules(shrinkage=0)
    free = estimate(three(), ON, rules=rules).problem
    found = estimate(
        three(), ON, Circumstances(costs={"B": 0.02}, risk_free_ratio=0.01), rules=rules
    ).problem
    assert free.mean - found.mean == pytest.approx([0.01, 0.03, 0.01])


def test_correlations_are_those_of_ledoit_and_wolf():
    records = three()
    rows = np.column_stack([each.returns for each in records])
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    shrunk = LedoitWolf().fit(rows).covariance_
    spread = np.sqrt(np.diag(shrunk))
    found = estimate(records, ON).problem.covariance
    own = np.sqrt(np.diag(found))
    assert found / np.outer(own, own) == pytest.approx(shrunk / np.outer(spread, spread))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.integers(300, 1000))
def test_the_future_is_of_no_account(seed, count):
    # Days from `on` are scrambled, and some are taken away: nothing changes.
    records = three()
    on = records[0].dates[count]
    rng = np.random.default_rng(seed)
    scrambled = [
        Record(
            each.strategy_id,
            each.source,
            each.dates[:-7],
            np.concatenate((each.returns[:count], rng.normal(0, 5, len(each.returns) - count)))[
                :-7
            ],
        )
        for each in records
    ]
    one, two = estimate(records, on).problem, estimate(scrambled, on).problem
    assert (one.mean == two.mean).all()
    assert (one.covariance == two.covariance).all()
    assert (one.returns == two.returns).all()


def test_the_day_itself_is_of_no_account():
    records = three()
    on = records[0].dates[500]
    assert max(estimate(records, on).days) == records[0].dates[499]


def test_days_before_a_beginning_are_on_the_path_only():
    late = record("D", weekdays(date(2022, 1, 3)), seed=9, mean=0.001)
    found = estimate([*three(), late], ON, rules=HistoryRules(shrinkage=0)).problem
    before = len(found.returns) - len(late.dates)
    assert not found.returns[:before, 3].any()
    yearly = len(late.dates) / (((late.dates[-1] - late.dates[0]).days + 1) / 365.25)
    assert found.mean[3] == pytest.approx(late.returns.mean() * yearly)
    assert found.covariance[3, 3] == pytest.approx(late.returns.var(ddof=1) * yearly)


def test_a_market_that_never_closes_stands_beside_one_that_does():
    coins = record("COINS", every_day(), seed=5)
    margins = np.linspace(0.1, 0.2, len(weekdays()))
    stocks = record("STOCKS", seed=6, margins=margins)
    found = estimate([coins, stocks], ON)
    assert found.problem.periods_per_year == pytest.approx(365.25)
    saturday = found.days.index(date(2020, 1, 4))
    assert found.problem.returns[saturday, 1] == 0
    assert found.problem.returns[saturday, 0] == coins.returns[3]
    assert found.problem.covariance[0, 0] == pytest.approx(coins.returns.var(ddof=1) * 365.25)
    assert found.problem.margins is None  # nobody knows those of COINS


def test_margin_stays_what_it_was_while_a_market_is_closed():
    margins = np.linspace(0.1, 0.2, len(weekdays()))
    coins = record("COINS", every_day(), seed=5, margins=np.full(len(every_day()), 0.5))
    stocks = record("STOCKS", seed=6, margins=margins)
    found = estimate([coins, stocks], ON)
    friday, saturday = found.days.index(date(2020, 1, 3)), found.days.index(date(2020, 1, 4))
    assert found.problem.margins[saturday, 1] == found.problem.margins[friday, 1] == margins[2]


LEFT_OUT = {
    "has 200 days before 2024-01-01, 252 are needed": record("X", weekdays()[-200:]),
    "reported last on 2023-10-31, more than 21 days before 2024-01-01": record(
        "X", weekdays(end=date(2023, 11, 1))
    ),
    "has the same return on every day": record("X", returns=np.full(len(weekdays()), 0.001)),
    "has returns that are not numbers": record(
        "X", returns=np.where(np.arange(len(weekdays())) == 9, np.nan, 0.001)
    ),
    "has a return of -100%, above −100 % is expected": record(
        "X", returns=np.where(np.arange(len(weekdays())) == 9, -1.0, 0.001)
    ),
    "has 131 rows a year, about 252 or 365 are expected": record("X", weekdays()[1::2]),
    "has days twice or out of order": record("X", weekdays()[:600] + weekdays()[500:943]),
}


@pytest.mark.parametrize("why", LEFT_OUT)
def test_who_is_left_out_is_told_why(why):
    found = estimate([*three(), LEFT_OUT[why]], ON)
    assert found.left_out == {"X": why}
    assert found.problem.strategy_ids == ("A", "B", "C")


def test_where_all_are_left_out_each_is_named():
    with pytest.raises(InvalidProblem, match=r"no strategy can take part: A has 10 days .*; B has"):
        estimate([record("A", weekdays()[-10:]), record("B", weekdays()[-9:])], ON)


def test_a_short_record_and_a_backtest_are_capped():
    # 378 of 756 days: half; half of that where nothing was traded.
    short, tested = (
        record("D", weekdays()[-378:]),
        record("E", weekdays()[-378:], source="backtest"),
    )
    bounds = {"E": Bounds(max_ratio=0.4)}
    found = estimate(
        [*three(), short, tested],
        ON,
        Circumstances(constraints=Constraints(max_weight_ratio=0.6, bounds=bounds)),
    )
    assert found.problem.caps == pytest.approx([0.6, 0.6, 0.6, 0.3, 0.1])
    assert found.capped == {
        "D": "may be given at most 0.3: 378 days of 756",
        "E": "may be given at most 0.1: 378 days of 756, only a backtest",
    }


def test_too_few_days_in_common_is_a_sentence():
    # Weekdays and the weekends between them are each of their own.
    early, late = record("A", weekdays()[:800]), record("B", weekdays()[790:])
    with pytest.raises(InvalidProblem, match="10 days are common to all 2 strategies, 60"):
        estimate([early, late], ON, rules=HistoryRules(silent_days=2000))


def test_constraints_forget_those_who_are_left_out():
    limits = Constraints(
        bounds={"X": Bounds(max_ratio=0.1), "A": Bounds(max_ratio=0.2)},
        groups=(
            GroupCap(name="one", strategy_ids=("X", "A"), max_ratio=0.3),
            GroupCap(name="gone", strategy_ids=("X",), max_ratio=0.3),
        ),
        max_turnover_ratio=0.5,
    )
    circumstances = Circumstances(constraints=limits, current={"X": 0.2, "A": 0.1})
    found = estimate([*three(), record("X", weekdays()[-9:])], ON, circumstances).problem
    assert found.constraints.bounds == {"A": Bounds(max_ratio=0.2)}
    assert [(each.name, each.strategy_ids) for each in found.constraints.groups] == [
        ("one", ("A",))
    ]
    # Selling X takes 0.2 of the 0.5.
    assert found.constraints.max_turnover_ratio == pytest.approx(0.3)
    weights = solve(found, Method.MAX_SHARPE).weights
    assert np.abs(weights - [0.1, 0, 0]).sum() <= 0.3 + 1e-6


def test_who_is_left_out_cannot_be_given_a_least_weight_or_kept_by_a_turnover():
    gone = record("X", weekdays()[-9:])
    for limits, sentence in (
        (Constraints(bounds={"X": Bounds(min_ratio=0.1)}), r"X must be given at least 0.1, but it"),
        (Constraints(max_turnover_ratio=0.1), r"is less than the 0.2 that must be taken from X"),
    ):
        with pytest.raises(Infeasible, match=sentence):
            estimate([*three(), gone], ON, Circumstances(constraints=limits, current={"X": 0.2}))


def test_one_strategy_is_enough():
    found = estimate(three()[:1], ON).problem
    assert solve(found, Method.MAX_GROWTH).weights.shape == (1,)
