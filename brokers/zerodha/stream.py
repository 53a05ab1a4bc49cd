"""Reports of orders as they move: the book is looked at when the bell rings, and now and then."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from brokers.broker import ReportHandler
from brokers.complaints import Complaints
from brokers.zerodha.book import Book
from brokers.zerodha.cursor import Cursor, Told, mark_of, read, text_of
from brokers.zerodha.page import Entry, Page
from brokers.zerodha.ticker import Ticker

_log = logging.getLogger(__name__)
#: Between looks while Kite rings; and while it does not, or something is on its way.
_QUIET_SECONDS: Final = 5.0
_ANXIOUS_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.5
#: After a ring: whoever has just placed the order looks too, and one look is enough.
_GATHER_SECONDS: Final = 0.05


class Stream:
    """One listener's thread.

    Args:
        account_id: for the log.
        book: what is looked at.
        handler: who is told.
        after: from which cursor on.
    """

    def __init__(
        self, account_id: str, book: Book, handler: ReportHandler, after: str | None
    ) -> None:
        self._account_id = account_id
        self._book = book
        self._handler = handler
        self._from: Cursor = read(after)
        self._told = dict(self._from.told)
        self._bell = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._follow, name=f"reports-{account_id}", daemon=True
        )
        self._ticker: Ticker | None = None
        self._since = 0.0
        self._complaints = Complaints(_log, f"reports of {account_id}")

    def start(self, ticker: Ticker | None) -> None:
        """Tell everything until `close`; `ticker` says how often it must be looked."""
        self._ticker = ticker
        self.ring()
        self._thread.start()

    def ring(self, since: float | None = None) -> None:
        """Something may have moved; whoever has looked `since` then (monotonic) has seen it."""
        self._since = max(self._since, time.monotonic() if since is None else since)
        self._bell.set()

    def close(self) -> None:
        """Tell nothing any more."""
        self._stop.set()
        self._bell.set()

    def _follow(self) -> None:
        wait = 0.0
        while not self._stop.is_set():
            rung = self._bell.wait(wait)
            if rung and self._stop.wait(_GATHER_SECONDS):
                return
            self._bell.clear()
            if self._stop.is_set():
                return
            try:
                page = self._book.look(self._since if rung else None)
                self._tell(page)
                wait = self._until_next(page)
                self._complaints.end()
            except Exception as error:  # noqa: BLE001 - no report may be skipped: it comes again
                self._complaints.tell(error)
                self._stop.wait(_PAUSE_SECONDS)
                self.ring()

    def _until_next(self, page: Page) -> float:
        anxious = self._ticker is None or not self._ticker.is_healthy
        anxious = anxious or not all(entry.is_told for entry in page.entries)
        return _ANXIOUS_SECONDS if anxious else _QUIET_SECONDS

    def _tell(self, page: Page) -> None:
        """What was not told yet; what raises is told again, and nothing that comes after it."""
        for entry in sorted(page.entries, key=lambda each: each.report.occurred_at):
            if self._stop.is_set():
                return
            self._tell_entry(entry)

    def _tell_entry(self, entry: Entry) -> None:
        report, key = entry.report, entry.first.parent
        known, now = self._told.get(key), Told(mark_of(report), report.occurred_at)
        if known is not None and known.mark == now.mark:
            return
        since = self._from.since
        if known is None and since is not None and report.occurred_at < since:
            self._told[key] = now
            return
        self._handler(report, text_of({**self._told, key: now}))
        self._told[key] = now
