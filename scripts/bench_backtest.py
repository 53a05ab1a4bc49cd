#!/usr/bin/env python3
"""What walk-forward studies of real track records find, and how long they take.

    python3 scripts/bench_backtest.py [--records DIR] [--whole-caps]

For each method: the time of its parts, and what it made on days that it had not seen, as decided,
with the volatility target, with the governor and with both. Overlays decide nothing, so that their
studies take the decisions of the first one: what a resumed study does. `--whole-caps` lets young
records and mere backtests have as much as others, as the seed did.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from pydantic import JsonValue

from services.portfolio_builder.backtest.run import run_study
from services.portfolio_builder.constraints import Constraints, Method
from services.portfolio_builder.study import History, Record, StudyRequest, WalkForward
from services.portfolio_builder.study_result import Portfolio, StudyResult, Track
from services.portfolio_builder.tearsheet.page import tearsheet

REPOSITORY = Path(__file__).resolve().parents[1]
CAP, DRAWDOWN, TARGET = 0.35, 0.20, 0.12
METHODS = (Method.MAX_GROWTH, Method.HYBRID, Method.MAX_SHARPE)
OVERLAYS = {
    f"+ volatility target {TARGET:.0%}": WalkForward(target_volatility_ratio=TARGET),
    "+ governor 5 to 20 %": WalkForward(governor=True),
    "+ both": WalkForward(target_volatility_ratio=TARGET, governor=True),
}


@dataclass
class Watch:
    """When each part began."""

    began: list[tuple[float, str]] = field(default_factory=list)

    def __call__(self, _done: float, words: str) -> None:
        """Hear of a part."""
        self.began.append((time.perf_counter(), words.split(maxsplit=1)[0]))

    def seconds(self) -> dict[str, float]:
        """Of each kind of part."""
        found: dict[str, float] = {}
        for (start, words), (end, _) in pairwise(self.began):
            found[words] = found.get(words, 0.0) + end - start
        return found


def records_in(folder: Path) -> list[Record]:
    """Files with the columns date, return, margin_used and account_equity, in any order of days."""
    return [_record(path) for path in sorted(folder.glob("*.csv"))]


def _record(path: Path) -> Record:
    with path.open(newline="") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: row["date"])
    margins = [float(row["margin_used"]) / float(row["account_equity"]) for row in rows]
    return Record(
        strategy_id=path.stem,
        source="backtest",
        dates=tuple(date.fromisoformat(row["date"]) for row in rows),
        returns=np.array([float(row["return"]) for row in rows]),
        margins=np.array(margins),
    )


def study(
    records: Sequence[Record],
    request: StudyRequest,
    parts: dict[str, JsonValue],
    watch: Watch | None = None,
) -> StudyResult:
    """One study, which takes parts that are there and adds those that are not."""
    finished: Mapping[str, JsonValue] = dict(parts)
    return run_study(
        request,
        records,
        {},
        tell=watch or Watch(),
        finished=finished,
        keep=parts.__setitem__,
    )


def row(name: str, track: Track) -> str:
    """One line of the table."""
    made = track.figures
    return (
        f"{name:32} {made.cagr_ratio or 0:7.1%} {made.volatility_ratio or 0:7.1%} "
        f"{made.sharpe or 0:7.2f} {made.max_drawdown_ratio:7.1%} {track.turnover_ratio:8.1f}"
    )


def shown(result: StudyResult, portfolio: Portfolio) -> Track:
    """A track that is there."""
    track = result.walk_forward.track(portfolio) if result.walk_forward else None
    if track is None:
        raise SystemExit(f"the study has no track of {portfolio}")
    return track


def measured(records: Sequence[Record], method: Method, history: History) -> None:
    """Time and table of one method."""
    request = StudyRequest(
        strategy_ids=tuple(each.strategy_id for each in records),
        method=method,
        constraints=Constraints(max_weight_ratio=CAP, max_drawdown_ratio=DRAWDOWN),
        history=history,
    )
    parts: dict[str, JsonValue] = {}
    watch = Watch()
    began = time.perf_counter()
    plain = study(records, request, parts, watch)
    whole = time.perf_counter() - began
    spent = watch.seconds()
    began = time.perf_counter()
    page = tearsheet(plain)
    drawn = time.perf_counter() - began
    print(
        f"\n{method}: {whole:.2f} s; weights from all days {spent['weights']:.2f}, "
        f"{len(parts)} windows with benchmarks {spent['window']:.2f}, "
        f"figures {spent['figures']:.2f}; page {drawn:.2f} s, {len(page) // 1024} KiB"
    )
    print(f"{'':32} {'CAGR':>7} {'vol.':>7} {'Sharpe':>7} {'max DD':>7} {'turnover':>8}")
    for benchmark in (Portfolio.EQUAL_WEIGHT, Portfolio.RISK_PARITY, Portfolio.HRP):
        print(row(benchmark.value.lower().replace("_", " "), shown(plain, benchmark)))
    print(row(f"{method.value.lower()}, as decided", shown(plain, Portfolio.METHOD)))
    for name, terms in OVERLAYS.items():
        overlaid = study(records, request.model_copy(update={"walk_forward": terms}), parts)
        print(row(name, shown(overlaid, Portfolio.WITH_OVERLAYS)))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--records",
        type=Path,
        default=REPOSITORY.parent / "shared" / "data" / "strategy_returns",
        help="a folder of CSV files",
    )
    parser.add_argument("--whole-caps", action="store_true", help="also of young records")
    arguments = parser.parse_args()
    records = records_in(arguments.records)
    if not records:
        raise SystemExit(f"no CSV files in {arguments.records}")
    history = History(full_days=1, backtest_part=1) if arguments.whole_caps else History()
    days = max(len(each.dates) for each in records)
    print(
        f"{len(records)} strategies, {days} days, windows of 63 days, each at most {CAP:.0%}, "
        f"total 200 %, drawdown {DRAWDOWN:.0%}, 2 bps of turnover"
    )
    for method in METHODS:
        measured(records, method, history)
    return 0


if __name__ == "__main__":
    sys.exit(main())
