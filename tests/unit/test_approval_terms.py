"""What a person's word makes of an entry: no more than shown, half rounded down, replayed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.decision.approvals import asked_for
from services.decision.decide import decide
from services.decision.record import decision_document, differences, replay
from services.domain.approvals import Approval, ApprovalStatus, ApprovalTerms, quantity_key
from services.domain.words import Intent, Outcome
from tests.support.builders import (
    ACCOUNT,
    NOW,
    make_account_context,
    make_context,
    make_leg,
    make_limits,
    make_signal,
    make_strategy,
)

WIDE = make_limits(position="1", broker="1")


def context(quantity_terms=None, **fields):
    strategy = make_strategy().model_copy(update={"approval": quantity_terms or ApprovalTerms()})
    made = make_context(make_account_context(ratio="0.5"), limits=WIDE)
    return made.model_copy(update={"strategy": strategy, **fields})


def approved(status=ApprovalStatus.APPROVED, shown="100", account_id=ACCOUNT, **fields):
    return Approval(
        status=status,
        by="olga",
        reason="",
        asked_at=NOW,
        expires_at=NOW + timedelta(seconds=300),
        answered_at=NOW,
        quantities={quantity_key(account_id, 0): Decimal(shown)},
        **fields,
    )


def signal(quantity="100"):
    return make_signal(make_leg(quantity=quantity, price="100"))


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["APPROVED", "HALVED"]))
def test_no_more_than_shown_and_half_rounded_down(wanted, shown, status):
    made = decide(
        signal(str(wanted)), context(approval=approved(ApprovalStatus(status), str(shown)))
    )
    free = decide(signal(str(wanted)), context())
    (would,) = [order.quantity for order in free.orders]
    expected = min(would, Decimal(shown))
    if status == "HALVED":
        expected = expected // 2
    assert [order.quantity for order in made.orders] == ([expected] if expected else [])
    document = decision_document(made)
    orders = [order.model_dump(exclude_none=True) for order in made.orders]
    assert differences(replay(signal(str(wanted)), document), document, orders) == []


def test_what_was_not_shown_is_not_approved():
    elsewhere = approved(account_id="Mock-2")
    assert decide(signal(), context(approval=elsewhere)).code == "APPROVAL_MISSING"


@pytest.mark.parametrize(
    ("status", "code"),
    [("REJECTED", "APPROVAL_REJECTED"), ("EXPIRED", "APPROVAL_EXPIRED")],
)
def test_a_no_stops_the_entry_and_never_an_exit(status, code):
    answer = approved(ApprovalStatus(status))
    denied = decide(signal(), context(approval=answer))
    assert (denied.outcome, denied.code) == (Outcome.DENIED, code)
    leaving = make_signal(make_leg(), intent=Intent.EXIT)
    assert decide(leaving, context(approval=answer)).code == "NO_POSITION"


def test_only_large_entries_of_strategies_that_want_it_are_asked_for():
    def is_asked(terms, quantity="100"):
        found = context(terms)
        return asked_for(signal(quantity), decide(signal(quantity), found)) is not None

    ordered = decide(signal(), context()).reservations[0].notional
    assert is_asked(ApprovalTerms())
    assert not is_asked(ApprovalTerms(required=False))
    assert not is_asked(ApprovalTerms(above_notional=ordered))
    assert is_asked(ApprovalTerms(above_notional=ordered - 1))
    answered = context(approval=approved())
    assert asked_for(signal(), decide(signal(), answered)) is None
