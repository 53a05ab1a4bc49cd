"""Records of strategies as studies take them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np

from services.common.store import Store
from services.portfolio_builder.jobs.worker import Loader
from services.portfolio_builder.study import Record

_FIELDS: Final = {"_id": 0, "date": 1, "return": 1, "margin": 1, "equity": 1}
#: Whose word counts more.
_SOURCES: Final = ("live", "developer_live", "backtest")


def load_records(store: Store) -> Loader:
    """Reads one record of each strategy: of the source that has the most days."""

    def load(strategy_ids: Sequence[str]) -> list[Record]:
        found = (_longest(store, each) for each in strategy_ids)
        return [each for each in found if each is not None]

    return load


def _longest(store: Store, strategy_id: str) -> Record | None:
    records = [_record(store, strategy_id, source) for source in _SOURCES]
    return max(records, key=lambda each: len(each.dates)) if any(records) else None


def _record(store: Store, strategy_id: str, source: str) -> Record:
    query = {"strategy_id": strategy_id, "source": source}
    rows = list(store["strategy_returns"].find(query, _FIELDS).sort("date", 1))
    known = all(row.get("margin") is not None and row.get("equity") for row in rows)
    return Record(
        strategy_id=strategy_id,
        source=source,
        dates=tuple(date.fromisoformat(row["date"]) for row in rows),
        returns=np.array([float(row["return"]) for row in rows], dtype=np.float64),
        margins=np.array([float(row["margin"] / row["equity"]) for row in rows], dtype=np.float64)
        if known
        else None,
    )
