"""Entries: the golden vectors of the seed's formula, then each rule, then what must always hold.

Golden vectors: account equity 1,000,000, allocation 89.35793382849425 %, sender equity 500,000.
allocated = 893,579.3382849425; ratio = allocated / 500,000 = 1.787158676569885.
Where the seed rounded half-even (17.87 → 18) we round down (17): an order never grows by rounding.
Where it forgot the multiplier of a future (G4, G5) we count it. docs/decisions/0004 has them all.
"""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.decision.decide import decide
from services.domain.accounts import Gap
from services.domain.risk import FuturesMargin
from services.domain.words import (
    AccountType,
    ActiveStatus,
    Environment,
    InstrumentType,
    OrderType,
    Outcome,
    QuantityUnit,
    Side,
    TimeInForce,
    TradingState,
)
from tests.support.builders import (
    NOW,
    make_account,
    make_account_context,
    make_context,
    make_instrument,
    make_leg,
    make_limits,
    make_market_price,
    make_position,
    make_reservation,
    make_signal,
    make_strategy,
)

#: Limits wide enough for every vector.
ALL = make_context(limits=make_limits(position="10", broker="10"))


def quantities(decision):
    return [order.quantity for order in decision.orders]


def test_g1_ratio_sizing_rounds_down():
    decision = decide(make_signal(), make_context())
    assert quantities(decision) == [Decimal(17)]  # 10 × 1.787158 = 17.87 → 17 (seed: 18)
    assert decision.outcome is Outcome.APPROVED
    # Reg T: 17 × 150 × 50 % = 1,275
    assert decision.reservations[0].margin == Decimal(1275)
    assert decision.reservations[0].capital == Decimal(2550)


def test_g2_two_legs_keep_their_ratio():
    legs = (make_leg(), make_leg("NVDA", price="500", side=Side.SELL, leg_index=1))
    decision = decide(make_signal(*legs), make_context())
    assert quantities(decision) == [Decimal(17), Decimal(17)]
    assert [order.side for order in decision.orders] == [Side.BUY, Side.SELL]


def test_g3_crypto_keeps_eight_places():
    # 0.5 × 1.787158676569885 = 0.89357933828…; paid in full: 0.89357933 × 95,000 = 84,890.03635
    bitcoin = make_instrument("BTC", InstrumentType.CRYPTO)
    decision = decide(make_signal(make_leg(quantity="0.5", price="95000", instrument=bitcoin)), ALL)
    assert quantities(decision) == [Decimal("0.89357933")]
    assert decision.reservations[0].margin == Decimal("84890.03635")


def test_g4_corrected_futures_count_their_multiplier_and_round_down():
    # 5 × 1.787158 = 8.94 → 8. The seed rounded up to 9 and took 10 % of 9 × 4,029 = 3,626.10 for
    # the margin: without the multiplier of 100, and a percentage where exchanges set an amount.
    gold = make_instrument("GC", InstrumentType.FUTURE, multiplier=Decimal(100))
    decision = decide(make_signal(make_leg(quantity="5", price="4029", instrument=gold)), ALL)
    assert quantities(decision) == [Decimal(8)]
    held = decision.reservations[0]
    assert held.notional == Decimal(3_223_200)  # 8 × 4,029 × 100
    assert held.margin == held.capital == Decimal(52_800)  # 8 × 6,600 a contract


def test_g5_corrected_copper_needs_its_own_figure():
    # 3 × 1.787158 = 5.36 → 5, as the seed; its margin was 10 % of 5 × 4.25 = 2.13.
    copper = make_instrument("HG", InstrumentType.FUTURE, multiplier=Decimal(25_000))
    signal = make_signal(make_leg(quantity="3", price="4.25", instrument=copper))
    assert decide(signal, ALL).code == "MARGIN_UNKNOWN"
    figure = FuturesMargin(
        symbol="HG", initial=7000, maintenance=6400, as_on=NOW.date(), source="operator"
    )
    decision = decide(signal, ALL.model_copy(update={"futures_margins": {"HG": figure}}))
    assert quantities(decision) == [Decimal(5)]
    assert decision.reservations[0].margin == Decimal(35_000)
    assert decision.reservations[0].notional == Decimal(531_250)  # 5 × 4.25 × 25,000


def test_g6_second_entry_of_equal_size_gets_equal_size():
    # The seed scaled by what was left and shrank equal signals (17.87 → 12.47 for 7 @ 151);
    # against allocated capital 7 × 1.787158 = 12.51 → 12 whatever is deployed.
    held = make_account_context(positions=(make_position("18", "150"),))
    decision = decide(make_signal(make_leg(quantity="7", price="151")), make_context(held))
    assert quantities(decision) == [Decimal(12)]


