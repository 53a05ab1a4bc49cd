"""Records side by side: each thing that cannot be used has its sentence, and a hash of the rest."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from services.domain.errors import InvalidMessage
from services.portfolio_builder.backtest.panel import (
    between,
    correlation_of,
    hash_of,
    oddities_of,
    panel_of,
    usable,
)
from tests.support.track_records import make_record, make_records, weekdays


def with_return(at, value):
    record = make_record()
    returns = record.returns.copy()
    returns[at] = value
    return replace(record, returns=returns)


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (make_record(days=0), "of A must have at least one day; it is empty"),
        (with_return(3, np.nan), "a finite return on each day; 2018-01-04 has nan"),
        (with_return(3, np.inf), "a finite return on each day; 2018-01-04 has inf"),
        (with_return(4, -1.0), "above -1, which is all of the capital; 2018-01-05 has -1"),
        (with_return(4, -3.0), "above -1, which is all of the capital; 2018-01-05 has -3"),
        (with_return(4, 100.0), "daily returns below 10,000%; 2018-01-05 has 100"),
        (
            replace(make_record(days=3), dates=weekdays(2) + weekdays(2)[1:]),
            "each day once, oldest first; 2018-01-02 comes twice",
        ),
        (
            replace(make_record(days=2), dates=weekdays(2)[::-1]),
            "oldest first; 2018-01-01 comes after 2018-01-02",
        ),
        (replace(make_record(days=2), dates=weekdays(3)), "3 returns, was 2"),
        (replace(make_record(days=2), margins=np.zeros(3)), "2 margins, was 3"),
        (replace(make_record(days=2), margins=np.array([0.1, np.nan])), "margins of 0 or more"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused_in_a_sentence(record, sentence):
    with pytest.raises(InvalidMessage, match=sentence):
        usable([record], ["A"])


def test_a_day_after_the_request_is_refused():
    last = make_record().dates[-1]
    assert usable([make_record()], ["A"], today=last)
    with pytest.raises(InvalidMessage, match="no day after 2019-01-01"):
        usable([make_record()], ["A"], today=date(2019, 1, 1))


def test_strategies_without_a_record_are_named():
    with pytest.raises(InvalidMessage, match="no record of B, C"):
        usable([make_record("A")], ["A", "B", "C"])
    with pytest.raises(InvalidMessage, match="A comes twice"):
        usable([make_record("A")], ["A", "A"])


def test_days_before_the_first_one_wanted_are_left_out():
    (record,) = usable([make_record()], ["A"], from_on=date(2019, 1, 1))
    assert record.dates[0] == date(2019, 1, 1)
    assert np.array_equal(record.returns, make_record().returns[-len(record.dates) :])
    with pytest.raises(InvalidMessage, match="days from 2030-01-01 on"):
        usable([make_record()], ["A"], from_on=date(2030, 1, 1))


def test_a_strategy_has_no_return_before_it_began_and_none_after_it_ended():
    old = make_record("A", 10)
    young = make_record("B", 4, dates=(*weekdays(10)[3:6], weekdays(10)[7]))
    panel = panel_of([old, young])
    assert panel.dates == weekdays(10)
    column = panel.returns[:, 1]
    assert np.isnan(column[:3]).all()
    assert column[6] == 0.0  # closed that day
    assert np.isnan(column[8:]).all()
    assert panel.path[:3, 1].tolist() == [0, 0, 0]
    assert panel.margins is None


def test_margin_stays_while_a_market_is_closed():
    margins = np.array([0.1, 0.2, 0.3])
    days = weekdays(6)
    open_days = (days[1], days[2], days[4])
    panel = panel_of(
        [
            make_record("A", 6, margins=np.zeros(6)),
            make_record("B", 3, dates=open_days, margins=margins),
        ]
    )
    assert panel.margins[:, 1].tolist() == [0, 0.1, 0.2, 0.2, 0.3, 0]


def test_a_cut_keeps_nothing_outside_of_it():
    days = weekdays(10)
    cut = between([make_record("A", 10), make_record("B", 2)], days[3], days[5])
    assert [each.strategy_id for each in cut] == ["A"]
    assert cut[0].dates == days[3:6]


def test_the_hash_is_of_what_is_in_the_records_and_of_nothing_else():
    one, two = make_records(2)
    assert hash_of([one, two]) == hash_of([two, one])
    others = [
        replace(one, source="live"),
        replace(one, returns=one.returns + 1e-16),
        replace(one, margins=np.zeros(600)),
        replace(one, dates=weekdays(600, date(2018, 1, 8))),
        replace(one, strategy_id="C"),
    ]
    assert len({hash_of([each, two]) for each in [one, *others]}) == 6


def test_correlation_is_of_common_days_and_none_where_it_says_nothing():
    one, two = make_records(2)
    late = replace(two, strategy_id="C", dates=two.dates[500:], returns=two.returns[500:])
    still = replace(two, strategy_id="D", returns=np.zeros(600))
    few = replace(two, strategy_id="E", dates=two.dates[:10], returns=two.returns[:10])
    table = correlation_of(panel_of([one, two, late, still, few]))
    assert table[0][1] == pytest.approx(np.corrcoef(one.returns, two.returns)[0, 1], abs=1e-6)
    common = np.corrcoef(one.returns[500:], two.returns[500:])[0, 1]
    assert table[0][2] == pytest.approx(common, abs=1e-6)
    assert table[1][2] == pytest.approx(1.0)
    assert table[0][3] is None
    assert table[0][4] is None


def test_what_is_odd_is_told():
    one, two = make_records(2)
    same = replace(one, strategy_id="S")
    still = replace(one, strategy_id="D", returns=np.full(600, 0.001))
    wild = replace(two, strategy_id="W", returns=np.where(np.arange(600) == 5, 0.8, two.returns))
    found = " ".join(oddities_of(panel_of([one, same, still, wild])))
    assert "A and S move as one" in found
    assert "D has the same return on each of its 600 days" in found
    assert "W moved 80% in a day" in found
    few = oddities_of(panel_of([make_record(f"S{each}", 5) for each in range(8)]))
    assert any("fewer days (5) than strategies (8)" in each for each in few)
    gap = replace(one, dates=(*weekdays(300), *weekdays(300, date(2020, 1, 6))))
    assert "No strategy has a day between" in " ".join(oddities_of(panel_of([gap])))
    assert oddities_of(panel_of([one, two])) == []
