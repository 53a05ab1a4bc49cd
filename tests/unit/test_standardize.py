"""The standardiser: exact, tolerant where senders differ, and with a name for each error."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.errors import InvalidSignal
from services.domain.intake import take_in
from services.domain.payloads import read_json, read_object
from services.domain.signals import PreviousPosition, Signal
from services.domain.words import (
    Environment,
    InstrumentType,
    Intent,
    OrderType,
    QuantityUnit,
    Side,
    TimeInForce,
)
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


def taken(payload, **defaults):
    parsed = read_object(json.dumps(payload))
    return take_in(parsed, strategy_id="S", received_at=NOW, defaults=defaults or None)


def read(payload, **defaults) -> Signal:
    (signal,) = taken(payload, **defaults).signals
    return signal


def code_of(payload):
    with pytest.raises(InvalidSignal) as caught:
        read(payload)
    assert str(caught.value)
    return caught.value.code


def test_numbers_stay_exact():
    body = '{"signal_legs":[{"instrument":"AUDCAD","instrument_type":"FOREX",'
    body += '"action":"BUY","quantity":0.1,"price":0.9123000}],"signal_type":"ENTRY"}'
    (signal,) = take_in(read_object(body), strategy_id="S", received_at=NOW).signals
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


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"signal_sent_EPOCH": 1764015769}, "2025-11-24T20:22:49+00:00"),
        ({"signal_sent_EPOCH": 1764015769000}, "2025-11-24T20:22:49+00:00"),
        ({"signal_sent_EPOCH": "1764015769"}, "2025-11-24T20:22:49+00:00"),
        ({"timestamp": "2025-11-24T20:22:49Z"}, "2025-11-24T20:22:49+00:00"),
        ({"timestamp": "2025-11-24T20:22:49"}, "2025-11-24T20:22:49+00:00"),
        ({"timenow": "2025-11-24T15:22:49-05:00"}, "2025-11-24T20:22:49+00:00"),
        ({"timestamp": "2025-11-24T00:00:00Z", "signal_sent_EPOCH": 1764015769}, "2025-11-24"),
    ],
)
def test_times_in_every_form(changes, expected):
    assert read(envelope(**changes)).occurred_at == datetime.fromisoformat(expected).replace(
        tzinfo=UTC
    )


def test_the_time_of_a_bar_is_not_the_time_of_sending():
    assert read(envelope(bar_time="2025-11-24T00:00:00Z")).occurred_at is None


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (envelope(signal_legs=...), "MISSING_FIELD"),
        (envelope(signal_legs=[]), "MISSING_FIELD"),
        (envelope(signal_legs=[leg()] * 21), "TOO_MANY_LEGS"),
        (envelope(signal_legs="AAPL"), "UNKNOWN_VALUE"),
        (envelope(signal_legs=[1]), "UNKNOWN_VALUE"),
        (envelope(leg(instrument=...)), "MISSING_FIELD"),
        (envelope(leg(instrument_type="BOND")), "UNKNOWN_INSTRUMENT_TYPE"),
        (envelope(leg(instrument_type=..., instrument="GC")), "UNKNOWN_INSTRUMENT_TYPE"),
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
        (envelope(leg(expiry="20251345", instrument_type="FUTURE")), "BAD_EXPIRY"),
        (envelope(leg(expiry="202512", instrument_type="FUTURE")), "BAD_EXPIRY"),
        (envelope(leg(instrument="EUR", instrument_type="FOREX")), "BAD_PAIR"),
        (envelope(leg(instrument="EUREUR", instrument_type="FOREX")), "BAD_PAIR"),
        (envelope(leg(instrument="EURUSD", instrument_type="FX", currency="JPY")), "CONTRADICTION"),
        (envelope(leg(instrument_type="OPTION")), "MISSING_FIELD"),
        (envelope(leg(instrument_type="OPTION", strike=5)), "MISSING_FIELD"),
        (envelope(leg(action="EXIT")), "CONTRADICTION"),
        (envelope(leg(environment="staging"), leg(environment="production")), "CONTRADICTION"),
        (envelope(leg(price="{{close}}")), "BAD_PLACEHOLDER"),
        (envelope(leg(price="NaN")), "BAD_NUMBER"),
        (envelope(trigger="if AAPL < 145"), "CONDITION_UNSUPPORTED"),
        (envelope(sequence=1.5), "BAD_NUMBER"),
        (envelope(sequence=-1), "BAD_NUMBER"),
        (envelope(prev_position="sideways"), "BAD_NUMBER"),
        (envelope(signal_type=..., market_position="up"), "UNKNOWN_VALUE"),
        (envelope(Signal_Legs=[leg()], signal_legs=...), "MISSING_FIELD"),
        (envelope(signal_type="MAYBE"), "UNKNOWN_VALUE"),
        (envelope(environment="moon"), "UNKNOWN_VALUE"),
        (envelope(timestamp="yesterday"), "BAD_TIME"),
        (envelope(signal_sent_EPOCH=9e14), "BAD_TIME"),
        (envelope(signal_sent_EPOCH=20251124), "BAD_TIME"),
        (envelope(signalID="a\x00b"), "BAD_TEXT"),
        (envelope(signalID="\ud800"), "BAD_TEXT"),
        (envelope(signalID="x" * 201), "BAD_TEXT"),
    ],
)
def test_every_error_has_a_name(payload, code):
    assert code_of(payload) == code


def symbol_of(**fields):
    instrument = read(envelope(leg(**fields))).legs[0].instrument
    return instrument.instrument_type, instrument.symbol, instrument.currency


@pytest.mark.parametrize("written", ["EURUSD", "EUR/USD", "EUR.USD", "eur-usd", "OANDA:EURUSD"])
def test_one_pair_however_it_is_written(written):
    expected = (InstrumentType.FOREX, "EURUSD", "USD")
    assert symbol_of(instrument=written, instrument_type="FOREX") == expected
    assert symbol_of(instrument=written, instrument_type=...) == expected


def test_a_pair_may_be_split_over_symbol_and_currency():
    assert symbol_of(instrument="AUD", currency="CAD", instrument_type="FX") == (
        InstrumentType.FOREX,
        "AUDCAD",
        "CAD",
    )


@pytest.mark.parametrize("written", ["BTC", "BTCUSD", "BTC/USD", "btc-usd", "COINBASE:BTCUSD"])
def test_one_coin_however_it_is_written(written):
    expected = (InstrumentType.CRYPTO, "BTC", "USD")
    assert symbol_of(instrument=written, instrument_type="CRYPTO") == expected
    assert symbol_of(instrument=written, instrument_type=...) == expected


def test_coins_are_quoted_in_what_is_said():
    assert symbol_of(instrument="ETHUSDT", instrument_type="CRYPTO")[2] == "USDT"
    assert symbol_of(instrument="ETH/BTC", instrument_type="CRYPTO")[1:] == ("ETH", "BTC")
    assert symbol_of(instrument="SOL", currency="EUR", instrument_type="CRYPTO")[2] == "EUR"
    assert symbol_of(instrument="WBTC", instrument_type="CRYPTO")[1:] == ("WBTC", "USD")


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"instrument": "AAPL"}, InstrumentType.STOCK),
        ({"instrument": "NASDAQ:AAPL"}, InstrumentType.STOCK),
        ({"instrument": "ES1!"}, InstrumentType.FUTURE),
        ({"instrument": "ES", "exchange": "CME"}, InstrumentType.FUTURE),
        ({"instrument": "HG", "expiry": "20251229"}, InstrumentType.FUTURE),
        (
            {"instrument": "SPY", "strike": 5, "right": "call", "expiry": "20260116"},
            InstrumentType.OPTION,
        ),
    ],
)
def test_a_missing_type_is_read_where_it_is_evident_and_said(fields, kind):
    signal = read(envelope(leg(instrument_type=..., **fields)))
    assert signal.legs[0].instrument.instrument_type is kind
    assert any("instrument_type is missing" in warning for warning in signal.warnings)


def test_futures_keep_expiry_and_exchange():
    instrument = (
        read(
            envelope(
                leg(instrument="GC", instrument_type="FUTURES", expiry="20251229", exchange="COMEX")
            )
        )
        .legs[0]
        .instrument
    )
    assert (instrument.expiry, instrument.exchange) == (date(2025, 12, 29), "COMEX")


CONDOR = {
    "strategy_id": "S",
    "instrument_type": "OPTION",
    "underlying": "SPY",
    "legs": [
        {"strike": strike, "expiry": "20261128", "right": right, "action": action, "quantity": 1}
        for strike, right, action in (
            (570.0, "P", "BUY"),
            (575.0, "PUT", "SELL"),
            (585.0, "C", "SELL"),
            (590.0, "CALL", "BUY"),
        )
    ],
    "direction": "LONG",
    "action": "BUY",
    "order_type": "LIMIT",
    "price": 1.50,
    "quantity": 2,
    "signal_type": "ENTRY",
    "account": "DU1234567",
}


def test_an_option_package_is_one_group_of_legs():
    signal = read(envelope(signal_legs=..., signal_type=..., signal=CONDOR))
    assert signal.intent is Intent.ENTRY
    assert [(each.side, each.instrument.right) for each in signal.legs] == [
        (Side.BUY, "P"),
        (Side.SELL, "P"),
        (Side.SELL, "C"),
        (Side.BUY, "C"),
    ]
    assert {each.quantity for each in signal.legs} == {Decimal(2)}
    assert {each.instrument.multiplier for each in signal.legs} == {Decimal(100)}
    assert {each.instrument.symbol for each in signal.legs} == {"SPY"}
    assert signal.net_price == Decimal("1.5")
    assert {each.reference_price for each in signal.legs} == {None}
    assert {each.order_type for each in signal.legs} == {OrderType.LIMIT}


def test_an_error_in_a_package_names_its_leg():
    broken = CONDOR | {"legs": [CONDOR["legs"][0], {"strike": 1}]}
    with pytest.raises(InvalidSignal) as caught:
        read(envelope(signal_legs=..., signal=broken))
    assert caught.value.field == "signal[0].legs[1].expiry"


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        ({"ticker": "AAPL", "action": "buy", "price": 150, "quantity": 10}, (Side.BUY, None)),
        (
            {"ticker": "AAPL", "action": "SELL_ALL"},
            (Side.SELL, Intent.EXIT),
        ),
        ({"ticker": "AAPL", "action": "EXIT", "direction": "LONG"}, (None, Intent.EXIT)),
        (
            {"ticker": "AAPL", "action": "ENTRY", "direction": "SHORT", "quantity": 1},
            (Side.SELL, Intent.ENTRY),
        ),
        (
            {
                "type": "options",
                "ticker": "SPY",
                "strike": 570,
                "expiry": "20261128",
                "action": "BUY_CALL",
                "quantity": 1,
            },
            (Side.BUY, None),
        ),
    ],
)
def test_older_shapes_are_read(signal, expected):
    found = read({"strategy_name": "S", "signalID": "1", "signal": signal})
    assert (found.legs[0].side, found.intent) == expected
    flat = read({"strategy_name": "S", "signalID": "1", **signal})
    assert flat.legs == found.legs


def test_a_list_of_tickers_is_a_signal_of_legs():
    legs = [{"ticker": name, "action": "BUY", "quantity": 1} for name in ("AAPL", "MSFT")]
    assert len(read({"signalID": "1", "signal": legs}).legs) == 2


def test_the_envelope_inherits_what_all_legs_say():
    signal = read(envelope(leg(environment="production"), leg(environment="production")))
    assert signal.environment is Environment.PRODUCTION


def test_prices_and_time_in_force_survive():
    fields = {
        "order_type": "STOP_LIMIT",
        "limit_price": "101.5",
        "stop_price": 101,
        "stop_loss": 95,
        "take_profit": 120,
        "time_in_force": "gtc",
    }
    read_leg = read(envelope(leg(**fields))).legs[0]
    assert read_leg.order_type is OrderType.STOP_LIMIT
    assert read_leg.time_in_force is TimeInForce.GTC
    assert (read_leg.limit_price, read_leg.stop_price) == (Decimal("101.5"), 101)
    assert (read_leg.stop_loss, read_leg.take_profit) == (95, 120)


def test_equity_of_one_makes_quantities_fractions():
    assert read(envelope(leg(quantity=0.95), account_equity=1)).legs[0].quantity_unit is (
        QuantityUnit.EQUITY_FRACTION
    )
    assert read(envelope()).legs[0].quantity_unit is QuantityUnit.UNITS


def test_an_exit_may_leave_side_and_quantity_to_the_position():
    read_leg = read(envelope(leg(quantity=..., action=...), signal_type="EXIT")).legs[0]
    assert (read_leg.side, read_leg.quantity) == (None, None)


def test_the_strategys_defaults_fill_what_is_left_out():
    payload = {"signalID": "1", "ticker": "EURUSD", "action": "buy", "quantity": 1}
    signal = read(payload, instrument_type="FOREX", account_equity=5000, environment="production")
    assert signal.legs[0].instrument.instrument_type is InstrumentType.FOREX
    assert (signal.sender_equity, signal.environment) == (5000, Environment.PRODUCTION)
    assert not signal.warnings
    assert read(payload | {"account_equity": 7}, account_equity=5000).sender_equity == 7


def alert(before, after, action="buy", size=10, was=10, **changes):
    return {
        "ticker": "AAPL",
        "instrument_type": "STOCK",
        "action": action,
        "quantity": 10,
        "market_position": after,
        "market_position_size": size,
        "prev_market_position": before,
        "prev_market_position_size": was,
        "timenow": "2026-11-20T15:30:00Z",
    } | changes


@pytest.mark.parametrize(
    ("payload", "intent"),
    [
        (alert("flat", "long", was=0), Intent.ENTRY),
        (alert("flat", "short", "sell", was=0), Intent.ENTRY),
        (alert("long", "flat", "sell", size=0), Intent.EXIT),
        (alert("long", "long", size=20), Intent.SCALE_IN),
        (alert("long", "long", "sell", size=5), Intent.SCALE_OUT),
        (alert("long", "flat", "sell", signal_type="SCALE_OUT"), Intent.SCALE_OUT),
    ],
)
def test_intent_follows_from_the_positions_of_a_chart(payload, intent):
    assert read(payload).intent is intent


def test_a_reversal_is_an_exit_and_an_entry():
    taken_in = taken(alert("long", "short", "sell", size=7, was=10, quantity=17))
    leave, enter = taken_in.signals
    assert (leave.intent, leave.legs[0].quantity) == (Intent.EXIT, 10)
    assert (enter.intent, enter.legs[0].quantity) == (Intent.ENTRY, 7)
    assert leave.legs[0].side is enter.legs[0].side is Side.SELL
    assert leave.signal_id != enter.signal_id
    assert "reversal" in enter.warnings[0]


def test_only_the_exit_of_a_reversal_refers_to_an_entry():
    payload = alert("long", "short", "sell", size=7, was=10, entry_signal_id="e1")
    leave, enter = taken(payload).signals
    assert (leave.entry_reference, enter.entry_reference) == ("e1", None)


def test_a_reversal_counts_once_and_its_entry_begins_flat():
    leave, enter = taken(alert("long", "short", "sell", size=7, was=10, sequence=5)).signals
    assert (leave.sequence, enter.sequence) == (None, 5)
    assert leave.previous_position == PreviousPosition(sign=1, size=10)
    assert enter.previous_position == PreviousPosition(sign=0, size=0)


def test_the_entry_of_a_reversal_names_its_exit_whatever_its_key():
    taken_in = taken(alert("long", "short", "sell", size=7, was=10))
    for each in (taken_in, taken_in.keyed("another")):
        leave, enter = each.signals
        assert (leave.follows, enter.follows) == (None, leave.signal_id)


def test_an_exit_after_which_the_sender_is_flat_closes_all():
    assert read(alert("long", "flat", "sell", size=0)).legs[0].quantity is None
    partly = read(alert("long", "long", "sell", size=5, signal_type="EXIT"))
    assert partly.legs[0].quantity == 10


def part(number, **changes):
    """An exit of a percentage, in the leg."""
    fields = {"action": "SELL", "direction": ..., "quantity": ..., "quantity_percent": number}
    return envelope(leg(**fields), **{"signal_type": "EXIT", **changes})


@pytest.mark.parametrize("signal_type", ["EXIT", "SCALE_OUT"])
def test_a_percentage_on_the_way_out_is_a_share_of_the_position(signal_type):
    found = read(part(12.5, signal_type=signal_type)).legs[0]
    assert (found.quantity, found.quantity_unit) == (
        Decimal("0.125"),
        QuantityUnit.POSITION_FRACTION,
    )


def test_a_percentage_may_stand_in_the_envelope():
    payload = part(..., quantity_percent="50")
    assert read(payload).legs[0].quantity == Decimal("0.5")


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (part(0), "BAD_NUMBER"),
        (part(-1), "BAD_NUMBER"),
        (part(100.1), "BAD_NUMBER"),
        (part(50, signal_type="ENTRY"), "CONTRADICTION"),
        (part(50, signal_type="CANCEL"), "CONTRADICTION"),
        (part(50, signal_type=...), "CONTRADICTION"),
        (envelope(leg(quantity_percent=50), signal_type="EXIT"), "CONTRADICTION"),
        (alert("long", "short", "sell", size=7, was=10, quantity_percent=50), "CONTRADICTION"),
    ],
)
def test_a_percentage_that_cannot_be_meant_is_refused(payload, code):
    assert code_of(payload) == code


def test_a_reversal_without_sizes_is_refused():
    assert code_of(alert("long", "short", size=..., was=10) | {"market_position_size": None}) == (
        "MISSING_FIELD"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"prev_position": 10}, (1, 10)),
        ({"prev_position": "-2.5"}, (-1, Decimal("2.5"))),
        ({"prev_position": 0}, (0, 0)),
        ({"prev_position": "flat"}, (0, 0)),
        ({"prev_market_position": "short", "prev_market_position_size": 3}, (-1, 3)),
        ({"prev_market_position": "long"}, (1, None)),
    ],
)
def test_what_the_sender_held_before(given, expected):
    sign, size = expected
    assert read(envelope(**given)).previous_position == PreviousPosition(sign=sign, size=size)


def test_identity_is_the_senders_own():
    assert taken(envelope(idempotency_key="k", signalID="s")).key == "k"
    assert taken(envelope(signalID="s")).key == "s"


def test_identity_without_id_is_made_of_content_and_time():
    def key(**changes):
        return taken(envelope(signalID=..., **changes)).key

    assert key() == ""
    one = key(timestamp="2026-01-01T00:00:00Z")
    assert one == key(timestamp="2026-01-01T00:00:00Z") != ""
    assert one != key(timestamp="2026-01-02T00:00:00Z")
    assert one != key(timestamp="2026-01-01T00:00:00Z", order_id="2")
    assert one != key(timestamp="2026-01-01T00:00:00Z", signal_type="SCALE_IN")
    assert key(bar_time="2026-01-01", order_id=1) != key(bar_time="2026-01-01", order_id=2)


def test_a_repeat_with_a_new_send_time_has_the_same_content():
    def content(*legs, **changes):
        return taken(envelope(*legs, **changes)).content_hash

    one = content(signal_sent_EPOCH=1764015769)
    assert one == content(signal_sent_EPOCH=1764015770)
    assert one == content(comment="seen twice")
    assert one != content(leg(quantity=11))
    assert one != content(environment="production")


@pytest.mark.parametrize(
    "body", ["", "{", "NaN", '{"a": NaN}', "[" * 50000, '{"a":' * 40 + "1" + "}" * 40]
)
def test_broken_bodies_are_named_not_raised(body):
    with pytest.raises(InvalidSignal) as caught:
        read_json(body)
    assert caught.value.code in {"BROKEN_JSON", "TOO_DEEP"}


def test_intent_words_are_case_blind():
    assert read(envelope(signal_type="entry")).intent is Intent.ENTRY


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        *envelope(),
        *leg(),
        *alert("long", "flat"),
        *CONDOR,
        *("timestamp", "environment", "valid_for_s", "prev_position", "sequence", "type"),
        *("trail_amount", "trail_percent", "cancel_after_s", "algo", "group_policy", "stop_loss"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(in_envelope=st.dictionaries(fields, anything), in_leg=st.dictionaries(fields, anything))
def test_any_payload_is_read_or_named(in_envelope, in_leg):
    payload = envelope(leg() | in_leg) | in_envelope
    refusal = None
    try:
        take_in(payload, strategy_id="S", received_at=NOW)
    except InvalidSignal as error:
        refusal = error
    assert refusal is None or (refusal.code.isupper() and str(refusal).isprintable())
    assert refusal is None or refusal.code != "UNREADABLE"
