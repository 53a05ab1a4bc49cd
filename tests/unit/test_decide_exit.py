"""Exits: close what the strategy holds, never more, and hardly anything may stop them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from services.decision.decide import decide
from services.domain.accounts import Gap
from services.domain.lots import Lot
from services.domain.words import ActiveStatus, Intent, Outcome, QuantityUnit, Side, TradingState
from tests.support.builders import (
    NOW,
    make_account,
    make_account_context,
    make_context,
    make_instrument,
    make_leg,
    make_market_price,
    make_position,
    make_reservation,
    make_signal,
    make_strategy,
)

AAPL = make_instrument().key


def exit_signal(*legs, **fields):
    return make_signal(*(legs or (make_leg(side=Side.SELL),)), intent=Intent.EXIT, **fields)


def held(quantity="18", lots=(), **fields):
    return make_account_context(positions=(make_position(quantity, lots=lots),), **fields)


def lot(entry, quantity, theirs=None):
    return Lot(entry_signal_id=entry, quantity=quantity, sender_quantity=theirs)


def test_exit_closes_what_the_strategy_holds_whatever_was_asked():
    decision = decide(exit_signal(make_leg(quantity="9999", side=Side.SELL)), make_context(held()))
    assert decision.orders[0].quantity == Decimal(18)
    assert decision.orders[0].side is Side.SELL
    assert decision.reservations[0].closing_quantity == Decimal(18)


def test_an_exit_carries_no_protection_that_a_broker_could_refuse():
    guards = {"stop_loss": Decimal(140), "take_profit": Decimal(160)}
    leave = exit_signal(make_leg(side=Side.SELL, **guards))
    (order,) = decide(leave, make_context(held())).orders
    assert (order.stop_loss, order.take_profit) == (None, None)
    (order,) = decide(make_signal(make_leg(**guards)), make_context()).orders
    assert (order.stop_loss, order.take_profit) == (Decimal(140), Decimal(160))


def test_exit_of_a_short_buys():
    decision = decide(exit_signal(make_leg(side=Side.BUY)), make_context(held("-5")))
    assert (decision.orders[0].side, decision.orders[0].quantity) == (Side.BUY, Decimal(5))


def test_exit_is_capped_by_other_exits_under_way():
    account = held(reservations=(make_reservation(closing_quantity=Decimal(13)),))
    assert decide(exit_signal(), make_context(account)).orders[0].quantity == Decimal(5)


def test_second_exit_finds_nothing_left():
    account = held(reservations=(make_reservation(closing_quantity=Decimal(18)),))
    decision = decide(exit_signal(), make_context(account))
    assert (decision.outcome, decision.code) == (Outcome.DENIED, "ALREADY_CLOSED")


def test_exit_by_reference_closes_that_entry_only():
    account = held(lots=(lot("other", "13"), lot("sig_entry", "5")))
    signal = exit_signal(make_leg(quantity=None, side=Side.SELL), entry_reference="theirs")
    context = make_context(account, entry_found=True, entry_signal_id="sig_entry")
    (order,) = decide(signal, context).orders
    assert (order.quantity, order.entry_signal_id) == (Decimal(5), "sig_entry")


def test_exits_of_another_entry_under_way_take_nothing_from_this_one():
    closing = make_reservation(closing_quantity=Decimal(13), entry_signal_id="other")
    account = held(lots=(lot("other", "13"), lot("sig_entry", "5")), reservations=(closing,))
    signal = exit_signal(make_leg(quantity=None, side=Side.SELL), entry_reference="theirs")
    context = make_context(account, entry_found=True, entry_signal_id="sig_entry")
    assert decide(signal, context).orders[0].quantity == Decimal(5)
    again = context.model_copy(update={"entry_signal_id": "other"})
    assert decide(signal, again).code == "ALREADY_CLOSED"


# Parts: "5 of my 10" is half of whatever the 10 were with us


def part(quantity, intent=Intent.EXIT, **fields):
    leg = make_leg(quantity=quantity, side=Side.SELL, **fields)
    return make_signal(leg, intent=intent)


@pytest.mark.parametrize("intent", [Intent.EXIT, Intent.SCALE_OUT])
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("5", 8),  # half of 17 is 8.5
        ("10", 17),
        ("15", 25),  # 17 and 5/7 of 12 = 8.57
        ("17", 29),
        ("18", 29),  # more than they have: all
    ],
)
def test_a_part_is_the_senders_share_of_the_oldest_entries(intent, asked, expected):
    account = held("29", lots=(lot("a", "17", "10"), lot("b", "12", "7")))
    (order,) = decide(part(asked, intent), make_context(account)).orders
    assert order.quantity == expected
    assert order.sender_quantity == min(Decimal(asked), 17)


def test_a_part_of_less_than_a_lot_closes_nothing_and_says_so():
    account = held("1", lots=(lot("a", "1", "10"),))
    assert decide(part("5"), make_context(account)).code == "QUANTITY_BELOW_LOT"
    assert decide(part("10"), make_context(account)).orders[0].quantity == 1


def test_a_percentage_is_of_what_is_held():
    unit = {"quantity_unit": QuantityUnit.POSITION_FRACTION}
    account = held("29", lots=(lot("a", "17", "10"), lot("b", "12", "7")))
    for share, expected in (("0.5", 14), ("1", 29)):
        (order,) = decide(part(share, **unit), make_context(account)).orders
        assert order.quantity == expected
    assert decide(part("0.5", **unit), make_context(held("29"))).orders[0].quantity == 14


def test_what_is_being_closed_is_closed_in_the_senders_units_too():
    closing = make_reservation(closing_quantity=Decimal(8), sender_quantity=Decimal(5))
    account = held("17", lots=(lot("a", "17", "10"),), reservations=(closing,))
    assert decide(part("5"), make_context(account)).orders[0].quantity == 9


def test_another_strategy_in_the_same_instrument_is_left_alone():
    account = make_account_context(
        positions=(make_position("10"), make_position("90", strategy_id="other"))
    )
    assert decide(part(None), make_context(account)).orders[0].quantity == 10


def test_an_exit_whose_entry_was_canceled_unfilled_is_done():
    context = make_context(canceled_entries=("MTA",))
    decision = decide(exit_signal(), context)
    assert (decision.outcome, decision.code) == (Outcome.APPROVED, "ENTRY_CANCELED")
    assert decision.orders == ()


def test_an_entry_waits_for_the_exit_of_its_reversal():
    context = make_context(reversal_open="the exit of this reversal has not filled yet")
    assert decide(make_signal(follows="sig_0"), context).code == "REVERSAL_EXIT_OPEN"


def test_exit_of_another_strategys_position_is_denied():
    position = make_position(strategy_id="other")
    account = make_account_context(positions=(position,))
    assert decide(exit_signal(), make_context(account)).code == "NO_POSITION"


def test_exit_in_the_wrong_direction_is_denied():
    decision = decide(exit_signal(make_leg(side=Side.BUY)), make_context(held()))
    assert decision.code == "POSITION_OPPOSITE"


@pytest.mark.parametrize(
    "context",
    [
        make_context(held(ratio=None)),
        make_context(held(account=make_account(age_seconds=90000))),
        make_context(held(account=make_account(equity=None))),
        make_context(held(account=make_account(available_funds=Decimal(0)))),
        make_context(held(), state=TradingState.REDUCING),
        make_context(held(), strategy=make_strategy("Mock-1", status=ActiveStatus.INACTIVE)),
    ],
    ids=["no allocation", "stale", "no equity", "no margin", "reducing", "inactive"],
)
def test_nothing_but_a_halt_stops_an_exit(context):
    assert decide(exit_signal(), context).orders[0].quantity == Decimal(18)


def test_halt_stops_an_exit():
    decision = decide(exit_signal(), make_context(held(), state=TradingState.HALTED))
    assert decision.code == "TRADING_HALTED"


def test_unknown_entry_is_named():
    decision = decide(exit_signal(entry_reference="x"), make_context(held(), entry_found=False))
    assert decision.code == "ENTRY_NOT_FOUND"


def test_what_can_be_closed_is_closed_where_another_leg_cannot():
    legs = (make_leg(side=Side.SELL), make_leg("NVDA", side=Side.BUY, leg_index=1))
    decision = decide(exit_signal(*legs), make_context(held()))
    assert [order.instrument.symbol for order in decision.orders] == ["AAPL"]


@pytest.mark.parametrize(
    ("quantity", "side", "intent"),
    [
        ("0", Side.BUY, Intent.ENTRY),
        ("18", Side.BUY, Intent.SCALE_IN),
        ("18", Side.SELL, Intent.EXIT),
        ("-3", Side.BUY, Intent.EXIT),
    ],
)
def test_missing_signal_type_is_inferred_from_the_position(quantity, side, intent):
    signal = make_signal(make_leg(side=side), intent=None)
    decision = decide(signal, make_context(held(quantity)))
    assert decision.intent is intent
    assert any(step.name == "intent" for step in decision.steps)


def test_scale_out_is_scaled_like_its_entry():
    # 2 × 1,000,000 × 0.89357… / 500,000 = 3.57 → 3
    signal = make_signal(make_leg(quantity="2", side=Side.SELL), intent=Intent.SCALE_OUT)
    assert decide(signal, make_context(held())).orders[0].quantity == Decimal(3)


def fraction_out(quantity, price):
    leg = make_leg(
        quantity=quantity,
        price=price,
        side=Side.SELL,
        quantity_unit=QuantityUnit.EQUITY_FRACTION,
    )
    return make_signal(leg, intent=Intent.SCALE_OUT, sender_equity="1")


@pytest.mark.parametrize(
    ("signal", "prices"),
    [
        (fraction_out("0.002", "150"), {}),
        (fraction_out("0.002", None), {AAPL: make_market_price("150")}),
    ],
    ids=["own price", "price of the broker"],
)
def test_scale_out_of_a_fraction_of_equity_is_priced(signal, prices):
    # 0.002 × 1,000,000 × 0.5 / 150 = 6.67 → 6 of 18
    decision = decide(signal, make_context(held(ratio="0.5", prices=prices)))
    assert decision.orders[0].quantity == Decimal(6)


@pytest.mark.parametrize(
    "account",
    [
        held(ratio="0.5"),
        held(ratio="0.5", prices={AAPL: make_market_price(age_seconds=16)}),
        held(ratio="0.5", account=make_account(currency="EUR")),
    ],
    ids=["no price", "old price", "other currency"],
)
def test_scale_out_of_a_fraction_that_cannot_be_priced_closes_all(account):
    decision = decide(fraction_out("0.002", None), make_context(account))
    assert (decision.outcome, decision.orders[0].quantity) == (Outcome.APPROVED, Decimal(18))
    assert "all of it goes" in decision.steps[-1].sentence


def test_cancel_names_the_orders_it_reaches():
    account = make_account_context(cancelable=("MTA", "MTB"))
    decision = decide(make_signal(intent=Intent.CANCEL), make_context(account))
    assert (decision.outcome, decision.cancels) == (Outcome.APPROVED, ("MTA", "MTB"))


def test_cancel_of_nothing_is_denied():
    decision = decide(make_signal(intent=Intent.CANCEL), make_context())
    assert decision.code == "NOTHING_TO_CANCEL"


def test_old_exit_goes_with_both_numbers_in_its_reason():
    strategy = make_strategy("Mock-1", max_signal_age_seconds=Decimal(60))
    signal = exit_signal(received_at=NOW - timedelta(seconds=75.04), valid_for_seconds=Decimal(30))
    decision = decide(signal, make_context(held(), strategy=strategy))
    assert (decision.outcome, decision.code) == (Outcome.APPROVED, "")
    sentence = "75.0 s old, valid for 30 s, but an exit goes all the same"
    assert decision.reason == f"exit age: {sentence}"
    (step,) = [step for step in decision.steps if step.name == "exit_age"]
    assert (step.sentence, step.bound) == (sentence, False)
    assert decision.orders[0].expires_at is None


def test_exit_past_a_gap_goes_and_says_so():
    gap = Gap(code="SEQUENCE_GAP", sentence="6 has not come")
    decision = decide(exit_signal(), make_context(held(), gap=gap))
    assert decision.outcome is Outcome.APPROVED
    assert decision.reason == "exit gap: 6 has not come; an exit goes all the same"
