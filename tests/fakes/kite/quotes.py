"""Prices and the instruments dump."""

from __future__ import annotations

from decimal import Decimal

from tests.fakes.kite.book import number, stamp
from tests.fakes.kite.catalogue import SEGMENT_CODES
from tests.fakes.kite.errors import Misuse
from tests.fakes.kite.limits import Budget
from tests.fakes.kite.routes import Route

_LEVELS = 5
_MOST = {"/quote": 500, "/quote/ohlc": 1000, "/quote/ltp": 1000}


class Dump(str):
    """CSV: the one answer that is no JSON."""


class Quotes:
    """What the market says."""

    def __init__(self, house):
        self._house = house

    def routes(self):
        """Of the market."""
        paths = [("/quote", self.full), ("/quote/ohlc", self.ohlc), ("/quote/ltp", self.last)]
        return [
            *(Route("GET", path, handler, budget=Budget.QUOTES) for path, handler in paths),
            Route("GET", "/instruments", self.dump),
            Route("GET", "/instruments/{exchange}", self.dump),
        ]

    def dump(self, call, _twist):
        """Every listing of an exchange, or of all."""
        call.has_no_body()
        exchange = call.parts.get("exchange")
        if exchange not in {None, *SEGMENT_CODES}:
            raise Misuse(f"Invalid exchange {exchange!r}")
        return Dump(self._house.catalogue.dump(exchange))

    def last(self, call, _twist):
        """Last prices; what is not listed is left out."""
        return {name: self._last(listing)[0] for name, listing in self._asked(call)}

    def ohlc(self, call, _twist):
        """Last prices and those of the day."""
        return {
            name: row | {"ohlc": _day(price)}
            for name, listing in self._asked(call)
            for row, price, _ in [self._last(listing, whole=True)]
        }

    def full(self, call, _twist):
        """Everything; one level of an endless book on either side."""
        answer = {}
        for name, listing in self._asked(call):
            row, price, at = self._last(listing, whole=True)
            depth = [{"price": number(price), "quantity": 0, "orders": 0}] * _LEVELS
            answer[name] = row | {
                "timestamp": stamp(at) if at else None,
                "last_trade_time": stamp(at) if at else None,
                "last_quantity": 0,
                "buy_quantity": 0,
                "sell_quantity": 0,
                "volume": 0,
                "average_price": number(price),
                "oi": 0,
                "oi_day_high": 0,
                "oi_day_low": 0,
                "net_change": 0,
                "lower_circuit_limit": number(price * Decimal("0.8") if price else None),
                "upper_circuit_limit": number(price * Decimal("1.2") if price else None),
                "ohlc": _day(price),
                "depth": {"buy": depth, "sell": depth},
            }
        return answer

    def _asked(self, call):
        names = call.instruments()
        if len(names) > _MOST[call.path]:
            raise Misuse(f"{len(names)} instruments asked for, {_MOST[call.path]} allowed")
        for name in names:
            exchange, colon, symbol = name.partition(":")
            if not colon:
                raise Misuse(f"Invalid instrument {name!r}: expected exchange:tradingsymbol")
            listing = self._house.catalogue.find(exchange, symbol)
            if listing is not None:
                yield name, listing

    def _last(self, listing, *, whole=False):
        last = self._house.exchange.last_price(listing.instrument.key)
        price = last.price if last else None
        row = {"instrument_token": listing.token, "last_price": number(price)}
        return (row, price, last.as_of if last else None) if whole else (row,)


def _day(price):
    return dict.fromkeys(("open", "high", "low", "close"), number(price))
