"""A broker adapter to begin with: complete, small, and checked by tests. Copy it, then widen it.

It speaks to an imaginary venue through `VenueClient`; put the real broker's client in its place.
Everything that trading relies on is here once: what may have left and what cannot have, our id on
every order, executions that are the same when they are told again, a stream that skips nothing.
See docs/adding-a-broker.md.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from brokers.broker import (
    AccountState,
    Broker,
    BrokerPosition,
    Capabilities,
    OpenOrder,
    Quote,
    ReportHandler,
)
from brokers.errors import BrokerUnavailable, LoginRequired, OrderRejected, OrderStateUnknown
from services.domain.instruments import Instrument
from services.domain.orders import TERMINAL, Execution, Order, OrderReport, OrderTerms
from services.domain.words import InstrumentType, OrderStatus, OrderType, Side, TimeInForce

_log = logging.getLogger(__name__)
T = TypeVar("T")
#: What the venue says of something, in its own words. They end in this file.
Row = Mapping[str, Any]
_POLL_SECONDS: Final = 1.0
_STATUSES: Final = {
    "working": OrderStatus.SUBMITTED,
    "partly": OrderStatus.PARTIALLY_FILLED,
    "done": OrderStatus.FILLED,
    "refused": OrderStatus.REJECTED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
}


class VenueRefused(Exception):
    """What the venue's client raises where the venue said no."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class VenueClient(Protocol):
    """The venue's own client. Its retries are switched off: nothing below us sends twice."""

    def log_in(self) -> None:
        """Raises: PermissionError: a person must; OSError."""

    def place(self, row: Row) -> Row:
        """The order as the venue has it. Raises: VenueRefused, OSError, TimeoutError."""

    def cancel(self, reference: str) -> Row:
        """The order after it. Raises: VenueRefused, OSError, TimeoutError."""

    def orders(self) -> Sequence[Row]:
        """All orders of the account, ended ones too, each with its fills. Raises: OSError."""

    def funds(self) -> Row:
        """Money and margin. Raises: OSError."""

    def holdings(self) -> Sequence[Row]:
        """Net positions. Raises: OSError."""

    def price(self, symbol: str) -> Row | None:
        """The last price; None = it has none. Raises: OSError."""


