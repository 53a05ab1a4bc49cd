"""Mails as real mailers send them, and as nobody should."""

from __future__ import annotations

import contextlib
import json
import quopri
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.errors import InvalidSignal
from services.signal_gateway.mail import MAX_MAIL_BYTES, Mail, mail_identity, read_mail

SIGNAL = '{"strategy_name": "SPX_1-D_Opt",\n  "signalID": "m1", "note": "Größe < 5"}'
HEAD = (
    b"From: Desk <desk@example.org>\r\nSubject: signal\r\nMessage-ID: <a1@example.org>\r\n"
    b"Date: Fri, 20 Nov 2026 16:30:05 +0100\r\nMIME-Version: 1.0\r\n"
)


def plain(body: bytes, kind: bytes = b"text/plain; charset=utf-8", coding: bytes = b"8bit"):
    return (
        HEAD + b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n" % (kind, coding) + body
    )


def html(body: str) -> str:
    return read_mail(plain(body.encode(), b"text/html; charset=utf-8")).text


def multipart(*, text: str | None, page: str | None, attach: bool = False) -> bytes:
    message = EmailMessage()
    message["Message-ID"] = "<b2@example.org>"
    if text is not None:
        message.set_content(text)
    if page is not None:
        message.add_alternative(page, subtype="html")
    if attach:
        message.add_attachment("attached: yes", filename="signal.txt")
    return message.as_bytes()


def test_headers_and_body_are_read():
    assert read_mail(plain(SIGNAL.encode())) == Mail(
        message_id="<a1@example.org>",
        sent_at=datetime(2026, 11, 20, 15, 30, 5, tzinfo=UTC),
        sender="Desk <desk@example.org>",
        subject="signal",
        text=SIGNAL,
    )


@pytest.mark.parametrize(
    ("body", "kind", "coding"),
    [
        (quopri.encodestring(SIGNAL.encode()), b"text/plain; charset=utf-8", b"quoted-printable"),
        (SIGNAL.encode("cp1252"), b"text/plain; charset=windows-1252", b"8bit"),
        (SIGNAL.encode("utf-16"), b"text/plain; charset=utf-16", b"8bit"),
    ],
)
def test_charsets_and_encodings_give_the_same_text(body, kind, coding):
    assert read_mail(plain(body, kind, coding)).text == SIGNAL


def test_base64_and_carriage_returns_give_the_same_text():
    message = EmailMessage()
    message.set_content(SIGNAL.replace("\n", "\r\n"), cte="base64")
    assert read_mail(message.as_bytes()).text == SIGNAL


def test_plain_text_goes_before_html_and_attachments_are_not_read():
    mail = read_mail(multipart(text="a: 1", page="<p>a: 2</p>", attach=True))
    assert mail.text == "a: 1"


def test_html_is_read_where_the_plain_part_is_blank():
    assert read_mail(multipart(text=" \n", page="<p>a: 2</p>", attach=True)).text == "a: 2"


def test_html_becomes_lines_without_scripts_styles_and_entities():
    page = (
        "<html><head><title>t</title><style>p {a: b}</style></head><body><script>x: 1</script>"
        "<p>action:&nbsp;BUY<br>ticker: <b>A&amp;B</b>\n</p><div>quantity:\u200b 10</div>"
        "<table><tr><td>price:</td><td>150</td></tr></table></body></html>"
    )
    lines = [line for line in html(page).split("\n") if line]
    assert lines == ["action: BUY", "ticker: A&B", "quantity: 10", "price: 150"]


def test_json_in_html_stays_json():
    lines = (
        "<div>{&quot;a&quot;: 1,</div><div>&nbsp;&nbsp;&quot;b&quot;: &quot;&lt;x&gt;&quot;}</div>"
    )
    assert json.loads(html(lines)) == {"a": 1, "b": "<x>"}


def test_tags_that_nobody_closes_do_not_stop_the_reader():
    for unclosed in ("<a a=", "<!--", "<![", "</a "):
        text = None
        with contextlib.suppress(InvalidSignal):
            text = html(unclosed * 100_000)  # html.parser needs minutes for some of these
        assert isinstance(text, str | None)


def test_preformatted_html_keeps_its_lines():
    assert html("<pre>a: 1\nb: 2</pre>c:\n3") == "a: 1\nb: 2\nc: 3"


def test_flowed_lines_are_joined_and_the_signature_ends_the_body():
    body = b'{"note": "one \r\ntwo",\r\n "b": 2}\r\n-- \r\nDesk\r\n'
    mail = read_mail(plain(body, b"text/plain; charset=utf-8; format=flowed"))
    assert json.loads(mail.text) == {"note": "one two", "b": 2}


def test_flowed_text_with_delsp_loses_the_space_of_the_break():
    body = b"note: abc \r\ndef\r\n"
    assert read_mail(plain(body, b"text/plain; format=flowed; delsp=yes")).text == "note: abcdef"


def test_a_line_that_is_not_flowed_is_left_alone():
    assert read_mail(plain(b"a: 1 \r\nb: 2\r\n")).text == "a: 1\nb: 2"


