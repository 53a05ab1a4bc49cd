"""The fund: every account counts at its rate, or the whole is unknown and says why."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.account_data.fund import fund_of
from services.domain.marks import daily_pnl, drawdown_ratio
from services.domain.words import ActiveStatus
from tests.support.builders import NOW, make_account

LATER = NOW + timedelta(minutes=1)


def account(name, equity="100", currency="USD", **fields):
    return make_account(equity, account_id=name, currency=currency, **fields)


def fund(*accounts, former=None, now=NOW, currency="USD", **fields):
    return fund_of(accounts, former=former, now=now, currency=currency, **fields)


def rates(**pairs):
    return {name: Decimal(rate) for name, rate in pairs.items()}


def test_the_fund_is_the_sum_and_as_old_as_its_oldest_account():
    total = fund(account("B", "50.25", age_seconds=90), account("A"))
    assert (total.equity, total.account_ids) == (Decimal("150.25"), ("A", "B"))
    assert total.as_of == NOW - timedelta(seconds=90)
    assert (total.marks.last, total.missing) == (Decimal("150.25"), "")


@pytest.mark.parametrize(
    ("dollars", "rupees"),
    [
        (rates(INR="0.0125"), {}),  # what the dollar account's broker says of rupees
        ({}, rates(USD="80")),  # what the rupee account's broker says of dollars
    ],
)
def test_an_account_counts_at_either_accounts_rate(dollars, rupees):
    total = fund(account("A", fx_rates=dollars), account("B", "800", "INR", fx_rates=rupees))
    # 100 + 800 / 80
    assert total.equity == 110


def test_of_two_rates_the_younger_counts():
    older = account("A", "0", fx_rates=rates(INR="1"), age_seconds=60)
    younger = account("B", "800", "INR", fx_rates=rates(USD="80"), age_seconds=1)
    assert fund(older, younger).equity == 10


def test_the_rate_of_an_account_that_is_not_active_is_not_used():
    left = account("A", fx_rates=rates(INR="0.01"), status=ActiveStatus.INACTIVE)
    total = fund(left, account("B", "800", "INR"))
    assert (total.equity, total.missing) == (None, "B: no rate from INR to USD is known")


def test_one_unknown_account_makes_the_fund_unknown_and_leaves_its_marks():
    before = fund(account("A"), account("B"))
    total = fund(account("A", "50"), account("B", None, age_seconds=None), former=before)
    assert (total.equity, total.as_of) == (None, None)
    assert total.missing == "B: its broker has not reported its equity yet"
    assert (total.marks, total.account_ids) == (before.marks, ("A", "B"))


def test_an_account_that_cannot_be_read_makes_the_fund_unknown():
    total = fund(account("A"), unreadable=["B"])
    assert (total.equity, total.missing) == (None, "B: what is stored of it cannot be read")


def test_a_fund_without_accounts_is_unknown_not_zero():
    assert (fund().equity, fund().missing) == (None, "no account is active")


def test_the_fund_remembers_its_day_and_its_peak():
    before = fund(account("A"), account("B"))
    total = fund(account("A", "60"), account("B"), former=before, now=LATER)
    assert daily_pnl(total.marks, LATER) == -40
    assert drawdown_ratio(total.marks) == Decimal("0.2")


def test_an_account_that_joins_is_no_gain():
    before = fund(account("A"))
    joined = fund(account("A", "90"), account("B", "90"), former=before, now=LATER)
    # 10 of 100 were lost before it came, and still are a tenth
    assert drawdown_ratio(joined.marks) == Decimal("0.1")
    assert daily_pnl(joined.marks, LATER) == -20
    assert joined.account_ids == ("A", "B")


def test_an_account_that_leaves_is_no_loss():
    before = fund(account("A"), account("B"))
    left = account("B", status=ActiveStatus.INACTIVE)
    total = fund(account("A"), left, former=before, now=LATER)
    assert (total.equity, drawdown_ratio(total.marks), daily_pnl(total.marks, LATER)) == (100, 0, 0)


def test_an_account_that_is_gone_from_the_store_is_no_loss_either():
    total = fund(account("A"), former=fund(account("A"), account("B")), now=LATER)
    assert (total.equity, drawdown_ratio(total.marks)) == (100, 0)


def test_a_loss_while_a_new_account_is_not_read_yet_is_seen_afterwards():
    before = fund(account("A"))
    unread = account("B", None, age_seconds=None)
    waiting = fund(account("A", "95"), unread, former=before, now=LATER)
    total = fund(account("A", "80"), account("B"), former=waiting, now=LATER)
    assert drawdown_ratio(total.marks) == Decimal("0.2")


def test_marks_in_another_currency_are_forgotten():
    before = fund(account("A", "1000", "EUR"), currency="EUR")
    total = fund(account("A", "1000", "EUR", fx_rates=rates(USD="0.5")), former=before)
    assert (total.equity, total.marks.day_start, total.marks.peak) == (2000, 2000, 2000)


def idle(accounts):
    return [each.model_copy(update={"status": ActiveStatus.INACTIVE}) for each in accounts]


equities = st.decimals(min_value=1, max_value=10_000_000, places=2)


@given(st.lists(equities, min_size=1, max_size=4), st.lists(equities, min_size=1, max_size=4))
def test_who_cames_or_goes_never_changes_the_drawdown(first, then):
    """Where no equity moves, whatever the set of accounts."""
    went = [account(f"1-{number}", f"{equity}") for number, equity in enumerate(first)]
    came = [account(f"2-{number}", f"{equity}") for number, equity in enumerate(then)]
    before = fund(*went, *idle(came))
    after = fund(*idle(went), *came, former=before, now=LATER)
    assert after.equity == sum(then)
    assert drawdown_ratio(after.marks) == pytest.approx(0, abs=Decimal("1e-20"))
