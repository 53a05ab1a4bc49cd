"""Which listing an instrument is, and back: one name, whoever names it."""

from datetime import date
from decimal import Decimal

import pytest

from brokers.errors import UnsupportedOrder
from brokers.zerodha.contracts import Market, check_same, exchanges_of, unlisted_share
from services.domain.instruments import Instrument
from services.domain.words import InstrumentType
from tests.support.builders import make_instrument
from tests.support.kite_rows import contract, listing

T = InstrumentType
NOVEMBER, DECEMBER = date(2026, 11, 26), date(2026, 12, 31)


def nifty(kind="FUT", expiry=NOVEMBER, strike=0, **fields):
    symbol = f"NIFTY-{expiry:%y%b}-{strike}-{kind}"
    known = {"name": "NIFTY", "lot": 75, "strike": Decimal(strike), **fields}
    return listing(symbol, exchange="NFO", kind=kind, expiry=expiry, **known)


def future(**fields):
    known = {"symbol": "NIFTY", "currency": "INR", "expiry": NOVEMBER, **fields}
    return Instrument(instrument_type=T.FUTURE, **known)


@pytest.mark.parametrize(
    "line",
    [
        listing("M&M"),
        listing("INFY", exchange="BSE"),
        listing("NIFTYBEES", name="NIP IND ETF NIFTY BEES"),
        nifty(),
        nifty("CE", strike=24000),
        nifty("PE", strike=24050, expiry=DECEMBER),
        listing("USDINR26NOVFUT", exchange="CDS", kind="FUT", name="USDINR", expiry=NOVEMBER),
        listing("GOLD26DECFUT", exchange="MCX", kind="FUT", name="GOLD", expiry=DECEMBER),
    ],
)
def test_what_kite_lists_is_found_again_under_its_own_name(line):
    market = Market(line.exchange, [line, nifty("CE", strike=1)])
    found = market.listed_as(line.tradingsymbol)
    assert market.find(found.instrument) is found
    assert line.exchange in exchanges_of(found.instrument)


def test_a_strike_is_written_as_people_write_it():
    assert (
        contract("X", exchange="NFO", kind="CE", expiry=NOVEMBER, strike=Decimal("24000"))
        is not None
    )
    option = Market("NFO", [nifty("CE", strike=24000)]).listed_as("NIFTY-26Nov-24000-CE").instrument
    assert option.key == "OPTION:NIFTY:INR:2026-11-26:24000:C"


def test_funds_are_told_from_shares_by_their_names():
    assert contract("NIFTYBEES").instrument.instrument_type is T.ETF
    assert contract("SETFNIF50", name="SBI-ETF NIFTY 50").instrument.instrument_type is T.ETF
    assert contract("NETFLIX", name="NETFLIX").instrument.instrument_type is T.STOCK


def test_an_instrument_that_is_something_else_at_zerodha_is_refused_by_name():
    fund = make_instrument("NIFTYBEES", T.STOCK, currency="INR")
    with pytest.raises(UnsupportedOrder, match="NIFTYBEES is a ETF at Zerodha, not a STOCK"):
        check_same(fund, contract("NIFTYBEES"))
    hundred = future(multiplier=Decimal(100))
    listed = Market("NFO", [nifty()]).find(hundred)
    with pytest.raises(UnsupportedOrder, match="must be 1, was 100: on NFO quantities are units"):
        check_same(hundred, listed)


@pytest.mark.parametrize(
    ("instrument", "words"),
    [
        (make_instrument("AAPL"), "is in USD"),
        (make_instrument("INFY", currency="INR", exchange="NYSE"), "NYSE"),
        (make_instrument("USDINR", T.FOREX, currency="INR"), "currencies are futures on CDS"),
        (make_instrument("BTC", T.CRYPTO, currency="INR"), "CRYPTO"),
        (future(exchange="CME"), "CME"),
    ],
)
def test_what_zerodha_does_not_trade_is_said(instrument, words):
    with pytest.raises(UnsupportedOrder, match=words):
        exchanges_of(instrument)


def test_shares_trade_in_mumbai_where_it_is_said_and_else_on_the_national_exchange():
    assert exchanges_of(make_instrument("INFY", currency="INR")) == ("NSE",)
    assert exchanges_of(make_instrument("INFY", currency="INR", exchange="BSE")) == ("BSE",)
    assert exchanges_of(future(exchange="NSE")) == ("NFO", "CDS")


def test_a_commodity_whose_lot_is_not_known_is_not_traded():
    line = listing("ODD26DECFUT", exchange="MCX", kind="FUT", name="ODD", expiry=DECEMBER)
    assert Market("MCX", [line]).listed_as("ODD26DECFUT") is None


def test_a_share_that_is_not_listed_any_more_is_still_a_share():
    assert unlisted_share("BSE", "GONE").key == "STOCK:GONE:INR"


def test_expiries_are_of_the_same_kind():
    market = Market("NFO", [nifty(expiry=DECEMBER), nifty(), nifty("CE", strike=1)])
    assert sorted(market.expiries(future(expiry=None))) == [NOVEMBER, DECEMBER]


@pytest.mark.parametrize("zero", [{"lot": 0}, {"tick": Decimal(0)}])
def test_an_index_stands_among_the_shares_and_is_none(zero):
    line = listing("NIFTY 50", **zero)
    market = Market("NSE", [line])
    assert market.find(make_instrument("NIFTY 50", currency="INR")) is None
    assert market.listed_as("NIFTY 50") is None
