"""Our own record: P&L of days from fills and prices, on the capital that was allocated."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.books import Position, apply_execution
from services.domain.instruments import Instrument
from services.domain.orders import Execution
from services.domain.words import InstrumentType, Side
from services.portfolio_builder.live_pnl import DayPnl, Holding, Rates, Traded, daily_pnl
from services.portfolio_builder.live_record import (
    AccountEquity,
    Approved,
    Funding,
    live_record,
)

MONDAY = date(2026, 3, 2)
DOLLARS = Rates("USD", {})


def day(number):
    """The n-th day from a Monday on, weekends counted."""
    return MONDAY + timedelta(days=number)


def fill(number, quantity, price, *, commission="0", currency="USD", hour=15):
    at = datetime.combine(day(number), datetime.min.time(), UTC) + timedelta(hours=hour)
    return Traded(at, Decimal(quantity), Decimal(price), Decimal(commission), currency)


def holding(fills, marks, *, currency="USD", multiplier="1", key="STOCK:AAPL:USD", account="A"):
    prices = {day(number): Decimal(price) for number, price in marks.items()}
    return Holding(account, key, currency, Decimal(multiplier), tuple(fills), prices)


def pnl(*holdings, rates=DOLLARS, until=4, every_day=False):
    return daily_pnl(holdings, rates, every_day=every_day, until=day(until))


def amounts(days):
    return {each.on: each.pnl for each in days}


def test_a_day_makes_the_change_of_price_on_what_is_held_less_commissions():
    # Bought 10 at 100, closes at 101, 103; sold at 102 on Wednesday; 1 paid each time.
    fills = [fill(0, "10", "100", commission="1"), fill(2, "-10", "102", commission="1")]
    days, unknown = pnl(holding(fills, {0: "101", 1: "103"}), until=3)
    assert amounts(days) == {day(0): 9, day(1): 20, day(2): -11, day(3): 0}
    assert unknown == []
    assert [each.idle for each in days] == [False, False, False, True]


def test_a_multiplier_and_a_short_count_as_they_should():
    fills = [fill(0, "-2", "5000")]
    days, _ = pnl(holding(fills, {0: "5010", 1: "4990"}, multiplier="50"), until=1)
    assert amounts(days) == {day(0): -1000, day(1): 2000}


def test_a_day_without_a_price_is_unknown_and_the_next_one_has_both():
    fills = [fill(0, "10", "100")]
    days, unknown = pnl(holding(fills, {0: "101", 2: "105"}), until=2)
    assert amounts(days) == {day(0): 10, day(2): 40}
    assert [each.covers for each in days] == [1, 2]
    assert [(each.on, "STOCK:AAPL:USD in A" in each.reason) for each in unknown] == [(day(1), True)]


def test_one_price_that_is_missing_makes_the_whole_day_unknown():
    first = holding([fill(0, "1", "100")], {0: "101", 1: "102"})
    second = holding([fill(0, "1", "50")], {0: "51"}, key="STOCK:MSFT:USD")
    days, unknown = pnl(first, second, until=1)
    assert (list(amounts(days)), [each.on for each in unknown]) == ([day(0)], [day(1)])


def test_weekends_are_part_of_monday_unless_what_is_held_trades_then():
    # Held over the weekend; sold on Sunday evening.
    fills = [fill(4, "10", "100"), fill(6, "-10", "107")]
    marks = {4: "101", 5: "103", 6: "105"}
    days, unknown = pnl(holding(fills, marks), until=7)
    assert amounts(days) == {day(4): 10, day(7): 60}
    assert unknown == []
    every, _ = pnl(holding(fills, marks), until=7, every_day=True)
    assert amounts(every) == {day(4): 10, day(5): 20, day(6): 40, day(7): 0}


def test_what_is_bought_and_sold_in_a_day_needs_no_price():
    fills = [fill(0, "10", "100", hour=10), fill(0, "-10", "101", hour=11)]
    days, unknown = pnl(holding(fills, {}), until=0)
    assert (amounts(days), unknown) == ({day(0): 10}, [])


def test_other_currencies_are_converted_at_the_rate_of_the_day():
    rates = Rates("USD", {("A", "EUR"): {day(0): Decimal("1.1"), day(1): Decimal("1.2")}})
    fills = [fill(0, "10", "100", commission="2", currency="USD")]
    euros = holding(fills, {0: "101", 1: "103"}, currency="EUR")
    days, _ = pnl(euros, rates=rates, until=1)
    assert amounts(days) == {day(0): Decimal("9.0"), day(1): Decimal("24.0")}


def test_without_a_rate_a_day_is_unknown_and_a_rate_of_last_week_is_too_old():
    euros = holding([fill(0, "10", "100")], {n: "101" for n in range(12)}, currency="EUR")
    days, unknown = pnl(euros, until=1)
    assert (days, "no rate of EUR" in unknown[0].reason) == ([], True)
    rates = Rates("USD", {("A", "EUR"): {day(-3): Decimal("1.1")}})
    days, unknown = pnl(euros, rates=rates, until=0)
    assert amounts(days) == {day(0): Decimal("11.0")}
    assert Rates("USD", {("A", "EUR"): {day(0): Decimal(1)}}).on(day(8), "A", "EUR") is None


def test_no_fills_make_no_record():
    assert pnl(holding([], {0: "1"})) == ([], [])


MOVES = st.lists(
    st.tuples(
        st.integers(0, 11),
        st.integers(-20, 20).filter(bool),
        st.integers(1, 500),
        st.integers(-3, 5),
    ),
    min_size=1,
    max_size=25,
)


@given(
    moves=MOVES,
    closes=st.lists(st.integers(1, 500), min_size=12, max_size=12),
    gaps=st.sets(st.integers(0, 10)),
    every_day=st.booleans(),
)
def test_all_days_together_are_realized_less_commissions_plus_unrealized(
    moves, closes, gaps, every_day
):
    instrument = Instrument(
        instrument_type=InstrumentType.FUTURE, symbol="ES", multiplier=Decimal(50)
    )
    book = Position(strategy_id="S", account_id="A", instrument=instrument)
    fills = []
    for number, (on, quantity, price, commission) in enumerate(sorted(moves)):
        made = fill(on, str(quantity), str(price), commission=str(commission))
        made = made._replace(at=made.at + timedelta(minutes=number))
        fills.append(made)
        execution = Execution(
            execution_id=f"{number:04}",
            client_order_id="",
            instrument=instrument,
            side=Side.BUY if quantity > 0 else Side.SELL,
            quantity=abs(quantity),
            price=price,
            commission=commission,
            occurred_at=made.at,
        )
        book = apply_execution(book, execution)
    marks = {on: str(close) for on, close in enumerate(closes) if on not in gaps}
    days, unknown = pnl(holding(fills, marks, multiplier="50"), until=11, every_day=every_day)
    last = days[-1].on if days else None
    assert last is None or not {each.on for each in days} & {each.on for each in unknown}
    if day(11) == last:  # the last day has a price, or nothing is held
        unrealized = book.unrealized_pnl(Decimal(closes[11])) if book.quantity else Decimal(0)
        total = sum(each.pnl for each in days)
        assert float(total) == pytest.approx(
            float(book.realized_pnl - book.commissions + unrealized), abs=1e-9
        )


def test_the_order_in_which_fills_are_told_changes_nothing():
    fills = [fill(0, "10", "100"), fill(1, "-4", "103", commission="1"), fill(2, "-6", "99")]
    marks = {0: "101", 1: "102", 2: "100"}
    assert pnl(holding(fills, marks)) == pnl(holding(fills[::-1], marks))


# --- on capital -------------------------------------------------------------------------------


def made(number, amount, *, idle=False, covers=1):
    return DayPnl(day(number), Decimal(amount), covers, idle)


def approved(number, ratio, hour=0):
    at = datetime.combine(day(number), datetime.min.time(), UTC) + timedelta(hours=hour)
    return Approved(at, Decimal(ratio))


def equity(*, weight="1", name="A", opens=None, closes=None):
    days = {day(n): Decimal(1_000_000) for n in range(12)} if opens is None else opens
    return AccountEquity(name, Decimal(weight), days, closes or {})


def record(days, *approvals, bases=None, kept=None):
    return live_record(days, Funding(approvals, bases or (equity(),), kept or {}))


def test_a_return_is_on_ratio_times_equity_times_weight():
    bases = (equity(weight="0.5"), equity(name="B", weight="0.25"))
    rows, unknown, notes = record([made(0, "750")], approved(-5, "0.2"), bases=bases)
    # 1,000,000 × 0.2 × 0.5 + 1,000,000 × 0.2 × 0.25 = 150,000
    assert [(row.capital, row.ratio, row.pnl) for row in rows] == [(150_000, Decimal("0.005"), 750)]
    assert (unknown, notes) == ([], [])


def test_the_ratio_in_force_when_the_day_began_counts():
    days = [made(0, "100"), made(1, "100")]
    rows, _, _ = record(days, approved(-5, "0.1"), approved(0, "0.2", hour=9))
    assert [row.capital for row in rows] == [100_000, 200_000]


def test_what_is_held_after_its_allocation_is_gone_counts_on_the_last_capital():
    rows, _, notes = record([made(2, "50")], approved(-5, "0.1"), approved(1, "0"))
    assert [row.capital for row in rows] == [100_000]
    assert "the last capital" in notes[0]


def test_a_strategy_that_trades_on_the_day_it_is_approved_has_that_capital():
    rows, _, _ = record([made(0, "50")], approved(0, "0.1", hour=8))
    assert [row.capital for row in rows] == [100_000]


def test_an_idle_day_is_zero_while_money_is_allocated_and_none_when_it_is_not():
    days = [made(0, "0", idle=True), made(1, "0", idle=True)]
    rows, unknown, _ = record(days, approved(-5, "0.1"), approved(0, "0", hour=9))
    assert [(row.on, row.ratio) for row in rows] == [(day(0), 0)]
    assert unknown == []


@pytest.mark.parametrize(
    ("approvals", "base", "words"),
    [
        ((), equity(), "nothing was ever allocated"),
        ((approved(-5, "0.1"),), equity(opens={}), "the equity of A is not known"),
        ((approved(-5, "0.1"),), equity(opens={day(0): Decimal(-5)}), "was -0.5"),
        (
            (approved(-5, "0.1"),),
            equity(opens={}, closes={day(-8): Decimal(5)}),
            "the equity of A is not known",
        ),
    ],
)
def test_without_capital_a_day_is_unknown_and_never_zero(approvals, base, words):
    rows, unknown, _ = record([made(0, "50")], *approvals, bases=(base,))
    assert (rows, words in unknown[0].reason) == ([], True)


def test_yesterdays_last_equity_stands_for_a_day_that_begins_without_one():
    base = equity(opens={}, closes={day(-3): Decimal(500_000)})
    rows, _, _ = record([made(0, "50")], approved(-5, "0.1"), bases=(base,))
    assert rows[0].capital == 50_000


def test_capital_that_was_told_stays_although_weights_have_changed():
    rows, _, _ = record([made(0, "50")], approved(-5, "0.1"), kept={day(0): Decimal(1000)})
    assert (rows[0].capital, rows[0].ratio) == (1000, Decimal("0.05"))


def test_a_loss_of_more_than_the_capital_is_held_above_minus_one_and_told():
    rows, _, notes = record([made(0, "-150000")], approved(-5, "0.1"))
    assert (rows[0].ratio, rows[0].pnl) == (Decimal("-0.999999"), -150_000)
    assert "lost more than the capital" in notes[-1]


def test_days_that_cover_others_are_told():
    _, _, notes = record([made(2, "50", covers=2)], approved(-5, "0.1"))
    assert "2026-03-04" in notes[0]