def test_g7_fraction_of_equity_one_is_capped_by_available_capital():
    # 0.95 × 893,579.34 = 848,900.37 shares at 117.52 would cost 99.8 million; the cap leaves
    # 893,579.34 / 117.52 = 7,603.63 → 7,603 (the seed rejected it).
    leg = make_leg("UPRO", quantity="0.95", price="117.52")
    decision = decide(make_signal(leg, sender_equity="1"), make_context())
    assert quantities(decision) == [Decimal(7603)]
    assert decision.outcome is Outcome.RESIZED
    assert decision.code == "AVAILABLE_CAPITAL_BOUND"


@pytest.mark.parametrize(
    ("kind", "symbol"),
    [
        (InstrumentType.FUTURE, "HG"),
        (InstrumentType.FOREX, "TRYUSD"),
        (InstrumentType.OPTION, "AAPL"),
    ],
)
def test_unknown_margin_denies(kind, symbol):
    leg = make_leg(instrument=make_instrument(symbol, kind))
    decision = decide(make_signal(leg), make_context())
    assert (decision.outcome, decision.code) == (Outcome.DENIED, "MARGIN_UNKNOWN")


def test_reserved_capital_counts_before_it_is_filled():
    # allocated 100,000; deployed 600 × 100 = 60,000; reserved 39,900 → 100 left → 1 share of 100
    account = make_account_context(
        ratio="0.1",
        positions=(make_position("600", "100"),),
        reservations=(make_reservation("39900"),),
    )
    decision = decide(make_signal(make_leg(quantity="50", price="100")), make_context(account))
    assert quantities(decision) == [Decimal(1)]


def test_another_strategys_reservation_leaves_the_allocation_alone():
    other = make_reservation("99000", strategy_id="other")
    account = make_account_context(ratio="0.1", reservations=(other,))
    decision = decide(make_signal(make_leg(quantity="50", price="100")), make_context(account))
    assert quantities(decision) == [Decimal(10)]  # 50 × 100,000 / 500,000


def test_position_cap_counts_what_is_held():
    # 10 % of 1,000,000 = 100,000; 90,000 held → 10,000 → 66 × 150 = 9,900
    account = make_account_context(positions=(make_position("600", "150"),))
    context = make_context(account, limits=make_limits(position="0.1"))
    decision = decide(make_signal(make_leg(quantity="200")), context)
    assert quantities(decision) == [Decimal(66)]
    assert decision.code == "POSITION_SIZE_BOUND"


def test_of_two_caps_the_one_that_made_the_result_is_the_reason():
    # 20,000 shares of 150 want 3,000,000 × 1.787; allocated capital leaves 893,579 of it, and
    # 10 % of 1,000,000 = 100,000 in one instrument → 666 shares: that is why.
    context = make_context(make_account_context(), limits=make_limits(position="0.1"))
    decision = decide(make_signal(make_leg(quantity="20000")), context)
    bound = [step.name for step in decision.steps if step.bound]
    assert bound == ["available_capital", "position_size"]
    assert decision.code == "POSITION_SIZE_BOUND"
    assert decision.reason.startswith("position size: ")
    assert quantities(decision) == [Decimal(666)]


def test_margin_counts_reservations_the_broker_cannot_know():
    account = make_account_context(
        make_account(available_funds=Decimal(10000)),
        reservations=(make_reservation(margin=Decimal(9250), strategy_id="other"),),
    )
    decision = decide(make_signal(), make_context(account))
    assert quantities(decision) == [Decimal(10)]  # 750 free / (150 × 50 %) = 10
    assert decision.code == "MARGIN_BOUND"


