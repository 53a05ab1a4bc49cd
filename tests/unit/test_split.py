"""How accounts share a signal: by weight, or where there is free margin."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.decision.decide import decide
from services.decision.split import share_out
from services.domain.words import Outcome, SplitPolicy
from tests.support.builders import (
    make_account,
    make_account_context,
    make_context,
    make_leg,
    make_limits,
    make_position,
    make_signal,
    make_strategy,
)


def account(name, free, **fields):
    """1,000,000 of equity, half of it allocated; the sender's size is ours."""
    return make_account_context(
        make_account(account_id=name, available_funds=Decimal(free)), ratio="0.5", **fields
    )


def shared(*accounts, policy=SplitPolicy.BY_FREE_MARGIN, **fields):
    names = [each.account.account_id for each in accounts]
    strategy = make_strategy(*names, split=policy, **fields)
    limits = make_limits(position="100", broker="100")
    context = make_context(*accounts, strategy=strategy, limits=limits)
    decision = decide(make_signal(make_leg(quantity="100", price="100")), context)
    return decision, {order.account_id: order.quantity for order in decision.orders}


# 100 shares at 100 need 5,000 of margin.


def test_by_weight_each_account_takes_what_it_can_and_no_more():
    policy = SplitPolicy.BY_WEIGHT
    decision, found = shared(account("A", "2000"), account("B", "1000000"), policy=policy)
    assert found == {"A": 40, "B": 100}
    assert decision.outcome is Outcome.RESIZED


def test_what_one_account_has_no_margin_for_goes_to_the_others():
    _, found = shared(account("A", "2000"), account("B", "1000000"))
    assert found == {"A": 40, "B": 160}


def test_the_others_take_only_what_they_have_margin_for():
    decision, found = shared(account("A", "2000"), account("B", "6000"))
    assert found == {"A": 40, "B": 120}
    assert decision.code == "MARGIN_BOUND"


def test_an_account_without_any_margin_leaves_its_part_to_the_others():
    _, found = shared(account("A", "0"), account("B", "1000000"))
    assert found == {"B": 200}


def test_an_account_that_may_not_be_entered_has_no_part_to_give():
    closed = account("A", "1000000")
    closed = closed.model_copy(
        update={"account": closed.account.model_copy(update={"as_of": None})}
    )
    _, found = shared(closed, account("B", "1000000"))
    assert found == {"B": 100}


def test_no_margin_anywhere_is_denied_for_want_of_margin():
    decision, _ = shared(account("A", "0"), account("B", "0"))
    assert (decision.outcome, decision.code) == (Outcome.DENIED, "MARGIN_EXCEEDED")


def test_all_together_never_cost_more_than_the_strategys_capital():
    # 490,000 of A's 500,000 are at work: 10,000 are left there, 500,000 in B
    held = make_position("4900", "100", symbol="MSFT", account_id="A")
    accounts = (account("A", "1000000", positions=(held,)), account("B", "3000"))
    _, found = shared(*accounts)
    assert found == {"A": 140, "B": 60}  # capital is pooled: 510,000 pay for 200 shares


amounts = st.lists(
    st.tuples(st.decimals("0", "100", places=2), st.decimals("0", "100", places=2)),
    min_size=1,
    max_size=6,
)


@given(total=st.decimals("0", "300", places=2), places=amounts)
def test_parts_fill_rooms_and_sum_to_the_total(total, places):
    weights, rooms = [list(each) for each in zip(*places, strict=True)]
    parts = share_out(total, weights, rooms)
    assert all(0 <= part <= room for part, room in zip(parts, rooms, strict=True))
    open_rooms = sum(
        (room for weight, room in zip(weights, rooms, strict=True) if weight), Decimal(0)
    )
    assert abs(sum(parts) - min(total, open_rooms)) < Decimal("1E-20")
