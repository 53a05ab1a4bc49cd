"""The mock broker's file: what it says survives, in books of an earlier version too."""

import resource
import sqlite3
from decimal import Decimal

import pytest

from brokers.mock.journal import Journal
from services.domain.words import OrderStatus
from tests.support.builders import NOW, make_execution, make_position
from tests.support.mock_books import (
    BROKER_ACCOUNT,
    fills_of,
    limit,
    opened,
    order,
    place,
    read_all,
    report_of,
    tick,
)

#: As the first version made them.
FIRST_TABLES = """
CREATE TABLE accounts (account_id TEXT PRIMARY KEY, cash TEXT NOT NULL);
CREATE TABLE orders (
    number INTEGER PRIMARY KEY, account_id TEXT NOT NULL, client_order_id TEXT NOT NULL,
    status TEXT NOT NULL, filled TEXT NOT NULL, text TEXT NOT NULL, body TEXT NOT NULL,
    placed_at TEXT NOT NULL);
CREATE INDEX open_orders ON orders (status) WHERE status = 'SUBMITTED';
CREATE TABLE executions (
    number INTEGER PRIMARY KEY, order_number INTEGER NOT NULL, account_id TEXT NOT NULL,
    body TEXT NOT NULL);
CREATE TABLE positions (
    account_id TEXT NOT NULL, instrument_key TEXT NOT NULL, price TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (account_id, instrument_key));
CREATE TABLE reports (
    number INTEGER PRIMARY KEY AUTOINCREMENT, account_id TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE prices (instrument_key TEXT PRIMARY KEY, price TEXT NOT NULL);
"""


def test_books_of_the_first_version_go_on(tmp_path):
    filled, resting = order(), limit(149, signal_id="rests")
    execution = make_execution("10", execution_id="MOCK-1.1", order=filled)
    position = make_position("10", account_id=BROKER_ACCOUNT)
    insert = "INSERT INTO orders VALUES (?, ?, ?, ?, ?, '', ?, ?)"
    with sqlite3.connect(tmp_path / "books.sqlite3") as old:
        old.executescript(FIRST_TABLES)
        old.execute("INSERT INTO accounts VALUES (?, '998499')", (BROKER_ACCOUNT,))
        for number, (each, status, quantity) in enumerate(
            [(filled, "FILLED", "10"), (resting, "SUBMITTED", "0")], 1
        ):
            row = (number, BROKER_ACCOUNT, each.client_order_id, status, quantity)
            old.execute(insert, (*row, each.model_dump_json(), NOW.isoformat()))
        body = execution.model_dump_json()
        old.execute("INSERT INTO executions VALUES (1, 1, ?, ?)", (BROKER_ACCOUNT, body))
        body = position.model_dump_json()
        key = position.instrument.key
        old.execute("INSERT INTO positions VALUES (?, ?, '150', ?)", (BROKER_ACCOUNT, key, body))
    old.close()
    with opened(tmp_path) as exchange:
        assert report_of(exchange, filled).executions == (execution,)
        assert report_of(exchange, filled).status is OrderStatus.FILLED
        assert exchange.executions(BROKER_ACCOUNT, NOW)
        assert tick(exchange, 148) == 1
        assert report_of(exchange, resting).filled_quantity == 10
        # 998,499 − 10 × 148 − 1
        assert exchange.state(BROKER_ACCOUNT).cash == Decimal(997018)
        assert [each.execution_id for each in fills_of(exchange)] == ["MOCK-1.1", "MOCK-2.1"]


def test_starting_over_forgets_everything(tmp_path):
    with opened(tmp_path / "fresh") as fresh:
        nothing = read_all(fresh)
    with opened(tmp_path / "used") as exchange:
        tick(exchange, 150)
        place(exchange, order(), limit(140, signal_id="b"))
        exchange.set_capabilities(BROKER_ACCOUNT, {"oco": False})
        exchange.start_over()
        assert read_all(exchange) == nothing
        assert exchange.prices() == {}
        assert exchange.capabilities(BROKER_ACCOUNT).oco
        (report,) = place(exchange, order())
        assert report.broker_order_id == "MOCK-1"


def test_after_a_full_disk_memory_is_what_the_file_says(tmp_path):
    journal = Journal(tmp_path)
    with journal.transaction():
        journal.set_cash(BROKER_ACCOUNT, Decimal(100))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # SQLite ends the transaction by itself where it cannot write.
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        with pytest.raises(sqlite3.OperationalError, match="disk"), journal.transaction():
            journal.set_cash(BROKER_ACCOUNT, Decimal(999))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert journal.cash(BROKER_ACCOUNT) == 100
    with journal.transaction():
        journal.set_cash("another", Decimal(1))
    journal.close()
    assert Journal(tmp_path).cash(BROKER_ACCOUNT) == 100