def test_margin_counts_fills_the_broker_figure_is_too_old_for():
    # equity 10,000; 120 × 150 × 50 % = 9,000 used by our books → 1,000 free, whatever the
    # broker said before those fills → 13 × 150 × 50 % = 975
    account = make_account_context(
        make_account("10000", available_funds=Decimal(10000)),
        ratio="10",
        positions=(make_position("120", "150", symbol="MSFT", strategy_id="other"),),
    )
    signal = make_signal(make_leg(quantity="200"), sender_equity="100000")
    decision = decide(signal, make_context(account))
    assert quantities(decision) == [Decimal(13)]
    assert [step.name for step in decision.steps if step.bound] == ["position_size", "margin"]


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (make_account_context(make_account(age_seconds=61)), "ACCOUNT_DATA_STALE"),
        (make_account_context(make_account(age_seconds=None)), "ACCOUNT_DATA_STALE"),
        (make_account_context(make_account(equity=None)), "ACCOUNT_DATA_STALE"),
        (make_account_context(make_account(equity="0")), "EQUITY_NOT_POSITIVE"),
        (make_account_context(make_account(available_funds=None)), "MARGIN_UNKNOWN"),
        (make_account_context(make_account(currency="EUR")), "FX_RATE_MISSING"),
        (make_account_context(ratio=None), "ALLOCATION_MISSING"),
        (make_account_context(ratio="0"), "ALLOCATION_MISSING"),
        (
            make_account_context(make_account(status=ActiveStatus.INACTIVE)),
            "ACCOUNT_INACTIVE",
        ),
        (
            make_account_context(make_account(account_type=AccountType.LIVE)),
            "ROUTING_STAGING_TO_LIVE",
        ),
    ],
)
def test_missing_knowledge_denies(account, code):
    decision = decide(make_signal(), make_context(account))
    assert (decision.outcome, decision.code, decision.orders) == (Outcome.DENIED, code, ())
    assert decision.reason


@pytest.mark.parametrize(
    ("signal", "code"),
    [
        (make_signal(sender_equity=None), "SENDER_EQUITY_MISSING"),
        (make_signal(make_leg(price=None)), "PRICE_MISSING"),
        (make_signal(make_leg(quantity="0.1")), "QUANTITY_BELOW_LOT"),
    ],
)
def test_incomplete_entry_is_denied_with_its_reason(signal, code):
    assert decide(signal, make_context()).code == code


def fraction(quantity="0.95", price="100", **fields):
    return make_leg(
        "UPRO",
        quantity=quantity,
        price=price,
        quantity_unit=QuantityUnit.EQUITY_FRACTION,
        **fields,
    )


def scaled(decision):
    return [step.after for step in decision.steps if step.name == "scaled"]


@pytest.mark.parametrize("sender_equity", ["1", "250000", None])
def test_a_fraction_of_equity_is_that_share_of_what_is_allocated(sender_equity):
    # 1,000,000 × 0.5 allocated; 500,000 × 0.95 / 100 = 4,750, whatever the sender's equity
    account = make_account_context(ratio="0.5")
    decision = decide(make_signal(fraction(), sender_equity=sender_equity), make_context(account))
    assert (quantities(decision), scaled(decision)) == ([Decimal(4750)], [Decimal(4750)])
    assert decision.outcome is Outcome.APPROVED
    assert decision.reservations[0].capital == Decimal(475_000)


def test_all_of_the_equity_is_no_resize_where_its_price_divides_nothing():
    # 500,000 / 2.03 = 246,305.4 → 246,305; rounding of the division must not look like a cap
    decision = decide(
        make_signal(fraction("1", "2.03")), make_context(make_account_context(ratio="0.5"))
    )
    assert quantities(decision) == [Decimal(246_305)]
    assert decision.outcome is Outcome.APPROVED


def test_a_fraction_counts_the_multiplier():
    # 500,000 × 0.95 / (100 × 10) = 475
    wide = make_instrument("UPRO", multiplier=Decimal(10))
    signal = make_signal(fraction(instrument=wide))
    decision = decide(signal, make_context(make_account_context(ratio="0.5")))
    assert quantities(decision) == [Decimal(475)]


def test_a_fraction_is_capped_like_any_quantity():
    # 200 × 150 = 30,000 of MSFT deployed: 470,000 left of 500,000; 475,000 asked → 4,700 × 100
    held = make_position("200", "150", symbol="MSFT")
    account = make_account_context(ratio="0.5", positions=(held,))
    decision = decide(make_signal(fraction()), make_context(account))
    assert quantities(decision) == [Decimal(4700)]
    assert decision.code == "AVAILABLE_CAPITAL_BOUND"


def unpriced(found=None, **limits):
    prices = {} if found is None else {make_instrument().key: found}
    account = make_account_context(ratio="0.5", prices=prices)
    return decide(make_signal(make_leg(price=None)), make_context(account, **limits))


def price_step(decision):
    (step,) = [each for each in decision.steps if each.name == "price"]
    return step


