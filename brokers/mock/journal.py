"""The mock broker's books in SQLite: one writer, one transaction for each thing that happens.

What is asked of all the time (cash, positions, prices, working orders) is kept in memory too, and
read again from the file where a transaction fails: the file is the truth.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from brokers.mock.matching import standing_of
from brokers.mock.messages import LastPrice
from brokers.mock.schema import milliseconds, prepare
from brokers.mock.stored import StoredOrder
from services.domain.books import Position
from services.domain.orders import Execution, Order, OrderReport
from services.domain.values import ZERO
from services.domain.words import Side

_ORDER_FIELDS = "number, account_id, body, placed_at, standing, status, filled, text"
_WORKING = "status IN ('SUBMITTED', 'PARTIALLY_FILLED')"


class Journal:
    """All queries; whoever calls them holds the exchange's lock."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(
            path / "books.sqlite3", check_same_thread=False, isolation_level=None
        )
        prepare(self._database)
        self._read()

    def _read(self) -> None:
        """Into memory what is asked of all the time."""
        self._cash = {
            account: Decimal(cash)
            for account, cash in self._all("SELECT account_id, cash FROM accounts")
        }
        rows = self._all("SELECT instrument_key, price FROM prices")
        self._prices = {key: Decimal(price) for key, price in rows}
        self._positions: dict[str, dict[str, tuple[Position, Decimal]]] = defaultdict(dict)
        for body, price in self._all("SELECT body, price FROM positions"):
            position = Position.model_validate_json(body)
            held = self._positions[position.account_id]
            held[position.instrument.key] = position, Decimal(price)
        query = f"SELECT {_ORDER_FIELDS} FROM orders WHERE {_WORKING} ORDER BY number"  # noqa: S608 - constant
        self._working = {order.number: order for order in map(StoredOrder, self._all(query))}
        gone = self._all("SELECT instrument_key, side, quantity FROM depth_gone")
        self._gone = {(key, side): Decimal(quantity) for key, side, quantity in gone}

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def wipe(self) -> None:
        """Empty every table, numbers too."""
        with self.transaction():
            for (table,) in self._all("SELECT name FROM sqlite_master WHERE type = 'table'"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - our own tables
        self._read()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            try:
                if self._database.in_transaction:  # where the disk is full SQLite has ended it
                    self._database.execute("ROLLBACK")
            finally:
                self._read()
            raise

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._database.execute(query, values).fetchall()

    def cash(self, account_id: str) -> Decimal | None:
        """Cash of an account; None where there is no such account."""
        return self._cash.get(account_id)

    def set_cash(self, account_id: str, cash: Decimal) -> None:
        """Open an account, or change its cash."""
        self._cash[account_id] = cash
        self._database.execute(
            "INSERT INTO accounts VALUES (?, ?) ON CONFLICT DO UPDATE SET cash = excluded.cash",
            (account_id, str(cash)),
        )

    def add_order(self, account_id: str, order: Order, at: datetime) -> StoredOrder:
        """Take an order in."""
        standing = standing_of(order)
        row = (
            account_id,
            order.client_order_id,
            standing.status,
            order.model_dump_json(),
            at.isoformat(),
            standing.model_dump_json(),
        )
        number = self._database.execute(
            "INSERT INTO orders (account_id, client_order_id, status, filled, text, body, "
            "placed_at, standing) VALUES (?, ?, ?, '0', '', ?, ?, ?)",
            row,
        ).lastrowid
        stored = StoredOrder.__new__(StoredOrder)
        stored.number, stored.account_id = int(number or 0), account_id
        stored.order, stored.placed_at, stored.standing = order, at, standing
        stored.executions = []
        self._working[stored.number] = stored
        return stored

    def update_order(self, stored: StoredOrder) -> None:
        """Keep how an order stands."""
        standing = stored.standing
        self._database.execute(
            "UPDATE orders SET status = ?, filled = ?, text = ?, standing = ? WHERE number = ?",
            (
                standing.status,
                str(standing.filled),
                standing.text,
                standing.model_dump_json(),
                stored.number,
            ),
        )
        if stored.works:
            self._working[stored.number] = stored
        else:
            self._working.pop(stored.number, None)

    def orders(
        self, account_id: str, *, client_order_ids: Sequence[str] | None = None
    ) -> list[StoredOrder]:
        """Orders of an account, oldest first; those of these ids where they are given."""
        query = f"SELECT {_ORDER_FIELDS} FROM orders WHERE account_id = ?"  # noqa: S608 - constant
        values: list[object] = [account_id]
        if client_order_ids is not None:
            query += f" AND client_order_id IN ({','.join('?' * len(client_order_ids))})"
            values += client_order_ids
        rows = self._all(query + " ORDER BY number", *values)
        return [self._working.get(row[0]) or StoredOrder(row) for row in rows]

    def order(self, number: int) -> StoredOrder | None:
        """The order of a number."""
        if (working := self._working.get(number)) is not None:
            return working
        query = f"SELECT {_ORDER_FIELDS} FROM orders WHERE number = ?"  # noqa: S608 - constant
        rows = self._all(query, number)
        return StoredOrder(rows[0]) if rows else None

    def working(self, account_id: str | None = None) -> list[StoredOrder]:
        """Working orders, oldest first; of all accounts where none is given."""
        return [
            stored
            for stored in self._working.values()
            if account_id is None or stored.account_id == account_id
        ]

    def count_open_orders(self) -> int:
        """How many orders work, in all accounts."""
        return len(self._working)

    def add_execution(self, stored: StoredOrder, execution: Execution) -> None:
        """Keep one fill, or a new revision of one."""
        self.executions_of(stored).append(execution)
        self._database.execute(
            "INSERT INTO executions (order_number, account_id, body, execution_id, at) "
            "VALUES (?, ?, ?, ?, ?)",
            (
                stored.number,
                stored.account_id,
                execution.model_dump_json(),
                execution.execution_id,
                milliseconds(execution.occurred_at),
            ),
        )

    def executions_of(self, stored: StoredOrder) -> list[Execution]:
        """Every revision of every fill of an order, oldest first."""
        if stored.executions is None:
            rows = self._all(
                "SELECT body FROM executions WHERE order_number = ? ORDER BY number", stored.number
            )
            stored.executions = [Execution.model_validate_json(body) for (body,) in rows]
        return stored.executions

    def executions(self, account_id: str, since: datetime | None = None) -> list[tuple[int, str]]:
        """Order number and JSON of each fill of an account and of each revision, oldest first."""
        rows = self._all(
            "SELECT order_number, body FROM executions WHERE account_id = ? AND at >= ? "
            "ORDER BY number",
            account_id,
            milliseconds(since) if since else 0,
        )
        return [(number, body) for number, body in rows]

    def order_of(self, account_id: str, execution_id: str) -> StoredOrder | None:
        """The order that an execution belongs to."""
        rows = self._all(
            "SELECT order_number FROM executions WHERE account_id = ? AND execution_id = ?",
            account_id,
            execution_id,
        )
        return self.order(rows[0][0]) if rows else None

    def positions(self, account_id: str) -> list[tuple[Position, Decimal]]:
        """Positions of an account with the price of their last fill."""
        return list(self._positions[account_id].values())

    def position(self, account_id: str, instrument_key: str) -> Position | None:
        """One position."""
        found = self._positions[account_id].get(instrument_key)
        return found[0] if found else None

    def set_position(self, position: Position, price: Decimal) -> None:
        """Keep a position after a fill at `price`."""
        key = position.instrument.key
        self._positions[position.account_id][key] = position, price
        self._database.execute(
            "INSERT INTO positions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET price = excluded.price, body = excluded.body",
            (position.account_id, key, str(price), position.model_dump_json()),
        )

    def last_fill(self, instrument_key: str) -> LastPrice | None:
        """Price and time of the newest fill in an instrument, whoever's it was."""
        held = [each[instrument_key] for each in self._positions.values() if instrument_key in each]
        fills = [
            LastPrice(price=price, as_of=position.updated_at)
            for position, price in held
            if position.updated_at
        ]
        return max(fills, key=lambda fill: fill.as_of, default=None)

    def add_report(self, stored: StoredOrder, report: OrderReport) -> None:
        """Append to the stream of execution reports."""
        self._database.execute(
            "INSERT INTO reports (account_id, body, order_number) VALUES (?, ?, ?)",
            (stored.account_id, report.model_dump_json(), stored.number),
        )

    def reports(self, account_id: str, after: int, limit: int) -> list[tuple[int, str, int | None]]:
        """Number, JSON and order number of the reports after a cursor."""
        rows = self._all(
            "SELECT number, body, order_number FROM reports WHERE account_id = ? AND number > ? "
            "ORDER BY number LIMIT ?",
            account_id,
            after,
            limit,
        )
        return [(number, body, order) for number, body, order in rows]

    def last_report_number(self) -> int:
        """The number of the newest report of all accounts; 0 before the first."""
        return int(self._all("SELECT COALESCE(MAX(number), 0) FROM reports")[0][0])

    def price(self, instrument_key: str) -> Decimal | None:
        """The price set for an instrument."""
        return self._prices.get(instrument_key)

    def prices(self) -> dict[str, Decimal]:
        """All prices that were set."""
        return dict(self._prices)

    def set_price(self, instrument_key: str, price: Decimal) -> None:
        """Move the market, with a whole book."""
        self._prices[instrument_key] = price
        self._database.execute(
            "INSERT INTO prices VALUES (?, ?) ON CONFLICT DO UPDATE SET price = excluded.price",
            (instrument_key, str(price)),
        )
        for side in Side:
            if self._gone.pop((instrument_key, side), None) is not None:
                self._database.execute(
                    "DELETE FROM depth_gone WHERE instrument_key = ? AND side = ?",
                    (instrument_key, side),
                )

    def gone(self, instrument_key: str, side: Side) -> Decimal:
        """What orders of a side have taken from the book since the last tick."""
        return self._gone.get((instrument_key, side), ZERO)

    def take(self, instrument_key: str, side: Side, quantity: Decimal) -> None:
        """Keep that an order has taken from the book."""
        gone = self.gone(instrument_key, side) + quantity
        self._gone[instrument_key, side] = gone
        self._database.execute(
            "INSERT INTO depth_gone VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
            "SET quantity = excluded.quantity",
            (instrument_key, side, str(gone)),
        )

    def filled_of_group(self, account_id: str, name: str) -> Decimal:
        """What has filled of all orders of an OCO group, of those that have ended too."""
        rows = self._all(
            "SELECT quantity FROM group_fills WHERE account_id = ? AND name = ?", account_id, name
        )
        return Decimal(rows[0][0]) if rows else ZERO

    def add_to_group(self, account_id: str, name: str, quantity: Decimal) -> None:
        """Keep that an order of an OCO group has filled."""
        filled = self.filled_of_group(account_id, name) + quantity
        self._database.execute(
            "INSERT INTO group_fills VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
            "SET quantity = excluded.quantity",
            (account_id, name, str(filled)),
        )

    def setting(self, name: str) -> str | None:
        """What a person has set by command, as JSON; None = nothing."""
        rows = self._all("SELECT body FROM settings WHERE name = ?", name)
        return rows[0][0] if rows else None

    def set_setting(self, name: str, body: str) -> None:
        """Keep what a person has set by command."""
        self._database.execute(
            "INSERT INTO settings VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            (name, body),
        )
