"""Whole lots for all legs together."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.decision.rounding import TOLERANCE_RATIO, whole_lots
from services.domain.words import InstrumentType
from tests.support.builders import make_instrument

STOCK = make_instrument()
BITCOIN = make_instrument("BTC", InstrumentType.CRYPTO)
CALL = make_instrument("SPX", InstrumentType.OPTION, strike="4500", right="C")


def lots(*exact, instrument=STOCK):
    return whole_lots([Decimal(each) for each in exact], [instrument] * len(exact))


def test_one_leg_is_cut_to_its_lot():
    assert lots("17.87") == [17]
    assert lots("0.123456789", instrument=BITCOIN) == [Decimal("0.12345678")]


def test_two_large_legs_are_cut_each_to_its_lot():
    # 137 : 91 at 1.787 = 244.82 : 162.62; 244/162 is 0.05 % from 137/91
    assert lots("244.82", "162.62") == [244, 162]


def test_a_leg_too_far_ahead_gives_way():
    # 2.99 : 1.99 would be 2 : 1, 33 % out of ratio; no smaller pair is in ratio 1.5 either
    assert lots("2.99", "1.99") == [0, 0]
    assert lots("3.1", "2.07") == [3, 2]


def test_options_go_in_whole_packages_only():
    assert lots("1.787", "1.787", "1.787", "1.787", instrument=CALL) == [1, 1, 1, 1]
    assert lots("5.9", "2.95", instrument=CALL) == [4, 2]  # two packages of 2 : 1
    assert lots("0.99", "0.99", instrument=CALL) == [0, 0]
    assert lots("137.5", "91.27", instrument=CALL) == [0, 0]  # no package so small


sizes = st.lists(st.decimals("0.01", "5000", places=2), min_size=2, max_size=4)
scales = st.decimals("0.01", "20", places=3)


@settings(max_examples=300)
@given(shape=sizes, scale=scales, instrument=st.sampled_from((STOCK, CALL)))
def test_never_more_than_asked_and_in_ratio(shape, scale, instrument):
    exact = [each * scale for each in shape]
    found = whole_lots(exact, [instrument] * len(exact))
    assert all(quantity <= each for quantity, each in zip(found, exact, strict=True))
    assert all(quantity == quantity.to_integral_value() for quantity in found)
    if not any(found):
        return
    assert all(found)
    done = [quantity / each for quantity, each in zip(found, exact, strict=True)]
    allowed = 0 if instrument is CALL else TOLERANCE_RATIO
    assert max(done) <= min(done) * (1 + allowed) * (1 + Decimal("1E-20"))


@settings(max_examples=300)
@given(shape=sizes, scale=scales, more=scales, instrument=st.sampled_from((STOCK, CALL)))
def test_a_larger_scale_never_gives_less(shape, scale, more, instrument):
    instruments = [instrument] * len(shape)
    small = whole_lots([each * scale for each in shape], instruments)
    large = whole_lots([each * (scale + more) for each in shape], instruments)
    assert all(one <= other for one, other in zip(small, large, strict=True))


@given(
    shape=st.lists(st.integers(50, 5000), min_size=2, max_size=4),
    more=st.decimals("0", "0.99", places=2),
)
def test_nothing_that_fits_is_left_out(shape, more):
    """Where cutting each leg by itself keeps the ratio, that is the answer."""
    exact = [each + more for each in shape]  # a lot of 50 is 2 % of its leg
    assert whole_lots([Decimal(each) for each in exact], [STOCK] * len(shape)) == shape
