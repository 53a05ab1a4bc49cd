"""Orders that hang together at the mock broker: groups, brackets and combos, and restarts."""

import tempfile
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.mock.links import alive
from brokers.mock.market import Market
from brokers.mock.matching import standing_of
from services.domain.words import OrderStatus, OrderType, Side, TimeInForce
from tests.support.builders import make_instrument
from tests.support.mock_books import (
    BROKER_ACCOUNT,
    check_the_books,
    limit,
    opened,
    order,
    place,
    read_all,
    report_of,
    stop,
    tick,
    told,
)

S = OrderStatus
OTHER = make_instrument("MSFT")
#: Five units at one price, then nothing until the next tick.
FIVE = Market(depth=5, levels=1)


@pytest.fixture
def exchange(tmp_path):
    with opened(tmp_path) as made:
        yield made
        check_the_books(made)


@pytest.fixture
def thin(tmp_path):
    with opened(tmp_path, FIVE) as made:
        yield made
        check_the_books(made)


def bracket(exchange, entry, *guards):
    return exchange.place_bracket(BROKER_ACCOUNT, entry, guards)


def combo(exchange, *legs):
    return exchange.place_combo(BROKER_ACCOUNT, legs)


TARGET = limit(160, Side.SELL, signal_id="target")
STOP = stop(140, signal_id="stop")
OCO = [
    limit(160, Side.SELL, signal_id="target", oco_group="G"),
    stop(140, signal_id="stop", oco_group="G"),
]


def test_a_fill_of_one_cancels_the_other(exchange):
    place(exchange, order(), *OCO)
    assert tick(exchange, 139) == 1
    assert report_of(exchange, OCO[1]).status is S.FILLED
    other = report_of(exchange, OCO[0])
    assert (other.status, other.filled_quantity) == (S.CANCELED, 0)
    assert exchange.positions(BROKER_ACCOUNT) == []


def test_one_price_that_reaches_both_fills_only_one(exchange):
    both = [stop(145, signal_id="a", oco_group="G"), stop(146, signal_id="b", oco_group="G")]
    place(exchange, order(), *both)
    assert tick(exchange, 140) == 1
    assert exchange.positions(BROKER_ACCOUNT) == []


@pytest.mark.parametrize(("quantity", "status"), [("10", S.CANCELED), ("15", S.SUBMITTED)])
def test_who_joins_a_group_that_has_filled_has_less_left(exchange, quantity, status):
    place(exchange, order("15"), OCO[0])
    tick(exchange, 161)
    (late,) = place(exchange, stop(140, quantity=quantity, signal_id="late", oco_group="G"))
    assert late.status is status
    tick(exchange, 139)
    # 15 bought, 10 sold by the target; of a stop for 15 there are 5 left
    assert sum(each.quantity for each in exchange.positions(BROKER_ACCOUNT)) == (
        5 if quantity == "10" else 0
    )


def test_what_fills_of_one_is_taken_off_the_other(thin):
    tick(thin, 150)
    place(thin, order("5"), *OCO)
    tick(thin, 160)  # five of the ten are sold
    target, guard = (report_of(thin, each) for each in OCO)
    assert (target.status, target.filled_quantity) == (S.PARTIALLY_FILLED, 5)
    assert (guard.status, guard.terms.quantity) == (S.SUBMITTED, 5)
    tick(thin, 139)
    target, guard = (report_of(thin, each) for each in OCO)
    assert (guard.status, guard.filled_quantity) == (S.FILLED, 5)
    assert (target.status, target.filled_quantity) == (S.CANCELED, 5)


def test_groups_of_two_accounts_are_two(exchange):
    place(exchange, OCO[0])
    exchange.place("Books-2", OCO[1])
    tick(exchange, 139)
    assert report_of(exchange, OCO[0]).status is S.SUBMITTED


