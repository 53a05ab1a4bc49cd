"""Orders: identity, the table of moves, and what is held for them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.errors import IllegalTransition
from services.domain.orders import (
    TERMINAL,
    TRANSITIONS,
    check_transition,
    client_order_id_for,
)
from services.domain.words import OrderStatus
from tests.support.builders import make_reservation

S = OrderStatus
texts = st.text(max_size=30)


@given(signal=texts, leg=st.integers(0, 99), account=texts, attempt=st.integers(1, 9))
def test_an_order_id_fits_every_broker_and_never_changes(signal, leg, account, attempt):
    made = client_order_id_for(signal, leg, account, attempt)
    assert len(made) == 20
    assert made.isascii()
    assert made.isalnum()
    assert made == client_order_id_for(signal, leg, account, attempt)


def test_every_part_makes_another_order():
    ids = {
        client_order_id_for(signal, leg, account, attempt)
        for signal in ("a", "b")
        for leg in (0, 1)
        for account in ("x", "y")
        for attempt in (1, 2)
    }
    assert len(ids) == 16


def test_the_table_knows_every_status():
    assert set(TRANSITIONS) == set(S)


def test_a_fill_is_believed_in_every_state_the_broker_may_have_seen():
    for status in set(S) - {S.DENIED}:
        assert S.FILLED in TRANSITIONS[status]


def test_no_answer_never_ends_an_order():
    assert not TERMINAL & {S.UNKNOWN, S.SUBMITTING, S.CANCEL_PENDING}


def test_only_a_fill_leaves_an_end():
    for status in TERMINAL:
        assert TRANSITIONS[status] <= {S.PARTIALLY_FILLED, S.FILLED}


def test_what_we_refused_ourselves_stays_refused():
    assert TRANSITIONS[S.DENIED] == frozenset()
    with pytest.raises(IllegalTransition):
        check_transition(S.DENIED, S.FILLED)


def test_no_answer_is_only_given_to_what_was_sent():
    assert S.UNKNOWN not in TRANSITIONS[S.PENDING]


def test_a_reservation_shrinks_with_the_fill_and_goes_with_the_last():
    held = make_reservation("1000", quantity="10", margin=Decimal(500))
    left = held.after_fill(Decimal(4))
    assert (left.capital, left.margin) == (Decimal(600), Decimal(300))
    assert held.after_fill(Decimal(10)) is None
