"""Placing, changing and cancelling orders."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from brokers.mock.faults import Step
from brokers.mock.margin import Refusal
from brokers.mock.twists import Twist
from services.domain.orders import OrderTerms
from services.domain.words import OrderStatus, Side, TimeInForce
from tests.fakes.kite import rules
from tests.fakes.kite.book import order_id_of
from tests.fakes.kite.errors import KiteError, Misuse, bad_input, bad_order
from tests.fakes.kite.limits import Budget
from tests.fakes.kite.routes import Route
from tests.fakes.kite.ticket import ORDER_TYPES, Ticket
from tests.fakes.venue import order_of

_WORKING = frozenset({OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED})
#: How far a MARKET order may go from the last price where Kite chooses, in percent.
_USUAL_PROTECTION = Decimal(3)
_SLICE_ERROR = ("code", "error_type", "message", "data")
#: How often an order can be changed.
_CHANGES = 25
_FROZEN = "Order quantity {} is more than the freeze quantity {} of the exchange."


class Orders:
    """What a client does with orders."""

    def __init__(self, house, book, funds):
        self._house = house
        self._book = book
        self._funds = funds
        self._account = house.user.account_id

    def routes(self):
        """Of orders and trades."""
        order = "/orders/{variety}/{order_id}"
        return [
            Route("POST", "/orders/{variety}", self.place, Step.PLACE, Budget.ORDERS),
            Route("PUT", order, self.modify, Step.MODIFY, Budget.ORDERS),
            Route("DELETE", order, self.cancel, Step.CANCEL, Budget.ORDERS),
            Route("GET", "/orders", self.orders),
            Route("GET", "/orders/{order_id}", self.history),
            Route("GET", "/orders/{order_id}/trades", self.trades),
            Route("GET", "/trades", self.trades),
        ]

    def orders(self, call, _twist):
        """The order book."""
        call.has_no_body()
        return self._book.rows()

    def history(self, call, _twist):
        """The states of one order."""
        call.has_no_body()
        return self._book.history(self._book.find(call.parts["order_id"]))

    def trades(self, call, _twist):
        """The trade book."""
        call.has_no_body()
        return self._book.trades(call.parts.get("order_id"))

    def place(self, call, twist):
        """An order id, whatever then becomes of the order."""
        variety = self._variety(call)
        fields = call.form(required=rules.REQUIRED, optional=rules.OPTIONAL)
        order = rules.wanted(fields, variety, self._house.catalogue)
        self._fits_hours(order, variety)
        with self._house.placing:
            oddity = self._house.next_oddity()
            freeze = order.listing.freeze
            if order.autoslice and freeze is not None and order.quantity > freeze:
                return self._slices(order, variety, twist, oddity)
            if variety == "iceberg":
                return {"order_id": self._iceberg_leg(order, 1, order.quantity, twist, oddity)}
            return {"order_id": self._send(order, variety, twist, oddity)}

    def _variety(self, call):
        variety = call.parts["variety"]
        if variety not in rules.VARIETIES:
            raise Misuse(f"Invalid `variety`: was {variety!r}")
        return variety

    def _fits_hours(self, order, variety):
        kind = order.listing.instrument.instrument_type
        closed = kind in self._house.exchange.market.closed(datetime.now(UTC))
        if closed and variety != "amo":
            raise bad_input("Markets are closed right now. Place an after market order (AMO).")
        if not closed and variety == "amo":
            raise bad_input("After market orders (AMO) are not taken while the market is open.")

    def _send(self, order, variety, twist, oddity, **ticket):
        """Into the engine; Kite's id of it."""
        house, listing = self._house, order.listing
        engine_id = house.engine_id(order.tag)
        made = self._ticket(order, variety, **ticket)
        sent = order_of(
            self._account,
            engine_id,
            listing.instrument,
            order.side,
            Decimal(order.quantity),
            note=made.note(),
            order_type=ORDER_TYPES[order.order_type],
            limit_price=order.price,
            stop_price=order.trigger_price,
            time_in_force=TimeInForce.IOC if order.validity == "IOC" else TimeInForce.DAY,
        )
        if twist.refusal is None and (refusal := self._risk(order)) is not None:
            twist = replace(twist, refusal=refusal)
        house.begins(engine_id, oddity)
        report = house.exchange.place(self._account, sent, twist=twist)
        if order.validity_ttl:
            after = order.validity_ttl * house.minute_seconds
            house.exchange.later(after, lambda: house.exchange.cancel(self._account, engine_id))
        order_id = order_id_of(int(report.broker_order_id.partition("-")[2]))
        house.engine_ids[order_id] = engine_id
        return order_id

    def _ticket(self, order, variety, **more):
        return Ticket(
            variety=variety,
            exchange=order.listing.exchange,
            tradingsymbol=order.listing.tradingsymbol,
            product=order.product,
            order_type=order.order_type,
            placed_at=datetime.now(UTC).isoformat(),
            placed_by=self._house.user.user_id,
            validity=order.validity,
            validity_ttl=order.validity_ttl,
            disclosed_quantity=order.disclosed_quantity,
            market_protection=order.market_protection,
            tag=order.tag,
            **more,
        )

    def _risk(self, order):
        """Why the house's risk management rejects an order that has its id already, or None."""
        freeze = order.listing.freeze
        if freeze is not None and order.quantity > freeze:
            return Refusal("FREEZE", _FROZEN.format(order.quantity, freeze))
        if order.product != "CNC":
            return None
        if order.side is Side.SELL:
            held = self._funds.deliverable(order.listing) - self._being_sold(order.listing)
            if order.quantity > held:
                text = f"Insufficient stock holding: {order.quantity} to sell, {held:f} held."
                return Refusal("HOLDINGS", text)
            return None
        price = order.price or order.trigger_price or self._last_price(order.listing)
        needed, net = order.quantity * (price or 0), self._funds.net()
        if needed > net:
            text = f"{needed:.2f} margin and commission needed, {net:.2f} available"
            return Refusal("INSUFFICIENT_FUNDS", text)
        return None

    def _being_sold(self, listing):
        """How many of a share are in CNC orders that work."""
        return sum(
            each.report.terms.quantity - each.report.filled_quantity
            for each in self._book.entries()
            if (each.listing, each.ticket.product) == (listing, "CNC")
            and each.order.side is Side.SELL
            and each.report.status in _WORKING
        )

    def _last_price(self, listing):
        last = self._house.exchange.last_price(listing.instrument.key)
        return last.price if last else None

    def _slices(self, order, variety, twist, oddity):
        """Slices that the exchange takes; the first is what the others are children of."""
        freeze = order.listing.freeze // order.listing.lot * order.listing.lot
        sizes = [freeze] * (order.quantity // freeze) + [order.quantity % freeze]
        first, children = None, []
        for place, size in enumerate((size for size in sizes if size), start=1):
            part = replace(order, quantity=size)
            if place in oddity.fails:
                failure = KiteError("MarginException", "Insufficient funds.", 400)
                told = {"code": failure.status, **failure.body()}
                children.append({"error": {key: told[key] for key in _SLICE_ERROR}})
            elif first is None:
                first = self._send(part, variety, twist, oddity)
            else:
                made = self._send(part, variety, Twist(), oddity, parent_order_id=first)
                children.append({"order_id": made})
        if first is None:
            raise KiteError("MarginException", "Insufficient funds.", 400)
        return {"order_id": first, "children": children}

    def _iceberg_leg(self, order, leg, left, twist, oddity):
        size = min(order.leg_quantity, left)
        meta = {
            "iceberg": {
                "leg": leg,
                "legs": order.legs,
                "leg_quantity": order.leg_quantity,
                "total_quantity": order.quantity,
                "remaining_quantity": left - size,
            }
        }
        part = replace(order, quantity=size)
        return self._send(part, "iceberg", twist, oddity, meta=meta)

    def next_iceberg_leg(self, entry):
        """Once a leg has filled: the next one, where there is one."""
        told = entry.ticket.meta.get("iceberg")
        if not told or not told["remaining_quantity"]:
            return
        order = replace(
            self._as_wanted(entry),
            quantity=told["total_quantity"],
            legs=told["legs"],
            leg_quantity=told["leg_quantity"],
        )
        left, leg = told["remaining_quantity"], told["leg"] + 1
        with self._house.placing:
            self._iceberg_leg(order, leg, left, Twist(), self._house.next_oddity())

    def _as_wanted(self, entry):
        ticket, terms = entry.ticket, entry.report.terms
        row = self._book.row(entry)
        return rules.Wanted(
            listing=entry.listing,
            side=entry.order.side,
            quantity=int(terms.quantity),
            product=ticket.product,
            order_type=row["order_type"],
            price=terms.limit_price if row["price"] else None,
            trigger_price=terms.stop_price,
            validity=row["validity"],
            validity_ttl=ticket.validity_ttl,
            disclosed_quantity=ticket.disclosed_quantity,
            market_protection=row["market_protection"],
            tag=ticket.tag,
        )

    def modify(self, call, twist):
        """Other terms of a working order."""
        entry = self._working(call, "modified")
        fields = call.form(optional=rules.CHANGEABLE)
        after = rules.changed(self._as_wanted(entry), fields, call.parts["variety"], entry.order_id)
        freeze = entry.listing.freeze
        if freeze is not None and after.quantity > freeze:
            raise bad_order(_FROZEN.format(after.quantity, freeze))
        if self._house.state.amended.get(str(entry.number), {}).get("times", 0) >= _CHANGES:
            raise bad_order("Maximum allowed order modifications exceeded.")
        terms = OrderTerms(
            quantity=Decimal(after.quantity),
            limit_price=after.price or self._protected(entry, after),
            stop_price=after.trigger_price,
        )
        answer = self._house.exchange.modify(self._account, entry.engine_id, terms, twist=twist)
        if isinstance(answer, Refusal):
            raise bad_order(f"Order could not be modified: {answer.text}.")
        self._house.state.amend(
            entry.number,
            order_type=after.order_type,
            validity=after.validity,
            market_protection=after.market_protection,
        )
        return {"order_id": entry.order_id}

    def _protected(self, entry, order):
        """The limit of a MARKET order that was a limit order when it was placed."""
        if order.order_type != "MARKET" or entry.order.limit_price is None:
            return None
        percent = Decimal(str(order.market_protection))
        percent = _USUAL_PROTECTION if percent < 0 else percent
        last = self._last_price(order.listing)
        if last is None:
            raise bad_order("There is no last price to protect the order with.")
        limit = last * (1 + order.side.sign * percent / 100)
        return limit.quantize(order.listing.tick, rounding=ROUND_HALF_EVEN)

    def cancel(self, call, twist):
        """Cancel what still works of an order."""
        entry = self._working(call, "cancelled")
        call.asks(optional=("parent_order_id",))
        if call.body:
            raise Misuse("DELETE takes no body")
        if twist.done_after_seconds is not None:
            self._house.veil(entry.engine_id, "CANCEL PENDING", twist.done_after_seconds)
        if entry.engine_id:
            self._house.exchange.cancel(self._account, entry.engine_id, twist=twist)
        else:
            self._house.exchange.cancel_by_hand(self._account, entry.report.broker_order_id)
        return {"order_id": entry.order_id}

    def _working(self, call, done):
        entry = self._book.find(call.parts["order_id"])
        if self._variety(call) != entry.ticket.variety:
            raise bad_input(f"Order {entry.order_id} is not of variety {call.parts['variety']}.")
        shown = self._house.shown(entry.engine_id)
        if shown is not None or entry.report.status not in _WORKING:
            raise bad_order(f"Order cannot be {done} as it is {shown or self._book.status(entry)}.")
        return entry
