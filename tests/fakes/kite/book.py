"""The order book and the trade book of the day, as Kite shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from services.domain.orders import Execution, Order, OrderReport
from services.domain.words import OrderStatus
from tests.fakes.kite.catalogue import INDIA, Listing
from tests.fakes.kite.errors import bad_input
from tests.fakes.kite.house import INTERIM
from tests.fakes.kite.ticket import Ticket, ticket_of

_S = OrderStatus
_ENDED = {
    _S.FILLED: "COMPLETE",
    _S.CANCELED: "CANCELLED",
    _S.EXPIRED: "CANCELLED",
    _S.REJECTED: "REJECTED",
}
_SHORT = re.compile(r"INSUFFICIENT_FUNDS: ([\d.]+) .*?([-\d.]+) available")
_PREFIX = "MOCK-"
_ID_PREFIX = "25"


@dataclass(frozen=True)
class Entry:
    """One order of the book."""

    number: int
    order: Order
    report: OrderReport
    ticket: Ticket
    listing: Listing

    @property
    def order_id(self):
        """Kite's."""
        return order_id_of(self.number)

    @property
    def engine_id(self):
        """The engine's."""
        return self.order.client_order_id


@dataclass(frozen=True)
class Fill:
    """One trade and the order it is of."""

    entry: Entry
    execution: Execution
    number: int

    @property
    def trade_id(self):
        """Unique per exchange and day."""
        return str(self.entry.number * 1000 + self.number)


def order_id_of(number):
    """Kite's id of an order of the engine."""
    return f"{_ID_PREFIX}{number:013d}"


def stamp(moment):
    """A time as Kite writes it: in India, without saying so, to the second."""
    return moment.astimezone(INDIA).strftime("%Y-%m-%d %H:%M:%S")


