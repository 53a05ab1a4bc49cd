"""What senders write, with much of it wrong: what can be kept, or a refusal, in little memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from contextlib import suppress
from datetime import UTC, date, datetime
from email.message import EmailMessage

import bson
import pytest
from hypothesis import assume, given
from openpyxl import Workbook

from services.common.store import _CODEC, from_document, to_document
from services.domain.errors import InvalidSignal
from services.domain.intake import take_in
from services.domain.payloads import read_anything, read_letter, text_of
from services.domain.signals import Signal
from services.portfolio_builder.records.reader import BadRecord, read_table
from services.portfolio_builder.records.review import Answers, Reviewed, review_of
from services.signal_gateway.mail import MAX_MAIL_BYTES, mail_identity, read_mail
from tests.support.fuzz import BOUNDED, mutated, spliced
from tests.support.rows import envelope

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
SENTENCE = b"order buy @ 10 filled on AAPL. New strategy position is 10"
LINES = b"strategy_name: S\naction: BUY\nticker: AAPL\nquantity: 10\nsignalID: e1\nprice: 150.25"
PAYLOAD = envelope("e1", strategy_name="S", valid_for_s=60, timestamp="2026-11-20T15:30:00Z")
BODIES = (json.dumps(PAYLOAD).encode(), LINES, SENTENCE, json.dumps([PAYLOAD, PAYLOAD]).encode())
#: What Python needs for text, its parts and what is made of them, for each byte that comes in.
MEMORY_FOR_A_BYTE = 60


def outcome_of(payload):
    """Refused, or kept: each of its signals comes back from the database as it went."""
    refusal = None
    try:
        intake = take_in(payload, strategy_id="S", received_at=NOW)
    except InvalidSignal as error:
        refusal = error
    if refusal is not None:
        assert refusal.code != "UNREADABLE", payload
        return "refused"
    for signal in intake.signals:
        stored = bson.decode(bson.encode(to_document(signal), codec_options=_CODEC), _CODEC)
        assert from_document(Signal, stored) == signal
    again = take_in(payload, strategy_id="S", received_at=NOW)
    return "kept" if again == intake else "read otherwise a second time"


@BOUNDED
@given(mutated(PAYLOAD))
def test_a_payload_is_a_signal_that_can_be_kept_or_is_refused(payload):
    assume(isinstance(payload, dict))
    assert outcome_of(payload) in {"kept", "refused"}


def test_what_is_not_mutated_is_kept():
    assert outcome_of(PAYLOAD) == "kept"


@BOUNDED
@given(spliced(*BODIES))
def test_a_body_is_signals_or_is_refused(body):
    outcomes = set()
    for reader in (read_anything, read_letter):
        with suppress(InvalidSignal):
            found = reader(text_of(body))
            for each in found if isinstance(found, list) else [found]:
                if not isinstance(each, InvalidSignal):
                    outcomes.add(outcome_of(each))
    assert outcomes <= {"kept", "refused"}


def letter(depth, charset, name):
    """A mail in a mail in a mail."""
    inner = EmailMessage()
    inner.set_content(LINES.decode())
    inner.replace_header("Content-Type", f"text/plain; charset={charset}")
    for _ in range(depth):
        outer = EmailMessage()
        outer["Message-ID"] = name
        outer.make_mixed()
        outer.attach(inner)
        inner = outer
    return inner.as_bytes()


MAILS = tuple(
    letter(depth, charset, "<a@b>") for depth in (0, 1, 3) for charset in ("utf-8", "utf-7", "x")
)
CODED = b"From: =?utf-8?b?" + b"w4Q=" * 50 + b"?=\r\nContent-Type: text/html\r\n\r\n<p>a: 1</p>"


@BOUNDED
@given(spliced(*MAILS, CODED))
def test_a_mail_is_text_that_can_be_kept_or_is_refused(raw):
    with suppress(InvalidSignal):
        mail = read_mail(raw)
        bson.encode({"text": mail.text, "sender": mail.sender, "subject": mail.subject})
        assert mail_identity(mail).isprintable()
        with suppress(InvalidSignal):
            assert outcome_of(read_letter(mail.text)) in {"kept", "refused"}


@pytest.mark.parametrize("depth", [20, 49, 200])
def test_a_mail_in_a_mail_is_read_to_a_depth(depth):
    with suppress(InvalidSignal):
        assert "AAPL" in read_mail(letter(depth, "utf-8", "<a@b>")).text


HEAD = b"Message-ID: <a@b>\r\nContent-Type: text/%b; charset=utf-8\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD % b"html" + b"<p>" * 50_000,
        HEAD % b"html" + b"&amp;" * 50_000,
        HEAD % b"plain" + b"a: 1\r\n" * 25_000,
        HEAD % b"plain" + b"{" * 500_000,
        b"Subject: " + b"=?utf-8?q?a?= " * 290 + b"\r\n\r\na: 1",
        b"X-Mine: 1\r\n" * 15_000 + b"\r\na: 1",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 45_000,
        b"a" * (MAX_MAIL_BYTES * 8),
    ],
    ids=["tags", "entities", "lines", "braces", "words", "headers", "parts", "large"],
)
def test_a_mail_takes_little_memory(raw):
    tracemalloc.start()
    try:
        with suppress(InvalidSignal):
            read_letter(read_mail(raw).text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= MEMORY_FOR_A_BYTE * MAX_MAIL_BYTES


def workbook():
    book = Workbook()
    for number in range(1, 9):
        book.active.append([date(2024, 1, number), 0.01 * number, 1000 + number])
    kept = io.BytesIO()
    book.save(kept)
    return kept.getvalue()


RECORDS = (
    b"date,return,equity\n2024-01-02,0.01,1000\n2024-01-03,-0.02,980\n2024-01-04,0.005,985\n",
    json.dumps(
        {"rows": [{"date": f"2024-01-0{n}", "return": n / 100} for n in (2, 3, 4)]}
    ).encode(),
)


def table_of(content):
    """What is made of an upload, or None where it is refused."""
    with suppress(BadRecord):
        return review_of(read_table(content), Answers(), today=NOW.date())
    return None


@BOUNDED
@given(spliced(*RECORDS))
def test_a_record_is_read_or_refused(content):
    assert isinstance(table_of(content), Reviewed | None)


BOOK = workbook()


@pytest.mark.parametrize("number", range(0, len(BOOK), max(1, len(BOOK) // 60)))
def test_a_damaged_workbook_is_read_or_refused(number):
    assert isinstance(table_of(BOOK[:number]), Reviewed | None)
    damaged = BOOK[:number] + b"\xff\x00" + BOOK[number + 2 :]
    assert isinstance(table_of(damaged), Reviewed | None)


@pytest.mark.parametrize(
    "content",
    [
        b"date,return\n" + b"2024-01-02,0.01\n" * 60_000,
        b"," * 1_000_000,
        b"[" * 1_000_000,
        b'{"rows":[' + b"{}," * 300_000 + b"{}]}",
        b'"' * 1_000_000,
    ],
    ids=["rows", "cells", "lists", "objects", "quotes"],
)
def test_a_record_takes_little_memory(content):
    tracemalloc.start()
    try:
        table_of(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= MEMORY_FOR_A_BYTE * 4 * len(content)
