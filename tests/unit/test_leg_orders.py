"""What kind of order a leg asks for: read exactly, or refused with a name and a sentence."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.errors import InvalidSignal
from services.domain.intake import take_in
from services.domain.orders import Algo
from services.domain.payloads import read_object, read_text
from services.domain.words import AlgoName, GroupPolicy, OrderType, TimeInForce
from tests.support.builders import NOW

TWAP = {"name": "TWAP", "duration_s": 600, "slices": 10}
VWAP = {"name": "VWAP", "duration_s": 3600, "profile": [3, 2, 1, 2, 4]}
ICEBERG = {"name": "ICEBERG", "display_quantity": 100}
#: Content hash of `payload()` by the code before the fields of this file were read.
BEFORE = "96b3a5feac668d344fc98077c5a5177e53588330b38226c3c4fb0348ecd9bc3b"


def leg(**changes):
    fields = {"instrument": "AAPL", "instrument_type": "STOCK", "action": "BUY", "quantity": 10}
    return fields | {"price": 150} | changes


def payload(*legs, **changes):
    return {"signalID": "1", "signal_type": "ENTRY", "signal_legs": list(legs) or [leg()]} | changes


def take(fields):
    return take_in(read_object(json.dumps(fields)), strategy_id="S", received_at=NOW)


def read(fields):
    (signal,) = take(fields).signals
    return signal


def refused(fields):
    with pytest.raises(InvalidSignal) as caught:
        take(fields)
    return caught.value.code, caught.value.field


def refused_leg(**changes):
    code, field = refused(payload(leg(**changes)))
    return code, field.removeprefix("signal_legs[0].")


@pytest.mark.parametrize("word", ["TRAILING_STOP", "trail", "Trailing", "trailing stop"])
def test_a_trailing_stop_keeps_a_distance_in_price_or_percent(word):
    (first,) = read(payload(leg(order_type=word, trail_amount="2.50"))).legs
    assert (first.order_type, first.trail_amount, first.trail_ratio) == (
        OrderType.TRAILING_STOP,
        Decimal("2.50"),
        None,
    )
    (first,) = read(payload(leg(order_type=word, trail_percent=2))).legs
    assert (first.trail_amount, first.trail_ratio) == (None, Decimal("0.02"))
    assert first.own_price == 150


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("MISSING_FIELD", "trail_amount")),
        ({"trail_amount": 0}, ("MISSING_FIELD", "trail_amount")),
        ({"trail_amount": -1}, ("BAD_NUMBER", "trail_amount")),
        ({"trail_amount": 150}, ("BAD_NUMBER", "trail_amount")),
        ({"trail_percent": 100}, ("BAD_NUMBER", "trail_percent")),
        ({"trail_percent": "2 %"}, ("BAD_NUMBER", "trail_percent")),
        ({"trail_percent": 2, "trail_amount": 3}, ("CONTRADICTION", "trail_percent")),
        ({"trail_percent": 2, "stop_price": 140}, ("CONTRADICTION", "stop_price")),
        ({"trail_percent": 2, "limit_price": 140}, ("CONTRADICTION", "limit_price")),
    ],
)
def test_a_trailing_stop_without_one_clear_distance_is_refused(changes, expected):
    assert refused_leg(order_type="TRAILING_STOP", **changes) == expected


def test_a_distance_belongs_to_a_trailing_stop():
    assert refused_leg(trail_percent=2) == ("CONTRADICTION", "trail_percent")
    assert read(payload(leg(trail_percent=0))).legs[0].trail_ratio is None


def test_algos_are_read_as_objects():
    legs = [leg(algo=TWAP), leg(algo=VWAP), leg(algo=ICEBERG)]
    assert [each.algo for each in read(payload(*legs)).legs] == [
        Algo(name=AlgoName.TWAP, duration_seconds=Decimal(600), slices=10),
        Algo(
            name=AlgoName.VWAP,
            duration_seconds=Decimal(3600),
            profile=tuple(map(Decimal, [3, 2, 1, 2, 4])),
        ),
        Algo(name=AlgoName.ICEBERG, display_quantity=Decimal(100)),
    ]


def test_algos_are_read_as_words_with_fields_beside_them():
    text = "ticker: AAPL\naction: BUY\nquantity: 10\nsignal type: ENTRY\nsignalID: 1\n"
    text += "algo: vwap\nduration s: 60\nprofile: 1, 2,0.5\n"
    (signal,) = take_in(read_text(text), strategy_id="S", received_at=NOW).signals
    assert signal.legs[0].algo == Algo(
        name=AlgoName.VWAP,
        duration_seconds=Decimal(60),
        profile=(Decimal(1), Decimal(2), Decimal("0.5")),
    )


@pytest.mark.parametrize(
    ("algo", "expected"),
    [
        ({"name": "POV"}, ("UNKNOWN_VALUE", "algo.name")),
        ({}, ("MISSING_FIELD", "algo.name")),
        (7, ("UNKNOWN_VALUE", "algo")),
        (TWAP | {"slices": ""}, ("MISSING_FIELD", "algo.slices")),
        (TWAP | {"slices": 0}, ("BAD_NUMBER", "algo.slices")),
        (TWAP | {"slices": 2.5}, ("BAD_NUMBER", "algo.slices")),
        (TWAP | {"slices": 1001, "duration_s": 86400}, ("BAD_NUMBER", "algo.slices")),
        (TWAP | {"duration_s": 0}, ("MISSING_FIELD", "algo.duration_s")),
        (TWAP | {"duration_s": 49}, ("BAD_NUMBER", "algo.duration_s")),  # 10 × 5 s
        (TWAP | {"duration_s": 86401}, ("BAD_NUMBER", "algo.duration_s")),
        (TWAP | {"profile": [1]}, ("CONTRADICTION", "algo.profile")),
        (VWAP | {"profile": None}, ("MISSING_FIELD", "algo.profile")),
        (VWAP | {"profile": []}, ("BAD_PROFILE", "algo.profile")),
        (VWAP | {"profile": [0, 0]}, ("BAD_PROFILE", "algo.profile")),
        (VWAP | {"profile": [1, -1]}, ("BAD_PROFILE", "algo.profile")),
        (VWAP | {"profile": [1, None]}, ("BAD_PROFILE", "algo.profile")),
        (VWAP | {"profile": {"a": 1}}, ("BAD_PROFILE", "algo.profile")),
        (VWAP | {"profile": [1, "x"]}, ("BAD_NUMBER", "algo.profile[1]")),
        (VWAP | {"profile": [[1]]}, ("BAD_NUMBER", "algo.profile[0]")),
        (ICEBERG | {"display_quantity": 0}, ("MISSING_FIELD", "algo.display_quantity")),
        (ICEBERG | {"slices": 3}, ("CONTRADICTION", "algo.slices")),
    ],
)
def test_an_algo_that_cannot_be_worked_is_refused(algo, expected):
    assert refused_leg(algo=algo) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"order_type": "STOP", "stop_price": 151},
        {"order_type": "STOP_LIMIT", "stop_price": 151, "limit_price": 152},
        {"order_type": "TRAIL", "trail_percent": 2},
        *({"time_in_force": each} for each in ("IOC", "FOK", "OPG", "CLS")),
    ],
)
def test_an_algo_works_neither_stops_nor_what_cannot_wait(changes):
    assert refused_leg(algo=TWAP, **changes) == ("ALGO_UNSUPPORTED", "algo")


def test_an_algo_goes_with_limits_guards_and_good_till_canceled():
    changes = {"order_type": "LIMIT", "limit_price": 149, "time_in_force": "GTC"}
    (first,) = read(payload(leg(algo=TWAP, stop_loss=140, take_profit=170, **changes))).legs
    assert (first.algo.slices, first.stop_loss, first.time_in_force) == (10, 140, TimeInForce.GTC)


def test_the_legs_of_a_package_are_not_worked():
    put = {"strike": 570, "expiry": "20281215", "right": "P", "action": "BUY", "quantity": 1}
    package = {"underlying": "SPY", "instrument_type": "OPTION", "price": 1.5, "legs": [put]}
    code, _ = refused({"signalID": "1", "signal_type": "ENTRY", "signal": package | {"algo": TWAP}})
    assert code == "ALGO_UNSUPPORTED"


def test_the_envelope_may_say_for_all_legs_how_they_are_worked():
    signal = read(payload(leg(), leg(algo=ICEBERG), algo=TWAP, cancel_after_s=60))
    assert [each.algo.name for each in signal.legs] == ["TWAP", "ICEBERG"]
    assert [each.cancel_after_seconds for each in signal.legs] == [60, 60]


def test_fields_of_an_algo_without_it_are_told_as_not_read():
    signal = read(payload(leg(display_quantity=5)))
    assert signal.legs[0].algo is None
    assert "signal_legs[0].display_quantity is not read without algo" in signal.warnings


def test_cancel_after_zero_is_never():
    assert read(payload(leg(cancel_after_s=0))).legs[0].cancel_after_seconds is None
    assert refused_leg(cancel_after_s=-1) == ("BAD_NUMBER", "cancel_after_s")


def test_the_groups_policy_is_of_the_envelope():
    assert read(payload()).group_policy is None
    assert read(payload(group_policy="unwind")).group_policy is GroupPolicy.UNWIND
    assert refused(payload(group_policy="MAYBE")) == ("UNKNOWN_VALUE", "group_policy")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stop_loss": 150}, "stop_loss"),
        ({"stop_loss": 151}, "stop_loss"),
        ({"take_profit": 150}, "take_profit"),
        ({"action": "SELL", "stop_loss": 149}, "stop_loss"),
        ({"action": "SELL", "take_profit": 151}, "take_profit"),
        # Without a price they are still compared with each other.
        ({"price": None, "stop_loss": 160, "take_profit": 150}, "take_profit"),
        # Bought at 140 or better, a stop at 145 is there at once, whatever the last price is.
        ({"order_type": "LIMIT", "limit_price": 140, "stop_loss": 145}, "stop_loss"),
        # A limit of 155 at a price of 150 fills near 150.
        ({"order_type": "LIMIT", "limit_price": 155, "stop_loss": 152}, "stop_loss"),
        # It enters once 155 is reached.
        ({"order_type": "STOP", "stop_price": 155, "take_profit": 153}, "take_profit"),
    ],
)
def test_a_guard_on_the_wrong_side_is_refused(changes, field):
    assert refused_leg(**changes) == ("GUARD_WRONG_SIDE", field)


@pytest.mark.parametrize(
    "changes",
    [
        {"stop_loss": 149, "take_profit": 151},
        {"action": "SELL", "stop_loss": 151, "take_profit": 149},
        {"order_type": "LIMIT", "limit_price": 140, "take_profit": 145},
        {"order_type": "LIMIT", "limit_price": 155, "take_profit": 153},
        {"order_type": "STOP", "stop_price": 155, "stop_loss": 152},
        {"order_type": "TRAIL", "trail_amount": 5, "stop_loss": 149},
        {"price": None, "stop_loss": 160},
    ],
)
def test_a_guard_that_can_be_meant_is_kept(changes):
    (first,) = read(payload(leg(**changes))).legs
    assert (first.stop_loss, first.take_profit) == (
        changes.get("stop_loss"),
        changes.get("take_profit"),
    )


def test_an_exit_is_not_stopped_by_guards_that_it_does_not_use():
    assert read(payload(leg(action="SELL", stop_loss=140), signal_type="EXIT")).legs


def test_exits_may_be_worked_limited_stopped_and_trailed():
    ways = [
        {"order_type": "LIMIT", "limit_price": 155},
        {"order_type": "STOP", "stop_price": 145},
        {"order_type": "TRAIL", "trail_percent": 2, "time_in_force": "GTC"},
        {"algo": TWAP},
        {"algo": ICEBERG, "cancel_after_s": 60},
    ]
    for way in ways:
        assert read(payload(leg(action="SELL", **way), signal_type="EXIT")).legs


def test_content_of_signals_without_the_newer_fields_is_what_it_was():
    assert take(payload()).content_hash == BEFORE
    assert take(payload(group_policy="HOLD")).content_hash != BEFORE
    for changes in ({"cancel_after_s": 5}, {"algo": TWAP}):
        assert take(payload(leg(**changes))).content_hash != BEFORE


numbers = st.integers(-3, 2000) | st.floats() | st.sampled_from(["", "7", "1e400", None, True])
anything = numbers | st.text(max_size=9) | st.lists(numbers, max_size=4)
algos = st.dictionaries(
    st.sampled_from(["name", "duration_s", "slices", "profile", "display_quantity"]),
    anything | st.sampled_from(list(AlgoName)),
    max_size=5,
)
SOUND = [TWAP, VWAP, ICEBERG]
fields = st.fixed_dictionaries(
    {},
    optional={
        "order_type": st.sampled_from([*OrderType, "TRAIL", "MKT", "x"]),
        "time_in_force": st.sampled_from([*TimeInForce, "GTD"]),
        "action": st.sampled_from(["BUY", "SELL", ""]),
        "algo": algos | anything | st.sampled_from([*AlgoName, *SOUND]),
        **dict.fromkeys(
            ("trail_amount", "trail_percent", "cancel_after_s", "stop_loss", "take_profit",
             "stop_price", "limit_price", "price", "group_policy", "duration_s", "slices",
             "profile", "display_quantity"),
            anything,
        ),
    },
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(fields, fields, st.sampled_from(["ENTRY", "EXIT", "SCALE_OUT", "CANCEL", ""]))
def test_whatever_is_asked_is_read_or_refused_by_name(in_leg, in_envelope, signal_type):
    asked = payload(leg() | in_leg, signal_type=signal_type) | in_envelope
    refusal = None
    try:
        (signal,) = take_in(asked, strategy_id="S", received_at=NOW).signals
    except InvalidSignal as error:
        refusal = error
    if refusal is not None:
        assert refusal.code != "UNREADABLE"
        assert str(refusal).isprintable()
        return
    (first,) = signal.legs
    trails = [each for each in (first.trail_amount, first.trail_ratio) if each]
    assert len(trails) == (first.order_type is OrderType.TRAILING_STOP)
    if first.algo is not None:
        assert first.order_type in {OrderType.MARKET, OrderType.LIMIT}
        assert first.time_in_force in {TimeInForce.DAY, TimeInForce.GTC}
        assert first.algo.duration_seconds or first.algo.display_quantity
