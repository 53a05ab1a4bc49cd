"""The lint says what would happen, and survives whatever it is asked about."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.intake import take_in
from services.domain.json_faults import explain_broken_json
from services.domain.payloads import read_anything
from services.signal_gateway.lint import lint
from tests.support.builders import NOW
from tests.support.payloads import MAX_BYTES, generate

LEG = {
    "instrument": "AAPL",
    "instrument_type": "STOCK",
    "action": "BUY",
    "quantity": 10,
    "price": 150.0,
}
ENTRY = {
    "strategy_name": "S",
    "signalID": "abc",
    "signal_type": "ENTRY",
    "account_equity": 500000,
    "environment": "production",
    "valid_for_s": 300,
    "signal_legs": [LEG],
}


def read(payload):
    return take_in(payload, strategy_id="S", received_at=NOW).signals


def asked(text):
    return lint(text, now=NOW, parse=read_anything, read=read)


def asked_in_bytes(body):
    return asked(body.decode(json.detect_encoding(body), "replace"))


def of(**changes):
    payload = ENTRY | changes
    return asked(json.dumps({name: each for name, each in payload.items() if each is not ...}))


def test_an_accepted_signal_is_told_in_one_sentence():
    report = of()
    assert report.ok
    assert report.problems == report.warnings == []
    assert report.summary == (
        "This would be accepted as an ENTRY of strategy S: BUY 10 AAPL (stock) at market, day "
        "order; your quantities refer to an account of 500,000; it can be traded for 300 s; "
        "production; a repeat is recognised by signalID 'abc'."
    )


@pytest.mark.parametrize(
    ("leg", "words"),
    [
        ({"order_type": "LIMIT", "limit_price": 149.5}, "at 149.5 or better"),
        ({"order_type": "STOP", "stop_price": 151}, "at market once 151 is reached"),
        (
            {"order_type": "STOP_LIMIT", "limit_price": 152, "stop_price": 151},
            "at 152 or better once 151 is reached",
        ),
        (
            {"order_type": "TRAIL", "trail_percent": 2},
            "by a trailing stop 2 % above the best price",
        ),
        (
            {"order_type": "TRAIL", "trail_amount": "1.50", "action": "SELL", "direction": "SHORT"},
            "by a trailing stop 1.5 below the best price",
        ),
        (
            {"algo": {"name": "TWAP", "duration_s": 600, "slices": 10}},
            "at market, day order, in 10 equal parts over 600 s",
        ),
        (
            {"algo": "VWAP", "duration_s": 3600, "profile": [3, 2, 1]},
            "in 3 parts by a volume profile over 3600 s",
        ),
        ({"algo": "ICEBERG", "display_quantity": 2}, "no more than 2 shown at a time"),
        ({"cancel_after_s": 90}, "canceled where it has not filled 90 s after the decision"),
        ({"time_in_force": "GTC"}, "good till canceled"),
        ({"stop_loss": 140, "take_profit": 170}, "stop loss at 140, take profit at 170"),
        ({"instrument_type": "FUTURE", "expiry": "20261229"}, "(future, expiry 2026-12-29)"),
        ({"currency": "EUR"}, "(stock, in EUR)"),
    ],
)
def test_the_order_is_told_as_it_would_go_out(leg, words):
    assert words in of(signal_legs=[LEG | leg]).summary


def test_a_group_that_is_undone_is_told_where_there_is_one():
    words = "where one leg cannot be had, the others are closed again"
    legs = [LEG, LEG | {"instrument": "MSFT"}]
    assert words in of(signal_legs=legs, group_policy="UNWIND").summary
    assert words not in of(signal_legs=legs, group_policy="HOLD").summary
    assert words not in of(group_policy="UNWIND").summary


def test_a_misspelled_field_of_an_algo_is_told():
    algo = {"name": "TWAP", "duration_s": 600, "slices": 10, "slcies": 3}
    assert (
        "unknown field 'slcies': did you mean 'slices'?"
        in of(signal_legs=[LEG | {"algo": algo}]).warnings
    )


def test_a_refusal_has_code_field_and_fix():
    report = of(signal_legs=[LEG | {"instrument_type": "BOND"}])
    (problem,) = report.problems
    assert not report.ok
    assert (problem.code, problem.field) == (
        "UNKNOWN_INSTRUMENT_TYPE",
        "signal_legs[0].instrument_type",
    )
    assert "FUTURE" in problem.fix
    assert report.summary.startswith("This would be refused: ")


def test_broken_json_is_explained_and_what_it_would_be_is_told():
    text = '{\n "strategy_name": "S",\n “signalID”: "1",\n "instrument": "AAPL", "price": 150,\n'
    text += ' "instrument_type": "STOCK", "action": "BUY", "quantity": 1,000,\n}'
    report = asked(text)
    places = [(each.code, each.line, each.column) for each in report.problems]
    assert not report.ok
    assert places == [
        ("SMART_QUOTES", 3, 2),
        ("NUMBER_WITH_THOUSANDS", 5, 59),
        ("TRAILING_COMMA", 5, 64),
    ]
    assert json.loads(report.repaired)["quantity"] == 1000
    assert "BUY 1000 AAPL" in report.summary


def test_what_is_wrong_behind_broken_json_is_told_too():
    report = asked(
        '{"strategy_name": "S", "instrument": "AAPL", "instrument_type": "BOND", "quantity": 1,}'
    )
    assert [each.code for each in report.problems] == ["TRAILING_COMMA", "UNKNOWN_INSTRUMENT_TYPE"]


def test_text_around_the_json_is_told():
    report = asked("Alert: " + json.dumps(ENTRY))
    assert [each.code for each in report.problems] == ["TEXT_AROUND_JSON"]
    assert "Once repaired: This would be accepted" in report.summary


def test_a_template_is_tried_with_examples():
    leg = {**LEG, "quantity": "{{strategy.order.contracts}}", "price": "{{close}}"}
    report = asked(json.dumps(ENTRY | {"timestamp": "{{timenow}}", "signal_legs": [leg]}))
    assert not report.ok
    assert report.warnings == ["placeholders were filled with examples to try the template"]
    assert "Once filled in: This would be accepted" in report.summary
    assert "BUY 10 AAPL" in report.summary


def test_a_list_is_told_signal_by_signal():
    broken = ENTRY | {"signal_legs": [LEG | {"quantity": -1}]}
    report = asked(json.dumps([ENTRY, broken, 5]))
    assert not report.ok
    assert report.summary.startswith("A list of 3 signals: 1 would be accepted.")
    assert [(each.code, each.field) for each in report.problems] == [
        ("BAD_NUMBER", "[1].signal_legs[0].quantity"),
        ("NOT_AN_OBJECT", "[2]"),
    ]


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"signalID": ...}, "no signalID and no time"),
        ({"signal_type": ...}, "signal_type is missing"),
        ({"account_equity": ...}, "account_equity is missing"),
        ({"environment": ...}, "environment is missing"),
        ({"passphrase": "hunter2"}, "secret in the body is removed"),
        ({"timestamp": "2026-11-20T12:00:00Z", "valid_for_s": ...}, "it was sent 3 hours ago"),
        ({"timestamp": "2026-11-20T15:00:00Z"}, "would not be traded any more"),
        ({"timestamp": "2026-11-20T18:00:00Z"}, "2 hours in the future"),
        ({"Valid_For_S": 1}, "unknown field 'Valid_For_S': did you mean 'valid_for_s'?"),
        ({"signal_legs": [LEG | {"Quantity": 1}]}, "did you mean 'quantity'?"),
        ({"signal_legs": [LEG | {"stopLoss": 1}]}, "did you mean 'stop_loss'?"),
        ({"signal_legs": [LEG | {"quantitty": 1}]}, "did you mean 'quantity'?"),
        ({"comment": "x"}, "not read: 'comment'"),
    ],
)
def test_what_may_not_be_meant_is_a_warning(changes, warning):
    report = of(**changes)
    assert report.ok
    (found,) = report.warnings
    assert warning in found
    assert "hunter2" not in report.model_dump_json()


def test_a_name_that_stands_twice_is_a_warning():
    report = asked(json.dumps(ENTRY)[:-1] + ', "account_equity": 1000}')
    assert report.ok
    assert "account_equity stands twice" in report.warnings[0]


def test_a_hole_in_the_reading_rules_is_an_answer():
    def breaks(payload):
        raise TypeError("unhashable")

    report = lint(json.dumps(ENTRY), now=NOW, parse=read_anything, read=breaks)
    assert [problem.code for problem in report.problems] == ["UNREADABLE"]


def test_explanation_names_the_first_fault():
    assert explain_broken_json('{"a": True,\n}') == (
        "the body is not JSON: at line 1 column 7 True is not a word of JSON: it knows true, "
        "false and null, in lower case (and 1 more fault)"
    )
    assert explain_broken_json("{}") == "the body is not JSON"


def test_generated_payloads_are_the_same_for_a_seed():
    one, two = list(generate(7, 300)), list(generate(7, 300))
    assert one == two
    assert one != list(generate(8, 300))
    assert max(map(len, one)) <= MAX_BYTES


def test_sound_payloads_of_the_generator_are_mostly_sound():
    reports = [asked_in_bytes(body) for body in generate(3, 300)]
    accepted = [report.ok for report in reports]
    assert sum(accepted[0::3]) > 50
    assert sum(accepted[1::3]) < 70
    assert sum(accepted[2::3]) < 50


def test_any_generated_payload_gets_a_report():
    for body in generate(11, 2000):
        report = asked_in_bytes(body)
        assert report.summary
        assert report.ok is not bool(report.problems)
        report.model_dump_json()


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text_gets_a_report(text):
    report = asked(text)
    assert not report.ok
    assert report.problems
    report.model_dump_json()
