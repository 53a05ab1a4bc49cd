"""The past that `seed_history.py` makes up: lists can show its rows, and they fit together."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal

from scripts.bench.history import INSTRUMENTS, make_day
from services.dashboard_creator.list_rows import decision_row, fill_row, order_line, signal_row

DAY = make_day(datetime(2026, 11, 20, tzinfo=UTC), 300, traded_ratio=0.5)


def test_a_day_has_all_its_signals_and_counts_what_happened() -> None:
    assert len(DAY.signals) == 300
    assert 100 < len(DAY.orders) < 200  # half of them traded, within five standard deviations
    # An order is one event, its four changes are four more.
    assert DAY.events == 5 * len(DAY.orders) + len(DAY.fills)
    assert DAY.events / len(DAY.orders) > 6


def test_fills_add_up_to_what_their_orders_say() -> None:
    filled: defaultdict[str, Decimal] = defaultdict(Decimal)
    for fill in DAY.fills:
        filled[fill["client_order_id"]] += fill["quantity"]
    assert {order["_id"] for order in DAY.orders} >= filled.keys()
    for order in DAY.orders:
        assert filled[order["_id"]] == order["filled_quantity"]


def test_lists_can_show_every_row() -> None:
    instrument = INSTRUMENTS[0].model_dump()
    assert all(signal_row(each, ()).legs for each in DAY.signals)
    assert all(decision_row(each).outcome for each in DAY.signals)
    assert all(order_line(each).leaves_quantity >= 0 for each in DAY.orders)
    assert all(fill_row(each, instrument).price > 0 for each in DAY.fills)


def test_the_same_day_is_made_twice() -> None:
    again = make_day(datetime(2026, 11, 20, tzinfo=UTC), 300, traded_ratio=0.5)
    assert again == DAY
