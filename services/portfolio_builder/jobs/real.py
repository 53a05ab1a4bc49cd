"""The real study, as a worker runs it, and what of its result lists and proposals show."""

from __future__ import annotations

from services.portfolio_builder.allocations import Evidence, ratios_of_weights, rows_of
from services.portfolio_builder.backtest.run import run_study
from services.portfolio_builder.exports import (
    correlation_csv,
    equity_csv,
    weights_csv,
    windows_csv,
)
from services.portfolio_builder.jobs.documents import FileName, Performance, Summary
from services.portfolio_builder.jobs.worker import Assignment, Studied
from services.portfolio_builder.study_result import Figures, Portfolio, StudyResult
from services.portfolio_builder.tearsheet.page import tearsheet


def real_study(asked: Assignment) -> Studied:
    """Run a study to its result, page and tables. Raises: as `run_study`."""
    result = run_study(
        asked.request,
        asked.records,
        asked.current,
        tell=asked.tell,
        finished=asked.finished,
        keep=asked.keep,
    )
    asked.tell(0.99, "drawing the page")
    files = {
        FileName.RESULT: result.model_dump_json(),
        FileName.TEARSHEET: tearsheet(result),
        FileName.CORRELATION: correlation_csv(result),
    }
    if result.walk_forward is not None:
        files |= {
            FileName.EQUITY: equity_csv(result),
            FileName.WEIGHTS: weights_csv(result),
            FileName.WINDOWS: windows_csv(result),
        }
    return Studied(summary_of(result), files)


def summary_of(result: StudyResult) -> Summary:
    """What a list shows of a result, and what a proposal takes from it.

    The performance is of what was judged, with overlays where there were any. The evidence for an
    approval is of the weights alone: to approve them switches no overlay on.
    """
    forward = result.walk_forward
    judged = forward.judged.figures if forward else result.proposed.in_sample
    return Summary(
        weights=rows_of(ratios_of_weights(result.proposed.weights)),
        performance=_performance(judged, out_of_sample=forward is not None),
        evidence=_evidence(result),
        warnings=result.warnings,
        data_hash=result.data_hash,
    )


def _performance(figures: Figures, *, out_of_sample: bool) -> Performance:
    return Performance(
        out_of_sample=out_of_sample,
        cagr=figures.cagr_ratio,
        sharpe=figures.sharpe,
        max_drawdown=figures.max_drawdown_ratio,
        volatility=figures.volatility_ratio,
    )


def _evidence(result: StudyResult) -> Evidence:
    limit = result.request.constraints.max_drawdown_ratio
    found = Evidence(test_id="", max_drawdown_limit_ratio=limit)
    if result.walk_forward is None:
        return found
    method = result.walk_forward.track(Portfolio.METHOD)
    equal = result.walk_forward.track(Portfolio.EQUAL_WEIGHT)
    return found.model_copy(
        update={
            "sharpe": method.figures.sharpe if method else None,
            "max_drawdown_ratio": method.figures.max_drawdown_ratio if method else None,
            "equal_weight_sharpe": equal.figures.sharpe if equal else None,
        }
    )
