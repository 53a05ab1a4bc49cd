"""Rows of days from documents, and their sums."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.dashboard_creator.summary_days import (
    LAG_BOUNDS_MS,
    StrategyDay,
    Traded,
    strategy_day,
    strategy_month,
    summed,
)

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLACE = ("A", "STOCK:AAPL:USD")
TRADED = {PLACE: Traded(currency="USD", multiplier=Decimal(1))}


def signal(status="COMPLETED", outcome="APPROVED", code="", **stages):
    times = {name: NOON + timedelta(milliseconds=after) for name, after in stages.items()}
    return {
        "status": status,
        "received_at": NOON,
        "stages": times,
        "decision": {"outcome": outcome, "code": code} if outcome else None,
    }


def fill(name, side="BUY", quantity=1, price=100, realized=0, **more):
    return {
        "_id": f"A|{name}",
        "account_id": "A",
        "instrument_key": PLACE[1],
        "client_order_id": f"MT{name[0]}",
        "side": side,
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "commission": Decimal(1),
        "commission_currency": "USD",
        "realized_pnl": Decimal(realized),
        "occurred_at": NOON,
        **more,
    }


def made(signals=(), fills=(), traded=TRADED):
    return strategy_day("S", "2026-11-20", signals=signals, fills=fills, traded=traded)


def test_every_signal_is_counted_at_one_end():
    row = made(
        [
            signal(first_fill_at=14),
            signal("DENIED", "DENIED", "MARGIN_EXCEEDED"),
            signal("EXPIRED", "DENIED", "SIGNAL_EXPIRED"),
            signal("REJECTED", "RESIZED"),
            {**signal("QUARANTINED", ""), "quarantine": {"code": "MISSING_FIELD"}},
            signal("WORKING"),
            signal("CANCELED"),
        ]
    )
    ends = (row.denied, row.expired, row.rejected, row.quarantined, row.open, row.canceled)
    assert (row.received, row.completed, *ends) == (7, 1, 1, 1, 1, 1, 1, 1)
    assert (row.approved, row.resized, row.filled) == (3, 1, 1)
    assert row.refused_by == {
        "MARGIN_EXCEEDED": 1,
        "MISSING_FIELD": 1,
        "REJECTED_BY_BROKER": 1,
        "SIGNAL_EXPIRED": 1,
    }
    assert row.last_signal_at == NOON


def test_lags_are_between_stages():
    row = made([signal(decided_at=4, submitted_at=9, first_fill_at=8)])
    place = {name: counts.index(1) for name, counts in row.lags.items()}
    bounds = {name: LAG_BOUNDS_MS[each] for name, each in place.items()}
    # 4 ms, 5 ms, and a broker whose clock is 1 ms behind ours, and 8 ms.
    assert bounds == {"decision": 5, "order": 5, "fill": 1, "signal_to_fill": 10}


def test_fills_of_one_order_are_one_trade():
    row = made(
        fills=[
            fill("a1", quantity=10),
            fill("b1", "SELL", 4, 110, realized=40),
            fill("b2", "SELL", 6, 90, realized=-60, flat=True),
            fill("c1", "SELL", 1, 90, realized=5, flat=True),
        ]
    )
    money = row.money["USD"]
    assert (money.won, money.lost) == (1, 1)  # +5, and 40 − 60
    assert (money.gross_won, money.gross_lost, money.realized_pnl) == (5, 20, -15)
    assert (money.openings, money.opened, money.commissions) == (1, 1000, 4)
    (moved,) = row.moved
    # −1000 + 440 + 540 + 90
    assert (moved.quantity, moved.cash, moved.commissions) == (-1, 70, {"USD": Decimal(4)})


def test_money_of_two_currencies_is_never_added():
    euro = fill("a1", instrument_key="STOCK:SAP:EUR", commission_currency="USD", realized=3)
    traded = {("A", "STOCK:SAP:EUR"): Traded(currency="EUR", multiplier=Decimal(1))}
    row = made(fills=[euro], traded=traded)
    assert (row.money["EUR"].realized_pnl, row.money["EUR"].commissions) == (3, 0)
    assert (row.money["USD"].realized_pnl, row.money["USD"].commissions) == (0, 1)


def test_a_fill_without_its_book_is_counted_and_not_valued():
    row = made(fills=[fill("a1")], traded={})
    assert (row.fills, row.money, row.moved) == (1, {}, ())


def test_a_day_without_anything_is_empty():
    assert made().empty


FILLS = st.builds(
    fill,
    st.sampled_from(["a1", "a2", "b1", "b2", "c1"]),
    st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 50),
    st.integers(1, 500),
    st.integers(-100, 100),
)
SIGNALS = st.builds(
    signal,
    st.sampled_from(["COMPLETED", "DENIED", "WORKING", "REJECTED"]),
    st.sampled_from(["APPROVED", "RESIZED", "DENIED"]),
    st.sampled_from(["", "MARGIN_EXCEEDED"]),
    decided_at=st.integers(0, 10_000),
)


@given(st.lists(SIGNALS, max_size=8), st.lists(FILLS, max_size=8), st.randoms())
def test_the_order_of_documents_changes_nothing(signals, fills, random):
    shuffled = random.sample(signals, len(signals)), random.sample(fills, len(fills))
    # Fills of one id and time are the same fill; here they only have to come in one order.
    for place, each in enumerate(fills):
        each["_id"] = f"{each['_id']}|{place}"
    assert made(*shuffled) == made(signals, fills)


@given(st.lists(SIGNALS, max_size=10), st.lists(FILLS, max_size=5), st.integers(0, 10))
def test_a_sum_of_parts_is_the_whole(signals, fills, cut):
    whole = made(signals, fills)
    parts = summed([made(signals[:cut], fills), made(signals[cut:])])
    assert parts == summed([whole])


def test_a_month_is_the_sum_of_its_days():
    rows = [made([signal()]), StrategyDay(strategy_id="S", date="2026-11-21", received=2)]
    assert strategy_month("S", "2026-11", rows).received == 3
