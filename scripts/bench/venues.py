"""Brokers that a benchmark's accounts are at: the mock broker, or the fake of a real one.

The fakes speak the real brokers' protocols to their real clients (tests/fakes); a checkout without
its tests has none.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import urllib3

from scripts.bench.embedded import WAIT_SECONDS, until_works
from scripts.bench.measure import orders_at_broker
from services.common.settings import REPOSITORY, CommonSettings
from services.domain.instruments import Instrument
from services.domain.words import InstrumentType

_FIRST_CLIENT_ID = 11


class Venue:
    """The mock broker of the instance."""

    start_options: tuple[str, ...] = ("--use-mock-broker",)
    currency = "USD"

    def __init__(self, home: Path, account_count: int) -> None:
        self.home = home
        self.accounts = [f"Bench-{number + 1}" for number in range(account_count)]

    def start(self) -> None:
        """Nothing beside the instance."""

    def stop(self) -> None:
        """End what was started."""

    def leg_of(self, number: int) -> dict[str, str]:
        """What signal n is about, as its sender says it."""
        return {"instrument": f"BNCH{number % 50}"}

    def instrument(self, number: int) -> Instrument:
        """The same as orders name it."""
        leg = self.leg_of(number)
        fields = {name: value for name, value in leg.items() if name != "instrument"}
        kind = InstrumentType.STOCK
        return Instrument(instrument_type=kind, symbol=leg["instrument"], **fields)

    def connection(self, account_id: str) -> dict[str, Any]:
        """How an account of it is reached."""
        return {}

    def account(self, account_id: str) -> dict[str, Any]:
        """Fields of an account at this broker, as they are stored."""
        connection = self.connection(account_id)
        return {"broker": "MOCK", "currency": self.currency, "connection": connection}

    def url(self, settings: CommonSettings) -> str:
        """Where its own books can be read."""
        return f"http://127.0.0.1:{settings.port('mock_broker')}"

    def orders(self, settings: CommonSettings) -> dict[str, list[datetime]]:
        """As `orders_at_broker` says."""
        return orders_at_broker(self.url(settings), self.accounts)

    def facts(self) -> dict[str, Any]:
        """What it has to say of its clients."""
        return {}


class FakeVenue(Venue):
    """The fake of a real broker, as a process of its own."""

    start_options = ()
    module = broker = price_key = ""

    def __init__(self, home: Path, account_count: int) -> None:
        super().__init__(home, account_count)
        self.port, self._control_port = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def options(self) -> list[str]:
        """Of its process."""
        return []

    def account(self, account_id: str) -> dict[str, Any]:
        """At this broker."""
        return super().account(account_id) | {"broker": self.broker}

    def start(self) -> None:
        """On the books it had."""
        ports = ["--port", str(self.port), "--control-port", str(self._control_port)]
        command = [sys.executable, "-m", self.module, *ports, "--path", str(self.home / "fake")]
        self._process = subprocess.Popen([*command, *self.options()], cwd=REPOSITORY)
        until_works(lambda: self.call("GET", "/health"))
        self.call("PUT", f"/v1/prices/{self.price_key}", {"price": "10"})

    @property
    def process(self) -> psutil.Process:
        """That runs."""
        if self._process is None:
            raise SystemExit("the fake was not started")
        return psutil.Process(self._process.pid)

    def kill(self) -> None:
        """As a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_SECONDS)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(WAIT_SECONDS)

    def url(self, settings: CommonSettings) -> str:
        """Of its commands; its own books are beside them."""
        return f"http://127.0.0.1:{self._control_port}"

    def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """One command."""
        url = f"http://127.0.0.1:{self._control_port}{path}"
        answer = urllib3.request(method, url, json=body, retries=False)
        if answer.status >= 300:
            raise SystemExit(f"the fake answered {answer.status} to {path}: {answer.data!r}")
        return answer.json() if answer.data else None

    def facts(self) -> dict[str, Any]:
        """Budgets that it asserts."""
        return {"violations": self.call("GET", "/v1/violations")}


class Gateway(FakeVenue):
    """IB Gateway, with all accounts below one login."""

    module, broker, price_key = "tests.fakes.tws", "IBKR", "STOCK:AAPL:USD"

    def leg_of(self, number: int) -> dict[str, str]:
        """The same stock: what a gateway is told of one does not depend on which."""
        return {"instrument": "AAPL"}

    def __init__(self, home: Path, account_count: int) -> None:
        super().__init__(home, account_count)
        self.accounts = [f"DU{1_000_001 + number}" for number in range(account_count)]

    def options(self) -> list[str]:
        """Of its process."""
        return ["--accounts", ",".join(self.accounts), "--currency", self.currency]

    def connection(self, account_id: str) -> dict[str, Any]:
        """Each with a client id of its own."""
        client_id = _FIRST_CLIENT_ID + self.accounts.index(account_id)
        return {"port": self.port, "client_id": client_id, "broker_account": account_id}

    def facts(self) -> dict[str, Any]:
        """Also how fast it was talked to."""
        clients = self.call("GET", "/v1/tws/clients")
        return super().facts() | {"most_messages_in_a_second": clients["most_in_a_second"]}


class Kite(FakeVenue):
    """Zerodha, for one user, whose account is the only one."""

    module, broker, price_key = "tests.fakes.kite", "ZERODHA", "STOCK:INFY:INR"
    currency = "INR"

    def leg_of(self, number: int) -> dict[str, str]:
        """A stock of India."""
        return {"instrument": "INFY", "currency": "INR", "exchange": "NSE"}

    def __init__(self, home: Path, account_count: int) -> None:
        super().__init__(home, account_count)
        if account_count != 1:
            raise SystemExit("one user of Kite has one account: --accounts 1")
        self.accounts = ["KITE1"]
        secrets = {"ACCESS_TOKEN": "kitetoken", "API_SECRET": "kitesecret"}
        os.environ |= {f"BROKER_KITE1_{name}": value for name, value in secrets.items()}

    def options(self) -> list[str]:
        """Of its process."""
        return ["--account", self.accounts[0]]

    def connection(self, account_id: str) -> dict[str, Any]:
        """Intraday, so that it may sell short."""
        return {
            "api_key": "kitekey",
            "product_equity": "MIS",
            "root": f"http://127.0.0.1:{self.port}",
            "ticker_url": f"ws://127.0.0.1:{self.port}",
        }


VENUES: dict[str, type[Venue]] = {"mock": Venue, "ibkr": Gateway, "zerodha": Kite}


@contextmanager
def running(name: str, home: Path, account_count: int) -> Iterator[Venue]:
    """A venue that is up; ended in the end."""
    venue = VENUES[name](home, account_count)
    venue.start()
    try:
        yield venue
    finally:
        venue.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
