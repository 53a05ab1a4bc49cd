"""Positions, holdings and margins: what the engine's fills are to an Indian broker.

Fills are kept apart by exchange and product. What is bought as CNC is paid in full, and is a
holding from the next day on; of the rest only margin is blocked.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from brokers.mock.margin import margin_of
from services.domain.books import Position, apply_execution
from services.domain.instruments import Instrument
from services.domain.values import ZERO
from services.domain.words import InstrumentType, Side
from tests.fakes.kite.book import number
from tests.fakes.kite.catalogue import Listing
from tests.fakes.kite.errors import Misuse
from tests.fakes.kite.routes import Route

_SEGMENTS = ("equity", "commodity")
#: In which part of `utilised` the margin of an instrument is.
_BLOCKED_AS = {InstrumentType.FUTURE: "span", InstrumentType.OPTION: "option_premium"}
_UTILISED = (
    "debits",
    "exposure",
    "m2m_realised",
    "m2m_unrealised",
    "option_premium",
    "payout",
    "span",
    "holding_sales",
    "turnover",
    "liquid_collateral",
    "stock_collateral",
    "delivery",
)


class Group(NamedTuple):
    """Fills of one product of one listing."""

    listing: Listing
    product: str
    earlier: list
    today: list


class Held(NamedTuple):
    """A group with what its fills come to."""

    group: Group
    position: Position
    before: Position
    price: Decimal

    @property
    def multiplier(self):
        """What one unit of quantity and price is worth."""
        return self.group.listing.instrument.multiplier

    @property
    def value(self):
        """Market value, negative for a short."""
        return self.position.quantity * self.price * self.multiplier

    @property
    def unrealized(self):
        """Of what is still held."""
        change = self.price - self.position.average_price
        return self.position.quantity * change * self.multiplier


class Funds:
    """What the account holds and owes."""

    def __init__(self, house, book):
        self._house = house
        self._book = book

    def routes(self):
        """Of the account."""
        return [
            Route("GET", "/portfolio/positions", self.positions),
            Route("GET", "/portfolio/holdings", self.holdings),
            Route("GET", "/user/margins", self.margins),
            Route("GET", "/user/margins/{segment}", self.margins),
        ]

    def groups(self):
        """All fills, by listing and product."""
        found = {}
        for fill in self._book.fills(self._book.entries(all_days=True)):
            ticket, listing = fill.entry.ticket, fill.entry.listing
            key = (listing.exchange, listing.tradingsymbol, ticket.product)
            group = found.setdefault(key, Group(listing, ticket.product, [], []))
            today = fill.entry.number > self._book.day_began
            (group.today if today else group.earlier).append(fill)
        return list(found.values())

    def positions(self, call, _twist):
        """Net positions, overnight ones too, and those of today alone."""
        call.has_no_body()
        net, day = [], []
        for found in self.groups():
            group = found._replace(earlier=[]) if found.product == "CNC" else found
            if group.earlier or group.today:
                net.append(self._row(group))
            if group.today:
                day.append(self._row(group._replace(earlier=[])))
        return {"net": net, "day": day}

    def held(self, group):
        """What the fills of a group come to."""
        before = _booked(group.listing.instrument, group.earlier)
        position = _booked(group.listing.instrument, group.earlier + group.today)
        fills = group.earlier + group.today
        last = self._house.exchange.last_price(group.listing.instrument.key)
        return Held(group, position, before, last.price if last else fills[-1].execution.price)

    def _row(self, group):
        held = self.held(group)
        listing, position, multiplier = group.listing, held.position, held.multiplier
        sides = {}
        for fills, prefix in ((group.earlier + group.today, ""), (group.today, "day_")):
            for side in Side:
                sides |= _side(fills, side, f"{prefix}{side.lower()}", multiplier)
        value = sides["sell_value"] - sides["buy_value"]
        pnl = value + held.value
        amounts = {
            "average_price": position.average_price,
            "close_price": ZERO,
            "last_price": held.price,
            "value": value,
            "pnl": pnl,
            "m2m": pnl,
            "unrealised": held.unrealized,
            "realised": pnl - held.unrealized,
            "buy_m2m": sides["buy_value"],
            "sell_m2m": sides["sell_value"],
            **sides,
        }
        quantities = {key for key in sides if key.endswith("quantity")}
        return {
            "tradingsymbol": listing.tradingsymbol,
            "exchange": listing.exchange,
            "instrument_token": listing.token,
            "product": group.product,
            "quantity": int(position.quantity),
            "overnight_quantity": int(held.before.quantity),
            "multiplier": int(multiplier),
            **{
                key: int(amount) if key in quantities else number(amount)
                for key, amount in amounts.items()
            },
        }

    def deliverable(self, listing):
        """How many of a share can be sold as CNC."""
        for group in self.groups():
            if (group.listing, group.product) == (listing, "CNC"):
                return self.held(group).position.quantity
        return ZERO

    def holdings(self, call, _twist):
        """Shares bought as CNC before today."""
        call.has_no_body()
        kept = [group for group in self.groups() if group.product == "CNC"]
        return [row for row in map(self._holding, kept) if row["opening_quantity"]]

    def _holding(self, group):
        """One share; what was bought yesterday is not delivered yet (T1)."""
        held, days = self.held(group), self._house.state.days
        eve = days[-2] if len(days) > 1 else 0
        opening = held.before.quantity
        young = sum(
            (
                each.execution.quantity
                for each in group.earlier
                if each.entry.number > eve and each.execution.side is Side.BUY
            ),
            ZERO,
        )
        t1 = min(young, opening)
        used = min(_total(group.today, Side.SELL), opening)
        listing, price = group.listing, held.price
        pnl = (price - held.before.average_price) * opening
        return {
            "tradingsymbol": listing.tradingsymbol,
            "exchange": listing.exchange,
            "instrument_token": listing.token,
            "isin": f"INE{listing.exchange_token:06d}010",
            "product": "CNC",
            "price": 0,
            "quantity": int(max(opening - t1 - used, ZERO)),
            "used_quantity": int(used),
            "t1_quantity": int(t1),
            "realised_quantity": int(opening - t1),
            "authorised_quantity": 0,
            "authorised_date": None,
            "opening_quantity": int(opening),
            "collateral_quantity": 0,
            "collateral_type": "",
            "discrepancy": False,
            "average_price": number(held.before.average_price),
            "last_price": number(price),
            "close_price": number(price),
            "pnl": number(pnl),
            "day_change": 0,
            "day_change_percentage": 0,
        }

    def net(self):
        """What is free: cash, and of positions on margin their value less their margin."""
        return self._net(self._margined())

    def _net(self, margined):
        blocked = sum((_margin(each) for each in margined), ZERO)
        return self._cash() + sum((each.value for each in margined), ZERO) - blocked

    def _cash(self):
        return self._house.exchange.state(self._house.user.account_id).cash

    def _margined(self):
        return [self.held(group) for group in self.groups() if group.product != "CNC"]

    def end_day(self):
        """Cancel what works; the book is empty, and CNC is a holding from now on."""
        house, entries = self._house, self._book.entries(all_days=True)
        for entry in entries:
            house.exchange.cancel_by_hand(house.user.account_id, entry.report.broker_order_id)
        last = entries[-1].number if entries else 0
        worth = sum((each.value for each in self._margined()), ZERO)
        house.state.change(days=[*house.state.days, last], opening=str(self._cash() + worth))

    def margins(self, call, _twist):
        """Of both segments; all money is in the equity segment, as in accounts of today."""
        call.has_no_body()
        segment = call.parts.get("segment")
        if segment not in {None, *_SEGMENTS}:
            raise Misuse(f"Invalid segment {segment!r}")
        segments = {"equity": self._equity(), "commodity": _segment(ZERO, ZERO, {}, enabled=False)}
        return segments if segment is None else segments[segment]

    def _equity(self):
        """`debits` is the sum of its parts, and of charges and CNC, which have no part here."""
        margined = self._margined()
        opening, net = Decimal(self._house.state.opening), self._net(margined)
        utilised = defaultdict(lambda: ZERO)
        for held in margined:
            kind = held.group.listing.instrument.instrument_type
            utilised[_BLOCKED_AS.get(kind, "exposure")] += _margin(held)
            utilised["m2m_unrealised"] -= held.unrealized
            utilised["m2m_realised"] -= held.position.realized_pnl
        return _segment(opening, net, {**utilised, "debits": opening - net})


def _margin(held):
    return margin_of(held.group.listing.instrument, held.position.quantity, held.price)


def _booked(instrument: Instrument, fills):
    position = Position(strategy_id="kite", account_id="kite", instrument=instrument)
    for fill in fills:
        position = apply_execution(position, fill.execution)
    return position


def _total(fills, side):
    return sum((each.execution.quantity for each in fills if each.execution.side is side), ZERO)


def _side(fills, side, name, multiplier):
    """Quantity, average price and value of one side."""
    quantity = _total(fills, side)
    paid = sum(
        (
            each.execution.quantity * each.execution.price
            for each in fills
            if each.execution.side is side
        ),
        ZERO,
    )
    return {
        f"{name}_quantity": quantity,
        f"{name}_price": paid / quantity if quantity else ZERO,
        f"{name}_value": paid * multiplier,
    }


def _segment(opening, net, utilised, *, enabled=True):
    return {
        "enabled": enabled,
        "net": number(net),
        "available": {
            "adhoc_margin": 0,
            "cash": number(opening),
            "opening_balance": number(opening),
            "live_balance": number(net),
            "collateral": 0,
            "intraday_payin": 0,
        },
        "utilised": {name: number(utilised.get(name)) for name in _UTILISED},
    }
