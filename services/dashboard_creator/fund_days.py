"""A fund's days and their returns, kept in memory: they change once a day, and are asked for often.

All of them are read now and then, because a payment that is entered late changes an old day; in
between only the last few.
"""

from __future__ import annotations

import threading
import time
from typing import Final

from services.common.store import Document
from services.dashboard_creator.overview_page import FundDays
from services.dashboard_creator.overview_store import OverviewStore
from services.domain.performance import days_of
from services.domain.words import AccountType

#: Until a late payment shows in old days.
WHOLE_SECONDS: Final = 300.0
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
