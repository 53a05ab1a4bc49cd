"""Kite's order book and trade book as our orders and their fills."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.errors import BrokerUnavailable, OrderStateUnknown
from brokers.zerodha.charges import key_of
from brokers.zerodha.page import Known, page_of
from brokers.zerodha.rows import order_rows, trades
from services.domain.orders import client_order_id_for
from services.domain.words import OrderStatus, OrderType
from tests.support.kite_rows import OURS, contract, order_row, trade_row

S = OrderStatus
NOTHING = Known({}, {}, {})


def read(*rows, told=(), known=NOTHING):
    fills = {}
    for trade in trades(list(told)):
        fills.setdefault(trade.order_id, []).append(trade)
    instrument = contract().instrument
    return page_of(order_rows(list(rows)), fills, known, lambda *_: instrument)


def entry(*rows, **more):
    (only,) = read(*rows, **more).entries
    return only


@pytest.mark.parametrize(
    ("status", "filled", "ours"),
    [
        ("PUT ORDER REQ RECEIVED", 0, S.SUBMITTED),
        ("OPEN PENDING", 0, S.SUBMITTED),
        ("MODIFY VALIDATION PENDING", 4, S.PARTIALLY_FILLED),
        ("A STATUS OF NEXT YEAR", 0, S.SUBMITTED),
        ("TRIGGER PENDING", 0, S.SUBMITTED),
        ("OPEN", 0, S.SUBMITTED),
        ("OPEN", 4, S.PARTIALLY_FILLED),
        ("COMPLETE", 10, S.FILLED),
        ("CANCELLED", 4, S.CANCELED),
        ("REJECTED", 0, S.REJECTED),
        ("LAPSED", 0, S.EXPIRED),
    ],
)
def test_every_status_of_kites_is_one_of_ours(status, filled, ours):
    report = entry(order_row(status=status, filled=filled)).report
    assert (report.status, report.filled_quantity) == (ours, filled)


def test_only_what_rests_or_has_ended_is_settled_and_only_with_all_its_trades():
    assert entry(order_row(status="OPEN")).is_settled
    assert not entry(order_row(status="OPEN PENDING")).is_settled
    complete = order_row(status="COMPLETE", filled=10)
    assert not entry(complete).is_settled
    assert not entry(complete, told=[trade_row(quantity=4)]).is_settled
    assert entry(complete, told=[trade_row()]).is_settled


def test_a_report_says_what_kite_says():
    row = order_row(status="REJECTED", status_message="Insufficient funds.")
    report = entry(row).report
    assert (report.client_order_id, report.broker_order_id) == (OURS, row["order_id"])
    assert report.text == "Insufficient funds."
    # 10:00:01 in India
    assert report.occurred_at == datetime(2026, 11, 20, 4, 30, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kite", "kind", "limit", "stop"),
    [
        ("MARKET", OrderType.MARKET, None, None),
        ("LIMIT", OrderType.LIMIT, Decimal("149.5"), None),
        ("SL", OrderType.STOP_LIMIT, Decimal("149.5"), 150),
        ("SL-M", OrderType.STOP, None, 150),
    ],
)
def test_terms_are_those_of_the_order_type(kite, kind, limit, stop):
    found = entry(order_row(order_type=kite, trigger_price=150)).open_order
    assert found.order_type is kind
    terms = found.report.terms
    assert (terms.quantity, terms.limit_price, terms.stop_price) == (10, limit, stop)


def test_a_fill_has_an_id_that_no_other_day_or_exchange_gives_again():
    (fill,) = entry(order_row(filled=10), told=[trade_row()]).executions
    assert fill.execution_id == "NSE-20261120-250000000000001-1001"
    assert (fill.client_order_id, fill.quantity, fill.price) == (OURS, 10, Decimal("149.5"))
    assert (fill.commission, fill.commission_currency, fill.revision) == (0, "INR", 0)


def test_a_fill_whose_charges_are_known_is_the_next_revision_for_whoever_tells_it():
    told = [trade_row()]
    known = Known({}, {}, {key_of(trades(told)[0]): Decimal("1.25")})
    (fill,) = entry(order_row(filled=10), told=told, known=known).executions
    assert (fill.commission, fill.revision) == (Decimal("1.25"), 1)


def test_charges_may_be_nothing_and_are_known_all_the_same():
    told = [trade_row()]
    known = Known({}, {}, {key_of(trades(told)[0]): Decimal(0)})
    complete = order_row(status="COMPLETE", filled=10)
    assert entry(complete, told=told, known=known).is_told
    assert not entry(complete, told=told).is_told


@pytest.mark.parametrize("tag", [None, "", "made by hand", "MT-NOT-OURS"])
def test_an_order_without_a_tag_of_our_form_is_none_of_ours(tag):
    assert entry(order_row(tag=tag)).report.client_order_id == ""


def test_our_tag_is_found_among_others():
    assert entry(order_row(tag="mktp", tags=["mktp", OURS])).client_order_id == OURS


def test_an_order_that_kite_answered_is_ours_though_its_tag_is_missing():
    known = Known({"250000000000001": OURS}, {}, {})
    assert entry(order_row(tag=None), known=known).client_order_id == OURS


def test_two_orders_with_one_tag_are_doubled():
    page = read(order_row(), order_row("250000000000002"))
    with pytest.raises(OrderStateUnknown, match=r"250000000000001, 250000000000002: doubled"):
        page.of_client(OURS)


def slices(*statuses, parent="250000000000001", tagged=False):
    rows = []
    for number, (status, filled) in enumerate(statuses):
        order_id = str(int(parent) + number)
        child = {} if not number else {"parent_order_id": parent}
        if tagged:
            tags = [OURS, "autoslice"] + ([f"autoslice:{parent}"] if number else [])
            child = {"tags": tags}
        rows.append(order_row(order_id, status, filled=filled, **child))
    return rows


@pytest.mark.parametrize("tagged", [False, True])
def test_slices_that_kite_has_made_are_one_order(tagged):
    found = entry(*slices(("COMPLETE", 10), ("OPEN", 4), ("OPEN PENDING", 0), tagged=tagged))
    report = found.report
    assert (report.status, report.filled_quantity) == (S.PARTIALLY_FILLED, 14)
    assert (report.client_order_id, report.terms.quantity) == (OURS, 30)
    assert report.broker_order_id == "250000000000001"
    assert not found.is_settled


@pytest.mark.parametrize(
    ("statuses", "ours"),
    [
        ([("COMPLETE", 10), ("COMPLETE", 10)], S.FILLED),
        ([("COMPLETE", 10), ("REJECTED", 0)], S.CANCELED),
        ([("COMPLETE", 10), ("CANCELLED", 3)], S.CANCELED),
        ([("REJECTED", 0), ("REJECTED", 0)], S.REJECTED),
    ],
)
def test_a_sliced_order_ends_as_its_slices_do(statuses, ours):
    assert entry(*slices(*statuses)).status is ours


def test_a_sliced_order_that_lacks_slices_is_not_filled():
    known = Known({}, {OURS: Decimal(30)}, {})
    assert entry(*slices(("COMPLETE", 10), ("COMPLETE", 10)), known=known).status is S.CANCELED


def test_two_sliced_orders_with_one_tag_are_doubled():
    rows = slices(("OPEN", 0), ("OPEN", 0)) + slices(("OPEN", 0), parent="250000000000009")
    with pytest.raises(OrderStateUnknown, match="2 orders"):
        read(*rows).of_client(OURS)


def test_a_fill_that_the_order_book_does_not_show_yet_counts():
    found = entry(order_row(status="OPEN", filled=4), told=[trade_row(quantity=6)])
    assert found.report.filled_quantity == 6


def test_orders_stand_in_the_order_of_their_placement():
    other = client_order_id_for("sig_2", 0, "ZE-1", 1)
    page = read(order_row("250000000000010", tag=other), order_row("250000000000009"))
    assert [each.client_order_id for each in page.entries] == [OURS, other]


@pytest.mark.parametrize(
    "told",
    [
        None,
        {"orders": []},
        [{}],
        [order_row(quantity="ten")],
        [order_row(transaction_type="HOLD")],
        [order_row(order_timestamp=None)],
        [order_row(price=float("nan"))],
        ["a row"],
    ],
)
def test_a_book_that_cannot_be_read_is_no_empty_book(told):
    with pytest.raises(BrokerUnavailable):
        order_rows(told)
    with pytest.raises(BrokerUnavailable):
        trades(told)


@given(price=st.decimals(Decimal("0.05"), 10**6, places=2))
def test_a_price_comes_out_of_a_float_as_kite_wrote_it(price):
    (trade,) = trades([trade_row(price=float(price))])
    assert trade.price == price


def _knows_only_infy(exchange, tradingsymbol):
    if tradingsymbol != "INFY":
        raise BrokerUnavailable(f"nobody knows {tradingsymbol} on {exchange}")
    return contract().instrument


def test_what_a_person_trades_and_nobody_knows_hides_no_order_of_ours():
    by_hand = order_row("250000000000002", tradingsymbol="ODD26DECFUT", exchange="MCX", tag=None)
    page = page_of(order_rows([by_hand, order_row()]), {}, NOTHING, _knows_only_infy)
    assert page.of_client(OURS).first.order_id == order_row()["order_id"]
    for everybodys in (lambda: page.everybodys, lambda: page.executions):
        with pytest.raises(BrokerUnavailable, match="ODD26DECFUT"):
            everybodys()


def test_an_order_of_ours_is_never_left_out():
    ours = order_rows([order_row(tradingsymbol="GONE")])
    with pytest.raises(BrokerUnavailable, match="GONE"):
        page_of(ours, {}, NOTHING, _knows_only_infy)
    ids = NOTHING._replace(ids={ours[0].order_id: OURS})
    without_tag = order_rows([order_row(tradingsymbol="GONE", tag=None)])
    with pytest.raises(BrokerUnavailable, match="GONE"):
        page_of(without_tag, {}, ids, _knows_only_infy)


@pytest.mark.parametrize(
    "wrong",
    [
        {"quantity": 0},
        {"filled_quantity": -1},
        {"price": -0.05},
        {"quantity": 1e300},
        {"order_id": None},
        {"status": None},
        {"exchange": []},
        {"order_timestamp": datetime.min},  # noqa: DTZ901 - Kite's times are naive
    ],
)
def test_an_order_that_cannot_be_is_refused_by_name(wrong):
    with pytest.raises(BrokerUnavailable, match="order book cannot be read"):
        read(order_row(**wrong))


@pytest.mark.parametrize("wrong", [{"quantity": 0}, {"price": 0}, {"trade_id": True}])
def test_a_fill_that_cannot_be_is_refused_by_name(wrong):
    with pytest.raises(BrokerUnavailable, match="trade book cannot be read"):
        read(order_row(), told=[trade_row(**wrong)])
