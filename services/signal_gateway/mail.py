"""From the bytes of an e-mail to the text a strategy wrote: pure, and never trusting the sender.

Anyone can send a mail, so whatever the bytes are, the answer is a `Mail` or one named refusal.
Formats: RFC 5322 (mail), RFC 2045 (MIME), RFC 3676 (`format=flowed`).
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import html
import re
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage, MIMEPart
from email.utils import parsedate_to_datetime
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.domain.errors import InvalidSignal

#: A signal is at most 64 kB; the rest is room for the HTML and pictures that mailers add.
MAX_MAIL_BYTES: Final = 512 * 1024
#: Real headers have a few hundred bytes; the parser takes quadratic time on endless ones.
_MAX_HEADER_BYTES: Final = 4096
_MAX_PARTS: Final = 50
#: Lines that may begin a part: the parser takes seconds for tens of thousands of them.
_MAX_DASHES: Final = 500
_MAX_MESSAGE_ID: Final = 120

_READ_HEADER = re.compile(
    rb"^(?:content-[a-z-]+|message-id|date|from|subject):[^\n]*(?:\n[ \t][^\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|<[!?][^<>]*>|<(?P<end>/?)(?P<tag>[a-z][a-z0-9]*)[^<>]*>",
    re.IGNORECASE | re.DOTALL,
)
_UNSEEN: Final = frozenset({"script", "style", "title", "template", "blockquote"})
_CELL: Final = frozenset({"td", "th"})
_NEW_LINE: Final = frozenset(
    {"address", "article", "br", "div", "dl", "dd", "dt", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul"}
)
#: Spaces that only look like one, and characters that cannot be seen: mailers add them.
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u202f"), " ")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
_CONTROL = dict.fromkeys(code for code in (*range(32), 127) if code not in (9, 10))
_CLEAN: Final = {**_SPACES, **_INVISIBLE, **_CONTROL}


class Mail(BaseModel):
    """What one e-mail says.

    Attributes:
        message_id: Message-ID with its angle brackets, or "" where the mail has none.
        sent_at: Date header, the sender's clock; None where it is missing or unreadable.
        sender: From header, forgeable: for the audit line, never for permission.
        text: the body without signature and quoted lines, lines ended by one line feed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_id: str
    sent_at: AwareDatetime | None
    sender: str
    subject: str
    text: str


def read_mail(raw: bytes) -> Mail:
    """Read one mail as it came over the wire.

    Raises:
        InvalidSignal: BAD_MAIL; it is too large, cannot be read, or has no text.
    """
    _check_size(raw)
    try:
        message = email.message_from_bytes(raw, policy=email.policy.default)
        return Mail(
            message_id=_header(message, "message-id"),
            sent_at=_sent_at(message),
            sender=_header(message, "from"),
            subject=_header(message, "subject"),
            text=_body(message),
        )
    except InvalidSignal:
        raise
    except Exception as error:  # the email package lets out anything, even NameError
        raise _bad(f"the mail cannot be read: {type(error).__name__}") from error


def mail_identity(mail: Mail) -> str:
    """The idempotency key of a body without one: the same for a mail delivered twice.

    Message-ID and body together: a sender may resend one Message-ID with another body, and one body
    may come as two mails that both count. At most 200 printable characters; "" where the mail has
    neither Message-ID nor Date, so that nothing tells a repeat.
    """
    if not mail.message_id and mail.sent_at is None:
        return ""
    name = mail.message_id or _digest(f"{mail.sent_at}\n{mail.sender}\n{mail.subject}")
    if len(name) > _MAX_MESSAGE_ID or not name.isprintable():
        name = _digest(name)
    return f"mail:{name}:{_digest(mail.text)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _bad(sentence: str) -> InvalidSignal:
    return InvalidSignal("BAD_MAIL", sentence)


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_MAIL_BYTES:
        raise _bad(f"a mail may have {MAX_MAIL_BYTES} bytes, this one has {len(raw)} or more")
    if any(len(found[0]) > _MAX_HEADER_BYTES for found in _READ_HEADER.finditer(raw)):
        raise _bad(f"the mail has a header with more than {_MAX_HEADER_BYTES} bytes")
    if raw.lower().count(b"boundary=") > _MAX_PARTS:
        raise _bad(f"the mail has more than {_MAX_PARTS} nested parts")
    if raw.count(b"\n--") > _MAX_DASHES:
        raise _bad(f"the mail has more than {_MAX_DASHES} lines that begin with --, as parts do")


