"""The mock broker's books in SQLite: one writer, one transaction for each thing that happens."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers.mock.messages import LastPrice
from services.domain.books import Position
from services.domain.orders import Execution, Order, OrderReport
from services.domain.words import OrderStatus

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (account_id TEXT PRIMARY KEY, cash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, account_id TEXT NOT NULL, client_order_id TEXT NOT NULL,
    status TEXT NOT NULL, filled TEXT NOT NULL, text TEXT NOT NULL, body TEXT NOT NULL,
    placed_at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS orders_by_id ON orders (account_id, client_order_id);
CREATE INDEX IF NOT EXISTS open_orders ON orders (status) WHERE status = 'SUBMITTED';
CREATE TABLE IF NOT EXISTS executions (
    number INTEGER PRIMARY KEY, order_number INTEGER NOT NULL, account_id TEXT NOT NULL,
    body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS executions_by_order ON executions (order_number);
CREATE TABLE IF NOT EXISTS positions (
    account_id TEXT NOT NULL, instrument_key TEXT NOT NULL, price TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (account_id, instrument_key));
CREATE INDEX IF NOT EXISTS positions_by_instrument ON positions (instrument_key);
CREATE TABLE IF NOT EXISTS reports (
    number INTEGER PRIMARY KEY AUTOINCREMENT, account_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS reports_by_account ON reports (account_id, number);
CREATE TABLE IF NOT EXISTS prices (instrument_key TEXT PRIMARY KEY, price TEXT NOT NULL);
"""
_ORDER_FIELDS = "number, account_id, status, filled, text, body, placed_at"


class StoredOrder:
    """One order as the books have it."""

    def __init__(self, row: tuple[Any, ...]) -> None:
        self.number: int = row[0]
        self.account_id: str = row[1]
        self.status = OrderStatus(row[2])
        self.filled = Decimal(row[3])
        self.text: str = row[4]
        self.order = Order.model_validate_json(row[5])
        self.placed_at: str = row[6]

    @property
    def broker_order_id(self) -> str:
        """The broker's own id of the order."""
        return f"MOCK-{self.number}"


