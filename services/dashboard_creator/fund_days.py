"""A fund's days and their returns, kept in memory: they change once a day, and are asked for often.

All of them are read now and then, because a payment that is entered late changes an old day; in
between only the last few.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta
from typing import Final

from services.common.store import Document
from services.dashboard_creator.overview_models import Range
from services.dashboard_creator.overview_page import FundDays, point_key
from services.dashboard_creator.overview_store import OverviewStore
from services.domain.performance import days_of
from services.domain.words import AccountType

#: Until a late payment shows in old days.
WHOLE_SECONDS: Final = 300.0
_OVERLAP: Final = timedelta(minutes=5)
_PIECE: Final = timedelta(days=1)
POINT_SPANS: Final = {Range.DAY: timedelta(days=1), Range.WEEK: timedelta(days=7)}
_LAST_ROWS: Final = 3


class KeptFundDays:
    """The days of each fund."""

    def __init__(self, store: OverviewStore, *, whole_seconds: float = WHOLE_SECONDS) -> None:
        self._store = store
        self._whole_seconds = whole_seconds
        self._kept: dict[AccountType, tuple[float, list[Document]]] = {}
        self._lock = threading.Lock()

    def __call__(self, account_type: AccountType) -> FundDays:
        """All days, oldest first."""
        with self._lock:
            read_at, rows = self._kept.get(account_type, (0.0, []))
            now = time.monotonic()
            if len(rows) <= _LAST_ROWS or now - read_at > self._whole_seconds:
                read_at, rows = now, self._store.fund_days(account_type)
            else:
                since = rows[-_LAST_ROWS]["date"]
                rows = [*rows[:-_LAST_ROWS], *self._store.fund_days(account_type, since)]
            self._kept[account_type] = (read_at, rows)
        return FundDays(rows, days_of(rows))


class KeptFundPoints:
    """The looks at each fund that a curve shows; the first asks for all of them, a day at a time.

    A look is written in its minute and never again, so later only the last ones are read.
    """

    def __init__(self, store: OverviewStore) -> None:
        self._store = store
        self._kept: dict[tuple[AccountType, Range], dict[str, Document]] = {}
        self._lock = threading.Lock()

    def __call__(self, account_type: AccountType, span: Range, now: datetime) -> list[Document]:
        """The last look of each minute of a day, or of each hour of a week, oldest first."""
        since = now - POINT_SPANS[span]
        with self._lock:
            kept = self._kept.setdefault((account_type, span), {})
            last = max((row["at"] for row in kept.values()), default=None)
            at = since if last is None else max(since, last - _OVERLAP)
            while at <= now:
                for row in self._store.fund_points(account_type, at, at + _PIECE):
                    kept[point_key(row, span)] = row
                at += _PIECE
            for key in [key for key, row in kept.items() if row["at"] < since]:
                del kept[key]
            return list(kept.values())
