"""The standardiser: exact, tolerant where senders differ, and with a name for each error."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.errors import InvalidSignal
from services.domain.signals import Signal
from services.domain.standardize import (
    content_hash_of,
    idempotency_key_of,
    parse_json,
    standardize,
)
from services.domain.words import Environment, InstrumentType, Intent, OrderType, Side
from tests.support.builders import NOW


def leg(**changes):
    fields = {
        "instrument": "AAPL",
        "instrument_type": "STOCK",
        "action": "BUY",
        "direction": "LONG",
        "quantity": 10,
        "order_type": "MARKET",
        "price": 150.0,
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


def envelope(*legs, **changes):
    fields = {
        "strategy_name": "S",
        "signalID": "1",
        "signal_type": "ENTRY",
        "account_equity": 500000,
        "signal_legs": list(legs) or [leg()],
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


def read(payload) -> Signal:
    parsed = parse_json(json.dumps(payload).encode())
    return standardize(parsed, signal_id="sig_1", received_at=NOW)


def code_of(payload):
    with pytest.raises(InvalidSignal) as caught:
        read(payload)
    assert str(caught.value)
    return caught.value.code


def test_numbers_stay_exact():
    body = b'{"strategy_name":"S","signal_legs":[{"instrument":"AUDCAD","instrument_type":"FOREX",'
    body += b'"action":"BUY","quantity":0.1,"price":0.9123000}],"signal_type":"ENTRY"}'
    signal = standardize(parse_json(body), signal_id="x", received_at=NOW)
    assert signal.legs[0].quantity == Decimal("0.1")
    assert str(signal.legs[0].reference_price) == "0.9123000"


@pytest.mark.parametrize("word", ["STOCK", "stocks", "Equity", " STOCK "])
def test_instrument_types_have_synonyms(word):
    instrument = read(envelope(leg(instrument_type=word))).legs[0].instrument
    assert instrument.instrument_type is InstrumentType.STOCK


@pytest.mark.parametrize(
    "payload",
    [
        envelope(signal_legs=leg()),
        envelope(signal_legs=..., signal=[leg()]),
        envelope(signal_legs=..., signal=leg()),
        envelope(signal_legs=..., **leg(ticker="AAPL", instrument=...)),
    ],
    ids=["one dict", "signal list", "signal dict", "flat"],
)
def test_every_shape_of_legs_is_read(payload):
    assert read(payload).legs[0].instrument.symbol == "AAPL"


@pytest.mark.parametrize("direction", ["LONG", "SHORT"])
def test_exit_takes_both_conventions_of_direction(direction):
    signal = read(envelope(leg(action="SELL", direction=direction), signal_type="EXIT"))
    assert signal.legs[0].side is Side.SELL


def test_entry_with_contradicting_direction_is_refused():
    assert code_of(envelope(leg(action="SELL", direction="LONG"))) == "CONTRADICTION"


def test_limit_price_may_stand_in_price():
    read_leg = read(envelope(leg(order_type="LIMIT"))).legs[0]
    assert (read_leg.order_type, read_leg.limit_price) == (OrderType.LIMIT, Decimal("150.0"))


def test_price_zero_means_unknown():
    assert read(envelope(leg(price=0))).legs[0].reference_price is None


def test_missing_signal_type_stays_unsaid():
    assert read(envelope(signal_type=...)).intent is None


def test_environment_is_staging_unless_said():
    assert read(envelope()).environment is Environment.STAGING
    assert read(envelope(environment="production")).environment is Environment.PRODUCTION
    assert read(envelope(staging=False)).environment is Environment.PRODUCTION


@pytest.mark.parametrize("epoch", [1764015769, 1764015769000, "1764015769"])
def test_epoch_in_seconds_or_milliseconds(epoch):
    expected = datetime(2025, 11, 24, 20, 22, 49, tzinfo=UTC)
    assert read(envelope(signal_sent_EPOCH=epoch)).occurred_at == expected


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (envelope(strategy_name=...), "MISSING_FIELD"),
        (envelope(signal_legs=...), "MISSING_FIELD"),
        (envelope(signal_legs=[]), "MISSING_FIELD"),
        (envelope(signal_legs=[leg()] * 21), "TOO_MANY_LEGS"),
        (envelope(signal_legs="AAPL"), "UNKNOWN_VALUE"),
        (envelope(signal_legs=[1]), "UNKNOWN_VALUE"),
        (envelope(leg(instrument=...)), "MISSING_FIELD"),
        (envelope(leg(instrument_type="BOND")), "UNKNOWN_INSTRUMENT_TYPE"),
        (envelope(leg(instrument_type=...)), "MISSING_FIELD"),
        (envelope(leg(action="HOLD")), "UNKNOWN_VALUE"),
        (envelope(leg(action=..., direction=...)), "MISSING_FIELD"),
        (envelope(leg(direction="UP")), "UNKNOWN_VALUE"),
        (envelope(leg(quantity=...)), "MISSING_FIELD"),
        (envelope(leg(quantity=0)), "MISSING_FIELD"),
        (envelope(leg(quantity=-5)), "BAD_NUMBER"),
        (envelope(leg(quantity=True)), "BAD_NUMBER"),
        (envelope(leg(quantity="ten")), "BAD_NUMBER"),
        (envelope(leg(quantity=1e300)), "BAD_NUMBER"),
        (envelope(leg(quantity=[1])), "BAD_NUMBER"),
        (envelope(leg(order_type="LIMIT", price=0)), "MISSING_FIELD"),
        (envelope(leg(order_type="STOP")), "MISSING_FIELD"),
        (envelope(leg(order_type="ICEBERG")), "UNKNOWN_VALUE"),
        (envelope(leg(expiry="20251345")), "BAD_EXPIRY"),
        (envelope(signal_type="MAYBE"), "UNKNOWN_VALUE"),
        (envelope(environment="moon"), "UNKNOWN_VALUE"),
        (envelope(timestamp="yesterday"), "BAD_TIME"),
        (envelope(signal_sent_EPOCH=9e14), "BAD_TIME"),
        (envelope(strategy_name={"$ne": 1}), "BAD_TEXT"),
        (envelope(signalID="a\x00b"), "BAD_TEXT"),
        (envelope(signalID="\ud800"), "BAD_TEXT"),
        (envelope(signalID="x" * 201), "BAD_TEXT"),
    ],
)
def test_every_error_has_a_name(payload, code):
    assert code_of(payload) == code


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"NaN", b'{"a": NaN}', b"\xff\xfe\xfd", b"[" * 50000, b'"x"']
)
def test_broken_bodies_are_named_not_raised(body):
    with pytest.raises(InvalidSignal) as caught:
        parse_json(body)
    assert caught.value.code in {"BROKEN_JSON", "NOT_AN_OBJECT"}


def test_identity_is_the_senders_own():
    assert idempotency_key_of({"idempotency_key": "k", "signalID": "s"}) == "k"
    assert idempotency_key_of({"signalID": "s"}) == "s"


def test_identity_without_id_needs_a_time():
    with pytest.raises(InvalidSignal) as caught:
        idempotency_key_of(envelope(signalID=...))
    assert caught.value.code == "MISSING_IDENTITY"
    one = idempotency_key_of(envelope(signalID=..., timestamp="2026-01-01T00:00:00Z"))
    two = idempotency_key_of(envelope(signalID=..., timestamp="2026-01-02T00:00:00Z"))
    assert one != two


def test_a_repeat_with_a_new_send_time_has_the_same_content():
    one, two = envelope(signal_sent_EPOCH=1), envelope(signal_sent_EPOCH=2)
    assert content_hash_of(one) == content_hash_of(two)
    assert content_hash_of(one) != content_hash_of(envelope(leg(quantity=11)))


def test_intent_words_are_case_blind():
    assert read(envelope(signal_type="entry")).intent is Intent.ENTRY


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from([*envelope(), *leg(), "timestamp", "environment", "valid_for_s"])


@settings(max_examples=500, deadline=None)
@given(in_envelope=st.dictionaries(fields, anything), in_leg=st.dictionaries(fields, anything))
def test_any_payload_is_read_or_named(in_envelope, in_leg):
    payload = envelope(leg() | in_leg) | in_envelope
    refusal = None
    try:
        standardize(payload, signal_id="sig_1", received_at=NOW)
    except InvalidSignal as error:
        refusal = error
    assert refusal is None or (refusal.code.isupper() and str(refusal).isprintable())