def _header(message: EmailMessage, name: str) -> str:
    """A header as the sender wrote it, decoded where that works.

    Not `message[name]`: its strict parser fails on Message-IDs of common mailers.
    """
    value = next((text for key, text in message.raw_items() if key.lower() == name), "")
    text = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    with suppress(MessageError, ValueError, LookupError):
        text = str(make_header(decode_header(text)))
    return " ".join(_plain(text).split())


def _sent_at(message: EmailMessage) -> datetime | None:
    with suppress(ValueError, TypeError, LookupError, OverflowError):
        moment = parsedate_to_datetime(_header(message, "date"))
        # "-0000" comes without a zone: UTC, from a sender that does not tell its own (RFC 5322).
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _body(message: EmailMessage) -> str:
    """The text of the best part. Raises: InvalidSignal."""
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        content = part.get_content() if part is not None else None
        if part is None or not isinstance(content, str):
            continue
        text = _unfold(part, content) if kind == "plain" else _text_of_html(content)
        text = _own_words(_plain(text))
        if text:
            return text
    raise _bad("the mail has no text: write the signal into its body, as plain text or HTML")


def _unfold(part: MIMEPart, content: str) -> str:
    """Undo the soft line breaks of `format=flowed`, where a line that ends in a space goes on."""
    parameters = part["Content-Type"].params if part["Content-Type"] is not None else {}
    if str(parameters.get("format", "")).lower() != "flowed":
        return content
    cut = str(parameters.get("delsp", "")).lower() == "yes"
    lines: list[str] = []
    open_line = False
    for line in content.splitlines():
        unstuffed = line.removeprefix(" ")
        if open_line and not line.startswith(">") and unstuffed != "-- ":
            lines[-1] = (lines[-1][:-1] if cut else lines[-1]) + unstuffed
        else:
            lines.append(unstuffed)
        open_line = lines[-1].endswith(" ") and lines[-1] != "-- "
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Text that can be stored and shown: no lone surrogates, control or invisible characters."""
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    return unix.encode("utf-8", "replace").decode().translate(_CLEAN)


def _own_words(text: str) -> str:
    """Without what the mail quotes (`>`), and up to its signature (RFC 3676: a line `-- `).

    Neither can be part of JSON or of `key: value` lines, so a signal always stays whole; and a
    reply never sends the signal again that it quotes.
    """
    kept: list[str] = []
    for line in text.split("\n"):
        if line.rstrip() == "--":
            break
        if not line.startswith(">"):
            kept.append(line.rstrip())
    return "\n".join(kept).strip()


def _text_of_html(page: str) -> str:
    """What a reader of the page would see, but not what it quotes.

    Not `html.parser`: it takes minutes for 500 kB of tags that nobody closes.
    """
    pieces: list[str] = []
    unseen = preformatted = at = 0
    for found in _TAG.finditer(page):
        if not unseen:
            pieces.append(_words(page[at : found.start()], preformatted=preformatted > 0))
        at = found.end()
        tag, step = (found["tag"] or "").lower(), -1 if found["end"] else 1
        unseen = max(0, unseen + step * (tag in _UNSEEN))
        preformatted = max(0, preformatted + step * (tag == "pre"))
        if not unseen:
            pieces.append("\n" if tag in _NEW_LINE else " " * (tag in _CELL and step == 1))
    if not unseen:
        pieces.append(_words(page[at:], preformatted=preformatted > 0))
    return "\n".join(line.strip(" ") for line in "".join(pieces).split("\n"))


def _words(source: str, *, preformatted: bool) -> str:
    return html.unescape(source if preformatted else re.sub(r"[ \t\r\n\f]+", " ", source))
