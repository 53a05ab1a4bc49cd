"""Wiring of the mock broker; `--port` and `--path` run one apart from an instance (tests)."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastapi import FastAPI

from brokers.mock import api, commands
from brokers.mock.books import Books
from brokers.mock.calls import Calls, CuttingConnections
from brokers.mock.exchange import Exchange
from brokers.mock.faults import Faults
from brokers.mock.journal import Journal
from services.common import http
from services.common.daemon import Process, main
from services.common.settings import MockBrokerSettings


def build(process: Process[MockBrokerSettings]) -> None:
    """Books → exchange → HTTP."""
    settings = process.settings
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--host", default=settings.mt_bind_host)
    parser.add_argument("--port", type=int, default=settings.port("mock_broker"))
    parser.add_argument("--path", type=Path, default=settings.mt_home / ".data" / "mock_broker")
    arguments = parser.parse_args()
    journal = Journal(arguments.path)
    books = Books(
        journal,
        initial_cash=settings.mock_initial_cash,
        commission_per_unit=settings.mock_commission_per_unit,
        commission_minimum=settings.mock_commission_minimum,
    )
    exchange = Exchange(journal, books)
    process.on_exit(exchange.close)
    app = FastAPI(title="Mathematricks mock broker", version="1", lifespan=api.enough_threads)
    http.add_routes(app, process.health)
    faults = Faults()
    api.add_routes(app, exchange, Calls(faults, lambda: exchange.market.latency_ms))
    commands.add_routes(app, exchange, faults)
    app.add_middleware(CuttingConnections)
    server = http.HttpServer(app, arguments.host, arguments.port, on_death=process.fail)
    process.add(server)
    process.add(exchange)  # stopped before the server, which waits for its readers


if __name__ == "__main__":
    main("mock_broker", MockBrokerSettings, build)
