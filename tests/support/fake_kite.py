"""The fake Kite as a process, and the commands that its control port takes."""

from __future__ import annotations

from contextlib import ExitStack

import urllib3
from kiteconnect import KiteConnect

from services.domain.instruments import Instrument
from services.domain.words import InstrumentType
from tests.fakes.kite.house import INTERIM
from tests.support.broker_orders import ACCOUNT, eventually
from tests.support.servers import ONCE, free_port, start_fake

API_KEY, API_SECRET, ACCESS_TOKEN, USER_ID = "kitekey", "kitesecret", "kitetoken", "AB1234"


def nse(symbol="INFY"):
    """A share, as commands name it."""
    return Instrument(
        instrument_type=InstrumentType.STOCK, symbol=symbol, currency="INR", exchange="NSE"
    )


class FakeKite:
    """One fake with its books below `path`; start it again after a kill, on the same ports."""

    def __init__(self, path, *options):
        self.port, self._control = free_port(), free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.ticker_url = f"ws://127.0.0.1:{self.port}"
        self._path = path
        self._options = options
        self._stack = ExitStack()
        self._http = urllib3.PoolManager(retries=False, headers=ONCE)
        self._server = None

    def start(self):
        """Until it answers."""
        started = start_fake(
            "kite",
            self._path,
            port=self.port,
            control_port=self._control,
            options=["--account", ACCOUNT, *self._options],
        )
        self._server = self._stack.enter_context(started)

    def kill(self):
        """As a crash would; nothing that was answered is lost."""
        self._server.kill()
        self.stop()

    def stop(self):
        """End it, if it runs."""
        self._stack.close()

    def command(self, method, path, body=None):
        """One command; its answer."""
        url = f"http://127.0.0.1:{self._control}{path}"
        answer = self._http.request(method, url, json=body, timeout=60)
        assert answer.status < 300, answer.data
        return answer.json() if answer.data else None

    def start_over(self):
        """As on the first day."""
        self.command("POST", "/v1/start-over")

    def violations(self):
        """What clients have done wrong."""
        return self.command("GET", "/v1/violations")

    def break_next(self, kind, **more):
        """Make the next placement go wrong, or the next call that `on` names."""
        self.command("POST", "/v1/faults", {"account_id": ACCOUNT, "kind": kind, **more})

    def next_orders(self, **oddity):
        """Make the next orders odd."""
        self.command("POST", "/v1/kite/next-orders", oddity)

    def set_price(self, price, instrument=None):
        """Move the market."""
        key = (instrument or nse()).key
        self.command("PUT", f"/v1/prices/{key}", {"price": str(price)})

    def fill(self, tag, quantity, price):
        """Fill an order, whatever its state and size."""
        body = {"client_order_id": tag, "quantity": str(quantity), "price": str(price)}
        self.command("POST", f"/v1/accounts/{ACCOUNT}/fills", body)

    def client(self, access_token=ACCESS_TOKEN, *, timeout=10):
        """Zerodha's own client, unmodified; close its `reqsession`."""
        return KiteConnect(API_KEY, access_token, root=self.root, timeout=timeout)

    def without_limits(self):
        """Take any number of calls until the books begin anew."""
        self.command("PUT", "/v1/kite/limits", {"enabled": False})


def place(kite, tag=None, **fields):
    """Ten shares of INFY at the market where nothing else is said; the order id."""
    fields = {
        "variety": "regular",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "quantity": 10,
        "product": "MIS",
        "order_type": "MARKET",
        **fields,
    }
    if fields["order_type"] in {"MARKET", "SL-M"}:
        fields.setdefault("market_protection", -1)
    return kite.place_order(tag=tag, **fields)


def limit(kite, price, tag=None, **fields):
    """Ten shares of INFY at a limit; the order id."""
    return place(kite, tag, order_type="LIMIT", price=price, **fields)


def row_of(kite, order_id):
    """How an order stands once it has been through the interim states."""
    return eventually(
        lambda: next(each for each in kite.orders() if each["order_id"] == order_id),
        lambda row: row["status"] not in INTERIM,
    )


def status_of(kite, order_id):
    """In Kite's words."""
    return row_of(kite, order_id)["status"]


def future(kite, exchange="NFO", name="NIFTY"):
    """The nearest future."""
    listed = [each for each in kite.instruments(exchange) if each["name"] == name]
    futures = [each for each in listed if each["instrument_type"] == "FUT"]
    return min(futures, key=lambda each: each["expiry"])


def all_complete(rows):
    """Whether there are orders, and all of them have filled."""
    return {each["status"] for each in rows} == {"COMPLETE"}
