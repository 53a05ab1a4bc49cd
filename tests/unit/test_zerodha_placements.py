"""Our orders in Kite's words; what does not fit is refused, never rounded."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.errors import OrderRejected, UnsupportedOrder
from brokers.zerodha.link import ZerodhaLink
from brokers.zerodha.placements import CAPABILITIES, basket_row, change, placement, product
from services.domain.orders import OrderTerms
from services.domain.words import OrderType, Side, TimeInForce
from tests.support.broker_orders import limit, order, preview_leg, stop
from tests.support.kite_rows import NOVEMBER, contract

LINK = ZerodhaLink(api_key="key")
INFY = contract()
NIFTY = contract("NIFTY26NOVFUT", exchange="NFO", kind="FUT", name="NIFTY", lot=75, expiry=NOVEMBER)


def test_a_market_order_is_protected_and_carries_our_id():
    assert placement(order(1), INFY, LINK).fields == {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "quantity": 10,
        "product": "CNC",
        "validity": "DAY",
        "tag": order(1).client_order_id,
        "order_type": "MARKET",
        "market_protection": -1,
    }


@pytest.mark.parametrize(
    ("sent", "prices"),
    [
        (limit(1, "149.50"), {"order_type": "LIMIT", "price": "149.50"}),
        (stop(1, "140"), {"order_type": "SL-M", "trigger_price": "140", "market_protection": -1}),
        (
            stop(1, "140", order_type=OrderType.STOP_LIMIT, limit_price=Decimal(139)),
            {"order_type": "SL", "price": "139", "trigger_price": "140"},
        ),
    ],
)
def test_each_order_type_has_its_prices_and_no_others(sent, prices):
    fields = placement(sent, INFY, LINK).fields
    names = ("order_type", "price", "trigger_price", "market_protection")
    assert {name: fields[name] for name in names if name in fields} == prices


def test_an_immediate_order_says_so():
    fields = placement(limit(1, "149", time_in_force=TimeInForce.IOC), INFY, LINK).fields
    assert fields["validity"] == "IOC"


@pytest.mark.parametrize(
    ("sent", "listed", "words"),
    [
        (limit(1, "149.52"), INFY, r"limit_price of INFY must be a multiple of 0\.05, was 149\.52"),
        (stop(1, "149.52"), INFY, "stop_price of INFY"),
        (order(1, "76"), NIFTY, "quantity of NIFTY26NOVFUT must be a multiple of 75, was 76"),
        (order(1, "1.5"), INFY, "must be a multiple of 1"),
        (order(1).model_copy(update={"client_order_id": "MT-1"}), INFY, "letters and digits"),
        (order(1).model_copy(update={"client_order_id": "A" * 21}), INFY, "letters and digits"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_numbers(sent, listed, words):
    with pytest.raises(UnsupportedOrder, match=words):
        placement(sent, listed, LINK)


@given(ticks=st.integers(1, 10**7), lots=st.integers(1, 10**5))
def test_what_fits_arrives_as_it_is(ticks, lots):
    price = ticks * Decimal("0.05")
    fields = placement(limit(1, str(price), str(75 * lots)), NIFTY, LINK).fields
    assert (Decimal(fields["price"]), fields["quantity"]) == (price, 75 * lots)


def test_products_are_those_of_the_link():
    link = ZerodhaLink(api_key="key", product_equity="MIS", product_derivative="MIS")
    assert [product(each, LINK) for each in (INFY, NIFTY)] == ["CNC", "NRML"]
    assert [product(each, link) for each in (INFY, NIFTY)] == ["MIS", "MIS"]


def test_only_what_is_above_a_known_freeze_quantity_is_sliced():
    link = ZerodhaLink(api_key="key", freeze_quantities={"NIFTY": 1800, "INFY": 5})
    assert not placement(order(1, "1800"), NIFTY, link).sliced
    assert placement(order(1, "1875"), NIFTY, link).sliced
    assert not placement(order(1, "1875"), NIFTY, LINK).sliced  # Kite refuses it
    assert not placement(order(1, "10"), INFY, link).sliced  # a share has none


def test_a_change_asks_for_the_whole_quantity():
    asked = change(limit(1, "149"), OrderTerms(quantity=7, limit_price=148), INFY)
    assert asked == {"quantity": 7, "order_type": "LIMIT", "price": "148"}


def test_a_change_to_terms_that_the_type_cannot_have_is_rejected():
    with pytest.raises(OrderRejected, match="needs a limit_price"):
        change(limit(1, "149"), OrderTerms(quantity=7), INFY)


def test_a_preview_is_of_orders_at_the_market():
    row = basket_row(preview_leg("10", Side.SELL), INFY, LINK)
    assert (row["transaction_type"], row["order_type"], row["quantity"]) == ("SELL", "MARKET", 10)


def test_nothing_lives_longer_than_the_order_book():
    assert CAPABILITIES.times_in_force == {TimeInForce.DAY, TimeInForce.IOC}
    assert not CAPABILITIES.brackets
