"""The tables of the mock broker's books, and how books of an earlier version become these."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

_TABLES = """
CREATE TABLE IF NOT EXISTS accounts (account_id TEXT PRIMARY KEY, cash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, account_id TEXT NOT NULL, client_order_id TEXT NOT NULL,
    status TEXT NOT NULL, filled TEXT NOT NULL, text TEXT NOT NULL, body TEXT NOT NULL,
    placed_at TEXT NOT NULL, standing TEXT);
CREATE INDEX IF NOT EXISTS orders_by_id ON orders (account_id, client_order_id);
CREATE TABLE IF NOT EXISTS executions (
    number INTEGER PRIMARY KEY, order_number INTEGER NOT NULL, account_id TEXT NOT NULL,
    body TEXT NOT NULL, execution_id TEXT, at INTEGER);
CREATE INDEX IF NOT EXISTS executions_by_order ON executions (order_number);
CREATE TABLE IF NOT EXISTS positions (
    account_id TEXT NOT NULL, instrument_key TEXT NOT NULL, price TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (account_id, instrument_key));
CREATE TABLE IF NOT EXISTS reports (
    number INTEGER PRIMARY KEY AUTOINCREMENT, account_id TEXT NOT NULL, body TEXT NOT NULL,
    order_number INTEGER);
CREATE INDEX IF NOT EXISTS reports_by_account ON reports (account_id, number);
CREATE TABLE IF NOT EXISTS prices (instrument_key TEXT PRIMARY KEY, price TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS depth_gone (
    instrument_key TEXT NOT NULL, side TEXT NOT NULL, quantity TEXT NOT NULL,
    PRIMARY KEY (instrument_key, side));
CREATE TABLE IF NOT EXISTS group_fills (
    account_id TEXT NOT NULL, name TEXT NOT NULL, quantity TEXT NOT NULL,
    PRIMARY KEY (account_id, name));
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, body TEXT NOT NULL);
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS executions_by_id ON executions (account_id, execution_id);
CREATE INDEX IF NOT EXISTS executions_by_time ON executions (account_id, at);
CREATE INDEX IF NOT EXISTS working_orders ON orders (status)
    WHERE status IN ('SUBMITTED', 'PARTIALLY_FILLED');
"""
#: Columns that books of the first version lack.
_ADDED = (
    ("orders", "standing TEXT"),
    ("executions", "execution_id TEXT"),
    ("executions", "at INTEGER"),
    ("reports", "order_number INTEGER"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(moment: datetime) -> int:
    """Since 1970, to compare instants with in SQL."""
    return (moment - _EPOCH) // _MILLISECOND


def prepare(database: sqlite3.Connection) -> None:
    """Make or upgrade the tables."""
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(_TABLES)
    for table, column in _ADDED:
        columns = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
        if column.split()[0] not in columns:
            database.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    rows = database.execute("SELECT number, body FROM executions WHERE at IS NULL").fetchall()
    for number, body in rows:
        told = json.loads(body)
        database.execute(
            "UPDATE executions SET execution_id = ?, at = ? WHERE number = ?",
            (
                told["execution_id"],
                milliseconds(datetime.fromisoformat(told["occurred_at"])),
                number,
            ),
        )
    database.executescript(_INDEXES)
