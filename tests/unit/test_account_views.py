"""Sums over brokers and funds, and curves: what is not known is never a zero."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.account_data.equity_views import Resolution, days_of, points_of, span_of
from services.account_data.hierarchy import hierarchy
from services.account_data.views import account_view
from services.domain.errors import Declined
from tests.support.accounts import FIGURES, NOW, make_document


def views(*documents):
    now = NOW + timedelta(seconds=2)
    return [account_view(each, now=now, max_age_seconds=60) for each in documents]


def tree(*documents, currency="USD"):
    now = NOW + timedelta(seconds=2)
    return hierarchy(views(*documents), currency=currency, now=now, max_age_seconds=60)


def document(name, equity, broker="MOCK", currency="USD", **fields):
    amounts = dict.fromkeys(FIGURES, Decimal(equity))
    return make_document(name, broker=broker, currency=currency, **(amounts | fields))


def test_totals_of_brokers_add_up_to_the_fund_in_one_currency():
    rates = {"USD": Decimal(80)}
    (fund,) = tree(
        document("A", 100),
        document("B", 50, broker="IBKR"),
        document("C", 800, broker="ZERODHA", currency="INR", fx_rates=rates),
    )
    # 800 rupees at 80 are 10 dollars
    assert [each.totals.equity for each in fund.brokers] == [50, 100, 10]
    assert fund.totals.equity == 160
    assert fund.totals.complete


def test_what_has_no_rate_is_named_and_left_out():
    (fund,) = tree(document("A", 100), document("B", 800, currency="INR"))
    assert (fund.totals.equity, fund.totals.accounts) == (100, ("A",))
    assert fund.totals.missing[0].reason == "no rate from INR to USD is known"
    nodes = {each.account.account_id: each.worth for each in fund.brokers[0].accounts}
    assert nodes == {"A": 100, "B": None}


def test_accounts_that_are_not_active_are_shown_and_not_summed():
    (fund,) = tree(document("A", 100), document("B", 50, status="INACTIVE"))
    assert fund.totals.equity == 100
    assert [each.account.account_id for each in fund.brokers[0].accounts] == ["A", "B"]


def test_one_unknown_gain_makes_the_sum_of_gains_unknown_and_no_other():
    (fund,) = tree(document("A", 1, unrealized_pnl=Decimal(5)), document("B", 1))
    assert (fund.totals.unrealized_pnl, fund.totals.equity) == (None, 2)


def test_a_doubted_account_is_named():
    jump = {"jump_id": "A|1", "before": Decimal(1), "before_at": NOW, "equity": Decimal(9)}
    jump |= {"seen_at": NOW, "explained": Decimal(0), "unexplained": Decimal(8), "sentence": "x"}
    (fund,) = tree(document("A", 9, jump=jump), document("B", 1))
    assert fund.totals.doubted == ("A",)


def test_paper_and_real_money_are_two_funds():
    funds = tree(document("A", 100), document("B", 50, account_type="LIVE"))
    assert [(each.account_type, each.totals.equity) for each in funds] == [
        ("LIVE", 50),
        ("PAPER", 100),
    ]


amounts = st.lists(st.decimals(min_value=-1000, max_value=1000, places=2), min_size=1, max_size=6)


@given(amounts, st.data())
def test_no_account_is_counted_twice_or_lost(equities, data):
    brokers = [data.draw(st.sampled_from(["MOCK", "IBKR"])) for _ in equities]
    (fund,) = tree(
        *(
            document(f"A{i}", equity, broker)
            for i, (equity, broker) in enumerate(zip(equities, brokers, strict=True))
        )
    )
    assert fund.totals.equity == sum(equities)
    assert sum(each.totals.equity for each in fund.brokers) == sum(equities)


def day(date, close, flows=0, currency="USD"):
    amounts = dict.fromkeys(("open", "high", "low", "close"), Decimal(close))
    return amounts | {"date": date, "flows": Decimal(flows), "currency": currency, "as_of": NOW}


def returns(*rows):
    return [each.return_ratio for each in days_of(rows)]


def test_a_days_return_leaves_out_what_was_paid():
    rows = [day("2026-01-01", 100), day("2026-01-02", 160, 50), day("2026-01-03", 80, -80)]
    # (160 − 50 − 100) / 100, (80 + 80 − 160) / 160
    assert returns(*rows) == [None, Decimal("0.1"), 0]


def test_a_day_after_nothing_or_in_another_currency_has_no_return():
    assert returns(day("1", 0), day("2", 100)) == [None, None]
    assert returns(day("1", 5), day("2", 100, currency="EUR")) == [None, None]
    assert returns(day("1", -5), day("2", 100)) == [None, None]


def test_of_an_hour_the_last_look_is_shown():
    start = datetime(2026, 1, 2, 9, 58, tzinfo=UTC)
    rows = [{"at": start + timedelta(minutes=i), "equity": Decimal(i)} for i in range(4)]
    assert [each.equity for each in points_of(rows, Resolution.HOUR)] == [1, 3]
    assert [each.equity for each in points_of(rows, Resolution.MINUTE)] == [0, 1, 2, 3]


def test_a_span_begins_before_it_ends():
    assert span_of(None, None, Resolution.DAY, NOW) == (NOW - timedelta(days=365), NOW)
    far = datetime(1, 1, 1, tzinfo=UTC)
    assert span_of(None, far, Resolution.DAY, NOW).last == far
    with pytest.raises(Declined, match="from must not be later than to"):
        span_of(NOW, NOW - timedelta(days=1), Resolution.DAY, NOW)
