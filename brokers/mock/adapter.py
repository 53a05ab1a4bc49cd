"""The adapter to the mock broker's HTTP interface."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

import urllib3

from brokers.broker import (
    AccountState,
    Broker,
    BrokerPosition,
    Capabilities,
    MarginQuote,
    OpenOrder,
    Quote,
    ReportHandler,
)
from brokers.complaints import Complaints
from brokers.errors import BrokerError, BrokerUnavailable, OrderStateUnknown
from brokers.mock import messages
from brokers.mock.abilities import EVERYTHING
from services.domain.accounts import PreviewLeg
from services.domain.instruments import Instrument
from services.domain.orders import Execution, Order, OrderReport, OrderTerms

_log = logging.getLogger(__name__)
_WAIT_SECONDS: Final = 10
_PAUSE_SECONDS: Final = 0.5
#: Errors before the first byte has left: the broker cannot have heard anything.
_NOT_SENT: Final = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.NameResolutionError,
)


class MockBroker(Broker):
    """One account at the mock broker."""

    def __init__(
        self,
        account_id: str,
        *,
        base_url: str,
        timeout_seconds: float,
        capabilities: Capabilities | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            account_id: whose.
            base_url: of the broker.
            timeout_seconds: of every call.
            capabilities: instead of what the broker says when it is connected to.
        """
        super().__init__(account_id)
        self._url = f"{base_url}/v1/accounts/{quote(account_id, safe='')}"
        self._timeout = timeout_seconds
        self._asks = capabilities is None
        self.capabilities = capabilities or EVERYTHING
        # retries=False: nothing below us may send an order twice.
        self._pool = urllib3.PoolManager(retries=False, maxsize=4)
        self._connected = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def connect(self) -> None:
        """Ask for the account once, and for what it can do."""
        self.account_state()
        if self._asks:
            self.capabilities = messages.read(messages.CAPABILITIES, self._get("/capabilities"))

    def close(self) -> None:
        """End the stream: no report is delivered from now on.

        Its open request ends by itself within seconds, and what it brings is dropped.
        """
        self._stop.set()
        self._pool.clear()

    def is_connected(self) -> bool:
        """Whether the last request was answered, and the link is not closed."""
        return self._connected and not self._stop.is_set()

    def clock_skew(self) -> timedelta:
        """By the time on an answer, against the middle of the question."""
        asked = datetime.now(UTC)
        told = self.account_state().as_of
        return told - (asked + (datetime.now(UTC) - asked) / 2)

    def place_order(self, order: Order) -> OrderReport:
        """Send one order, once."""
        self.capabilities.require(order)
        body = order.model_dump_json().encode()
        return messages.placed(*self._request("POST", "/orders", body=body, places=True))

    def cancel_order(self, order: Order) -> OrderReport:
        """Ask to cancel."""
        number = order.client_order_id
        _, answer = self._request("POST", f"{_order_path(number)}/cancel", places=True)
        report = messages.only_order(number, answer, OrderStateUnknown)
        if report is None:
            raise OrderStateUnknown(f"the broker has no order {number} to cancel")
        return report

    def place_bracket(self, entry: Order, guards: Sequence[Order]) -> Sequence[OrderReport]:
        """Send an entry and its guards, once."""
        if not self.capabilities.brackets:
            return super().place_bracket(entry, guards)
        orders = [entry, *guards]
        for order in orders:
            self.capabilities.require(order)
        body = messages.bracket_body(entry, guards)
        answer = self._request("POST", "/brackets", body=body, places=True)
        return messages.placed_together(*answer, orders)

    def place_combo(self, legs: Sequence[Order]) -> Sequence[OrderReport]:
        """Send legs to be filled all or none, once."""
        if not self.capabilities.combos:
            return super().place_combo(legs)
        for leg in legs:
            self.capabilities.require(leg)
        body = messages.orders_body(legs)
        answer = self._request("POST", "/combos", body=body, places=True)
        return messages.placed_together(*answer, legs)

    def modify_order(self, order: Order, terms: OrderTerms) -> OrderReport:
        """Ask for other terms."""
        if not self.capabilities.modify:
            return super().modify_order(order, terms)
        path = f"{_order_path(order.client_order_id)}/terms"
        body = terms.model_dump_json().encode()
        return messages.placed(*self._request("PUT", path, body=body, places=True))

    def find_order(self, client_order_id: str) -> OrderReport | None:
        """The broker's own record of an order.

        Raises: OrderStateUnknown where the broker has two orders of this id.
        """
        return messages.only_order(client_order_id, self._get(_order_path(client_order_id)))

    def find_orders(self, client_order_ids: Sequence[str]) -> dict[str, OrderReport]:
        """In one question. Raises: OrderStateUnknown where the broker has one of them twice."""
        body = messages.ids_body(client_order_ids)
        return messages.by_id(self._ask("POST", "/orders/find", body=body))

    def open_orders(self) -> Sequence[OpenOrder]:
        """Working orders, guards that are held too."""
        return messages.open_orders(self._get("/orders?open_only=true"))

    def executions(self, *, since: datetime | None = None) -> Sequence[Execution]:
        """Every revision of every fill; a correction occurred when it was made."""
        asked = f"?since={quote(since.isoformat())}" if since else ""
        return messages.read(messages.EXECUTIONS, self._get(f"/executions{asked}"))

    def positions(self) -> Sequence[BrokerPosition]:
        """Open positions."""
        return messages.read(messages.POSITIONS, self._get("/positions"))

    def account_state(self) -> AccountState:
        """Equity and margin now."""
        return messages.read(messages.STATE, self._get("/state"))

    def last_price(self, instrument: Instrument) -> Quote | None:
        """The price that was set, or else that of the last fill."""
        path = f"/prices/{quote(instrument.key, safe='')}"
        last = messages.read(messages.LAST_PRICE, self._get(path))
        if last is None:
            return None
        return Quote(instrument=instrument, price=last.price, as_of=last.as_of)

    def preview_margin(self, legs: Sequence[PreviewLeg]) -> MarginQuote:
        """By the broker's own rule, at its last prices."""
        body = messages.legs_body(legs)
        return messages.previewed(*self._request("POST", "/margin-preview", body=body))

    def stream_reports(self, handler: ReportHandler, *, after: str | None) -> None:
        """Long-poll for reports in a thread."""
        self._thread = threading.Thread(
            target=self._follow,
            args=(handler, after or "0"),
            name=f"reports-{self.account_id}",
            daemon=True,
        )
        self._thread.start()

    def _follow(self, handler: ReportHandler, cursor: str) -> None:
        complaints = Complaints(_log, f"reports of {self.account_id}")
        while not self._stop.is_set():
            try:
                path = f"/reports?after={cursor}&wait_s={_WAIT_SECONDS}"
                answer = self._get(path, waits=_WAIT_SECONDS)
                for streamed in messages.read(messages.STREAM, answer):
                    if self._stop.is_set():
                        return
                    handler(streamed.report, streamed.cursor)
                    cursor = streamed.cursor
                complaints.end()
            except Exception as error:  # noqa: BLE001 - no report may be skipped: it comes again
                complaints.tell(error)
                self._stop.wait(_PAUSE_SECONDS)

    def _get(self, path: str, *, waits: float = 0) -> bytes:
        return self._ask("GET", path, waits=waits)

    def _ask(self, method: str, path: str, *, body: bytes | None = None, waits: float = 0) -> bytes:
        status, answer = self._request(method, path, body=body, waits=waits)
        if status != 200:
            raise BrokerUnavailable(f"the mock broker answered {status} for {path}")
        return answer

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        places: bool = False,
        waits: float = 0,
    ) -> tuple[int, bytes]:
        """Send once; errors are sorted by whether the broker may have heard it."""
        headers = {"Content-Type": "application/json"} if body else None
        timeout = urllib3.Timeout(connect=self._timeout, read=self._timeout + waits)
        try:
            answer = self._pool.request(
                method, self._url + path, body=body, headers=headers, timeout=timeout
            )
        except _NOT_SENT as error:
            self._connected = False
            raise BrokerUnavailable(f"the mock broker does not answer: {error}") from error
        except urllib3.exceptions.HTTPError as error:
            self._connected = False
            raise _silent(places, f"{type(error).__name__}: {error}") from error
        self._connected = answer.status != 503
        if messages.not_taken(answer.status, answer.data):
            raise BrokerUnavailable(f"the mock broker took nothing: {answer.data.decode()}")
        if answer.status >= 500:
            raise _silent(places, f"the mock broker answered {answer.status}")
        return answer.status, answer.data


def _silent(places: bool, sentence: str) -> BrokerError:
    return OrderStateUnknown(sentence) if places else BrokerUnavailable(sentence)


def _order_path(client_order_id: str) -> str:
    return f"/orders/{quote(client_order_id, safe='')}"