def test_without_a_price_the_brokers_is_used_and_carried():
    decision = unpriced(make_market_price("150.25", age_seconds=2))
    (order,) = decision.orders
    assert (order.quantity, order.reference_price) == (Decimal(10), Decimal("150.25"))
    assert decision.reservations[0].capital == Decimal("1502.50")
    step = price_step(decision)
    assert step.after == Decimal("150.25")
    assert step.sentence == "AAPL at 150.25 from the broker of Mock-1, 2.0 s old"


def test_a_price_of_the_signal_outranks_the_brokers():
    account = make_account_context(prices={make_instrument().key: make_market_price("999")})
    decision = decide(make_signal(), make_context(account))
    assert decision.orders[0].reference_price == Decimal(150)
    assert price_step(decision).sentence == "AAPL at 150, from the signal"


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        (None, "has not been asked yet"),
        (make_market_price(None, 3, answered_at=None), "was asked 3.0 s ago and has not answered"),
        (make_market_price(None, 4, as_of=None), "knew none 4.0 s ago"),
        (make_market_price(age_seconds=15.1), "said 150.25, 15.1 s old, where 15 s are allowed"),
        (
            make_market_price("150", 20, error="connection refused"),
            "could not be asked 20.0 s ago: connection refused",
        ),
    ],
)
def test_no_usable_price_denies_and_says_what_the_broker_answered(found, answer):
    decision = unpriced(found)
    assert (decision.code, decision.orders) == ("PRICE_MISSING", ())
    assert decision.reason == (
        f"the signal names no price for AAPL, and the broker of Mock-1 {answer}"
    )
    assert price_step(decision).after is None


def test_a_price_stays_good_where_the_last_question_failed():
    assert unpriced(make_market_price(age_seconds=14, error="time-out")).orders


def test_a_stored_decision_is_made_again_from_its_context():
    decision = unpriced(make_market_price())
    context = type(decision.context).model_validate_json(decision.context.model_dump_json())
    assert decide(make_signal(make_leg(price=None)), context) == decision


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_kill_switch_stops_entries(state):
    assert decide(make_signal(), make_context(state=state)).code == f"TRADING_{state}"


def test_inactive_strategy_enters_nothing():
    strategy = make_strategy("Mock-1", status=ActiveStatus.INACTIVE)
    assert decide(make_signal(), make_context(strategy=strategy)).code == "STRATEGY_INACTIVE"


def before(seconds):
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("sent_at", "received_at", "allowed"),
    [
        (before(9), before(8), True),
        (before(11), before(1), False),  # it was long on the road
        (before(-60), before(11), False),  # a clock that is ahead of ours makes it no younger
        (None, before(11), False),
    ],
)
def test_entry_older_than_allowed_expires(sent_at, received_at, allowed):
    signal = make_signal(
        occurred_at=sent_at, received_at=received_at, valid_for_seconds=Decimal(10)
    )
    decision = decide(signal, make_context())
    assert decision.code == ("" if allowed else "SIGNAL_EXPIRED")


def test_strategys_own_limit_also_ends_an_entry_and_its_orders():
    strategy = make_strategy("Mock-1", max_signal_age_seconds=Decimal(5))
    signal = make_signal(received_at=before(4), valid_for_seconds=Decimal(10))
    (order,) = decide(signal, make_context(strategy=strategy)).orders
    assert order.expires_at == NOW + timedelta(seconds=1)
    late = make_signal(received_at=before(6), valid_for_seconds=Decimal(10))
    assert decide(late, make_context(strategy=strategy)).code == "SIGNAL_EXPIRED"


def test_orders_expire_by_our_clock_where_the_senders_is_ahead():
    signal = make_signal(occurred_at=before(-60), valid_for_seconds=Decimal(10))
    assert decide(signal, make_context()).orders[0].expires_at == NOW + timedelta(seconds=10)


def test_limit_beyond_every_calendar_is_a_limit_all_the_same():
    signal = make_signal(valid_for_seconds=Decimal("1e15"))
    assert decide(signal, make_context()).orders[0].expires_at > NOW


def test_entry_past_a_gap_is_denied_with_what_is_missing():
    gap = Gap(code="SEQUENCE_GAP", sentence="6 has not come")
    decision = decide(make_signal(), make_context(gap=gap))
    assert (decision.code, decision.reason) == ("SEQUENCE_GAP", "6 has not come")
    assert decision.steps[-1].name == "gap"


def test_one_leg_below_a_lot_denies_the_group():
    legs = (make_leg(), make_leg("NVDA", quantity="0.1", price="500", leg_index=1))
    decision = decide(make_signal(*legs), make_context())
    assert (decision.outcome, decision.orders) == (Outcome.DENIED, ())


