"""What fills cost: all fills of an order together exactly what its contract note says."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.errors import BrokerUnavailable
from brokers.zerodha.charges import charged, key_of, lines
from brokers.zerodha.rows import order_rows, trades
from tests.support.kite_rows import order_row, trade_row


def note(fields):
    """20 rupees by order, and a share of what was paid, to the paisa."""
    paid = Decimal(str(fields["average_price"])) * fields["quantity"]
    return {"charges": {"total": float(round(20 + paid / 1000, 2))}}


def charge(row, fills, known):
    asked = lines(row, fills, known)
    return charged(asked, [note(line.fields) for line in asked], known)


def test_a_line_is_of_the_order_as_far_as_it_had_filled():
    (row,) = order_rows([order_row(filled=10)])
    fills = trades([trade_row("1", 4, 100.0), trade_row("2", 6, 110.0)])
    first, second = (line.fields for line in lines(row, fills, {}))
    assert (first["quantity"], first["average_price"]) == (4, 100.0)
    # (4 × 100 + 6 × 110) / 10
    assert (second["quantity"], second["average_price"]) == (10, 106.0)
    assert first["order_type"] == "LIMIT"


@given(
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=12),
    price=st.decimals(1, 5000, places=2),
    cut=st.integers(0, 12),
)
def test_fills_cost_what_the_order_does_whenever_they_are_asked_about(sizes, price, cut):
    (row,) = order_rows([order_row(filled=sum(sizes))])
    told = [trade_row(str(n), size, float(price)) for n, size in enumerate(sizes)]
    fills = trades(told)
    known = {}
    for upto in sorted({min(cut, len(fills)), len(fills)}):
        before = dict(known)
        known |= charge(row, fills[:upto], known)
        assert {key: known[key] for key in before} == before  # what was told stays
    whole = note({"quantity": sum(sizes), "average_price": float(price)})
    assert sum(known.values()) == Decimal(str(whole["charges"]["total"]))
    assert set(known) == {key_of(each) for each in fills}


def test_charges_of_one_order_are_no_part_of_anothers():
    rows = order_rows([order_row(filled=10), order_row("250000000000002", filled=10)])
    fills = trades([trade_row(), trade_row(order_id="250000000000002", trade_id="2001")])
    asked = [line for row, fill in zip(rows, fills, strict=True) for line in lines(row, [fill], {})]
    found = charged(asked, [{"charges": {"total": each}} for each in (1.5, 2.5)], {})
    assert list(found.values()) == [Decimal("1.5"), Decimal("2.5")]


@pytest.mark.parametrize("answer", [[], None, [{"charges": {}}], [{"charges": {"total": "?"}}]])
def test_a_note_that_is_no_answer_charges_nothing(answer):
    (row,) = order_rows([order_row(filled=10)])
    with pytest.raises(BrokerUnavailable):
        charged(lines(row, trades([trade_row()]), {}), answer, {})
