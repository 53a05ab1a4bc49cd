"""What of a signal's wishes reaches its orders: stops that trail, algos, guards, policies."""

from datetime import timedelta
from decimal import Decimal

import pytest

from services.decision.decide import decide
from services.decision.record import decision_document, differences
from services.domain.orders import Algo
from services.domain.words import (
    AlgoName,
    GroupPolicy,
    Intent,
    OrderType,
    QuantityUnit,
    Side,
)
from tests.support.builders import (
    ACCOUNT,
    NOW,
    make_account_context,
    make_context,
    make_instrument,
    make_leg,
    make_limit_set,
    make_lot,
    make_market_price,
    make_position,
    make_signal,
    make_strategy,
)


def test_what_has_not_filled_is_to_be_canceled_so_long_after_the_decision():
    (order,) = decide(
        make_signal(make_leg(cancel_after_seconds=Decimal("90.5"))), make_context()
    ).orders
    assert order.cancel_at == NOW + timedelta(seconds=90.5)
    (order,) = decide(make_signal(make_leg(cancel_after_seconds=10**15)), make_context()).orders
    assert order.cancel_at.year > 2050


def test_a_trailing_stop_is_sized_at_the_price_that_was_seen():
    trailed = make_leg(order_type=OrderType.TRAILING_STOP, trail_ratio=Decimal("0.02"))
    (order,) = decide(make_signal(trailed), make_context()).orders
    assert (order.trail_ratio, order.trail_amount, order.quantity) == (Decimal("0.02"), None, 17)


def test_a_stop_is_sized_at_its_trigger():
    # 10 × 893579.34 / 500000 = 17.87 → 17 shares of 300 are 5100, and half of it is margin.
    stop = make_leg(order_type=OrderType.STOP, stop_price=Decimal(300), limit_price=Decimal(1))
    (held,) = decide(make_signal(stop), make_context()).reservations
    assert (held.capital, held.margin) == (5100, 2550)


def test_an_algo_reaches_the_order_and_what_an_iceberg_shows_is_scaled_down_to_lots():
    # 17 for 10 of the sender: 3 of theirs are 5.1 of ours; 0.1 is less than a lot; 20 is all.
    for theirs, ours in (("3", 5), ("0.1", 1), ("20", 17)):
        algo = Algo(name=AlgoName.ICEBERG, display_quantity=Decimal(theirs))
        (order,) = decide(make_signal(make_leg(algo=algo)), make_context()).orders
        assert order.algo.display_quantity == ours
    algo = Algo(name=AlgoName.TWAP, duration_seconds=Decimal(600), slices=10)
    assert decide(make_signal(make_leg(algo=algo)), make_context()).orders[0].algo == algo


@pytest.mark.parametrize(
    ("said", "strategys", "expected"),
    [
        (None, GroupPolicy.HOLD, GroupPolicy.HOLD),
        (None, GroupPolicy.UNWIND, GroupPolicy.UNWIND),
        (GroupPolicy.HOLD, GroupPolicy.UNWIND, GroupPolicy.HOLD),
        (GroupPolicy.UNWIND, GroupPolicy.HOLD, GroupPolicy.UNWIND),
    ],
)
def test_the_groups_policy_is_the_signals_else_the_strategys(said, strategys, expected):
    strategy = make_strategy(ACCOUNT, group_policy=strategys)
    (order,) = decide(make_signal(group_policy=said), make_context(strategy=strategy)).orders
    assert order.group_policy is expected


@pytest.mark.parametrize(
    ("guard", "code"),
    [
        ({"stop_loss": Decimal(151)}, "STOP_LOSS_WRONG_SIDE"),
        ({"take_profit": Decimal(150)}, "TAKE_PROFIT_WRONG_SIDE"),
    ],
)
def test_a_guard_on_the_wrong_side_of_the_brokers_price_is_denied(guard, code):
    account = make_account_context(prices={make_instrument().key: make_market_price("150.25")})
    decision = decide(make_signal(make_leg(price=None, **guard)), make_context(account))
    assert decision.code == code


