"""`python -m tests.fakes.kite`: wiring of the fake."""

from __future__ import annotations

import argparse
import signal
import socket
import sys
import threading
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route, WebSocketRoute

from brokers.mock.api import enough_threads
from brokers.mock.calls import CuttingConnections
from services.common.http import HttpServer
from tests.fakes.kite import control
from tests.fakes.kite.book import Book
from tests.fakes.kite.front import Front
from tests.fakes.kite.funds import Funds
from tests.fakes.kite.house import House, User
from tests.fakes.kite.orders import Orders
from tests.fakes.kite.postbacks import Postbacks
from tests.fakes.kite.quotes import Quotes
from tests.fakes.kite.reckoning import Reckoning
from tests.fakes.kite.session import Session
from tests.fakes.kite.ticker import Ticker
from tests.fakes.venue import Venue

_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
_PATIENCE_SECONDS = 30


def main():
    """Serve until told to end."""
    arguments = _arguments()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    house = _house(arguments)
    venue, postbacks = house.venue, Postbacks(house.user)
    app, ticker = build(house, postbacks)

    def fail(reason):
        sys.stderr.write(f"{reason}\n")
        ended.set()

    front = HttpServer(app, arguments.host, arguments.port, on_death=fail)
    front.start()
    _wait_for(arguments.host, arguments.port, ended)
    postbacks.start()
    ticker.start()
    venue.start(arguments.host, arguments.control_port, on_death=fail)
    ended.wait()
    ticker.stop()
    postbacks.stop()
    front.stop()
    venue.stop()


def _house(arguments):
    user = User(
        arguments.account,
        arguments.user_id,
        arguments.api_key,
        arguments.api_secret,
        arguments.access_token,
        arguments.redirect_url,
        arguments.postback_url,
    )
    return House(
        Venue(arguments.path),
        user,
        arguments.path,
        settle_seconds=arguments.settle_ms / 1000,
        minute_seconds=arguments.minute_seconds,
    )


def build(house, postbacks):
    """The front as an application, and what tells its websockets."""
    venue = house.venue
    session = Session(house)
    book = Book(house)
    funds = Funds(house, book)
    orders = Orders(house, book, funds)
    ticker = Ticker(house, session, book, orders, postbacks)
    parts = (session, orders, funds, Quotes(house), Reckoning(house, book))
    front = Front(house, session, [route for part in parts for route in part.routes()])
    for part in (house.state, house.limits, ticker, postbacks):
        venue.on_start_over(part.start_over)
    venue.on_start_over(house.forget)
    control.add_routes(venue.app, house, session, funds, ticker)
    control.add_postbacks(venue.app, postbacks)

    async def answer(request):
        headers = dict(request.headers)
        query = request.query_params.multi_items()
        body = await request.body()
        return await run_in_threadpool(
            front.answer, request.method, request.scope["path"], query, headers, body
        )

    served = [
        WebSocketRoute("/", ticker.serve),
        Route("/{path:path}", answer, methods=_METHODS),
    ]
    app = Starlette(routes=served, lifespan=enough_threads)
    app.middleware_stack = CuttingConnections(app.build_middleware_stack())
    return app, ticker


def _arguments():
    parser = argparse.ArgumentParser(description="a fake of Zerodha's Kite")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--control-port", type=int, required=True)
    parser.add_argument("--path", type=Path, required=True)
    parser.add_argument("--account", default="Conformance-1", help="as the commands name it")
    parser.add_argument("--user-id", default="AB1234")
    parser.add_argument("--api-key", default="kitekey")
    parser.add_argument("--api-secret", default="kitesecret")
    parser.add_argument("--access-token", default="kitetoken", help="valid from the start")
    parser.add_argument("--redirect-url", default="http://127.0.0.1/")
    parser.add_argument("--postback-url", default="", help="where order changes are posted")
    parser.add_argument("--settle-ms", type=float, default=20, help="an order's interim states")
    parser.add_argument("--minute-seconds", type=float, default=60, help="of validity TTL")
    return parser.parse_args()


def _wait_for(host, port, ended):
    """Until the front listens: whoever sees the control port may trade."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until and not ended.is_set():
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return


if __name__ == "__main__":
    main()