def test_guards_are_held_until_the_entry_fills(exchange):
    entry = limit(149, signal_id="entry")
    reports = bracket(exchange, entry, TARGET, STOP)
    assert [each.status for each in reports] == [S.SUBMITTED] * 3
    assert "held" in reports[1].text
    tick(exchange, 170)  # would fill the target, were it alive
    assert report_of(exchange, TARGET).filled_quantity == 0
    tick(exchange, 149)
    assert report_of(exchange, entry).status is S.FILLED
    tick(exchange, 161)
    assert report_of(exchange, TARGET).status is S.FILLED
    assert report_of(exchange, STOP).status is S.CANCELED
    assert exchange.positions(BROKER_ACCOUNT) == []


def test_an_entry_that_fills_at_once_brings_its_guards_to_life(exchange):
    reports = bracket(exchange, order(signal_id="entry"), TARGET, STOP)
    assert [each.status for each in reports] == [S.FILLED, S.SUBMITTED, S.SUBMITTED]
    assert "held" not in reports[1].text
    tick(exchange, 140)
    assert report_of(exchange, STOP).status is S.FILLED


def test_a_guard_fills_no_more_than_its_entry_has(thin):
    tick(thin, 150)
    entry = order(signal_id="entry")
    bracket(thin, entry, TARGET, STOP)
    assert report_of(thin, entry).filled_quantity == 5
    assert report_of(thin, STOP).text == "guards 5 of 10"
    thin.set_market(Market())  # from here the book is endless
    thin.set_market(FIVE.model_copy(update={"depth": Decimal(3)}))
    tick(thin, 160)
    # the entry buys 3 more at 160 and the target sells 3 of what there was
    assert report_of(thin, entry).filled_quantity == 8
    assert report_of(thin, TARGET).filled_quantity <= report_of(thin, entry).filled_quantity
    check_the_books(thin)


@pytest.mark.parametrize(
    ("entry_filled", "taken", "filled", "may"),
    [("0", "0", "0", 0), ("4", "0", "0", 4), ("4", "4", "0", 0), ("7", "4", "1", 2)],
)
def test_what_either_guard_has_closed_is_not_closed_again(entry_filled, taken, filled, may):
    def stands(of, **changes):
        values = {name: Decimal(each) for name, each in changes.items()}
        return SimpleNamespace(standing=standing_of(of).model_copy(update=values))

    entry = stands(order(), filled=entry_filled)
    assert alive(stands(STOP, taken=taken, filled=filled), entry) == may


def test_guards_of_a_part_are_cut_to_it_when_the_entry_ends(thin):
    tick(thin, 150)
    entry = limit(150, signal_id="entry")
    bracket(thin, entry, TARGET, STOP)
    thin.cancel(BROKER_ACCOUNT, entry.client_order_id)
    for guard in (TARGET, STOP):
        report = report_of(thin, guard)
        assert (report.status, report.terms.quantity) == (S.SUBMITTED, 5)
    tick(thin, 139)
    assert report_of(thin, STOP).status is S.FILLED
    assert report_of(thin, TARGET).status is S.CANCELED
    assert thin.positions(BROKER_ACCOUNT) == []


def test_guards_of_an_entry_that_ends_unfilled_are_canceled(exchange):
    entry = limit(149, signal_id="entry")
    bracket(exchange, entry, TARGET, STOP)
    exchange.cancel(BROKER_ACCOUNT, entry.client_order_id)
    assert [report_of(exchange, each).status for each in (TARGET, STOP)] == [S.CANCELED] * 2
    assert exchange.orders(BROKER_ACCOUNT, open_only=True) == []


@pytest.mark.parametrize(
    "guard",
    [
        limit(160, Side.BUY, signal_id="same side"),
        limit(160, Side.SELL, quantity="11", signal_id="more than the entry"),
        limit(160, Side.SELL, signal_id="elsewhere", instrument=OTHER),
        limit(160, Side.SELL, signal_id="cannot rest", time_in_force=TimeInForce.IOC),
        order(side=Side.SELL, order_type=OrderType.STOP, signal_id="no stop price"),
    ],
)
def test_a_bracket_that_guards_nothing_is_rejected_whole(exchange, guard):
    entry = order(signal_id="entry")
    reports = bracket(exchange, entry, guard)
    assert [each.status for each in reports] == [S.REJECTED] * 2
    assert exchange.positions(BROKER_ACCOUNT) == []


