"""Wiring of the mock broker; `--port` and `--path` run one apart from an instance (tests)."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fastapi import FastAPI
from pydantic import ValidationError

from brokers.mock import api, commands
from brokers.mock.abilities import read_abilities
from brokers.mock.books import Books
from brokers.mock.calls import Calls, CuttingConnections
from brokers.mock.exchange import Exchange
from brokers.mock.faults import Faults
from brokers.mock.feeds import FeedRunner, read_feed
from brokers.mock.journal import Journal
from brokers.mock.market import Market
from brokers.mock.messages import in_words
from brokers.mock.rates import Rates
from services.common import http
from services.common.daemon import Process, main
from services.common.settings import MockBrokerSettings
from services.domain.errors import ConfigurationError

T = TypeVar("T")


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
        currency=settings.mock_currency,
    )
    exchange = Exchange(
        journal,
        books,
        market=_setting("MOCK_MARKET", lambda: Market.model_validate_json(settings.mock_market)),
        capabilities=_setting(
            "MOCK_CAPABILITIES", lambda: read_abilities(settings.mock_capabilities)
        ),
    )
    process.on_exit(exchange.close)
    app = FastAPI(title="Mathematricks mock broker", version="1", lifespan=api.enough_threads)
    http.add_routes(app, process.health)
    faults = Faults()
    calls = Calls(faults, Rates(exchange.capabilities), lambda: exchange.market.latency_ms)
    api.add_routes(app, exchange, calls)
    feeds = FeedRunner(exchange.set_price)
    commands.add_routes(app, exchange, faults, feeds)
    app.middleware_stack = CuttingConnections(app.build_middleware_stack())
    server = http.HttpServer(app, arguments.host, arguments.port, on_death=process.fail)
    process.add(server)
    process.add(feeds)
    process.add(exchange)  # stopped before the server, which waits for its readers
    if settings.mock_feed:
        feeds.play(_setting("MOCK_FEED", lambda: read_feed(Path(settings.mock_feed))))


def _setting(name: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except ValidationError as error:
        raise ConfigurationError(f"{name}: {in_words(error)}") from error
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{name}: {error}") from error


if __name__ == "__main__":
    main("mock_broker", MockBrokerSettings, build)