class TemplateBroker(Broker):
    """One account at the imaginary venue."""

    # Only what it can do natively: execution works the rest, from brackets to combos.
    capabilities = Capabilities(
        order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
        times_in_force=frozenset({TimeInForce.DAY, TimeInForce.GTC}),
        instrument_types=frozenset({InstrumentType.STOCK}),
        orders_per_second=10,
    )

    def __init__(self, account_id: str, client: VenueClient) -> None:
        super().__init__(account_id)
        self._client = client
        self._connected = False
        # Guarantee 7: any thread may call. This client may not be called by two at once.
        self._one_at_a_time = threading.Lock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def connect(self) -> None:
        """Log in; guarantee 6: that changes nothing."""
        self._ask(self._client.log_in)

    def close(self) -> None:
        """End the threads; harmless twice."""
        self._stop.set()
        self._connected = False
        for thread in self._threads:
            thread.join(timeout=5)

    def is_connected(self) -> bool:
        """Whether the last call was answered."""
        return self._connected

    def place_order(self, order: Order) -> OrderReport:
        """Send one order, once (guarantee 1), under our id (guarantee 4)."""
        self.capabilities.require(order)
        row = {
            "reference": order.client_order_id,
            "symbol": order.instrument.symbol,
            "side": order.side,
            "quantity": str(order.quantity),  # exact: floats never
            "limit": str(order.limit_price) if order.limit_price is not None else None,
            "life": order.time_in_force,
        }
        return _report(self._send(lambda: self._client.place(row)))

    def cancel_order(self, order: Order) -> OrderReport:
        """Ask to cancel: what comes of it may be a fill, and its report says so."""
        try:
            return _report(self._send(lambda: self._client.cancel(order.client_order_id)))
        except OrderRejected as error:  # too late: how it stands is in the book
            raise OrderStateUnknown(f"not canceled: {error}") from error

    def find_order(self, client_order_id: str) -> OrderReport | None:
        """Guarantee 2: whoever got no answer asks here, and nothing is sent again before."""
        rows = self._book()
        found = [row for row in rows if row["reference"] == client_order_id]
        if len(found) > 1:
            raise OrderStateUnknown(f"the broker has {len(found)} orders {client_order_id}")
        return _report(found[0]) if found else None

    def open_orders(self) -> Sequence[OpenOrder]:
        """Also those that are none of ours."""
        return [
            OpenOrder(
                report=_report(row),
                instrument=_instrument(row),
                side=Side(row["side"]),
                order_type=OrderType.MARKET if row["limit"] is None else OrderType.LIMIT,
            )
            for row in self._book()
            if _STATUSES[row["status"]] not in TERMINAL
        ]

    def executions(self, *, since: datetime | None = None) -> Sequence[Execution]:
        """Oldest first, foreign ones too."""
        found = [each for row in self._book() for each in _executions(row)]
        recent = [each for each in found if since is None or each.occurred_at >= since]
        return sorted(recent, key=lambda each: (each.occurred_at, each.execution_id))

    def positions(self) -> Sequence[BrokerPosition]:
        """Net, signed."""
        return [
            BrokerPosition(
                instrument=_instrument(row),
                quantity=Decimal(row["quantity"]),
                average_price=Decimal(row["average_price"]),
            )
            for row in self._ask(self._client.holdings)
        ]

    def account_state(self) -> AccountState:
        """Guarantee 3: what the venue does not say raises (KeyError is none of ours)."""
        row = self._ask(self._client.funds)
        try:
            amounts = {name: Decimal(row[name]) for name in _AMOUNTS}
            return AccountState(
                account_id=self.account_id, currency=row["currency"], as_of=row["at"], **amounts
            )
        except (KeyError, ArithmeticError, ValueError) as error:
            raise BrokerUnavailable(f"its funds cannot be read: {error!r}") from error

    def last_price(self, instrument: Instrument) -> Quote | None:
        """None = there is none, and none is invented."""
        row = self._ask(lambda: self._client.price(instrument.symbol))
        if row is None:
            return None
        return Quote(instrument=instrument, price=Decimal(row["price"]), as_of=row["at"])

    def stream_reports(self, handler: ReportHandler, *, after: str | None) -> None:
        """Tell what has changed in the book. A venue that pushes only rings for the next look.

        The book is all of the truth, so the cursor need not say where the stream was left.
        """
        thread = threading.Thread(target=self._tell, args=(handler,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _tell(self, handler: ReportHandler) -> None:
        told: dict[str, OrderReport] = {}
        while not self._stop.is_set():
            try:
                for row in self._book():
                    report = _report(row)
                    if report.client_order_id and told.get(row["id"]) != report:
                        handler(report, row["id"])
                        told[row["id"]] = report  # only now: what raised is told again
            except BrokerUnavailable as error:
                _log.warning("reports of %s: %s", self.account_id, error)
            except Exception:  # noqa: BLE001 - the handler's: the same report comes again
                _log.exception("reports of %s: the handler failed", self.account_id)
            self._stop.wait(_POLL_SECONDS)

    def _book(self) -> Sequence[Row]:
        return self._ask(self._client.orders)

    def _ask(self, question: Callable[[], T]) -> T:
        """A query: whatever goes wrong, nothing has happened."""
        try:
            with self._one_at_a_time:
                answer = question()
        except PermissionError as error:
            self._connected = False
            raise _login(error) from error
        except (OSError, VenueRefused) as error:
            self._connected = False
            raise BrokerUnavailable(f"{type(error).__name__}: {error}") from error
        self._connected = True
        return answer

    def _send(self, request: Callable[[], Row]) -> Row:
        """A request that changes something: what may have left is never called unsent."""
        try:
            with self._one_at_a_time:
                answer = request()
        except VenueRefused as error:
            self._connected = True
            raise OrderRejected(error.code, str(error)) from error
        except PermissionError as error:
            self._connected = False
            raise _login(error) from error
        except ConnectionRefusedError as error:  # before the first byte
            self._connected = False
            raise BrokerUnavailable(f"the venue does not answer: {error}") from error
        except OSError as error:  # TimeoutError and lost connections too
            self._connected = False
            raise OrderStateUnknown(f"no answer: {type(error).__name__}: {error}") from error
        self._connected = True
        return answer


def _login(error: PermissionError) -> LoginRequired:
    """The venue takes nothing from whoever is not logged in; the sentence says what to do."""
    return LoginRequired(f"{error}: log in on the venue's page")


_AMOUNTS: Final = (
    "equity",
    "cash",
    "initial_margin",
    "maintenance_margin",
    "available_funds",
    "buying_power",
)


def _report(row: Row) -> OrderReport:
    """An order of the venue in our words. An unknown status raises: it is never guessed."""
    executions = _executions(row)
    return OrderReport(
        client_order_id=row["reference"] or "",
        broker_order_id=row["id"],
        status=_STATUSES[row["status"]],
        filled_quantity=sum((each.quantity for each in executions), Decimal(0)),
        executions=executions,
        terms=OrderTerms(
            quantity=Decimal(row["quantity"]),
            limit_price=None if row["limit"] is None else Decimal(row["limit"]),
        ),
        text=row.get("words", ""),
        occurred_at=row["at"],
    )


def _executions(row: Row) -> tuple[Execution, ...]:
    """Guarantee 5: the venue's own id of a fill, the same whenever it is told."""
    return tuple(
        Execution(
            execution_id=fill["id"],
            client_order_id=row["reference"] or "",
            instrument=_instrument(row),
            side=Side(row["side"]),
            quantity=Decimal(fill["quantity"]),
            price=Decimal(fill["price"]),
            commission=Decimal(fill["fee"]),
            commission_currency=row["currency"],
            occurred_at=fill["at"],
        )
        for fill in row["fills"]
    )


def _instrument(row: Row) -> Instrument:
    kind = InstrumentType.STOCK
    return Instrument(instrument_type=kind, symbol=row["symbol"], currency=row["currency"])
