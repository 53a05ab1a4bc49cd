"""What the gateway itself keeps on disk beside the engine's books: order ids, and combos that wait.

A combo with a limit has one price for all its legs, which the engine does not know: until the
market reaches it, the combo is kept here.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

_TABLES = """
CREATE TABLE IF NOT EXISTS clients (client_id INTEGER PRIMARY KEY, highest INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS combos (
    perm_id INTEGER PRIMARY KEY, note TEXT NOT NULL, account TEXT NOT NULL, ended_at TEXT);
"""
_FIRST_COMBO = 1_900_000_000


class KeptCombo(NamedTuple):
    """A combo that the engine does not have.

    Attributes:
        note: what it was sent as (`book.Note`).
        ended_at: when it was canceled; None = it waits.
    """

    perm_id: int
    note: str
    account: str
    ended_at: str | None


class Memory:
    """One file; used by the gateway's loop and by the control port, each call a transaction."""

    def __init__(self, path: Path):
        path.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(
            path / "gateway.sqlite3", check_same_thread=False, isolation_level=None
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        # A kill loses nothing, and a power failure may: it would only cost time to wait for disks.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES)

    def highest(self, client_id: int) -> int:
        """The highest order id that a client has used; 0 = none."""
        query = "SELECT highest FROM clients WHERE client_id = ?"
        row = self._database.execute(query, (client_id,)).fetchone()
        return row[0] if row else 0

    def use(self, client_id: int, order_id: int) -> None:
        """Never take an id again that is not above this one."""
        self._database.execute(
            "INSERT INTO clients VALUES (?, ?) ON CONFLICT DO UPDATE "
            "SET highest = MAX(highest, excluded.highest)",
            (client_id, order_id),
        )

    def keep_combo(self, note: str, account: str) -> int:
        """A combo waits; its permId."""
        query = "SELECT COALESCE(MAX(perm_id), ?) + 1 FROM combos"
        perm_id = self._database.execute(query, (_FIRST_COMBO,)).fetchone()[0]
        self._database.execute(
            "INSERT INTO combos VALUES (?, ?, ?, NULL)", (perm_id, note, account)
        )
        return perm_id

    def change_combo(self, perm_id: int, note: str) -> None:
        """It waits for other terms."""
        self._database.execute("UPDATE combos SET note = ? WHERE perm_id = ?", (note, perm_id))

    def end_combo(self, perm_id: int, at: str) -> None:
        """It was canceled while it waited."""
        self._database.execute("UPDATE combos SET ended_at = ? WHERE perm_id = ?", (at, perm_id))

    def combos(self) -> list[KeptCombo]:
        """Those that wait, those that were canceled, and those that the engine has meanwhile."""
        rows = self._database.execute("SELECT * FROM combos ORDER BY perm_id").fetchall()
        return [KeptCombo(*row) for row in rows]

    def forget(self) -> None:
        """As on the first day."""
        self._database.execute("DELETE FROM clients")
        self._database.execute("DELETE FROM combos")

    def close(self) -> None:
        """Close the file."""
        self._database.close()
