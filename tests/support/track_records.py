"""Daily records for tests of the portfolio builder: made up from a seed, or the nine real ones."""

import csv
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from services.portfolio_builder.record_store import RecordStore
from services.portfolio_builder.records.rows import Day
from services.portfolio_builder.study import Record

REPOSITORY = Path(__file__).resolve().parents[2]
REAL = Path("shared") / "data" / "strategy_returns"


def weekdays(count, start=date(2018, 1, 1)):
    """Mondays to Fridays from a Monday on."""
    return tuple(start + timedelta(days=each // 5 * 7 + each % 5) for each in range(count))


def make_record(strategy_id="A", days=600, *, seed=0, **fields):
    """Returns with a little skill, from a seed; any field may be given."""
    random = np.random.default_rng([seed, *strategy_id.encode()])
    values = {
        "strategy_id": strategy_id,
        "source": "backtest",
        "dates": weekdays(days),
        "returns": random.standard_normal(days) * 0.01 + 0.0005,
        "margins": None,
    }
    return Record(**values | fields)


def make_records(count=4, days=600, *, seed=0):
    """Strategies A, B, C… of the same days."""
    return [make_record(chr(65 + each), days, seed=seed) for each in range(count)]


def real_records():
    """The nine real track records; the test is skipped where they are not."""
    found = [each / REAL for each in REPOSITORY.parents if (each / REAL).is_dir()]
    if not found:
        pytest.skip(f"{REAL} is not beside the repository")
    return [_real(path) for path in sorted(found[0].glob("*.csv"))]


def _real(path):
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


def store_record(store, record):
    """Keep a record as a confirmed upload is kept."""
    margins = [None] * len(record.dates) if record.margins is None else record.margins.tolist()
    days = [
        Day(day, Decimal(repr(ratio)), None, None, *_held(margin))
        for day, ratio, margin in zip(record.dates, record.returns.tolist(), margins, strict=True)
    ]
    row = {"strategy_id": record.strategy_id, "source": record.source}
    store.transaction(lambda session: RecordStore(store).add_version(row, days, session))


def _held(margin):
    """Margin and equity of a day."""
    return (None, None) if margin is None else (Decimal(repr(margin)), Decimal(1))
