"""Group commit: whoever publishes first writes for all that wait; acks are written behind.

No thread hands work to another: the publishing thread that gets the lock commits everything queued
so far, so a lone publisher pays no switch and many share one transaction. Acks and failure counts
wait for the next commit, at most `_BEHIND_SECONDS`: losing them means a delivery more, which is
legal; losing a message would not be.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable
from typing import Final, Protocol

from services.pubsub_local.errors import Refused, unavailable
from services.pubsub_local.journal import Journal, PendingRow

_log = logging.getLogger(__name__)
_BEHIND_SECONDS: Final = 0.05


class Publication(Protocol):
    """Messages to be made durable, then delivered."""

    def rows(self) -> list[PendingRow]:
        """What to write; called once, in the order of publishing.

        Raises:
            Refused: there is nothing to publish to.
        """

    def committed(self) -> None:
        """Deliver; called in the order of `rows`."""


class _Ticket:
    """One publication on its way, and how it ended."""

    def __init__(self, publication: Publication, replaced: list[int]) -> None:
        self.publication = publication
        self.replaced = replaced
        self.finished = False
        self.refused: Refused | None = None


class GroupCommit:
    """The only writer of the journal.

    Attributes:
        exclusive: held while writing; hold it to change topics and subscriptions.
    """

    def __init__(self, journal: Journal) -> None:
        self.exclusive = threading.Lock()
        self._journal = journal
        self._queue_lock = threading.Condition(threading.Lock())
        self._tickets: list[_Ticket] = []
        self._gone: list[int] = []
        self._failed: dict[int, int] = {}
        self._stopping = threading.Event()
        self._writer = threading.Thread(target=self._write_behind, name="journal", daemon=True)

    def start(self) -> None:
        """Begin to write behind."""
        self._writer.start()

    def stop(self) -> None:
        """Write what is left."""
        self._stopping.set()
        with self._queue_lock:
            self._queue_lock.notify()
        self._writer.join()
        with self.exclusive:
            self._flush()

    def publish(self, publication: Publication, *, replaced: Iterable[int] = ()) -> None:
        """Return once `publication` is durable and queued for delivery.

        Args:
            publication: what to write.
            replaced: row ids deleted in the same transaction.

        Raises:
            Refused: it was not published.
        """
        ticket = _Ticket(publication, list(replaced))
        with self._queue_lock:
            self._tickets.append(ticket)
        with self.exclusive:
            if not ticket.finished:
                self._flush()
        if ticket.refused:
            raise ticket.refused

    def write_later(
        self, *, gone: Iterable[int] = (), failed: dict[int, int] | None = None
    ) -> None:
        """Record acks and failures with the next commit."""
        with self._queue_lock:
            self._gone.extend(gone)
            self._failed.update(failed or {})
            self._queue_lock.notify()

    def _write_behind(self) -> None:
        while not self._stopping.is_set():
            with self._queue_lock:
                while not (self._gone or self._failed or self._stopping.is_set()):
                    self._queue_lock.wait()
            self._stopping.wait(_BEHIND_SECONDS)
            with self.exclusive:
                self._flush()

    def _flush(self) -> None:
        """Write everything queued; the caller holds `exclusive`."""
        with self._queue_lock:
            tickets, self._tickets = self._tickets, []
            gone, self._gone = self._gone, []
            failed, self._failed = self._failed, {}
        rows = [row for ticket in tickets for row in _rows_of(ticket)]
        accepted = [ticket for ticket in tickets if not ticket.refused]
        replaced = [row_id for ticket in accepted for row_id in ticket.replaced]
        try:
            if rows or failed or gone or replaced:
                self._journal.write(rows, failed, gone + replaced)
        except sqlite3.Error as error:
            _log.exception("could not write the journal, %d messages refused", len(rows))
            self.write_later(gone=gone, failed=failed)
            for ticket in accepted:
                ticket.refused = unavailable(f"the message could not be stored: {error}")
            self._stopping.wait(_BEHIND_SECONDS)
        for ticket in tickets:
            ticket.finished = True
            if not ticket.refused:
                ticket.publication.committed()


def _rows_of(ticket: _Ticket) -> list[PendingRow]:
    try:
        return ticket.publication.rows()
    except Refused as refused:
        ticket.refused = refused
        return []
