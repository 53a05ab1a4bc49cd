"""Bodies as they come: JSON, lines, letters; and the secret out of all of them."""

import pytest

from services.domain.errors import InvalidSignal
from services.domain.payloads import (
    MAX_SIGNALS,
    read_batch,
    read_letter,
    read_object,
    read_text,
    secret_in,
    secret_of,
    stored_text,
    text_of,
)


def code_of(call, *arguments):
    with pytest.raises(InvalidSignal) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_json_in_any_of_its_encodings(encoding):
    assert read_object(text_of('{"a": "ü☃"}'.encode(encoding))) == {"a": "ü☃"}


def test_bytes_that_are_no_text():
    assert code_of(text_of, b"\xff\xfe\xfd") == "BROKEN_JSON"


def test_lines_of_text_are_fields():
    text = "Ticker: AAPL\nAction = buy\r\n\n  Stop Loss: 95.5\nsignalid: x-1\nno field here\n"
    assert read_text(text) == {
        "ticker": "AAPL",
        "action": "buy",
        "stop_loss": "95.5",
        "signalID": "x-1",
    }
    assert read_text("ticker=BTCUSD;action=SELL;price=1") == {
        "ticker": "BTCUSD",
        "action": "SELL",
        "price": "1",
    }


def test_a_time_keeps_its_colons():
    assert read_text("ticker: A\ntimestamp: 2026-01-01T10:20:30Z")["timestamp"].endswith(
        "10:20:30Z"
    )


@pytest.mark.parametrize("text", ["", "buy apples", "hello: world", "\x00"])
def test_text_that_says_nothing_is_named(text):
    assert code_of(read_text, text) == "UNREADABLE_TEXT"


def test_text_that_meant_to_be_json_is_told_so():
    assert code_of(read_text, '{"ticker": "AAPL",}') == "BROKEN_JSON"


def test_a_field_given_twice_must_agree():
    assert read_text("action: BUY\naction: BUY") == {"action": "BUY"}
    assert code_of(read_text, "action: BUY\naction: SELL") == "CONTRADICTION"


def test_a_letter_may_say_more_than_the_signal():
    letter = 'Hello,\n\n{"ticker": "AAPL",\n "note": "a } b"}\n\nKind regards {me}\n'
    assert read_letter(letter) == {"ticker": "AAPL", "note": "a } b"}
    assert read_letter("Hi!\nTicker: AAPL\nAction: BUY\n\nregards\n") == {
        "ticker": "AAPL",
        "action": "BUY",
    }
    assert code_of(read_letter, 'Hi\n{"ticker": "AAPL"') == "BROKEN_JSON"


def test_a_forwarded_signal_is_unwrapped():
    assert read_object('{"source": "f", "original_signal": {"a": 1}}') == {"a": 1}


def test_batches():
    assert read_batch('{"a": 1}') == {"a": 1}
    first, second = read_batch('[{"a": 1}, 7]')
    assert first == {"a": 1}
    assert second.code == "NOT_AN_OBJECT"
    assert code_of(read_batch, "[]") == "EMPTY_BATCH"
    assert code_of(read_batch, str([{}] * (MAX_SIGNALS + 1))) == "TOO_MANY_SIGNALS"


@pytest.mark.parametrize(
    "text",
    [
        '{"passphrase": "mtk_SECRET-1", "a": 1.50}',
        '{"a": {"Token": "mtk_SECRET-1"}}',
        "ticker: A\npassphrase: mtk_SECRET-1\n",
        "ticker=A;token=mtk_SECRET-1;action=BUY",
    ],
)
def test_the_secret_is_not_stored(text):
    payload = read_text(text)
    assert "SECRET" not in stored_text(text, payload)
    assert "A" in stored_text(text, payload).upper()


def test_the_secret_of_a_broken_body_is_found_and_removed():
    text = '{"passphrase": "mtk_SECRET-1", "ticker": "AAPL",}'
    assert secret_in(text) == "mtk_SECRET-1"
    assert stored_text(text, None) == '{"passphrase": "[removed]", "ticker": "AAPL",}'


def test_a_body_without_a_secret_is_stored_as_it_came():
    text = '{"ticker":  "AAPL", "price": 1.500}'
    assert stored_text(text, read_object(text)) == text
    assert secret_of(read_object(text)) is None


def test_the_default_sentence_of_a_chart_is_read():
    text = "EMA cross (10, 20): order sell @ 15 filled on NASDAQ:AAPL. New strategy position is -5"
    assert read_text(text) == {
        "ticker": "NASDAQ:AAPL",
        "action": "sell",
        "quantity": "15",
        "market_position": "short",
        "market_position_size": "5",
        "prev_market_position": "long",
        "prev_market_position_size": "10",
    }
