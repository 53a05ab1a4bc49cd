"""Zerodha: the adapter, through Kite's own client, against the fake Kite."""

from __future__ import annotations

from pydantic import SecretStr

from brokers.zerodha.adapter import ZerodhaBroker
from brokers.zerodha.link import ZerodhaLink
from tests.fakes.kite.book import order_id_of
from tests.support.benches.bench import FakeBench
from tests.support.broker_orders import ACCOUNT, INFY
from tests.support.servers import free_port, start_fake

ACCESS_TOKEN = "kitetoken"
_PREFIX = "MOCK-"


class ZerodhaBench(FakeBench):
    """Trades intraday (MIS), because only so stocks can be sold short."""

    names_rates = False
    resumes_exactly = False
    refuses_when_down = False
    revises_fills = False
    passes_reports_on = False

    def __init__(self, path):
        super().__init__(path)
        self._port, self._control_port = free_port(), free_port()
        #: What is stored of the account, as its adapters read it.
        self.secrets = {"access_token": SecretStr(ACCESS_TOKEN)}

    def process(self):
        """The fake, with its books below our path."""
        return start_fake("kite", self._path, port=self._port, control_port=self._control_port)

    @property
    def control_url(self):
        """Of the fake's commands."""
        return f"http://127.0.0.1:{self._control_port}"

    def link(self, **fields):
        """To the fake."""
        return ZerodhaLink(
            api_key="kitekey",
            user_id="AB1234",
            root=f"http://127.0.0.1:{self._port}",
            ticker_url=f"ws://127.0.0.1:{self._port}",
            **{"product_equity": "MIS", **fields},
        )

    def begin(self):
        """With the token of the first day, and the price that orders were seen at."""
        super().begin()
        for counted in self._path.glob("cache/kite-calls-*"):
            counted.unlink()  # the broker has forgotten the calls of the test before too
        self.set_price(INFY, "150")
        self.secrets = {"access_token": SecretStr(ACCESS_TOKEN)}

    def trade_by_hand(self, instrument, quantity, **fields):
        """As Kite names his order."""
        number = super().trade_by_hand(instrument, quantity, **fields)
        return order_id_of(int(number.removeprefix(_PREFIX)))

    def cancel_by_hand(self, broker_order_id):
        """As the commands name it."""
        super().cancel_by_hand(f"{_PREFIX}{int(broker_order_id[2:])}")

    def make_adapter(self, timeout_seconds, **fields):
        """By HTTP and websocket."""
        return ZerodhaBroker(
            ACCOUNT,
            link=self.link(**fields),
            secrets=lambda: self.secrets,
            cache=self._path / "cache",
            timeout_seconds=timeout_seconds,
        )
