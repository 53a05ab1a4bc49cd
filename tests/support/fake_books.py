"""Fakes of real brokers as the other side of the oracle, as the mock broker's books are."""

from __future__ import annotations

from contextlib import contextmanager

from tests.support.broker_orders import CURRENCY, stock
from tests.support.execution_process import BrokerBooks
from tests.support.servers import free_port, start_fake


class FakeBooks(BrokerBooks):
    """A fake's process; its commands are on a port of their own, and so are its own books."""

    same_ids = False
    name = broker = ""
    currency = CURRENCY
    accounts = ()

    def __init__(self, path):
        super().__init__(path)
        self._control_port = free_port()

    def options(self):
        """Of its process."""
        return []

    def process(self):
        """On the ports it had."""
        return start_fake(
            self.name,
            self.path,
            port=self.port,
            control_port=self._control_port,
            options=self.options(),
        )

    def connection(self, account_id):
        """How an account of it is reached."""
        raise NotImplementedError

    def account_row(self, account_id):
        """Of an account as it is stored."""
        connection = self.connection(account_id)
        return {"broker": self.broker, "currency": self.currency, "connection": connection}

    def environment(self, account_id):
        """A process that trades where its accounts say."""
        return {"USE_MOCK_BROKER": "false"}

    def instrument(self, symbol):
        """A stock that both know."""
        return stock("INFY" if symbol == "AAPL" else symbol)

    def begin(self):
        """As on the first day."""
        self.call("POST", "/v1/start-over")

    def violations(self):
        """What the real broker would not have taken."""
        return self.call("GET", "/v1/violations").json()


class GatewayBooks(FakeBooks):
    """IB Gateway with one login of two paper accounts."""

    name = "tws"
    broker = "IBKR"
    accounts = ("DU1000001", "DU1000002")

    def __init__(self, path, currency=CURRENCY):
        super().__init__(path)
        self.currency = currency

    def options(self):
        """Of its process."""
        return ["--accounts", ",".join(self.accounts), "--currency", self.currency]

    def connection(self, account_id):
        """Each has a client id of its own."""
        return {
            "port": self.port,
            "client_id": 11 + self.accounts.index(account_id),
            "broker_account": account_id,
        }


class KiteBooks(FakeBooks):
    """Zerodha, for one user."""

    name = "kite"
    broker = "ZERODHA"
    accounts = ("ZERODHA1",)

    def options(self):
        """Of its process."""
        return ["--account", self.accounts[0]]

    def connection(self, account_id):
        """Shares that may be sold short within the day."""
        return {
            "api_key": "kitekey",
            "product_equity": "MIS",
            "root": f"http://127.0.0.1:{self.port}",
            "ticker_url": f"ws://127.0.0.1:{self.port}",
        }

    def environment(self, account_id):
        """The login of this morning."""
        names = {"ACCESS_TOKEN": "kitetoken", "API_SECRET": "kitesecret"}
        secrets = {f"BROKER_{account_id}_{name}": value for name, value in names.items()}
        return super().environment(account_id) | secrets


FAKES = {"ibkr": GatewayBooks, "zerodha": KiteBooks}


@contextmanager
def running_fake(name, path, **options):
    """A fake of its own, which is ended."""
    books = FAKES[name](path, **options)
    books.start()
    try:
        yield books
    finally:
        books.stop()
