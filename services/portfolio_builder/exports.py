"""A study as CSV, for whoever computes on: equity, weights, correlation, windows. Pure.

Ids come from people. Where a program for tables would take a text for a formula, an apostrophe is
put before it (OWASP, CSV injection); numbers are written with all their digits.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from services.portfolio_builder.study_result import StudyResult, Window

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
Cell = str | float | int | None


def _text(rows: Iterable[Sequence[Cell]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_safe(each) for each in row])
    return out.getvalue()


def _safe(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return "'" + cell
    return cell


def equity_csv(result: StudyResult) -> str:
    """Returns, equity, exposure, margin, turnover and costs of each portfolio on each test day."""
    forward = result.walk_forward
    if forward is None:
        return _text([["date"]])
    head: list[Cell] = ["date"]
    columns: list[Sequence[Cell]] = [[each.isoformat() for each in forward.dates]]
    for track in forward.tracks:
        name = track.portfolio.value.lower()
        for field, values in (
            ("return", track.returns),
            ("equity", track.equity),
            ("exposure", track.exposure),
            ("margin_ratio", track.margin_ratio),
            ("turnover", track.turnover),
            ("costs", track.costs),
        ):
            if values is not None:
                head.append(f"{name}_{field}")
                columns.append(values)
    return _text([head, *zip(*columns, strict=True)])


def weights_csv(result: StudyResult) -> str:
    """Weights decided for each window, and those proposed, in the last row."""
    ids = [each.strategy_id for each in result.strategies]
    rows: list[Sequence[Cell]] = [["window", "from", "to", *ids]]
    for each in result.walk_forward.windows if result.walk_forward else ():
        dates = (each.test_first_on.isoformat(), each.test_last_on.isoformat())
        rows.append([each.number, *dates, *(each.weights[name] for name in ids)])
    proposed = [result.proposed.weights[name] for name in ids]
    rows.append(["proposed", result.last_on.isoformat(), "", *proposed])
    return _text(rows)


def correlation_csv(result: StudyResult) -> str:
    """Correlation of each two strategies; empty where it says nothing."""
    ids = [each.strategy_id for each in result.strategies]
    rows = [[name, *values] for name, values in zip(ids, result.correlation, strict=True)]
    return _text([["strategy_id", *ids], *rows])


_WINDOW = (
    "window", "train_from", "train_to", "test_from", "test_to", "why_not", "binding",
    "in_cagr", "in_volatility", "in_sharpe", "in_max_drawdown",
    "out_return", "out_volatility", "out_sharpe", "out_max_drawdown",
)  # fmt: skip


def windows_csv(result: StudyResult) -> str:
    """Each decision in sample and out of sample."""
    windows = result.walk_forward.windows if result.walk_forward else ()
    return _text([_WINDOW, *(_window(each) for each in windows)])


def _window(window: Window) -> list[Cell]:
    inside, after = window.in_sample, window.out_of_sample
    before: list[Cell] = [None] * 4
    if inside:
        before = [inside.cagr_ratio, inside.volatility_ratio, inside.sharpe]
        before.append(inside.max_drawdown_ratio)
    return [
        window.number,
        *(
            each.isoformat()
            for each in (
                window.train_first_on,
                window.train_last_on,
                window.test_first_on,
                window.test_last_on,
            )
        ),
        window.why_not,
        "; ".join(window.binding),
        *before,
        after.total_return_ratio,
        after.volatility_ratio,
        after.sharpe,
        after.max_drawdown_ratio,
    ]