class Book:
    """What the engine's books look like from Kite."""

    def __init__(self, house):
        self._house = house
        self._account = house.user.account_id

    def entries(self, *, all_days=False):
        """Orders of today, oldest first; of all days where asked for."""
        found = self._house.exchange.orders(self._account)
        return [
            entry
            for entry in (self.entry(order, report) for order, report in found)
            if all_days or entry.number > self.day_began
        ]

    @property
    def day_began(self):
        """The last order number of yesterday."""
        days = self._house.state.days
        return days[-1] if days else 0

    def entry(self, order, report):
        """One order with all that is known of it."""
        listing = self._house.catalogue.of(order.instrument)
        ticket = ticket_of(order, report, listing)
        listing = self._house.catalogue.find(ticket.exchange, ticket.tradingsymbol) or listing
        number = int(report.broker_order_id.removeprefix(_PREFIX))
        return Entry(number, order, report, ticket, listing)

    def find(self, order_id):
        """One order of today. Raises: KiteError."""
        engine_id = self._house.engine_ids.get(order_id)
        if engine_id:  # asked for by itself: a book of thousands takes its time
            found = self._house.exchange.orders(self._account, client_order_ids=[engine_id])
            entries = [self.entry(*each) for each in found]
        else:
            entries = self.entries()
        for entry in entries:
            if entry.order_id == order_id and entry.number > self.day_began:
                return entry
        raise bad_input("Couldn't find that `order_id`.")

    def rows(self):
        """The order book."""
        return [self.row(entry) for entry in self.entries()]

    def row(self, entry):
        """One order as it is shown now."""
        shown = self._house.shown(entry.engine_id)
        status = shown or self.status(entry)
        row = self._fixed(entry)
        row |= self._standing(entry, status, seen=shown is None)
        return row

    def status(self, entry):
        """How an order stands, in Kite's words."""
        report, kind = entry.report, self.order_type(entry)
        if (ended := _ENDED.get(report.status)) is not None:
            return ended
        if entry.ticket.variety == "amo" and report.text.startswith("waits"):
            return "AMO REQ RECEIVED"
        if kind in {"SL", "SL-M"} and not self._triggered(entry):
            return "TRIGGER PENDING"
        return "OPEN"

    def order_type(self, entry):
        """With every change of it."""
        return self._amended(entry).get("order_type", entry.ticket.order_type)

    def _amended(self, entry):
        return self._house.state.amended.get(str(entry.number), {})

    def _triggered(self, entry):
        # Of a working order the journal answers from memory: no lock of the engine is needed.
        stored = self._house.venue.journal.order(entry.number)
        return entry.report.filled_quantity > 0 or (stored and stored.standing.triggered)

    def _fixed(self, entry):
        ticket, amended = entry.ticket, self._amended(entry)
        hidden = self._house.hides_tag(entry.engine_id)
        tag = None if hidden else ticket.tag
        row = {
            "placed_by": ticket.placed_by,
            "order_id": entry.order_id,
            "parent_order_id": ticket.parent_order_id,
            "order_timestamp": stamp(ticket.at),
            "variety": ticket.variety,
            "modified": amended.get("times", 0) > 0,
            "exchange": ticket.exchange,
            "tradingsymbol": ticket.tradingsymbol,
            "instrument_token": entry.listing.token,
            "order_type": self.order_type(entry),
            "transaction_type": entry.order.side.value,
            "validity": amended.get("validity", ticket.validity),
            "validity_ttl": ticket.validity_ttl,
            "product": ticket.product,
            "disclosed_quantity": ticket.disclosed_quantity,
            "market_protection": amended.get("market_protection", ticket.market_protection),
            "meta": ticket.meta,
            "tag": tag,
            "guid": f"{entry.number:012d}",
        }
        return row | ({"tags": [tag]} if tag else {})

    def _standing(self, entry, status, *, seen):
        """What changes; not `seen` = as if nothing had happened at the exchange yet."""
        report, terms = entry.report, entry.report.terms
        rejected = status == "REJECTED"
        at_exchange = seen and not rejected
        filled = report.filled_quantity if seen else Decimal(0)
        quantity = terms.quantity
        kind = self.order_type(entry)
        moment = stamp(_last_moment(entry)) if at_exchange else None
        message, raw = _why(report.text) if rejected else (None, None)
        return {
            "exchange_order_id": f"11{entry.number:014d}" if at_exchange else None,
            "status": status,
            "status_message": message,
            "status_message_raw": raw,
            "exchange_update_timestamp": moment,
            "exchange_timestamp": moment,
            "quantity": int(quantity),
            "price": number(terms.limit_price) if kind in {"LIMIT", "SL"} else 0,
            "trigger_price": number(terms.stop_price),
            "average_price": number(_average(report)) if seen else 0,
            "filled_quantity": int(filled),
            "pending_quantity": 0 if rejected else int(max(quantity - filled, Decimal(0))),
            "cancelled_quantity": int(quantity - filled) if status == "CANCELLED" else 0,
        }

    def history(self, entry):
        """Every state that an order has been through, oldest first."""
        now = self.row(entry)
        first = {**self._fixed(entry), **self._standing(entry, "", seen=False)}
        shown = self._house.shown(entry.engine_id)
        until = INTERIM.index(shown) if shown in INTERIM else len(INTERIM)
        states = [first | {"status": each} for each in INTERIM[:until]]
        if shown is None and now["status"] in {"COMPLETE", "CANCELLED"}:
            resting = "TRIGGER PENDING" if now["trigger_price"] else "OPEN"
            placed = {"exchange_order_id": now["exchange_order_id"], "status": resting}
            placed["exchange_timestamp"] = placed["exchange_update_timestamp"] = first[
                "order_timestamp"
            ]
            states.append(first | placed)
        return [*states, now]

    def fills(self, entries):
        """Trades of those orders that are shown as they stand, oldest first."""
        found = [
            Fill(entry, execution, int(execution.execution_id.rpartition(".")[2]))
            for entry in entries
            if self._house.shown(entry.engine_id) is None
            for execution in entry.report.executions
            if not execution.busted
        ]
        return sorted(found, key=lambda fill: fill.execution.occurred_at)

    def trades(self, order_id=None):
        """The trade book, of one order where asked for."""
        entries = self.entries() if order_id is None else [self.find(order_id)]
        return [_trade(fill) for fill in self.fills(entries)]


def _trade(fill):
    entry, execution = fill.entry, fill.execution
    moment = stamp(execution.occurred_at)
    return {
        "trade_id": fill.trade_id,
        "order_id": entry.order_id,
        "exchange": entry.ticket.exchange,
        "tradingsymbol": entry.ticket.tradingsymbol,
        "instrument_token": entry.listing.token,
        "product": entry.ticket.product,
        "average_price": number(execution.price),
        "quantity": int(execution.quantity),
        "exchange_order_id": f"11{entry.number:014d}",
        "transaction_type": entry.order.side.value,
        "fill_timestamp": moment,
        "order_timestamp": moment[11:],
        "exchange_timestamp": moment,
    }


def number(amount):
    """A JSON number, as Kite writes amounts; 0 where there is none."""
    return float(amount) if amount else 0


def _average(report):
    counted = [each for each in report.executions if not each.busted]
    quantity = sum((each.quantity for each in counted), Decimal(0))
    if not quantity:
        return None
    return sum((each.price * each.quantity for each in counted), Decimal(0)) / quantity


def _last_moment(entry):
    executions = entry.report.executions
    return executions[-1].occurred_at if executions else entry.ticket.at


def _why(text):
    """`status_message` and `status_message_raw` of a rejected order."""
    if (short := _SHORT.match(text)) is not None:
        needed, left = short.groups()
        message = f"Insufficient funds. Required margin is {needed} but available margin is {left}."
        raw = f"RMS:Margin Exceeds,Required:{needed}, Available:{left} for entity account"
        return f"{message} Check the orderbook for open orders.", raw
    _, _, sentence = text.partition(": ")
    return sentence or text, f"RMS:Rule: {sentence or text}"
