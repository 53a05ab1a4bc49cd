"""The mock broker's market: what an order finds, when a stop goes off, what may be changed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.mock.margin import Refusal
from brokers.mock.market import Market, levels_for
from brokers.mock.matching import changed, expected_price, misfit, moved, standing_of, takes
from services.domain.orders import OrderTerms
from services.domain.words import OrderStatus, OrderType, Side, TimeInForce
from tests.support.builders import make_order

ENDLESS = Market()
#: Best ask 150.15, best bid 149.85, then a tenth of a percent worse; five units at each level.
BOOK = Market(spread_bps=20, depth=5, levels=3, level_step_bps=10, slippage_bps=0)


def limit(price, side=Side.BUY, **fields):
    return make_order(
        "10", side=side, order_type=OrderType.LIMIT, limit_price=Decimal(price), **fields
    )


def stop(price, side=Side.SELL, **fields):
    fields.setdefault("order_type", OrderType.STOP)
    return make_order("10", side=side, stop_price=Decimal(price), **fields)


def trailing(side=Side.SELL, **fields):
    return make_order("10", side=side, order_type=OrderType.TRAILING_STOP, **fields)


def taken(order, middle, market=ENDLESS, gone="0"):
    standing = moved(order, standing_of(order), Decimal(middle))
    levels = levels_for(order.side, Decimal(middle), market, Decimal(gone))
    found = takes(order, standing, levels, market, standing.left)
    return [(str(take.price), str(take.quantity)) for take in found]


@pytest.mark.parametrize(
    ("order", "middle", "price"),
    [
        (make_order("10"), "152", "152"),
        (limit(149), "150", None),
        (limit(149), "148", "148"),  # better than asked
        (limit(151, Side.SELL), "150", None),
        (limit(151, Side.SELL), "152", "152"),
        (stop(140), "141", None),
        (stop(140), "140", "140"),
        (stop(140), "135", "135"),  # a gap: a stop is a market order once it goes off
        (stop(160, Side.BUY), "159", None),
        (stop(160, Side.BUY), "161", "161"),
    ],
)
def test_without_a_book_an_order_fills_whole_at_the_price(order, middle, price):
    assert taken(order, middle) == ([] if price is None else [(price, "10")])


@pytest.mark.parametrize(("middle", "found"), [("139", "139"), ("137", None)])
def test_a_stop_limit_fills_no_worse_than_its_limit(middle, found):
    order = stop(140, order_type=OrderType.STOP_LIMIT, limit_price=Decimal(138))
    assert taken(order, middle) == ([] if found is None else [(found, "10")])


def test_a_large_order_walks_the_book_and_leaves_a_rest():
    # 150 × 1.001 = 150.15; × 1.001 = 150.30015, up to a cent; × 1.002 = 150.4503
    assert taken(make_order("10"), "150", BOOK) == [("150.15", "5"), ("150.31", "5")]
    assert taken(make_order("12"), "150", BOOK)[2] == ("150.46", "2")
    assert len(taken(make_order("17"), "150", BOOK)) == 3  # 15 of 17


def test_a_seller_finds_the_other_side():
    # 150 × 0.999 = 149.85; × 0.999 = 149.70015, down to a cent
    found = taken(make_order("10", side=Side.SELL), "150", BOOK)
    assert found == [("149.85", "5"), ("149.70", "5")]


def test_what_others_have_taken_is_gone_until_the_next_tick():
    assert taken(make_order("10"), "150", BOOK, gone="7") == [("150.31", "3"), ("150.46", "5")]
    assert taken(make_order("10"), "150", BOOK, gone="15") == []


def test_a_limit_takes_only_the_levels_within_it():
    assert taken(limit("150.31"), "150", BOOK) == [("150.15", "5"), ("150.31", "5")]
    assert taken(limit("150.20"), "150", BOOK) == [("150.15", "5")]


def test_fill_or_kill_takes_all_or_nothing():
    assert taken(limit("150.20", time_in_force=TimeInForce.FOK), "150", BOOK) == []
    assert len(taken(limit("150.31", time_in_force=TimeInForce.FOK), "150", BOOK)) == 2


def test_slippage_is_for_orders_without_a_limit():
    market = Market(slippage_bps=10)
    assert taken(make_order("10"), "150", market) == [("150.15", "10")]
    assert taken(make_order("10", side=Side.SELL), "150", market) == [("149.85", "10")]
    assert taken(limit(150), "150", market) == [("150", "10")]


def test_a_level_with_less_than_a_lot_is_passed_over():
    assert taken(make_order("2"), "150", Market(depth="1.5", levels=2, level_step_bps=0)) == [
        ("150", "1"),
        ("150", "1"),
    ]


def test_a_trailing_stop_follows_the_price_and_never_goes_back():
    order = trailing(trail_amount=Decimal(5))
    standing = standing_of(order)
    stops = []
    for middle in ("150", "152", "148", "154"):
        standing = moved(order, standing, Decimal(middle))
        stops.append(standing.stop_price)
    assert stops == [145, 147, 147, 149]
    assert not standing.triggered
    assert moved(order, standing, Decimal(149)).triggered


def test_a_trailing_stop_of_a_buyer_follows_downwards_by_a_share():
    order = trailing(Side.BUY, trail_ratio=Decimal("0.1"))
    standing = moved(order, standing_of(order), Decimal(100))
    assert standing.stop_price == 110
    standing = moved(order, standing, Decimal(90))
    assert standing.stop_price == 99
    assert moved(order, standing, Decimal(99)).triggered


@given(st.lists(st.integers(50, 150), min_size=1), st.sampled_from(list(Side)))
def test_a_trailing_stop_only_tightens(prices, side):
    order = trailing(side, trail_amount=Decimal(7))
    standing = standing_of(order)
    for price in prices:
        after = moved(order, standing, Decimal(price))
        if standing.stop_price is not None:
            assert (after.stop_price - standing.stop_price) * side.sign <= 0
        if standing.triggered:
            assert after == standing
        standing = after


@given(st.integers(1, 60), st.integers(0, 20), st.sampled_from(list(Side)))
def test_nobody_takes_more_than_there_is_or_than_he_asked(quantity, gone, side):
    found = taken(make_order(str(quantity), side=side), "150", BOOK, gone=str(gone))
    total = sum(Decimal(each) for _, each in found)
    assert total == min(quantity, max(15 - gone, 0))
    prices = [Decimal(price) * side.sign for price, _ in found]
    assert prices == sorted(prices)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (make_order("0.5"), "BAD_QUANTITY"),
        (make_order(order_type=OrderType.LIMIT), "BAD_ORDER"),
        (make_order(order_type=OrderType.STOP), "BAD_ORDER"),
        (stop(140, order_type=OrderType.STOP_LIMIT), "BAD_ORDER"),
        (trailing(), "BAD_ORDER"),
        (trailing(trail_amount=Decimal(1), trail_ratio=Decimal("0.1")), "BAD_ORDER"),
    ],
)
def test_an_order_that_says_too_little_is_refused_not_turned_into_another(order, code):
    assert misfit(order).code == code


def test_an_order_that_says_enough_is_fit():
    orders = [make_order(), limit(149), stop(140), trailing(trail_ratio=Decimal("0.1"))]
    assert [misfit(order) for order in orders] == [None] * 4


def test_margin_is_reckoned_at_where_an_order_may_fill():
    middle = Decimal(150)
    assert expected_price(make_order(), standing_of(make_order()), middle) == 150
    assert expected_price(limit(149), standing_of(limit(149)), middle) == 149
    assert expected_price(limit(155), standing_of(limit(155)), middle) == 150
    assert expected_price(limit(149), standing_of(limit(149)), None) == 149
    assert expected_price(stop(140), standing_of(stop(140)), middle) == 140
    assert expected_price(make_order(), standing_of(make_order()), None) is None


def terms(quantity, limit_price=None, stop_price=None):
    return OrderTerms(quantity=quantity, limit_price=limit_price, stop_price=stop_price)


@pytest.mark.parametrize(
    ("order", "wanted", "code"),
    [
        (limit(149), terms(3, 149), "QUANTITY_BELOW_FILLED"),
        (limit(149), terms("5.5", 149), "BAD_QUANTITY"),
        (limit(149), terms(5), "BAD_TERMS"),
        (limit(149), terms(5, 149, 140), "BAD_TERMS"),
        (make_order("10"), terms(5, 149), "BAD_TERMS"),
        (stop(140), terms(5), "BAD_TERMS"),
    ],
)
def test_a_change_that_cannot_be_is_refused(order, wanted, code):
    standing = standing_of(order).model_copy(update={"filled": Decimal(4)})
    refusal = changed(order, standing, wanted)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code


def test_an_ended_order_is_not_changed():
    ended = standing_of(limit(149)).model_copy(update={"status": OrderStatus.CANCELED})
    assert changed(limit(149), ended, terms(5, 150)).code == "ORDER_ENDED"


def test_a_change_of_an_order_whose_group_has_filled_is_of_what_it_has_left():
    standing = standing_of(limit(149)).model_copy(update={"taken": Decimal(4)})
    after = changed(limit(149), standing, terms(5, 150))
    assert (after.terms, after.left) == (terms(5, 150), 5)


def test_a_trailing_stop_keeps_its_distance_through_a_change():
    order = trailing(trail_amount=Decimal(5))
    standing = moved(order, standing_of(order), Decimal(150))
    assert changed(order, standing, terms(8)).stop_price == 145
    assert changed(order, standing, terms(8, None, 147)).stop_price == 147
