"""Our orders as IB's, and IB's contracts as our instruments."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.errors import UnsupportedOrder
from brokers.ibkr.api import Contract, ContractDetails
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.combos import ComboPart, bag_of, combo_order, ids_of, joined
from brokers.ibkr.contracts import (
    Listing,
    asked_contract,
    chosen,
    described,
    instrument_of,
    to_tick,
)
from brokers.ibkr.exact import decimal_of, float_of, positive_of
from brokers.ibkr.link import IbkrLink
from brokers.ibkr.orders import Linked, ib_order, kind_of, same_terms, terms_misfit, terms_of
from services.domain.orders import OrderTerms
from services.domain.words import InstrumentType, OrderType, Side, TimeInForce
from tests.support.builders import make_instrument, make_order

LINK = IbkrLink(port=4002, client_id=3, broker_account="DU1", outside_rth=True)
TODAY = date(2026, 11, 20)
T, K = InstrumentType, OrderType


def listing(instrument=None, tick="0.01", con_id=1, **fields):
    instrument = instrument or make_instrument()
    fields = {"secType": "STK", "currency": "USD", "exchange": "SMART", **fields}
    contract = Contract(conId=con_id, symbol=instrument.symbol, **fields)
    return Listing(instrument, contract, Decimal(tick) if tick else None)


def made(sent, tick="0.01", **linked):
    return ib_order(sent, listing(sent.instrument, tick), LINK, Linked(**linked))


def test_what_every_order_carries():
    sent = make_order("10", side=Side.SELL, time_in_force=TimeInForce.GTC, oco_group="G1")
    order = made(sent)
    assert (order.action, order.totalQuantity, order.orderType) == ("SELL", 10, "MKT")
    assert (order.orderRef, order.account, order.tif) == (sent.client_order_id, "DU1", "GTC")
    assert (order.outsideRth, order.ocaGroup, order.ocaType) == (True, "G1", 2)
    assert order.transmit


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"order_type": K.LIMIT, "limit_price": Decimal("1.005")}, {"lmtPrice": 1.0}),
        ({"order_type": K.LIMIT, "limit_price": Decimal("0.001")}, {"lmtPrice": 0.01}),
        ({"order_type": K.STOP, "stop_price": Decimal("2.013")}, {"auxPrice": 2.01}),
        (
            {"order_type": K.STOP_LIMIT, "stop_price": Decimal(2), "limit_price": Decimal(1)},
            {"auxPrice": 2.0, "lmtPrice": 1.0, "orderType": "STP LMT"},
        ),
        (
            {"order_type": K.TRAILING_STOP, "trail_amount": Decimal(5)},
            {"auxPrice": 5.0, "orderType": "TRAIL"},
        ),
        (
            {"order_type": K.TRAILING_STOP, "trail_ratio": Decimal("0.05")},
            {"trailingPercent": 5.0},
        ),
        (
            {
                "order_type": K.TRAILING_STOP,
                "trail_amount": Decimal(5),
                "stop_price": Decimal(95),
            },
            {"trailStopPrice": 95.0},
        ),
        ({"time_in_force": TimeInForce.CLS}, {"orderType": "MOC", "tif": "DAY"}),
        (
            {
                "order_type": K.LIMIT,
                "limit_price": Decimal(1),
                "time_in_force": TimeInForce.CLS,
            },
            {"orderType": "LOC", "tif": "DAY"},
        ),
        ({"time_in_force": TimeInForce.OPG}, {"orderType": "MKT", "tif": "OPG"}),
    ],
)
def test_types_and_prices_and_lives(fields, wanted):
    order = made(make_order("10", **fields))
    assert {name: getattr(order, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    "fields",
    [
        {"order_type": K.LIMIT},
        {"order_type": K.STOP},
        {"order_type": K.TRAILING_STOP},
        {
            "order_type": K.TRAILING_STOP,
            "trail_amount": Decimal(1),
            "trail_ratio": Decimal("0.1"),
        },
        {
            "order_type": K.STOP,
            "stop_price": Decimal(1),
            "time_in_force": TimeInForce.OPG,
        },
    ],
)
def test_an_order_without_what_its_type_needs_is_refused(fields):
    with pytest.raises(UnsupportedOrder):
        made(make_order("10", **fields))


@given(
    st.decimals("0.0001", "99999", places=4),
    st.sampled_from(["0.01", "0.05", "0.25", "0.005", "1"]),
)
def test_prices_are_whole_steps_and_at_most_half_a_step_away(price, step):
    tick = Decimal(step)
    rounded = to_tick(price, tick)
    assert rounded % tick == 0
    assert rounded > 0
    assert abs(rounded - price) <= tick / 2 or rounded == tick


def test_a_price_without_a_known_step_is_left_as_it_is():
    assert to_tick(Decimal("1.2345"), None) == Decimal("1.2345")


@given(st.decimals("0.00000001", "99999999", places=8))
def test_a_number_survives_the_wire(number):
    assert decimal_of(float_of(number)) == Decimal(repr(float(number)))
    assert decimal_of(str(number)) == number


@pytest.mark.parametrize("nothing", [None, "", 1.7976931348623157e308, float("nan"), "text"])
def test_what_ib_does_not_say_is_none(nothing):
    assert decimal_of(nothing) is None
    assert positive_of(nothing) is None


def test_noise_of_binary_numbers_is_not_taken_over():
    assert decimal_of(0.1 + 0.2 - 0.2) == Decimal(repr(0.1 + 0.2 - 0.2))
    assert str(decimal_of(100.0)) == "100"
    assert decimal_of(1e-8) == Decimal("0.00000001")
    assert positive_of(-1.0) is None


def test_terms_as_ib_tells_them():
    stop = IbOrder(orderType="STP", totalQuantity=5.0, auxPrice=9.5)
    assert terms_of(stop, Decimal(0)) == OrderTerms(quantity=5, stop_price=Decimal("9.5"))
    assert terms_of(IbOrder(orderType="MKT"), Decimal(0)) is None
    assert terms_of(IbOrder(orderType="MKT"), Decimal("0.3")).quantity == Decimal("0.3")
    trail = IbOrder(orderType="TRAIL", totalQuantity=5.0, auxPrice=2.0, trailStopPrice=97.0)
    assert terms_of(trail, Decimal(0)).stop_price == 97


def test_orders_by_hand_of_types_that_we_do_not_have_are_the_nearest():
    assert kind_of(IbOrder(orderType="REL", lmtPrice=10.0)) is K.LIMIT
    assert kind_of(IbOrder(orderType="MIDPRICE")) is K.MARKET
    assert kind_of(IbOrder(orderType="TRAIL LIMIT")) is K.TRAILING_STOP


def test_terms_that_do_not_fit_an_order_are_named():
    assert "limit price" in terms_misfit(make_order(order_type=K.LIMIT), OrderTerms(quantity=1))
    assert "stop price" in terms_misfit(make_order(order_type=K.STOP), OrderTerms(quantity=1))
    assert not terms_misfit(make_order(order_type=K.TRAILING_STOP), OrderTerms(quantity=1))


def test_unset_prices_are_the_same_as_none():
    sent = IbOrder(totalQuantity=5.0, orderType="MKT")
    assert same_terms(sent, IbOrder(totalQuantity=5.0, lmtPrice=0.0, auxPrice=0.0))
    assert not same_terms(sent, IbOrder(totalQuantity=6.0))


@pytest.mark.parametrize(
    ("instrument", "wanted"),
    [
        (make_instrument("AAPL"), ("STK", "AAPL", "SMART", "USD")),
        (make_instrument("BRK.B", exchange="NYSE"), ("STK", "BRK B", "SMART", "USD")),
        (make_instrument("INFY", currency="INR"), ("STK", "INFY", "NSE", "INR")),
        (make_instrument("INFY", currency="INR", exchange="BSE"), ("STK", "INFY", "BSE", "INR")),
        (make_instrument("EURUSD", T.FOREX), ("CASH", "EUR", "IDEALPRO", "USD")),
        (make_instrument("BTC", T.CRYPTO), ("CRYPTO", "BTC", "PAXOS", "USD")),
        (make_instrument("ES", T.FUTURE, exchange="CME_MINI"), ("FUT", "ES", "CME", "USD")),
        (make_instrument("ES", T.FUTURE), ("FUT", "ES", "", "USD")),
    ],
)
def test_what_the_gateway_is_asked_to_describe(instrument, wanted):
    asked = asked_contract(instrument)
    assert (asked.secType, asked.symbol, asked.exchange, asked.currency) == wanted


def test_an_option_is_asked_for_by_everything_that_it_is():
    option = make_instrument(
        "AAPL",
        T.OPTION,
        expiry=date(2026, 12, 18),
        strike=Decimal(150),
        right="C",
        multiplier=Decimal(100),
    )
    asked = asked_contract(option)
    assert (asked.lastTradeDateOrContractMonth, asked.strike, asked.right, asked.multiplier) == (
        "20261218",
        150.0,
        "C",
        "100",
    )
    assert instrument_of(asked) == option


def future(day, multiplier="50", con_id=0):
    contract = Contract(
        secType="FUT",
        conId=con_id or int(day),
        symbol="ES",
        exchange="CME",
        currency="USD",
        multiplier=multiplier,
        lastTradeDateOrContractMonth=day,
        localSymbol=f"ES{day}",
    )
    return ContractDetails(contract=contract, minTick=0.25)


FUTURES = [future("20261119"), future("20261218"), future("20270319")]


@pytest.mark.parametrize(
    ("expiry", "wanted"),
    [
        (None, "20261218"),  # the first one has expired yesterday
        (date(2027, 3, 19), "20270319"),
        (date(2027, 3, 1), "20270319"),
    ],
)
def test_which_future_is_meant(expiry, wanted):
    meant = make_instrument("ES", T.FUTURE, expiry=expiry, multiplier=Decimal(50))
    found = chosen(FUTURES, meant, TODAY)
    assert found.contract.lastTradeDateOrContractMonth == wanted


def test_a_future_that_nobody_lists_or_two_of_one_day_are_said():
    meant = make_instrument("ES", T.FUTURE, expiry=date(2030, 1, 1))
    assert "IB knows no" in chosen(FUTURES, meant, TODAY)
    twice = [future("20261218", con_id=1), future("20261218", "5", con_id=2)]
    bare = make_instrument("ES", T.FUTURE)
    assert "say which" in chosen(twice, bare, TODAY)
    sized = bare.model_copy(update={"multiplier": Decimal(5)})
    assert chosen(twice, sized, TODAY).contract.conId == 2


def stock(symbol="SPY", **fields):
    known = {"stockType": "ETF", "validExchanges": "SMART,ARCA", "minTick": 0.01}
    contract = Contract(secType="STK", conId=9, symbol=symbol, exchange="SMART", currency="USD")
    return ContractDetails(contract=contract, **{**known, **fields})


@pytest.mark.parametrize(
    ("details", "name", "trouble"),
    [
        (stock(), make_instrument("SPY", T.ETF), ""),
        (stock(), make_instrument("SPY"), "IB calls STOCK:SPY:USD ETF:SPY:USD"),
        (stock("BRK B", stockType="COMMON"), make_instrument("BRK.B"), ""),
        (stock("BRK B", stockType="COMMON"), make_instrument("BRK/B"), "send it under that name"),
        (stock("VOD", priceMagnifier=100), make_instrument("VOD", T.ETF), "1/100 USD"),
        (future("20261218"), make_instrument("ES", T.FUTURE), "multiplier 50"),
        (
            future("20261218"),
            make_instrument("ES", T.FUTURE, multiplier=Decimal(50)),
            "",
        ),
    ],
)
def test_what_would_be_booked_under_another_name_or_amount_is_trouble(details, name, trouble):
    found = described(details, name).trouble
    assert (trouble in found) if trouble else not found


def test_what_is_none_of_our_types_is_never_left_out():
    bond = Contract(secType="BOND", symbol="IBM", localSymbol="IBM 3.45 02/19/26", currency="USD")
    assert instrument_of(bond).symbol == "BOND:IBM 3.45 02/19/26"


def part(con_id, side=Side.BUY, quantity="10", **fields):
    instrument = make_instrument(f"S{con_id}")
    return ComboPart(listing(instrument, con_id=con_id, **fields), side, Decimal(quantity))


def test_a_combo_is_as_many_times_its_ratios_as_fit():
    contract, times = bag_of([part(1, quantity="10"), part(2, Side.SELL, "6")])
    assert times == 2
    assert [(leg.conId, leg.ratio, leg.action) for leg in contract.comboLegs] == [
        (1, 5, "BUY"),
        (2, 3, "SELL"),
    ]
    assert contract.symbol == "S1,S2"


@pytest.mark.parametrize(
    "parts",
    [
        [part(1), part(1)],
        [part(1), part(2, currency="EUR")],
        [part(1, quantity="0.5"), part(2)],
        [part(number) for number in range(1, 8)],
    ],
)
def test_combos_that_ib_does_not_have_are_refused(parts):
    with pytest.raises(UnsupportedOrder):
        bag_of(parts)


def test_the_price_of_a_combo_is_that_of_one_unit_of_it():
    kind = {"order_type": K.LIMIT}
    legs = [
        make_order("10", signal_id="a", limit_price=Decimal(7), **kind),
        make_order("6", signal_id="b", side=Side.SELL, limit_price=Decimal(4), **kind),
    ]
    order = combo_order(legs, 2, LINK)
    assert order.lmtPrice == (10 * 7 - 6 * 4) / 2
    assert (order.totalQuantity, order.action, order.orderType) == (2, "BUY", "LMT")
    assert ids_of(order.orderRef, 2) == [each.client_order_id for each in legs]


@given(st.lists(st.from_regex(r"MT[A-Z2-7]{18}", fullmatch=True), min_size=2))
def test_ids_of_legs_are_found_again(ids):
    assert ids_of(joined(ids), len(ids)) == ids
    assert ids_of(joined(ids), len(ids) + 1) == [""] * (len(ids) + 1)
