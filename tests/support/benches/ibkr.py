"""Interactive Brokers: the adapter against the fake gateway, in TWS's own protocol."""

from __future__ import annotations

import itertools

import pytest

from brokers.ibkr.adapter import IbkrBroker
from brokers.ibkr.link import IbkrLink
from services.domain.words import AccountType
from tests.fakes.tws.ids import fill_of_exec_id, order_of_perm_id, perm_id_of
from tests.support.benches.bench import FakeBench
from tests.support.broker_orders import ACCOUNT, INFY, eventually
from tests.support.servers import free_port, start_fake

BROKER_ACCOUNT, OTHER_ACCOUNT = "DU1000001", "DU1000002"
#: What the gateway says twice or in another order is told once, as it stands.
_NOT_SEEN = frozenset({"ANSWER_TWICE", "REORDER_REPORTS"})


class IbkrBench(FakeBench):
    """Each adapter is another client of the gateway: IB lets each change its own orders only."""

    resumes_exactly = False

    def __init__(self, path):
        super().__init__(path)
        self.port, self._control_port = free_port(), free_port()
        self._client_ids = itertools.count(1)
        self._client_of = {}

    def process(self):
        """With two paper accounts of one login, in rupees."""
        options = ["--accounts", f"{BROKER_ACCOUNT},{OTHER_ACCOUNT}"]
        return start_fake(
            "tws", self._path, port=self.port, control_port=self._control_port, options=options
        )

    def make_adapter(self, timeout_seconds):
        """Another client of the same account."""
        return self.client(next(self._client_ids), timeout_seconds=timeout_seconds)

    def client(self, client_id, *, timeout_seconds=2.0, **link):
        """One client of the account, or what `link` says in place of that."""
        fields = {"port": self.port, "broker_account": BROKER_ACCOUNT, "client_id": client_id}
        made = IbkrBroker(
            ACCOUNT,
            link=IbkrLink(**{**fields, **link}),
            account_type=AccountType.PAPER,
            timeout_seconds=timeout_seconds,
        )
        self._client_of[id(made)] = client_id
        return made

    def client_of(self, broker):
        """Which client an adapter is."""
        return self._client_of[id(broker)]

    def reopened(self, broker):
        """The same client: IB tells what fills cost to whoever has ordered them."""
        broker.close()
        made = self.client(self._client_of[id(broker)])
        self._adapters.append(made)
        made.connect()
        return made

    @property
    def account(self):
        """IB's own name."""
        return BROKER_ACCOUNT

    @property
    def control_url(self):
        """Where the fake takes commands."""
        return f"http://127.0.0.1:{self._control_port}"

    def begin(self):
        """TWS's orders do not say where their sender saw the price: the market must."""
        super().begin()
        self.set_price(INFY, "150")

    def break_next(self, kind, **more):
        """Not what no reader of this stream could see."""
        if kind in _NOT_SEEN:
            pytest.skip("what this gateway says twice or in another order is told as it stands")
        super().break_next(kind, **more)
        if kind == "OUTAGE":  # an order that crosses the news of it gets no answer
            for adapter in self._adapters:
                eventually(lambda adapter=adapter: not adapter.is_connected())

    def trade_by_hand(self, instrument, quantity, **fields):
        """IB's own number of the order."""
        return str(perm_id_of(super().trade_by_hand(instrument, quantity, **fields)))

    def cancel_by_hand(self, broker_order_id):
        """By IB's own number."""
        super().cancel_by_hand(order_of_perm_id(broker_order_id))

    def revise(self, execution_id, **fields):
        """By IB's own number of the fill."""
        super().revise(fill_of_exec_id(execution_id), **fields)