COLLARED = make_limit_set(price_collar_ratio=Decimal("0.05"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        # The market is at 150, the collar is 5 %: 142.50 to 157.50.
        ({"trail_ratio": Decimal("0.05")}, ""),
        ({"trail_ratio": Decimal("0.051")}, "PRICE_OUTSIDE_COLLAR"),
        ({"trail_amount": Decimal("7.5")}, ""),
        ({"trail_amount": Decimal(8)}, "PRICE_OUTSIDE_COLLAR"),
        ({"order_type": OrderType.STOP, "stop_price": Decimal(157)}, ""),
        ({"order_type": OrderType.STOP, "stop_price": Decimal(158)}, "PRICE_OUTSIDE_COLLAR"),
        (
            {
                "order_type": OrderType.STOP_LIMIT,
                "limit_price": Decimal(157),
                "stop_price": Decimal(158),
            },
            "PRICE_OUTSIDE_COLLAR",
        ),
    ],
)
def test_what_sets_an_order_off_is_within_the_collar_too(changes, code):
    account = make_account_context(prices={make_instrument().key: make_market_price("150")})
    asked = {"order_type": OrderType.TRAILING_STOP} | changes
    context = make_context(account, limit_sets=(COLLARED,))
    assert decide(make_signal(make_leg(**asked)), context).code == code


def closing(leg, *lots, **fields):
    """The order of an exit from 18 that are held."""
    account = make_account_context(positions=(make_position("18", lots=lots),))
    signal = make_signal(leg, intent=Intent.EXIT, **fields)
    (order,) = decide(signal, make_context(account)).orders
    return order


def iceberg(shown):
    return Algo(name=AlgoName.ICEBERG, display_quantity=Decimal(shown))


def test_an_exit_trails_is_worked_and_canceled_but_never_undone():
    order = closing(
        make_leg(
            side=Side.SELL,
            order_type=OrderType.TRAILING_STOP,
            trail_amount=Decimal(200),
            cancel_after_seconds=Decimal(60),
        ),
        group_policy=GroupPolicy.UNWIND,
    )
    assert (order.trail_amount, order.cancel_at) == (200, NOW + timedelta(seconds=60))
    assert order.group_policy is GroupPolicy.HOLD
    algo = Algo(name=AlgoName.TWAP, duration_seconds=Decimal(60), slices=3)
    assert closing(make_leg(side=Side.SELL, algo=algo)).algo == algo


@pytest.mark.parametrize(
    ("leg", "lots", "shown"),
    [
        # All of the sender's 10 are 18 of ours: 2 of theirs are 3.6.
        ({"quantity": None}, [make_lot("sig_e", "18", "10")], 3),
        # Half of it closes 9, which are 5 of theirs: the same ratio.
        (
            {"quantity": "0.5", "quantity_unit": QuantityUnit.POSITION_FRACTION},
            [make_lot("sig_e", "18", "10")],
            3,
        ),
        # What the sender has is not known: they close 6 of theirs, all of ours goes; 2 × 18 / 6.
        ({"quantity": "6"}, [], 6),
        # Nothing is known to scale by.
        ({"quantity": None}, [], 2),
    ],
)
def test_what_an_exit_shows_is_scaled_by_what_it_closes(leg, lots, shown):
    order = closing(make_leg(side=Side.SELL, algo=iceberg(2), **leg), *lots)
    assert order.algo.display_quantity == shown


def test_an_order_stored_before_its_newer_fields_is_replayed_the_same():
    signal, context = make_signal(make_leg(stop_loss=Decimal(140))), make_context()
    decision = decide(signal, context)
    newer = {
        "trail_amount", "trail_ratio", "cancel_at", "algo", "group_policy", "role",
        "parent_order_id", "oco_group",
    }  # fmt: skip
    (order,) = decision.orders
    stored = decision_document(decision) | {"engine_version": 2}
    assert differences(decision, stored, [order.model_dump(exclude=newer)]) == []
    tampered = order.model_dump(exclude=newer) | {"group_policy": "UNWIND"}
    assert len(differences(decision, stored, [tampered])) == 1
    assert len(differences(decision, stored, [order.model_dump(exclude={"quantity"})])) == 1
