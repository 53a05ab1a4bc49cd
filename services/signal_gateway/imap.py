"""One log-in to an IMAP server, with a folder open read-only, and what may go wrong with it."""

from __future__ import annotations

import imaplib
import io
import ipaddress
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple, cast

from imap_tools import BaseMailBox, MailBox, MailBoxUnencrypted
from imap_tools.errors import ImapToolsError, MailboxLoginError

from services.common.settings import GatewaySettings
from services.domain.errors import ConfigurationError
from services.signal_gateway.mail import MAX_MAIL_BYTES

#: Whatever `Connection` raises when the server does not do what it is asked.
MAILBOX_ERRORS: Final = (OSError, imaplib.IMAP4.error, ImapToolsError)
_CONNECT_SECONDS: Final = 10.0
_NO_ANSWER: Final = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]")


class MailboxAddress(NamedTuple):
    """One folder on one server; TLS with a verified certificate unless `tls` is False."""

    host: str
    port: int
    user: str
    folder: str
    tls: bool

    @classmethod
    def of(cls, settings: GatewaySettings) -> MailboxAddress | None:
        """The mailbox of the settings; None where none is wanted.

        Raises:
            ConfigurationError: user or password is missing, or the password would travel in clear.
        """
        host = settings.mailbox_host
        if not host:
            return None
        if not settings.mailbox_user or not settings.mailbox_password.get_secret_value():
            raise ConfigurationError(
                "setting MAILBOX_HOST needs MAILBOX_USER and MAILBOX_PASSWORD beside it"
            )
        if not settings.mailbox_tls and not _is_loopback(host):
            raise ConfigurationError(
                f"setting MAILBOX_TLS may be false for a mail server on this machine only, "
                f"MAILBOX_HOST was {host!r}: the password would travel in clear"
            )
        return cls(
            host,
            settings.mailbox_port,
            settings.mailbox_user,
            settings.mailbox_folder,
            settings.mailbox_tls,
        )

    def __str__(self) -> str:
        return f"{self.user}@{self.host}/{self.folder}"


class LoginRefused(ImapToolsError):
    """User or password is wrong: trying again soon would lock the account."""


class Fetched(NamedTuple):
    """One mail, and when the server got it."""

    raw: bytes
    arrived_at: datetime | None


class Connection:
    """One log-in, with the folder open read-only. Everything raises MAILBOX_ERRORS."""

    def __init__(self, address: MailboxAddress, password: str) -> None:
        self.box = _connect(address)
        try:
            _log_in(self.box, address.user, password)
            self.can_idle = b"IDLE" in self.box.client.capability()[1][0].upper().split()
            self.box.folder.set(address.folder, readonly=True)
            self.uidvalidity = self._number("UIDVALIDITY") or 0
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        with suppress(OSError, imaplib.IMAP4.error):
            self.box.client.shutdown()

    def _number(self, code: str) -> int | None:
        value = self.box.client.response(code)[1][0]
        return int(value) if isinstance(value, bytes) and value.isdigit() else None

    def uid_next(self) -> int:
        """The UID that the next mail will have at least."""
        return self._number("UIDNEXT") or max(map(int, self.box.uids(charset=None)), default=0) + 1

    def uids_after(self, last_uid: int, not_before: datetime | None) -> list[int]:
        """New mails, oldest first. `N:*` finds the last mail even when N is past it."""
        self.box.client.noop()  # lets the server look at the folder again, and notices a dead one
        criteria = f"UID {last_uid + 1}:*"
        if not_before is not None:  # a day early: SINCE compares dates in the server's own zone
            criteria += f" SINCE {_imap_date(not_before - timedelta(days=1))}"
        return sorted(uid for uid in map(int, self.box.uids(criteria, None)) if uid > last_uid)

    def fetch(self, uid: int) -> Fetched | None:
        """One mail, cut one byte past the limit; None where it was deleted meanwhile."""
        parts = f"(INTERNALDATE BODY.PEEK[]<0.{MAX_MAIL_BYTES + 1}>)"
        status, answer = self.box.client.uid("FETCH", str(uid), parts)
        if status != "OK":
            raise imaplib.IMAP4.abort(f"FETCH was answered with {status}")
        for part in answer:
            if isinstance(part, tuple):
                around = part[0] + b"".join(each for each in answer if isinstance(each, bytes))
                return Fetched(part[1], _arrived_at(around))
        return None

    def idle(self, seconds: float) -> None:
        """Wait until the server has news, or so long."""
        client = self.box.client
        with self.box.idle as idle:
            # News that came together with the server's "go ahead" is in our buffer already, where
            # polling the socket does not see it.
            timeout = client.sock.gettimeout()
            client.sock.settimeout(0)
            try:
                with suppress(OSError):
                    if cast(io.BufferedReader, client.file).peek(1):
                        return
            finally:
                client.sock.settimeout(timeout)
            idle.poll(timeout=seconds)


def _imap_date(moment: datetime) -> str:
    """A date as IMAP wants it, whatever the locale."""
    months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905
    return f"{moment.day:02d}-{months[moment.month - 1]}-{moment.year}"


def _arrived_at(answer: bytes) -> datetime | None:
    moment = imaplib.Internaldate2tuple(answer)
    return datetime.fromtimestamp(time.mktime(moment), UTC) if moment else None


def _connect(address: MailboxAddress) -> BaseMailBox:
    if address.tls:
        # The context must be named: without one, imaplib takes any certificate.
        context = ssl.create_default_context()
        return MailBox(address.host, address.port, _CONNECT_SECONDS, ssl_context=context)
    return MailBoxUnencrypted(address.host, address.port, _CONNECT_SECONDS)


def _log_in(box: BaseMailBox, user: str, password: str) -> None:
    log_in = box.login if (user + password).isascii() else box.login_utf8
    try:
        log_in(user, password, initial_folder=None)
    except imaplib.IMAP4.abort:
        raise
    except (MailboxLoginError, imaplib.IMAP4.error) as error:
        if any(code in str(error).upper() for code in _NO_ANSWER):
            raise
        raise LoginRefused(f"the log-in was refused: {shown(error)}") from None


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def shown(error: Exception) -> str:
    """The error for a log line; it may hold what the server said, whatever that is."""
    return str(error) if isinstance(error, LoginRefused) else f"{type(error).__name__}: {error}"
