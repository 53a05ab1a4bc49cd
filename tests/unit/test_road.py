"""A signal's road and its sentence, from stored values."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.common.store import from_document
from services.dashboard_creator.documents import order_view
from services.dashboard_creator.models import SignalRecord
from services.dashboard_creator.road import headline, in_words, road
from services.domain.instruments import Instrument
from services.domain.words import InstrumentType, Intent, OrderStatus, Side, SignalStatus
from tests.support.builders import make_instrument, make_leg, make_signal
from tests.support.documents import (
    ARRIVAL,
    after,
    make_decision_document,
    make_order_document,
    make_signal_document,
)

ASKED = "SPX_1-D_Opt asked to BUY 10 AAPL for a 500,000 account; "
FILLED_AFTER_14_MS = {"received_at": ARRIVAL, "first_fill_at": after(14)}
MSFT = make_instrument("MSFT")


def say(*orders: dict[str, Any], **fields: Any) -> str:
    record = from_document(SignalRecord, make_signal_document(**fields))
    return headline(record, [order_view(order) for order in orders])


def test_a_filled_signal_in_one_sentence():
    order = make_order_document(quantity=17, filled=17, price="150.02")
    assert say(order, stages=FILLED_AFTER_14_MS) == (
        ASKED + "we bought 17 in Mock-1 at 150.02, 14 ms after it arrived"
    )


def test_two_accounts_are_named_with_their_own_price():
    orders = [
        make_order_document(account_id="Mock-2", quantity=9, filled=9, price="150.03"),
        make_order_document(quantity=8, filled=8, price="150.02"),
    ]
    assert say(*orders, stages=FILLED_AFTER_14_MS) == (
        ASKED + "we bought 8 in Mock-1 at 150.02 and bought 9 in Mock-2 at 150.03, "
        "the first fill 14 ms after it arrived"
    )


def test_two_legs_are_named_by_instrument():
    signal = make_signal(make_leg(), make_leg("MSFT", leg_index=1, side=Side.SELL))
    orders = [
        make_order_document(filled=17, price="150.02"),
        make_order_document(leg_index=1, instrument=MSFT, side=Side.SELL, filled=17, price="400"),
    ]
    assert say(*orders, signal=signal) == (
        "SPX_1-D_Opt asked to BUY 10 AAPL and SELL 10 MSFT for a 500,000 account; "
        "we bought 17 AAPL in Mock-1 at 150.02 and sold 17 MSFT in Mock-1 at 400"
    )


def test_the_price_of_two_orders_is_volume_weighted():
    orders = [
        make_order_document(quantity=1, filled=1, price="100"),
        make_order_document(leg_index=1, quantity=2, filled=2, price="101"),
    ]
    assert "we bought 3 in Mock-1 at 100.666667" in say(*orders)  # (100 + 2 × 101) / 3


def test_a_partial_fill_says_what_is_still_open():
    order = make_order_document(filled=5, price="150.02", status=OrderStatus.PARTIALLY_FILLED)
    assert say(order) == (
        ASKED + "we bought 5 of 17 in Mock-1 at 150.02; "
        "we are working to BUY 12 AAPL more in Mock-1 (PARTIALLY_FILLED)"
    )


def test_an_unknown_outcome_is_never_told_as_anything_else():
    order = make_order_document(status=OrderStatus.UNKNOWN)
    assert say(order) == (
        ASKED + "the outcome of 1 order in Mock-1 is not known, and the broker is being asked"
    )


@pytest.mark.parametrize(
    ("status", "text", "answer"),
    [
        ("SUBMITTED", "", "we are working to BUY 17 AAPL in Mock-1 (SUBMITTED)"),
        ("REJECTED", "no funds", "Mock-1's broker rejected BUY 17 AAPL: no funds"),
        ("DENIED", "", "we denied BUY 17 AAPL in Mock-1 before sending"),
        ("CANCELED", "", "BUY 17 AAPL in Mock-1 was canceled"),
        ("EXPIRED", "", "BUY 17 AAPL in Mock-1 expired"),
    ],
)
def test_an_order_without_a_fill_says_why(status, text, answer):
    assert say(make_order_document(status=OrderStatus(status), text=text)) == ASKED + answer


def test_a_denial_says_why_with_its_code():
    decision = make_decision_document(
        "DENIED", code="ACCOUNT_STALE", reason="Mock-1 is 75 s old, limit 60 s"
    )
    assert say(status=SignalStatus.DENIED, decision=decision) == (
        ASKED + "we denied it: Mock-1 is 75 s old, limit 60 s (ACCOUNT_STALE)"
    )


def test_an_undecided_signal_is_said_to_be_so():
    assert say(status=SignalStatus.STANDARDIZED, decision=None) == (
        ASKED + "it has not been decided yet"
    )


def test_a_quarantined_signal_says_what_is_wrong_with_it():
    reason = {"code": "MISSING_FIELD", "sentence": "quantity is missing", "field": "quantity"}
    fields = {"signal": None, "decision": None, "quarantine": reason}
    document = {**make_signal_document(status=SignalStatus.QUARANTINED), **fields}
    assert headline(from_document(SignalRecord, document), []) == (
        "SPX_1-D_Opt sent a signal that cannot be read: quantity is missing (MISSING_FIELD)"
    )


@pytest.mark.parametrize(
    ("intent", "asked"),
    [
        (Intent.EXIT, "asked to exit with BUY 10 AAPL"),
        (Intent.SCALE_IN, "asked to add with BUY 10 AAPL"),
        (Intent.SCALE_OUT, "asked to reduce with BUY 10 AAPL"),
        (Intent.CANCEL, "asked to cancel BUY 10 AAPL"),
    ],
)
def test_the_intent_is_in_the_sentence(intent, asked):
    assert asked in say(signal=make_signal(intent=intent))


def test_an_inferred_intent_is_in_the_sentence_too():
    decision = make_decision_document(intent="EXIT")
    assert "asked to exit with" in say(signal=make_signal(intent=None), decision=decision)


def test_a_cancel_says_how_many_orders_it_reached():
    decision = make_decision_document(cancels=["MT1", "MT2"])
    signal = make_signal(intent=Intent.CANCEL)
    assert say(signal=signal, decision=decision).endswith("we asked the broker to cancel 2 orders")


def test_an_option_is_told_from_its_siblings():
    option = Instrument(
        instrument_type=InstrumentType.OPTION,
        symbol="SPX",
        expiry=date(2025, 12, 19),
        strike=Decimal("5000.0"),
        right="C",
    )
    signal = make_signal(make_leg(instrument=option), sender_equity=None)
    assert "asked to BUY 10 SPX 2025-12-19 5000 C; " in say(signal=signal)


def test_the_road_counts_from_the_arrival_and_from_the_stage_before():
    stages = {"standardized_at": after(2), "decided_at": after(5), "first_fill_at": after(14)}
    passed = road(ARRIVAL, stages)
    assert [(s.name, s.since_arrival_ms, s.since_previous_ms) for s in passed] == [
        ("RECEIVED", 0, None),
        ("STANDARDIZED", 2, 2),
        ("DECIDED", 5, 3),
        ("FIRST_FILL", 14, 9),
    ]


def test_the_road_follows_time_where_a_broker_clock_disagrees():
    stages = {"submitted_at": after(14), "first_fill_at": after(13), "completed_at": None}
    assert [stage.name for stage in road(ARRIVAL, stages)] == [
        "RECEIVED",
        "FIRST_FILL",
        "SUBMITTED",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.014, "14 ms"), (2.14, "2.1 s"), (180, "3 min"), (7500, "2 h 5 min")],
)
def test_spans_are_said_as_people_say_them(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words