def test_one_stale_account_does_not_stop_the_other():
    stale = make_account_context(make_account(account_id="Mock-2", age_seconds=500))
    decision = decide(make_signal(), make_context(make_account_context(), stale))
    assert [order.account_id for order in decision.orders] == ["Mock-1"]


def test_same_context_gives_the_same_decision():
    signal, context = make_signal(), make_context()
    assert decide(signal, context) == decide(signal, context)


amounts = st.decimals("0.01", "100000", places=2)
ratios = st.decimals("0.001", "2", places=3)


@settings(max_examples=200, deadline=None)
@given(
    quantity=amounts,
    price=amounts,
    ratio=ratios,
    deployed=amounts,
    position=ratios,
    free=st.decimals("0", "1000000", places=2),
)
def test_no_limit_is_ever_exceeded(quantity, price, ratio, deployed, position, free):
    account = make_account_context(
        make_account(available_funds=free),
        ratio=str(ratio),
        positions=(make_position("1", str(deployed), symbol="MSFT"),),
    )
    context = make_context(account, limits=make_limits(position=str(position)))
    decision = decide(make_signal(make_leg(quantity=str(quantity), price=str(price))), context)
    equity = Decimal(1_000_000)
    for order in decision.orders:
        notional = order.quantity * price
        exact = quantity * equity * ratio / 500_000
        assert order.quantity <= exact
        assert order.quantity == order.quantity.to_integral_value()
        assert notional <= equity * ratio - deployed
        assert notional <= equity * position
        assert notional / 2 <= free
    assert decision.orders or decision.code


@settings(max_examples=1000, deadline=None)
@given(
    unit=st.sampled_from((QuantityUnit.UNITS, QuantityUnit.EQUITY_FRACTION)),
    asked=st.lists(
        st.tuples(
            st.decimals("0.05", "3", places=4),
            st.decimals("0.0001", "500", places=4),
            st.booleans(),
        ),
        min_size=1,
        max_size=4,
    ),
    equity=st.decimals("10000", "10000000", places=2),
    ratio=ratios,
    deployed=st.decimals("0.01", "10000", places=2),
    sender_equity=st.decimals("0.01", "10000", places=2),
)
def test_sizing_never_exceeds_available_capital(
    unit, asked, equity, ratio, deployed, sender_equity
):
    """Whatever the unit, and wherever the price comes from."""
    legs, prices = [], {}
    for index, (quantity, price, from_broker) in enumerate(asked):
        leg = make_leg(
            f"S{index}",
            quantity=str(quantity),
            price=None if from_broker else str(price),
            quantity_unit=unit,
            leg_index=index,
        )
        legs.append(leg)
        if from_broker:
            prices[leg.instrument.key] = make_market_price(str(price))
    account = make_account_context(
        make_account(str(equity)),
        ratio=str(ratio),
        positions=(make_position("1", str(deployed), symbol="HELD"),),
        prices=prices,
    )
    context = make_context(account, limits=make_limits(position="10"))
    decision = decide(make_signal(*legs, sender_equity=sender_equity), context)
    spent = sum(order.quantity * asked[order.leg_index][1] for order in decision.orders)
    assert spent <= max(equity * ratio - deployed, 0)
    assert spent == sum(held.capital for held in decision.reservations)
    assert len(decision.orders) in {0, len(legs)}
    assert decision.orders or decision.code


@settings(max_examples=100, deadline=None)
@given(small=ratios, more=ratios)
def test_more_allocation_never_means_less(small, more):
    signal = make_signal(make_leg(quantity="100"))

    def size(ratio):
        decision = decide(signal, make_context(make_account_context(ratio=str(ratio))))
        return sum(quantities(decision))

    assert size(small) <= size(small + more)


def test_what_the_sender_asked_of_the_order_reaches_it():
    asked = {
        "order_type": OrderType.STOP_LIMIT,
        "time_in_force": TimeInForce.GTC,
        "limit_price": Decimal("151"),
        "stop_price": Decimal("150.5"),
        "stop_loss": Decimal("140"),
        "take_profit": Decimal("170"),
    }
    signal = make_signal(
        make_leg(**asked), environment=Environment.PRODUCTION, valid_for_seconds=Decimal(300)
    )
    (order,) = decide(signal, make_context()).orders
    assert {name: getattr(order, name) for name in asked} == asked
    assert order.environment is Environment.PRODUCTION
    assert order.expires_at == NOW + timedelta(seconds=300)
