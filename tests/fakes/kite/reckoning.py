"""What orders would need and cost: `/margins/*` and `/charges/orders`."""

from __future__ import annotations

from decimal import Decimal

from brokers.mock.margin import Refusal, margin_change
from services.domain.accounts import PreviewLeg
from services.domain.values import ZERO
from services.domain.words import Side
from tests.fakes.kite.book import number
from tests.fakes.kite.call import one_of, price, whole
from tests.fakes.kite.errors import KiteError, Misuse, bad_input
from tests.fakes.kite.routes import Route
from tests.fakes.kite.rules import VARIETIES
from tests.fakes.kite.ticket import ORDER_TYPES

_ASKED = frozenset(
    {
        "exchange",
        "tradingsymbol",
        "transaction_type",
        "variety",
        "product",
        "order_type",
        "quantity",
    }
)
_MORE = frozenset({"price", "trigger_price"})
_FILLED = _ASKED | {"order_id", "average_price"}
_PARTS = ["span", "exposure", "option_premium", "additional", "bo", "cash", "var"]


class Reckoning:
    """Answers what nobody has to send an order for."""

    def __init__(self, house, book):
        self._house = house
        self._book = book
        self._account = house.user.account_id

    def routes(self):
        """Of margins and charges."""
        return [
            Route("POST", "/margins/orders", self.orders),
            Route("POST", "/margins/basket", self.basket),
            Route("POST", "/charges/orders", self.charges),
        ]

    def orders(self, call, _twist):
        """Of each order by itself, after what is held."""
        call.asks(optional=("mode",))
        return [self._margin_row(row, self._change([leg])) for row, leg in self._asked(call)]

    def basket(self, call, _twist):
        """`initial`: of the orders one by one; `final`: of all together, which may be below 0."""
        query = call.asks(optional=("consider_positions", "mode"))
        flag = one_of({"consider_positions": "true", **query}, "consider_positions", _FLAGS)
        asked = self._asked(call)
        legs = [leg for _, leg in asked]
        alone = [max(self._change([leg], considering=False), ZERO) for leg in legs]
        rows = [self._margin_row(row, each) for (row, _), each in zip(asked, alone, strict=True)]
        final = self._change(legs, considering=flag.lower() == "true")
        return {
            "initial": _margins("", "", "", sum(alone, ZERO)),
            "final": _margins("", "", "", final),
            "orders": [] if query.get("mode") == "compact" else rows,
            "charges": _charges(ZERO),
        }

    def _asked(self, call):
        found = []
        for row in call.json_list():
            self._strict(row, _ASKED, _MORE)
            listing = self._listing(row)
            quantity = Decimal(whole(row, "quantity"))
            side = Side(one_of(row, "transaction_type", {"BUY", "SELL"}))
            price(row, "price")
            price(row, "trigger_price")
            leg = PreviewLeg(instrument=listing.instrument, side=side, quantity=quantity)
            found.append((row, leg))
        return found

    def _strict(self, row, required, optional):
        left_over, missing = set(row) - required - optional, required - set(row)
        if left_over or missing:
            raise Misuse(f"fields missing: {sorted(missing)}, left over: {sorted(left_over)}")
        one_of(row, "variety", VARIETIES)
        one_of(row, "product", {"CNC", "MIS", "NRML"})
        one_of(row, "order_type", ORDER_TYPES)

    def _listing(self, row):
        listing = self._house.catalogue.find(row["exchange"], row["tradingsymbol"])
        if listing is None:
            raise bad_input(f"Invalid tradingsymbol {row['tradingsymbol']!r}.")
        return listing

    def _change(self, legs, *, considering=True):
        """Initial margin of legs together."""
        if considering:
            answer = self._house.exchange.preview(self._account, legs)
            if isinstance(answer, Refusal):
                raise bad_input(f"{answer.text}.")
            return answer.initial_margin
        prices = {}
        for leg in legs:
            last = self._house.exchange.last_price(leg.instrument.key)
            if last is None:
                raise bad_input(f"no price is known for {leg.instrument.symbol}.")
            prices[leg.instrument.key] = last.price
        return margin_change(legs, {}, prices).initial

    def _margin_row(self, row, total):
        return _margins("equity", row["tradingsymbol"], row["exchange"], total)

    def charges(self, call, _twist):
        """Of what has filled, to the paisa as the engine books it."""
        rows = call.json_list()
        for row in rows:
            self._strict(row, _FILLED, frozenset())
            self._listing(row)
            price(row, "average_price")
        return [
            {
                **{key: row[key] for key in sorted(_ASKED)},
                "price": number(Decimal(str(row["average_price"]))),
                "charges": _charges(self._paid(row)),
            }
            for row in rows
        ]

    def _paid(self, row):
        """What the fills of an order have cost; else what one fill of so many would."""
        quantity = Decimal(whole(row, "quantity"))
        try:
            entry = self._book.find(str(row["order_id"]))
        except KiteError:
            return self._house.venue.books.fee(quantity)
        counted = [each for each in entry.report.executions if not each.busted]
        if sum((each.quantity for each in counted), ZERO) == quantity:
            return sum((each.commission for each in counted), ZERO)
        return self._house.venue.books.fee(quantity)


_FLAGS = frozenset({"true", "false", "True", "False"})


def _margins(kind, tradingsymbol, exchange, total):
    return {
        "type": kind,
        "tradingsymbol": tradingsymbol,
        "exchange": exchange,
        **dict.fromkeys(_PARTS, 0),
        "var": number(total),
        "pnl": {"realised": 0, "unrealised": 0},
        "leverage": 1,
        "charges": _charges(ZERO),
        "total": number(total),
    }


def _charges(total):
    return {
        "transaction_tax": 0,
        "transaction_tax_type": "stt",
        "exchange_turnover_charge": 0,
        "sebi_turnover_charge": 0,
        "brokerage": number(total),
        "stamp_duty": 0,
        "gst": {"igst": 0, "cgst": 0, "sgst": 0, "total": 0},
        "total": number(total),
    }