class Journal:
    """All queries; whoever calls them holds the exchange's lock."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(
            path / "books.sqlite3", check_same_thread=False, isolation_level=None
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._database.execute(query, values).fetchall()

    def cash(self, account_id: str) -> Decimal | None:
        """Cash of an account; None where there is no such account."""
        rows = self._all("SELECT cash FROM accounts WHERE account_id = ?", account_id)
        return Decimal(rows[0][0]) if rows else None

    def set_cash(self, account_id: str, cash: Decimal) -> None:
        """Open an account, or change its cash."""
        self._database.execute(
            "INSERT INTO accounts VALUES (?, ?) ON CONFLICT DO UPDATE SET cash = excluded.cash",
            (account_id, str(cash)),
        )

    def add_order(self, account_id: str, order: Order, status: OrderStatus, at: str) -> StoredOrder:
        """Take an order in."""
        row = (account_id, order.client_order_id, status, "0", "", order.model_dump_json(), at)
        number = self._database.execute(
            "INSERT INTO orders (account_id, client_order_id, status, filled, text, body, "
            "placed_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        ).lastrowid
        return StoredOrder((number, account_id, status, "0", "", row[5], at))

    def update_order(self, stored: StoredOrder) -> None:
        """Keep status, filled quantity and text of an order."""
        self._database.execute(
            "UPDATE orders SET status = ?, filled = ?, text = ? WHERE number = ?",
            (stored.status, str(stored.filled), stored.text, stored.number),
        )

    def orders(
        self, account_id: str, *, client_order_id: str | None = None, open_only: bool = False
    ) -> list[StoredOrder]:
        """Orders of an account, oldest first."""
        query = f"SELECT {_ORDER_FIELDS} FROM orders WHERE account_id = ?"  # noqa: S608 - constant
        values: list[object] = [account_id]
        if client_order_id is not None:
            query += " AND client_order_id = ?"
            values.append(client_order_id)
        if open_only:
            query += " AND status = 'SUBMITTED'"
        return [StoredOrder(row) for row in self._all(query + " ORDER BY number", *values)]

    def all_open_orders(self) -> list[StoredOrder]:
        """Resting orders of all accounts, oldest first."""
        query = f"SELECT {_ORDER_FIELDS} FROM orders WHERE status = 'SUBMITTED' ORDER BY number"  # noqa: S608 - constant
        return [StoredOrder(row) for row in self._all(query)]

    def count_open_orders(self) -> int:
        """How many orders rest, in all accounts."""
        rows = self._all("SELECT COUNT(*) FROM orders WHERE status = 'SUBMITTED'")
        return int(rows[0][0])

    def add_execution(self, stored: StoredOrder, execution: Execution) -> None:
        """Keep one fill."""
        self._database.execute(
            "INSERT INTO executions (order_number, account_id, body) VALUES (?, ?, ?)",
            (stored.number, stored.account_id, execution.model_dump_json()),
        )

    def executions(self, account_id: str, order_number: int | None = None) -> list[Execution]:
        """Fills of an account, or of one of its orders, oldest first."""
        if order_number is None:
            rows = self._all("SELECT body FROM executions WHERE account_id = ?", account_id)
        else:
            rows = self._all("SELECT body FROM executions WHERE order_number = ?", order_number)
        return [Execution.model_validate_json(body) for (body,) in rows]

    def positions(self, account_id: str) -> list[tuple[Position, Decimal]]:
        """Positions of an account with the price of their last fill."""
        rows = self._all("SELECT body, price FROM positions WHERE account_id = ?", account_id)
        return [(Position.model_validate_json(body), Decimal(price)) for body, price in rows]

    def position(self, account_id: str, instrument_key: str) -> Position | None:
        """One position."""
        rows = self._all(
            "SELECT body FROM positions WHERE account_id = ? AND instrument_key = ?",
            account_id,
            instrument_key,
        )
        return Position.model_validate_json(rows[0][0]) if rows else None

    def set_position(self, position: Position, price: Decimal) -> None:
        """Keep a position after a fill at `price`."""
        self._database.execute(
            "INSERT INTO positions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET price = excluded.price, body = excluded.body",
            (
                position.account_id,
                position.instrument.key,
                str(price),
                position.model_dump_json(),
            ),
        )

    def last_fill(self, instrument_key: str) -> LastPrice | None:
        """Price and time of the newest fill in an instrument, whoever's it was."""
        rows = self._all(
            "SELECT body, price FROM positions WHERE instrument_key = ?", instrument_key
        )
        held = [(Position.model_validate_json(body), price) for body, price in rows]
        fills = [
            LastPrice(price=Decimal(price), as_of=position.updated_at)
            for position, price in held
            if position.updated_at
        ]
        return max(fills, key=lambda fill: fill.as_of, default=None)

    def add_report(self, account_id: str, report: OrderReport) -> None:
        """Append to the stream of execution reports."""
        self._database.execute(
            "INSERT INTO reports (account_id, body) VALUES (?, ?)",
            (account_id, report.model_dump_json()),
        )

    def reports(self, account_id: str, after: int, limit: int) -> list[tuple[int, str]]:
        """Number and JSON of the reports after a cursor."""
        rows = self._all(
            "SELECT number, body FROM reports WHERE account_id = ? AND number > ? "
            "ORDER BY number LIMIT ?",
            account_id,
            after,
            limit,
        )
        return [(number, body) for number, body in rows]

    def last_report_number(self) -> int:
        """The number of the newest report of all accounts; 0 before the first."""
        return int(self._all("SELECT COALESCE(MAX(number), 0) FROM reports")[0][0])

    def price(self, instrument_key: str) -> Decimal | None:
        """The price set for an instrument."""
        rows = self._all("SELECT price FROM prices WHERE instrument_key = ?", instrument_key)
        return Decimal(rows[0][0]) if rows else None

    def prices(self) -> dict[str, Decimal]:
        """All prices that were set."""
        rows = self._all("SELECT instrument_key, price FROM prices")
        return {key: Decimal(price) for key, price in rows}

    def set_price(self, instrument_key: str, price: Decimal) -> None:
        """Move the market."""
        self._database.execute(
            "INSERT INTO prices VALUES (?, ?) ON CONFLICT DO UPDATE SET price = excluded.price",
            (instrument_key, str(price)),
        )
