"""Broker reports move an order: in any order, doubled, late, and never by guessing."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.orders import TERMINAL, OrderReport, OrderTerms
from services.domain.words import OrderStatus
from services.execution.lifecycle import OrderState, advance
from tests.support.builders import NOW, make_execution, make_order

S = OrderStatus


def state(status=S.SUBMITTING, **fields):
    return OrderState(order=make_order("10"), status=status, **fields)


def report(status, *executions, **fields):
    return OrderReport(
        client_order_id=make_order().client_order_id,
        status=status,
        executions=executions,
        occurred_at=NOW,
        **fields,
    )


def fill(quantity, price="150", execution_id="X1"):
    return make_execution(quantity, price, execution_id=execution_id)


def test_full_fill_before_the_acknowledgement():
    after = advance(state(), report(S.FILLED, fill("10")), [fill("10")])
    assert (after.state.status, after.state.filled_quantity) == (S.FILLED, 10)
    assert after.incidents == ()


def test_average_price_is_weighted():
    begun = state(S.PARTIALLY_FILLED, filled_quantity=Decimal(4), avg_fill_price=Decimal("150"))
    after = advance(begun, report(S.FILLED, fill("6", "151")), [fill("6", "151")])
    # (4 × 150 + 6 × 151) / 10
    assert after.state.avg_fill_price == Decimal("150.6")


def test_a_correction_moves_the_quantity_and_the_price():
    begun = state(S.PARTIALLY_FILLED, filled_quantity=Decimal(6), avg_fill_price=Decimal("150"))
    told = make_execution("3", "152", revision=1)
    after = advance(begun, report(S.PARTIALLY_FILLED, told), [told], [fill("4")])
    # 2 of 6 at 150 stay, 3 at 152 come: 756 / 5
    assert after.state.status is S.PARTIALLY_FILLED
    assert (after.state.filled_quantity, after.state.avg_fill_price) == (5, Decimal("151.2"))
    (incident,) = after.incidents
    assert incident.kind == "FILL_CORRECTED"
    assert "5 instead of 6" in incident.sentence


def test_a_commission_that_is_told_late_is_no_correction():
    begun = state(S.FILLED, filled_quantity=Decimal(10), avg_fill_price=Decimal("150"))
    told = make_execution("10", revision=1, commission=Decimal("1.05"))
    after = advance(begun, report(S.FILLED, told), [told], [fill("10")])
    assert (after.state, after.incidents) == (begun, ())


def test_a_correction_beside_a_late_commission_is_told():
    begun = state(S.FILLED, filled_quantity=Decimal(10), avg_fill_price=Decimal("150"))
    late = make_execution("4", revision=1, commission=Decimal(1))
    other = make_execution("6", "151", revision=1, execution_id="X2")
    replaced = [fill("4"), fill("6", execution_id="X2")]
    after = advance(begun, report(S.FILLED, late, other), [late, other], replaced)
    assert [incident.kind for incident in after.incidents] == ["FILL_CORRECTED"]


@pytest.mark.parametrize("said", [S.FILLED, S.CANCELED, S.REJECTED])
def test_an_ended_order_whose_fill_is_taken_back_stays_ended(said):
    begun = state(S.FILLED, filled_quantity=Decimal(10), avg_fill_price=Decimal("150"))
    told = make_execution("10", revision=1, busted=True)
    after = advance(begun, report(said, told), [told], [fill("10")])
    assert (after.state.status, after.state.filled_quantity) == (S.FILLED, 0)
    assert after.state.avg_fill_price == 0  # something came: None would say that nothing ever did
    assert [incident.kind for incident in after.incidents] == ["FILL_CORRECTED"]


def test_a_working_order_whose_fill_is_taken_back_works_on():
    begun = state(S.PARTIALLY_FILLED, filled_quantity=Decimal(4), avg_fill_price=Decimal("150"))
    told = make_execution("4", revision=1, busted=True)
    after = advance(begun, report(S.SUBMITTED, told), [told], [fill("4")])
    assert (after.state.status, after.state.filled_quantity) == (S.PARTIALLY_FILLED, 0)


def test_filled_without_executions_stays_working():
    assert advance(state(), report(S.FILLED), []).state.status is S.SUBMITTED


def test_a_fill_after_the_cancel_is_booked_and_reported():
    after = advance(state(S.CANCELED), report(S.FILLED, fill("10")), [fill("10")])
    assert after.state.status is S.FILLED
    assert [each.kind for each in after.incidents] == ["FILL_AFTER_END"]


def test_an_overfill_is_booked_and_reported():
    after = advance(state(), report(S.FILLED, fill("12")), [fill("12")])
    assert after.state.filled_quantity == 12
    assert [each.kind for each in after.incidents] == ["OVERFILL"]


def test_an_overfill_that_is_told_again_is_no_news():
    over = advance(state(), report(S.FILLED, fill("12")), [fill("12")]).state
    assert not advance(over, report(S.FILLED, fill("12")), []).changes(over)


def test_late_acknowledgement_changes_nothing():
    done = state(S.FILLED, filled_quantity=Decimal(10), avg_fill_price=Decimal(150))
    assert not advance(done, report(S.SUBMITTED), []).changes(done)


def test_an_order_given_up_too_early_is_not_sent_again():
    # asked twice, not found, back to PENDING; then the broker shows that it had it all the time
    late = advance(state(S.PENDING), report(S.FILLED, fill("10")), [fill("10")])
    assert late.state.status is S.FILLED


def test_cancel_pending_stays_until_the_broker_says_canceled():
    begun = state(S.CANCEL_PENDING)
    assert advance(begun, report(S.SUBMITTED), []).state.status is S.CANCEL_PENDING
    assert advance(begun, report(S.CANCELED), []).state.status is S.CANCELED


def test_an_order_that_its_group_has_cut_is_filled_by_what_is_left_of_it():
    # 10 were ordered; the broker took 6 of them away when the other of the pair filled
    cut = OrderTerms(quantity=Decimal(4))
    done = advance(state(S.SUBMITTED), report(S.FILLED, fill("4"), terms=cut), [fill("4")])
    assert (done.state.status, done.state.filled_quantity) == (S.FILLED, 4)
    early = advance(state(S.SUBMITTED), report(S.FILLED, terms=cut), [])
    assert early.state.status is S.SUBMITTED


def test_no_answer_is_unknown_never_rejected():
    assert advance(state(), report(S.UNKNOWN), []).state.status is S.UNKNOWN


pieces = st.lists(st.integers(1, 4), min_size=1, max_size=4)
words = st.sampled_from([S.SUBMITTED, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.UNKNOWN])


@settings(max_examples=300, deadline=None)
@given(sizes=pieces, said=st.lists(words, min_size=4, max_size=4), start=st.sampled_from(list(S)))
def test_every_fill_is_counted_whatever_the_broker_says(sizes, said, start):
    current = state(start)
    for number, size in enumerate(sizes):
        execution = fill(str(size), execution_id=f"X{number}")
        current = advance(current, report(said[number], execution), [execution]).state
    assert current.filled_quantity == sum(sizes)
    if start is not S.DENIED and sum(sizes) >= 10:
        assert current.status is S.FILLED
    if current.status is S.FILLED:
        assert current.filled_quantity >= 10 or start in TERMINAL
