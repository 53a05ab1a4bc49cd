"""Records and allocation of a study as one text: what a later run needs to find the same.

Floats are written so that they read back bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from services.portfolio_builder.study import Record


def text_of(records: Sequence[Record], current: Mapping[str, float]) -> str:
    """Everything that a study looks at, besides its request."""
    whole = {"current": dict(sorted(current.items())), "records": [_row(each) for each in records]}
    return json.dumps(whole, allow_nan=False, separators=(",", ":"))


def of_text(text: str) -> tuple[list[Record], dict[str, float]]:
    """The same again."""
    whole: dict[str, Any] = json.loads(text)
    return [_record(row) for row in whole["records"]], whole["current"]


def _row(record: Record) -> dict[str, Any]:
    return {
        "strategy_id": record.strategy_id,
        "source": record.source,
        "dates": [each.isoformat() for each in record.dates],
        "returns": record.returns.tolist(),
        "margins": None if record.margins is None else _margins(record.margins.tolist()),
    }


def _margins(values: Sequence[float]) -> list[float | None]:
    """JSON has no NaN; a margin that is not known is null."""
    return [None if each != each else each for each in values]  # noqa: PLR0124 - NaN is not itself


def _record(row: Mapping[str, Any]) -> Record:
    margins = row["margins"]
    return Record(
        strategy_id=row["strategy_id"],
        source=row["source"],
        dates=tuple(date.fromisoformat(each) for each in row["dates"]),
        returns=np.array(row["returns"], dtype=np.float64),
        margins=None if margins is None else np.array(margins, dtype=np.float64),
    )
