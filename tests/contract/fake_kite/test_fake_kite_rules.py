"""The rules of the fake Kite by themselves: they hold whatever comes in."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.fakes.kite import rules
from tests.fakes.kite.catalogue import Catalogue
from tests.fakes.kite.errors import KiteError
from tests.fakes.kite.limits import LIMITS, Budget, Limits

CATALOGUE = Catalogue(date(2026, 11, 21))
LISTINGS = some.sampled_from(CATALOGUE.listings)
AMOUNTS = some.sampled_from(["0", "1", "75", "100.05", "100.03", "1e3", "-5", "", "9" * 12])
FIELDS = {
    "transaction_type": some.sampled_from(["BUY", "SELL", "HOLD"]),
    "quantity": AMOUNTS,
    "product": some.sampled_from(["CNC", "MIS", "NRML", "CO"]),
    "order_type": some.sampled_from(["MARKET", "LIMIT", "SL", "SL-M", "TRAIL"]),
}
MORE = {
    "price": AMOUNTS,
    "trigger_price": AMOUNTS,
    "validity": some.sampled_from(["DAY", "IOC", "TTL", "GTC"]),
    "validity_ttl": AMOUNTS,
    "disclosed_quantity": AMOUNTS,
    "market_protection": some.sampled_from(["-1", "0", "2.5", "100", "101", "auto"]),
    "tag": some.text(max_size=22),
    "iceberg_legs": AMOUNTS,
    "iceberg_quantity": AMOUNTS,
    "autoslice": some.sampled_from(["true", "false", "yes"]),
}


def read_or_refused(fields, variety):
    try:
        return rules.wanted(fields, variety, CATALOGUE)
    except KiteError as error:
        return error


@settings(max_examples=300, deadline=None)
@given(
    LISTINGS,
    some.fixed_dictionaries(FIELDS, optional=MORE),
    some.sampled_from(sorted(rules.VARIETIES)),
)
def test_an_order_is_read_or_refused_in_kites_words(listing, fields, variety):
    named = {"exchange": listing.exchange, "tradingsymbol": listing.tradingsymbol, **fields}
    order = read_or_refused(named, variety)
    if isinstance(order, KiteError):
        assert (order.error_type, order.status) == ("InputException", 400)
        return
    assert order.quantity > 0
    assert order.quantity % listing.lot == 0
    for price in (order.price, order.trigger_price):
        assert price is None or (price > 0 and price % listing.tick == 0)
    assert (order.market_protection != 0) is (order.order_type in {"MARKET", "SL-M"})
    assert (order.product == "CNC") <= (listing.exchange in {"NSE", "BSE"})
    if variety == "iceberg":
        assert order.leg_quantity * (order.legs - 1) < order.quantity
        assert order.quantity <= order.leg_quantity * order.legs


@settings(deadline=None)
@given(some.lists(some.floats(0, 30), max_size=400))
def test_no_window_ever_holds_more_than_its_limit(pauses):
    now, taken = 0.0, []
    limits = Limits(clock=lambda: now)
    for pause in pauses:
        now += pause / 100
        if limits.broken_by(Budget.ORDERS) is None:
            taken.append(now)
    for most, seconds in LIMITS[Budget.ORDERS]:
        for end in taken:
            assert sum(end - seconds < at <= end for at in taken) <= most


@pytest.mark.parametrize("today", [date(2026, 11, 26), date(2026, 11, 27), date(2026, 12, 31)])
def test_there_are_always_three_series_that_live(today):
    expiries = {
        each.instrument.expiry
        for each in Catalogue(today).listings
        if each.instrument.expiry is not None
    }
    assert len(expiries) == 3
    assert min(expiries) >= today
    assert {each.isoweekday() for each in expiries} == {4}


def test_a_listing_and_its_instrument_find_each_other():
    for listing in CATALOGUE.listings:
        assert CATALOGUE.find(listing.exchange, listing.tradingsymbol) is listing
        assert CATALOGUE.by_token(listing.token) is listing
        if listing.instrument_type == "EQ":
            assert CATALOGUE.of(listing.instrument) is listing
        else:
            assert CATALOGUE.of(listing.instrument).instrument.key == listing.instrument.key


def test_a_price_off_the_tick_of_a_currency_is_refused():
    usd = next(each for each in CATALOGUE.listings if each.exchange == "CDS")
    fields = {
        "exchange": "CDS",
        "tradingsymbol": usd.tradingsymbol,
        "transaction_type": "BUY",
        "quantity": "3",
        "product": "NRML",
        "order_type": "LIMIT",
        "price": "84.0025",
    }
    assert rules.wanted(fields, "regular", CATALOGUE).price == Decimal("84.0025")
    with pytest.raises(KiteError, match="Tick size"):
        rules.wanted({**fields, "price": "84.001"}, "regular", CATALOGUE)
