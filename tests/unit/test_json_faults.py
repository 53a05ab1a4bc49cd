"""What is wrong with broken JSON is found to the character, several faults at once."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.json_faults import SENTENCES, diagnose, find_faults
from services.domain.json_scanner import MAX_DEPTH, MAX_FAULTS

PAYLOAD = {
    "strategy_name": "S",
    "signalID": "a-1",
    "account_equity": 500000,
    "signal_legs": [{"instrument": "AAPL", "action": "BUY", "quantity": 1.5, "price": None}],
    "staging": True,
}


def found(text):
    return [(fault.code, fault.line, fault.column) for fault in find_faults(text)]


@pytest.mark.parametrize(
    ("text", "faults", "repaired"),
    [
        ('{"a": 1,}', [("TRAILING_COMMA", 1, 8)], {"a": 1}),
        ('{"a": [1, 2,\n]}', [("TRAILING_COMMA", 1, 12)], {"a": [1, 2]}),
        ('{"a": 1,, "b": 2}', [("EXTRA_COMMA", 1, 9)], {"a": 1, "b": 2}),
        ("{“a”: 1}", [("SMART_QUOTES", 1, 2)], {"a": 1}),
        ('{"a": "b”, "c": 1}', [("SMART_QUOTES", 1, 9)], {"a": "b", "c": 1}),
        ("{'a': 1}", [("SINGLE_QUOTES", 1, 2)], {"a": 1}),
        ('{a: "x"}', [("UNQUOTED_NAME", 1, 2)], {"a": "x"}),
        ('{"a": True}', [("WRONG_CASE_LITERAL", 1, 7)], {"a": True}),
        ('{"a": None}', [("WRONG_CASE_LITERAL", 1, 7)], {"a": None}),
        ('{"a": 1\n "b": 2}', [("MISSING_COMMA", 2, 2)], {"a": 1, "b": 2}),
        ('{"a": 1; "b": 2}', [("MISSING_COMMA", 1, 8)], {"a": 1, "b": 2}),
        ('{"a" 1}', [("MISSING_COLON", 1, 6)], {"a": 1}),
        ('{"a" = 1}', [("MISSING_COLON", 1, 6)], {"a": 1}),
        ('{"a"}', [("MISSING_COLON", 1, 5)], None),
        ('{"a": }', [("MISSING_VALUE", 1, 7)], None),
        ('{{"a": 1}}', [("MISSING_NAME", 1, 2)], None),
        ('{"a": "x,\n "b": 1}', [("UNCLOSED_STRING", 1, 7)], {"a": "x", "b": 1}),
        ('{"a": "x', [("UNCLOSED_STRING", 1, 7), ("UNCLOSED_BRACKET", 1, 9)], None),
        ('{"a": [1', [("UNCLOSED_BRACKET", 1, 9)], {"a": [1]}),
        ('{"a": [1}', [("UNCLOSED_BRACKET", 1, 9)], {"a": [1]}),
        ('{"a": 1]', [("WRONG_BRACKET", 1, 8)], {"a": 1}),
        ('{"a": 1}}', [("UNEXPECTED_BRACKET", 1, 9)], {"a": 1}),
        ('{"a": "b\nc d"}', [("CONTROL_CHARACTER", 1, 9)], {"a": "b\nc d"}),
        ('{"a":\x00 1}', [("CONTROL_CHARACTER", 1, 6)], {"a": 1}),
        ('{"a":\u00a01}', [("INVISIBLE_CHARACTER", 1, 6)], {"a": 1}),
        ('\ufeff{"a": 1}', [("INVISIBLE_CHARACTER", 1, 1)], {"a": 1}),
        ('{"a": 1} // done', [("COMMENT", 1, 10)], {"a": 1}),
        ('{"a": NaN}', [("NOT_A_NUMBER", 1, 7)], {"a": None}),
        ('{"a": -Infinity}', [("NOT_A_NUMBER", 1, 7)], {"a": None}),
        ('{"a": +05.50}', [("LEADING_ZERO_OR_PLUS", 1, 7)], {"a": 5.5}),
        ('{"a": .5}', [("NUMBER_POINT", 1, 7)], {"a": 0.5}),
        ('{"a": 5.}', [("NUMBER_POINT", 1, 7)], {"a": 5}),
        ('{"a": 12,345.5, "b": 1}', [("NUMBER_WITH_THOUSANDS", 1, 7)], {"a": 12345.5, "b": 1}),
        ('{"a": 1_000}', [("NUMBER_WITH_THOUSANDS", 1, 7)], {"a": 1000}),
        ('{"a": AAPL US}', [("UNQUOTED_TEXT", 1, 7)], {"a": "AAPL US"}),
        ('{"a": 2026-01-02T10:00}', [("UNQUOTED_TEXT", 1, 7)], {"a": "2026-01-02T10:00"}),
        ('{"a": {{close}}}', [("PLACEHOLDER", 1, 7)], {"a": "{{close}}"}),
        ('{"a": "x {{ticker}}"}', [("PLACEHOLDER", 1, 10)], None),
        ('{"a": "C:\\data"}', [("BAD_ESCAPE", 1, 10)], {"a": "C:\\data"}),
        ('Alert: {"a": 1}', [("TEXT_AROUND_JSON", 1, 1)], {"a": 1}),
        ('{"a": 1} thanks', [("TEXT_AROUND_JSON", 1, 10)], {"a": 1}),
        ('{"a": 1} {"b": 1}', [("TEXT_AROUND_JSON", 1, 10)], None),
        ('{"a": 1, "a": 2}', [("DUPLICATE_NAME", 1, 10)], None),
        ('{"a": 1, "\\u0061": 2}', [("DUPLICATE_NAME", 1, 10)], None),
        ('"a": 1', [("MISSING_BRACES", 1, 4)], None),
        ('["a": 1]', [("UNEXPECTED_CHARACTER", 1, 5), ("MISSING_COMMA", 1, 7)], None),
        ('{"a": 1e9999999}', [("NUMBER_TOO_LARGE", 1, 7)], None),
        ("[" * (MAX_DEPTH + 1), [("TOO_DEEP", 1, MAX_DEPTH + 1)], None),
        (" \n", [("EMPTY", 2, 1)], None),
        ("ticker: AAPL", [("NOT_JSON", 1, 1)], None),
    ],
)
def test_every_fault_is_found_where_it_is(text, faults, repaired):
    assert found(text) == faults
    answer = diagnose(text).repaired
    assert (json.loads(answer) if answer else None) == repaired


def test_several_faults_are_found_at_once():
    text = "{'a': True,\n b: “x”,\n \"c\": 1,000,\n}"
    assert [code for code, _, _ in found(text)] == [
        "SINGLE_QUOTES",
        "WRONG_CASE_LITERAL",
        "UNQUOTED_NAME",
        "SMART_QUOTES",
        "NUMBER_WITH_THOUSANDS",
        "TRAILING_COMMA",
    ]
    assert json.loads(diagnose(text).repaired) == {"a": True, "b": "x", "c": 1000}


def test_excerpt_has_a_caret_under_the_place():
    (fault,) = find_faults('{\n  "quantity": 10,\n}')
    line, caret = fault.excerpt.split("\n")
    assert line[caret.index("^")] == ","
    assert (fault.line, fault.column) == (2, 17)


def test_long_lines_are_clipped_around_the_place():
    (fault,) = find_faults('{"x": "' + "y" * 5000 + '", "a": True, "z": "' + "y" * 5000 + '"}')
    line, caret = fault.excerpt.split("\n")
    assert len(line) <= 80
    assert line[caret.index("^") :].startswith("True")


def test_sentences_never_repeat_a_value():
    for text in ('{"passphrase": hunter2}', '{"passphrase": "hun"hunter2", "a": 1}'):
        assert all("hunter2" not in fault.sentence for fault in find_faults(text))


def test_only_the_first_faults_are_told():
    assert len(find_faults("{" + "a: 1 " * 100 + "}")) == MAX_FAULTS


@pytest.mark.parametrize(
    "unit",
    ["[", '{"a":', '"', '""', "'", "“", '"”\\"', '"\\"\n', '"\n', "{{", ",", "a ", "1,000,",
     "/*", "//\n", "\\", "\x00", "{", "}", '{"a":1}', "\u00a0", "“\n\"b\":", "“ ", "a=", "00",
     "[{]", "{]"],
)  # fmt: skip
@pytest.mark.parametrize("start", ["", "[", '{"a":', '["'])
def test_hostile_texts_are_read_to_their_end(unit, start):
    assert len(find_faults(start + unit * (20_000 // len(unit)))) <= MAX_FAULTS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(json_values, st.sampled_from([None, 2]), st.booleans())
def test_sound_json_has_no_faults(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    if "{{" not in text:
        assert diagnose(text).faults == ()


mutations = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(0, 3),
        st.text("{}[]\"',:;=\\/*# \n\t\x00aTN+-.0159eE“”‘{}\u00a0\ufeff", max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=1500, deadline=None)
@given(mutations, st.sampled_from([None, 1]))
def test_what_json_refuses_has_a_fault(changes, indent):
    text = json.dumps(PAYLOAD, indent=indent)
    for at, removed, added in changes:
        text = text[:at] + added + text[at + removed :]
    check(text)


@settings(max_examples=500, deadline=None)
@given(st.text("{}[]\"',:;=\\/*# \n\x00aTrue0159.-eE“”’`{}\ud800"))
def test_any_text_is_read(text):
    check(text)


def check(text):
    diagnosis = diagnose(text)
    try:
        json.loads(text, parse_constant=int)
    except ValueError:
        assert diagnosis.faults
    for fault in diagnosis.faults:
        assert fault.code in SENTENCES
        assert fault.sentence.isprintable()
        lines = text.split("\n")
        assert 1 <= fault.line <= len(lines)
        assert 1 <= fault.column <= len(lines[fault.line - 1]) + 1
        fault.model_dump_json()
    if diagnosis.repaired is not None:
        again = diagnose(diagnosis.repaired)
        assert {each.code for each in again.faults} <= {"PLACEHOLDER", "DUPLICATE_NAME"}