def test_a_bracket_without_the_funds_for_its_entry_is_rejected_whole(exchange):
    reports = bracket(exchange, order("100000", signal_id="entry"), TARGET, STOP)
    assert [each.status for each in reports] == [S.REJECTED] * 3
    assert reports[0].text.startswith("INSUFFICIENT_FUNDS")


def test_guards_survive_a_restart(tmp_path):
    entry = limit(149, signal_id="entry")
    trailing = order(
        side=Side.SELL,
        order_type=OrderType.TRAILING_STOP,
        trail_amount=Decimal(5),
        signal_id="trails",
    )
    with opened(tmp_path) as exchange:
        bracket(exchange, entry, TARGET, trailing)
        before = read_all(exchange)
    with opened(tmp_path) as exchange:
        assert read_all(exchange) == before
        tick(exchange, 149)
        tick(exchange, 155)
        assert report_of(exchange, trailing).terms.stop_price == 150
    with opened(tmp_path) as exchange:
        tick(exchange, 152)
        assert report_of(exchange, trailing).terms.stop_price == 150
        tick(exchange, 150)
        assert report_of(exchange, trailing).status is S.FILLED
        assert report_of(exchange, TARGET).status is S.CANCELED
        check_the_books(exchange)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.integers(130, 170)),
        st.tuples(st.just("cancel"), st.integers(0, 2)),
        st.tuples(st.just("resize"), st.integers(0, 2), st.integers(1, 12)),
    ),
    max_size=15,
)


@settings(max_examples=80, deadline=None)
@given(steps=steps, depth=st.sampled_from([None, 3, 7]), side=st.sampled_from(list(Side)))
def test_guards_never_turn_a_position_around(steps, depth, side):
    """Whatever is canceled or made smaller meanwhile, and however thin the market is."""
    away = 10 * side.sign
    trio = [
        limit(150 - side.sign, side, signal_id="entry", time_in_force=TimeInForce.GTC),
        limit(150 + away, side.opposite, signal_id="target", time_in_force=TimeInForce.GTC),
        stop(150 - away, side.opposite, signal_id="stop", time_in_force=TimeInForce.GTC),
    ]
    with tempfile.TemporaryDirectory() as path, opened(path, Market(depth=depth, levels=1)) as made:
        tick(made, 150)
        bracket(made, *trio)
        for kind, *rest in steps:
            if kind == "tick":
                tick(made, rest[0])
            elif kind == "cancel":
                made.cancel(BROKER_ACCOUNT, trio[rest[0]].client_order_id)
            else:
                chosen = trio[rest[0]]
                terms = report_of(made, chosen).terms
                wanted = terms.model_copy(update={"quantity": min(terms.quantity, rest[1])})
                made.modify(BROKER_ACCOUNT, chosen.client_order_id, wanted)
            entry, *guards = (report_of(made, each) for each in trio)
            assert sum(each.filled_quantity for each in guards) <= entry.filled_quantity
            held = [each.quantity * side.sign for each in made.positions(BROKER_ACCOUNT)]
            assert all(quantity > 0 for quantity in held)
        check_the_books(made)


SPREAD = [
    order(signal_id="long leg"),
    order(side=Side.SELL, price="300", signal_id="short leg", instrument=OTHER),
]


def test_all_legs_of_a_combo_fill_together(exchange):
    reports = combo(exchange, *SPREAD)
    assert [each.status for each in reports] == [S.FILLED] * 2
    assert len(exchange.positions(BROKER_ACCOUNT)) == 2


