"""What the gateway says, but for orders: values in, the fields of one message out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

from brokers.broker import BrokerPosition
from tests.fakes.tws import layouts as of
from tests.fakes.tws.contracts import Listing
from tests.fakes.tws.wire import UNSET_DOUBLE

Fields = list[object]
_NO_REQUEST = -1


def error(code: int, sentence: str, number: int = _NO_REQUEST) -> Fields:
    """An error, a warning or a piece of information: TWS has one message for all of them."""
    return [4, 2, number, code, sentence, ""]


def managed_accounts(accounts: Iterable[str]) -> Fields:
    """The accounts of the login."""
    return [15, 1, ",".join(accounts)]


def next_valid_id(number: int) -> Fields:
    """The first order id that this client may use."""
    return [9, 1, number]


def current_time(now: datetime) -> Fields:
    """Seconds since 1970."""
    return [49, 1, int(now.timestamp())]


def end(number: int, request: int | None = None, version: int | None = 1) -> Fields:
    """That a list has ended."""
    told: Fields = [number]
    if version is not None:
        told.append(version)
    return told if request is None else [*told, request]


def contract_details(request: int, listing: Listing, exchange: str, today: date) -> Fields:
    """Everything about one contract."""
    told = listing.described(exchange or None)
    return [
        10,
        request,
        *(told[name] for name in of.DETAILS_CONTRACT),
        listing.trading_class,  # marketName
        listing.trading_class,
        listing.con_id,
        listing.min_tick,
        listing.multiplier,
        listing.order_types,
        listing.exchanges,
        1,  # priceMagnifier
        0,  # underConId
        listing.long_name,
        listing.primary,
        listing.expiry[:6],
        *("", "", ""),  # industry, category, subcategory
        listing.zone,
        listing.sessions(today),
        listing.sessions(today),
        *("", 0),  # evRule, evMultiplier
        0,  # secIds
        1,  # aggGroup
        listing.under_symbol,
        "STK" if listing.under_symbol else "",
        "26",  # marketRuleIds
        listing.expiry,
        listing.stock_type,
        listing.increment,  # minSize
        listing.increment,
        listing.increment,  # suggestedSizeIncrement
    ]


def market_rule(rule: int, increments: Iterable[tuple[Decimal, Decimal]]) -> Fields:
    """From which price on prices move in which step."""
    rows = list(increments)
    return [93, rule, len(rows), *(each for row in rows for each in row)]


def option_parameters(request: int, exchange: str, listings: list[Listing]) -> Fields:
    """The expiries and strikes of an underlying at one exchange."""
    expiries = sorted({each.expiry for each in listings})
    strikes = sorted({each.instrument.strike for each in listings})
    first = listings[0]
    head = [75, request, exchange, 0, first.trading_class, first.multiplier]
    return [*head, len(expiries), *expiries, len(strikes), *strikes]


def account_value(tag: str, value: object, currency: str, account: str) -> Fields:
    """One row of the account window."""
    return [6, 2, tag, value, currency, account]


def account_time(now: datetime) -> Fields:
    """When the account window was brought up to date."""
    return [8, 1, f"{now:%H:%M}"]


def account_multi(request: int, account: str, row: tuple[str, object, str]) -> Fields:
    """The same row for who asked by account."""
    return [73, 1, request, account, "", *row]


def account_summary(request: int, account: str, row: tuple[str, object, str]) -> Fields:
    """The same row of one or all accounts."""
    return [63, 1, request, account, *row]


def position(account: str, listing: Listing, held: BrokerPosition) -> Fields:
    """A position; `avgCost` is of one contract, with its multiplier."""
    told = listing.described("")
    contract = [told[name] for name in of.ANSWERED_CONTRACT]
    return [61, 3, account, *contract, held.quantity, _cost(held)]


def position_multi(request: int, account: str, listing: Listing, held: BrokerPosition) -> Fields:
    """The same for who asked by account."""
    told = listing.described("")
    contract = [told[name] for name in of.ANSWERED_CONTRACT]
    return [71, 1, request, account, *contract, held.quantity, _cost(held), ""]


def portfolio(account: str, listing: Listing, held: BrokerPosition) -> Fields:
    """A position and what it is worth."""
    told = listing.described()
    price = held.market_price or held.average_price
    multiplier = held.instrument.multiplier
    value = held.quantity * price * multiplier
    gain = value - held.quantity * _cost(held)
    contract = [told[name] for name in of.PORTFOLIO_CONTRACT]
    return [7, 8, *contract, held.quantity, price, value, _cost(held), gain, 0, account]


def _cost(held: BrokerPosition) -> Decimal:
    return held.average_price * held.instrument.multiplier


def commission(execution_id: str, amount: Decimal, currency: str) -> Fields:
    """What an execution has cost; what it has earned is told as unset."""
    return [59, 1, execution_id, amount, currency, UNSET_DOUBLE, "", ""]


def pnl(request: int, unrealized: Decimal) -> Fields:
    """Profit and loss of an account."""
    return [94, request, 0, unrealized, 0]


def tick_price(request: int, kind: int, price: Decimal, size: object) -> Fields:
    """A price, e.g. 1 bid, 2 ask, 4 last, 9 close."""
    return [1, 6, request, kind, price, size, 0]


def tick_string(request: int, kind: int, value: object) -> Fields:
    """E.g. 45: when the last trade was, in seconds since 1970."""
    return [46, 6, request, kind, value]


def tick_parameters(request: int, listing: Listing) -> Fields:
    """What comes before the first tick."""
    return [81, request, listing.min_tick, "9c0001", 3]


def tick_last(request: int, kind: int, at: datetime, price: Decimal) -> Fields:
    """One trade, of tick-by-tick data; 1 = last, 2 = all last."""
    return [99, request, kind, int(at.timestamp()), price, 100, 0, "", ""]


def tick_bid_ask(request: int, at: datetime, bid: Decimal, ask: Decimal) -> Fields:
    """One quote, of tick-by-tick data."""
    return [99, request, 3, int(at.timestamp()), bid, ask, 100, 100, 0]


def tick_middle(request: int, at: datetime, price: Decimal) -> Fields:
    """One midpoint, of tick-by-tick data."""
    return [99, request, 4, int(at.timestamp()), price]


def utc_now() -> datetime:
    """The gateway's clock."""
    return datetime.now(UTC)
