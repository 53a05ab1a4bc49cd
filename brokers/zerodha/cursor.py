"""How far a stream of reports was told, as text that survives us: pure.

Kite's times are of a second, and a book has no order of events. So a cursor is the time of the
newest report that was told, and what exactly was told of the orders that moved shortly before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.domain.orders import OrderReport

#: How late the book may show what happened before something that it has shown.
_SLACK: Final = timedelta(seconds=10)
_LETTERS: Final = 10


class Told(NamedTuple):
    """What was told last of an order."""

    mark: str
    at: datetime


class Cursor(NamedTuple):
    """How far was told.

    Attributes:
        told: by Kite's order id, of orders that moved lately.
        since: what has not moved since then was told before; None = nothing was told yet.
    """

    told: dict[str, Told]
    since: datetime | None = None


def mark_of(report: OrderReport) -> str:
    """The same for two reports that tell the same."""
    fills = [(each.execution_id, each.revision) for each in report.executions]
    told = (report.status, f"{report.filled_quantity:f}", str(report.terms), fills)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:_LETTERS]


def text_of(told: Mapping[str, Told]) -> str:
    """The cursor after everything in `told`."""
    newest = max(each.at for each in told.values())
    since = newest - _SLACK
    late = {key: [each.mark, each.at.isoformat()] for key, each in told.items() if each.at >= since}
    return json.dumps({"since": since.isoformat(), "told": late}, separators=(",", ":"))


def read(text: str | None) -> Cursor:
    """Where to go on; from the beginning where the text is none of ours."""
    if not text:
        return Cursor({})
    try:
        told = json.loads(text)
        since = datetime.fromisoformat(told["since"])
        rows = told["told"].items()
        return Cursor(
            {key: Told(mark, datetime.fromisoformat(at)) for key, (mark, at) in rows}, since
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return Cursor({})