@pytest.mark.parametrize("quoted", [b"> a: 1\r\n> b: 2\r\n", b"\r\n-- \r\na: 1\r\n", b"", b" \r\n"])
def test_a_mail_that_only_quotes_has_no_text(quoted):
    with pytest.raises(InvalidSignal, match="has no text") as refused:
        read_mail(plain(quoted))
    assert refused.value.code == "BAD_MAIL"


def test_a_reply_in_html_does_not_send_what_it_quotes():
    assert html("<p>b: 2</p><blockquote type=cite><p>a: 1</p></blockquote>") == "b: 2"


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (plain(b"x" * MAX_MAIL_BYTES), "bytes"),
        (b"Subject: " + b"x" * 5000 + b"\r\n\r\na: 1", "header"),
        (b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" * 60, "nested"),
        (
            HEAD + b"Content-Type: multipart/mixed; boundary=a\r\n" + b"\r\n--a" * 501,
            "begin with --",
        ),
        (plain(b"a: 1", b"text/plain; charset=klingon"), "LookupError"),
    ],
)
def test_what_cannot_be_read_is_named(raw, sentence):
    with pytest.raises(InvalidSignal, match=sentence) as refused:
        read_mail(raw)
    assert refused.value.code == "BAD_MAIL"


@pytest.mark.parametrize("date", [b"yesterday", b"Fri, 31 Feb 2026 16:30:05 +0100", b""])
def test_an_unreadable_date_is_missing(date):
    assert read_mail(b"Date: " + date + b"\r\n\r\na: 1").sent_at is None


def test_a_date_without_a_zone_is_utc():
    mail = read_mail(b"Date: Fri, 20 Nov 2026 16:30:05 -0000\r\n\r\na: 1")
    assert mail.sent_at == datetime(2026, 11, 20, 16, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "field", "expected"),
    [
        ("Message-ID: <[64ebf8-JFBVALKQOJXWILK]@microsoft.com>", "message_id", None),
        ("Message-ID:\r\n <a1@example.org>", "message_id", "<a1@example.org>"),
        ("From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>", "sender", "Jürgen <j@example.org>"),
        ("Subject: Größe", "subject", "Größe"),
        ("Subject: =?klingon?q?x?=", "subject", None),
    ],
)
def test_headers_of_common_mailers_are_read(header, field, expected):
    written = header.partition(": ")[2]
    mail = read_mail(f"{header}\r\n\r\na: 1".encode())
    assert getattr(mail, field) == (expected or written)


def test_lone_surrogates_and_control_characters_do_not_get_through():
    mail = read_mail(b"Subject: a\xff\x00b\r\n\r\na:\x00 1\xff")
    for text in (mail.subject, mail.text):
        assert text.encode()
        assert "\x00" not in text


REAL = (
    plain(quopri.encodestring(SIGNAL.encode()), coding=b"quoted-printable"),
    multipart(text=SIGNAL, page=f"<p>{SIGNAL}</p>", attach=True),
)


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_mail_or_a_refusal(raw):
    assert _is_read_or_refused(raw)


@given(st.sampled_from(REAL), st.data())
def test_any_damage_to_a_real_mail_is_a_mail_or_a_refusal(raw, data):
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        until = data.draw(st.integers(at, min(len(raw), at + 40)))
        patch = st.one_of(
            st.binary(max_size=12),
            st.sampled_from([b"\r\n", b"=?utf-8?q?", b'"', b"<", b"charset*0*=", b"; boundary="]),
        )
        raw = raw[:at] + data.draw(patch) + raw[until:]
    assert _is_read_or_refused(raw)


def _is_read_or_refused(raw: bytes) -> bool:
    try:
        mail = read_mail(raw)
    except InvalidSignal:
        return True
    # The last fails on what cannot be encoded.
    return mail.text.strip() == mail.text != "" and bool(mail.model_dump_json())


def mail_of(**fields) -> Mail:
    known = {"message_id": "<a@b>", "sent_at": None, "sender": "", "subject": "", "text": "a: 1"}
    return Mail(**{**known, **fields})


def test_identity_is_the_same_for_the_same_mail_delivered_twice():
    raw = plain(SIGNAL.encode())
    moved = b"Received: from elsewhere\r\n" + raw
    assert mail_identity(read_mail(raw)) == mail_identity(read_mail(moved))


@pytest.mark.parametrize("change", [{"message_id": "<c@b>"}, {"text": "a: 2"}])
def test_identity_needs_both_message_id_and_body(change):
    assert mail_identity(mail_of()) != mail_identity(mail_of(**change))


def test_identity_without_message_id_needs_a_date():
    moments = [datetime(2026, 11, 20, 15, 30, second, tzinfo=UTC) for second in (5, 6)]
    first, second = (mail_of(message_id="", sent_at=moment) for moment in moments)
    assert mail_identity(first) != mail_identity(second)
    assert mail_identity(mail_of(message_id="")) == ""


@given(st.text(min_size=1))
def test_identity_is_a_usable_key(message_id):
    key = mail_identity(mail_of(message_id=message_id))
    assert key.startswith("mail:")
    assert len(key) <= 200
    assert key.isprintable()
