"""What survives the server: topics, subscriptions and un-acked messages, in one SQLite file.

WAL with `synchronous=NORMAL`: what is committed survives `kill -9` of this process; a power cut may
take the last moments. The file is locked for one process. Not thread-safe: see `commits.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

FILE_NAME: Final = "pubsub.sqlite3"
_ROWS_PER_STATEMENT: Final = 200
_Row = TypeVar("_Row")
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS starts (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS subscriptions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS pending (
    row_id INTEGER PRIMARY KEY,
    subscription_id INTEGER NOT NULL,
    failures INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
);
"""


class PendingRow(NamedTuple):
    """One un-acked message of one subscription."""

    row_id: int
    subscription_id: int
    failures: int
    body: bytes


class Journal:
    """The file, and every statement that touches it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            directory / FILE_NAME, isolation_level=None, check_same_thread=False, timeout=0.5
        )
        try:
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)
        except sqlite3.Error:
            self._connection.close()
            raise

    def close(self) -> None:
        """Write the WAL back and let go of the file."""
        self._connection.close()

    def count_start(self) -> int:
        """How often the file has been opened; makes ids that never come again."""
        with self._transaction() as connection:
            number = connection.execute("INSERT INTO starts VALUES (NULL)").lastrowid or 0
            connection.execute("DELETE FROM starts WHERE id < ?", (number,))
        return number

    def topics(self) -> list[tuple[str, bytes]]:
        """Name and encoded Topic of all."""
        return self._connection.execute("SELECT name, body FROM topics").fetchall()

    def subscriptions(self) -> list[tuple[int, bytes]]:
        """Id and encoded Subscription of all."""
        return self._connection.execute("SELECT id, body FROM subscriptions").fetchall()

    def pending(self) -> Iterator[PendingRow]:
        """Every un-acked message, in the order of publishing."""
        rows = self._connection.execute(
            "SELECT row_id, subscription_id, failures, body FROM pending ORDER BY row_id"
        )
        return (PendingRow(*row) for row in rows)

    def save_topic(self, name: str, body: bytes) -> None:
        """Create or replace a topic."""
        self._connection.execute("INSERT OR REPLACE INTO topics VALUES (?, ?)", (name, body))

    def delete_topic(self, name: str, orphans: Iterable[tuple[int, bytes]]) -> None:
        """Delete a topic and save its subscriptions as they are without it."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM topics WHERE name = ?", (name,))
            connection.executemany(
                "UPDATE subscriptions SET body = ?2 WHERE id = ?1", list(orphans)
            )

    def add_subscription(self, name: str, body: bytes) -> int:
        """Create a subscription; its id, never used before."""
        cursor = self._connection.execute(
            "INSERT INTO subscriptions (name, body) VALUES (?, ?)", (name, body)
        )
        return cursor.lastrowid or 0

    def save_subscription(self, subscription_id: int, body: bytes) -> None:
        """Replace a subscription's settings."""
        self._connection.execute(
            "UPDATE subscriptions SET body = ? WHERE id = ?", (body, subscription_id)
        )

    def delete_subscription(self, subscription_id: int) -> None:
        """Delete a subscription and its messages."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM subscriptions WHERE id = ?", (subscription_id,))
            connection.execute("DELETE FROM pending WHERE subscription_id = ?", (subscription_id,))

    def write(
        self, added: Sequence[PendingRow], failed: dict[int, int], gone: Sequence[int]
    ) -> None:
        """One transaction: new messages, changed failure counts, messages that are done.

        Few statements with many rows, because each one gives up and takes the interpreter lock.
        """
        with self._transaction() as connection:
            for rows in _chunks(added):
                values = ",".join(["(?,?,?,?)"] * len(rows))
                fields = [field for row in rows for field in row]
                connection.execute(f"INSERT INTO pending VALUES {values}", fields)  # noqa: S608
            for row_id, failures in failed.items():
                connection.execute(
                    "UPDATE pending SET failures = ? WHERE row_id = ?", (failures, row_id)
                )
            for row_ids in _chunks(gone):
                marks = ",".join("?" * len(row_ids))
                connection.execute(f"DELETE FROM pending WHERE row_id IN ({marks})", row_ids)  # noqa: S608

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def _chunks(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    for start in range(0, len(rows), _ROWS_PER_STATEMENT):
        yield rows[start : start + _ROWS_PER_STATEMENT]
