"""What study jobs are made of: the seed's words, stored inputs, summaries, versions."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.common.clock import utc_now
from services.portfolio_builder.allocation_rules import objections_to
from services.portfolio_builder.backtest.run import run_study
from services.portfolio_builder.constraints import Method
from services.portfolio_builder.jobs.code_version import code_version
from services.portfolio_builder.jobs.documents import StoredFile, queued, rerun
from services.portfolio_builder.jobs.inputs import of_text, text_of
from services.portfolio_builder.jobs.real import summary_of
from services.portfolio_builder.jobs.seed_words import Constructor, request_of
from services.portfolio_builder.study import Record, StudyRequest, WalkForward
from services.portfolio_builder.study_result import Portfolio
from tests.support.track_records import make_records


def ran(**fields):
    wanted = {"strategy_ids": ("A", "B", "C"), "method": "EQUAL_WEIGHT", "trials": 1}
    request = StudyRequest(**wanted | fields)
    silent = {"tell": lambda *_: None, "finished": {}, "keep": lambda *_: None}
    return run_study(request, make_records(3, days=420), {"A": 0.5}, **silent)


@pytest.mark.parametrize("constructor", Constructor)
def test_no_constructor_of_the_seed_may_ask_for_more_than_can_be_approved(constructor):
    for most in (1.5, 2.0, 5.0):
        request = request_of(constructor, ("A",), max_total_ratio=most)
        assert request.constraints.max_total_ratio <= most
    assert request.strategy_ids == ("A",)


def test_constructors_keep_the_limits_of_the_seed():
    def asked(constructor):
        found = request_of(constructor, ("A",), max_total_ratio=3.0)
        kept = found.constraints
        return found.method, kept.max_total_ratio, kept.max_weight_ratio, kept.max_drawdown_ratio

    assert asked(Constructor.MAX_SHARPE) == (Method.MAX_SHARPE, 2.0, 1.0, None)
    assert asked(Constructor.MAX_CAGR) == (Method.MAX_GROWTH, 2.0, 0.2, 0.2)
    assert asked(Constructor.MAX_CAGR_V2) == (Method.MAX_GROWTH, 2.0, 1.0, 0.2)
    assert asked(Constructor.MAX_HYBRID) == (Method.HYBRID, 2.3, 1.0, 0.06)


@given(
    arrays(np.float64, 5, elements=st.floats(-0.99, 10)),
    arrays(np.float64, 5, elements=st.floats(0, 10)) | st.none(),
)
def test_inputs_read_back_bit_for_bit(returns, margins):
    dates = tuple(date(2024, 1, day) for day in range(1, 6))
    record = Record("A", "live", dates, returns, margins)
    (found,), current = of_text(text_of([record], {"B": 0.1, "A": 0.3}))
    assert (found.strategy_id, found.source, found.dates) == ("A", "live", dates)
    assert found.returns.tobytes() == returns.tobytes()
    assert (found.margins is None) == (margins is None)
    assert margins is None or found.margins.tobytes() == margins.tobytes()
    assert current == {"A": 0.3, "B": 0.1}


def test_the_same_inputs_are_the_same_text():
    records = make_records(2, days=30)
    assert text_of(records, {"A": 0.1, "B": 0.2}) == text_of(records, {"B": 0.2, "A": 0.1})


def test_an_unknown_margin_stays_unknown():
    (record,) = make_records(1, days=3)
    odd = replace(record, margins=np.array([0.1, np.nan, 0.2]))
    (found,), _ = of_text(text_of([odd], {}))
    assert np.isnan(found.margins).tolist() == [False, True, False]


def test_a_summary_has_weights_performance_and_evidence():
    result = ran()
    found = summary_of(result)
    assert {row.strategy_id for row in found.weights} == {"A", "B", "C"}
    tracks = {each.portfolio: each.figures for each in result.walk_forward.tracks}
    method = tracks[Portfolio.METHOD]
    assert found.performance.out_of_sample
    assert found.performance.sharpe == method.sharpe
    assert found.evidence.sharpe == method.sharpe
    assert found.evidence.equal_weight_sharpe == tracks[Portfolio.EQUAL_WEIGHT].sharpe
    assert found.data_hash == result.data_hash


def test_evidence_is_of_the_weights_and_not_of_overlays():
    """An approval switches no overlay on, so that what overlays saved proves nothing."""
    forward = WalkForward(target_volatility_ratio=0.01)
    result = ran(walk_forward=forward, constraints={"max_drawdown_ratio": 0.01})
    found = summary_of(result)
    tracks = {each.portfolio: each.figures for each in result.walk_forward.tracks}
    assert found.evidence.max_drawdown_ratio == tracks[Portfolio.METHOD].max_drawdown_ratio
    assert found.performance.max_drawdown == tracks[Portfolio.WITH_OVERLAYS].max_drawdown_ratio
    assert any("lost" in each for each in objections_to(found.evidence))


def test_a_study_that_was_not_tried_proves_nothing():
    found = summary_of(ran(walk_forward=None))
    assert not found.performance.out_of_sample
    assert found.evidence.sharpe is None
    assert len(objections_to(found.evidence)) == 1


def test_a_rerun_takes_inputs_and_request_of_the_first():
    request = StudyRequest(strategy_ids=("A",), asked_on=date(2024, 1, 1), trials=7)
    first = queued("t1", request, by="olga", at=utc_now(), current=(), current_version=3)
    inputs = StoredFile(key="k", pieces=1, size_bytes=1, sha256="x")
    again = rerun(
        first.model_copy(update={"inputs": inputs, "propose": True}),
        "t2",
        by="otto",
        at=utc_now(),
    )
    assert (again.request, again.inputs, again.rerun_of) == (request, inputs, "t1")
    assert (again.requested_by, again.current_version, again.propose) == ("otto", 3, False)


def test_ratios_of_a_summary_never_exceed_the_weights():
    result = ran(method="MIN_VARIANCE")
    for row in summary_of(result).weights:
        assert 0 <= Decimal(repr(result.proposed.weights[row.strategy_id])) - row.ratio < 1e-6


def test_the_code_version_names_what_decides_on_numbers():
    assert code_version() == code_version()
    for name in ("numpy-", "scipy-", "clarabel-"):
        assert name in code_version()