def test_a_combo_waits_until_every_leg_can_be_had(exchange):
    legs = [
        limit(149, signal_id="long leg"),
        limit(305, Side.SELL, signal_id="short leg", instrument=OTHER),
    ]
    reports = combo(exchange, *legs)
    assert [each.status for each in reports] == [S.SUBMITTED] * 2
    tick(exchange, 148)  # one leg could be had
    assert exchange.positions(BROKER_ACCOUNT) == []
    tick(exchange, 306, OTHER)
    assert [report_of(exchange, leg).status for leg in legs] == [S.FILLED] * 2


def test_an_immediate_combo_that_cannot_be_had_whole_is_canceled(thin):
    tick(thin, 150)
    tick(thin, 300, OTHER)
    legs = [
        limit(150, signal_id="long leg", quantity="5", time_in_force=TimeInForce.IOC),
        limit(300, Side.SELL, quantity="6", signal_id="short leg", instrument=OTHER).model_copy(
            update={"time_in_force": TimeInForce.IOC}
        ),
    ]
    assert [each.status for each in combo(thin, *legs)] == [S.CANCELED] * 2
    assert thin.positions(BROKER_ACCOUNT) == []
    assert place(thin, order("5", signal_id="after"))[0].status is S.FILLED  # nothing was taken


def test_two_legs_of_one_instrument_share_its_depth(thin):
    tick(thin, 150)
    legs = [
        order("3", signal_id=f"leg {number}", time_in_force=TimeInForce.FOK) for number in range(2)
    ]
    assert [each.status for each in combo(thin, *legs)] == [S.CANCELED] * 2


def test_one_leg_that_cannot_be_taken_rejects_all(exchange):
    reports = combo(exchange, SPREAD[0], order("100000", signal_id="too much", instrument=OTHER))
    assert [each.status for each in reports] == [S.REJECTED] * 2
    assert exchange.positions(BROKER_ACCOUNT) == []


def test_a_canceled_leg_cancels_the_others(exchange):
    legs = [limit(149, signal_id="a"), limit(149, signal_id="b", instrument=OTHER)]
    combo(exchange, *legs)
    exchange.cancel(BROKER_ACCOUNT, legs[1].client_order_id)
    assert [report_of(exchange, leg).status for leg in legs] == [S.CANCELED] * 2


def test_the_margin_of_a_combo_is_of_its_legs_together(exchange):
    # 12,000 × 150 × 50 % = 900,000 for either leg; both together net out
    legs = [order("12000", signal_id="a"), order("12000", Side.SELL, signal_id="b")]
    assert [each.status for each in combo(exchange, *legs)] == [S.FILLED] * 2


@pytest.mark.parametrize("lacking", ["brackets", "combos"])
def test_an_account_without_the_ability_rejects_it(exchange, lacking):
    exchange.set_capabilities(BROKER_ACCOUNT, {lacking: False})
    place_it = bracket if lacking == "brackets" else combo
    legs = (order(signal_id="entry"), limit(160, Side.SELL, signal_id="target"))
    assert {each.status for each in place_it(exchange, *legs)} == {S.REJECTED}
    assert exchange.positions(BROKER_ACCOUNT) == []


def test_an_account_without_groups_fills_both(exchange):
    exchange.set_capabilities(BROKER_ACCOUNT, {"oco": False})
    place(exchange, order("20"), *OCO)
    tick(exchange, 161)
    tick(exchange, 139)
    assert [report_of(exchange, each).status for each in OCO] == [S.FILLED] * 2


def test_every_change_of_linked_orders_is_told(exchange):
    bracket(exchange, order(signal_id="entry"), TARGET, STOP)
    tick(exchange, 139)
    last = {report.client_order_id: report.status for report in told(exchange)}
    assert last == {
        order(signal_id="entry").client_order_id: S.FILLED,
        TARGET.client_order_id: S.CANCELED,
        STOP.client_order_id: S.FILLED,
    }
