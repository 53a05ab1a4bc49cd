"""The e-mail door: hands every new mail of one IMAP folder on, at least once and in order.

The cursor (UIDVALIDITY and last UID, `checkpoints`) moves only after `deliver` returned, so a crash
delivers a mail again and the signal's own key makes that harmless. The folder is opened read-only:
nothing is marked as seen, moved or deleted, and what a person does in the mailbox changes nothing.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from imap_tools import BaseMailBox
from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.incidents import clear_incident, raise_incident
from services.common.leases import Lease
from services.common.settings import GatewaySettings
from services.common.store import Document, Store
from services.domain.errors import InvalidSignal, TransientError
from services.signal_gateway.imap import (
    MAILBOX_ERRORS,
    Connection,
    LoginRefused,
    MailboxAddress,
    shown,
)
from services.signal_gateway.mail import Mail, read_mail

_log = logging.getLogger(__name__)
_STOP_SECONDS: Final = 2.0
_STAND_BY_SECONDS: Final = 0.5
_POLL_WITHOUT_IDLE_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = (1.0, 60.0)
#: Slow from the first time: many servers lock an account after a few refused log-ins.
_REFUSED_SECONDS: Final = (30.0, 900.0)
_REREAD: Final = timedelta(hours=24)
_ATTEMPTS: Final = 5
_SENTENCE: Final = 300
_UNREACHABLE: Final = "MAILBOX_UNREACHABLE"


def backoff_seconds(failures: int, bounds: tuple[float, float]) -> float:
    """Wait before the next attempt: doubles from the lower to the upper bound, less up to 20 %.

    Args:
        failures: attempts that failed in a row, 1 or more.
        bounds: seconds after the first failure, and at most.
    """
    least, most = bounds
    return float(min(most, least * 2 ** min(failures - 1, 20))) * random.uniform(0.8, 1)  # noqa: S311


class MailboxReader:
    """Reads one folder while it holds the lease; one thread, a part of the gateway's process.

    Args:
        deliver: takes one mail; returns once its fate is settled (stored, repeat or refused),
            raises TransientError or PyMongoError for "not now": then the mail comes again, before
            any later one.
        refuse: takes the UID of a mail that cannot be read, and the sentence that says why; may
            raise as `deliver` may.
        unreachable_seconds: time without success until a person is told.
    """

    def __init__(  # noqa: PLR0913 - one constructor wires one part
        self,
        store: Store,
        settings: GatewaySettings,
        *,
        address: MailboxAddress,
        lease: Lease,
        deliver: Callable[[Mail], None],
        refuse: Callable[[int, str], None],
        unreachable_seconds: float = 300.0,
    ) -> None:
        self._store = store
        self._cursor = _Cursor(store, address)
        self._address = address
        self._password = settings.mailbox_password.get_secret_value()
        self._poll_seconds = settings.mailbox_poll_s
        self._lease = lease
        self._deliver = deliver
        self._refuse = refuse
        self._unreachable_seconds = unreachable_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mailbox", daemon=True)
        self._box: BaseMailBox | None = None
        self._state = "starting"
        self._failures = 0
        self._failing_since = 0.0
        self._told = False
        self._maybe_open = True  # a process before us may have left its incident open
        self._stuck = (0, 0)

    def start(self) -> None:
        """Read in a thread, from the stored cursor on."""
        self._thread.start()

    def stop(self) -> None:
        """End within 2 s; a mail that is being delivered then comes again after the next start."""
        self._stop.set()
        box = self._box
        if box is not None:
            with suppress(OSError):  # not SSLSocket's own: it would pull TLS away from the reader
                socket.socket.shutdown(box.client.sock, socket.SHUT_RDWR)
        self._thread.join(timeout=_STOP_SECONDS)

    def state(self) -> str:
        """For /health; never raises, because webhooks go on while the mailbox is down."""
        return self._state

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._lease.held():
                self._state = "standing by: another replica holds the lease"
                self._stop.wait(_STAND_BY_SECONDS)
                continue
            try:
                self._read_until_stopped()
            except MAILBOX_ERRORS as error:
                if not self._stop.is_set():
                    self._stop.wait(self._unreachable(error))
            except Exception as error:  # noqa: BLE001 - logged; what raised was not taken
                self._stop.wait(self._postponed(error))

    def _read_until_stopped(self) -> None:
        with Connection(self._address, self._password) as connection:
            self._box = connection.box
            try:
                self._cursor.settle(connection)
                while self._may_read():
                    self._read_new(connection)
                    if not self._may_read():
                        break
                    self._failures = 0
                    if connection.can_idle:
                        self._state = f"idle since {utc_now():%Y-%m-%d %H:%M:%S} UTC"
                        connection.idle(self._poll_seconds)
                    else:
                        self._state = f"polling, last at {utc_now():%Y-%m-%d %H:%M:%S} UTC"
                        self._stop.wait(min(self._poll_seconds, _POLL_WITHOUT_IDLE_SECONDS))
            finally:
                self._box = None

    def _may_read(self) -> bool:
        return not self._stop.is_set() and self._lease.held()

    def _read_new(self, connection: Connection) -> None:
        uids = connection.uids_after(self._cursor.last_uid, self._cursor.not_before)
        self._reached()
        for uid in uids:
            if not self._may_read():
                return
            fetched = connection.fetch(uid)
            if fetched is not None and not self._cursor.is_too_old(fetched.arrived_at):
                self._hand_on(uid, fetched.raw)
            self._cursor.move(uid)

    def _hand_on(self, uid: int, raw: bytes) -> None:
        try:
            mail = read_mail(raw)
        except InvalidSignal as error:
            self._refuse(uid, str(error))
            return
        try:
            self._deliver(mail)
        except (TransientError, PyMongoError):
            raise
        except Exception as error:  # noqa: BLE001 - logged, and tried again
            self._give_up_or_raise(uid, error)

    def _give_up_or_raise(self, uid: int, error: Exception) -> None:
        """A mail that only raises must not close the door for all that follow it."""
        attempts = self._stuck[1] + 1 if self._stuck[0] == uid else 1
        self._stuck = (uid, attempts)
        _log.exception("mail %s of %s could not be taken, attempt %s", uid, self._address, attempts)
        sentence = f"taking the mail failed {attempts} times: {type(error).__name__}"
        if attempts < _ATTEMPTS:
            raise TransientError(sentence) from error
        self._refuse(uid, sentence)
        raise_incident(
            self._store,
            kind="MAIL_UNDELIVERED",
            key=f"{self._address}|{self._cursor.uidvalidity}|{uid}",
            sentence=f"mail {uid} of {self._address} was skipped: {sentence}",
        )

    def _reached(self) -> None:
        self._state = "reading"
        if self._failing_since:
            _log.info("mailbox %s answers again", self._address)
            self._failing_since = 0.0
        if self._maybe_open:
            clear_incident(self._store, kind=_UNREACHABLE, key=str(self._address))
            self._told = self._maybe_open = False

    def _postponed(self, error: Exception) -> float:
        self._failures += 1
        wait = backoff_seconds(self._failures, _RETRY_SECONDS)
        if isinstance(error, (TransientError, PyMongoError)):
            _log.warning("mailbox %s: not now, %s", self._address, shown(error))
        else:
            _log.exception("mailbox %s: a mail could not be taken", self._address)
        self._state = f"retrying in {wait:.0f} s: a mail could not be taken: {type(error).__name__}"
        return wait

    def _unreachable(self, error: Exception) -> float:
        self._failures += 1
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        refused = isinstance(error, LoginRefused)
        wait = backoff_seconds(self._failures, _REFUSED_SECONDS if refused else _RETRY_SECONDS)
        sentence = shown(error).replace(self._password, "***")[:_SENTENCE]
        self._state = f"reconnecting: {sentence}"
        _log.warning("mailbox %s, next try in %.0f s: %s", self._address, wait, sentence)
        if not self._told and (refused or now - self._failing_since >= self._unreachable_seconds):
            self._tell(sentence)
        return wait

    def _tell(self, sentence: str) -> None:
        self._maybe_open = True
        try:
            raise_incident(
                self._store,
                kind=_UNREACHABLE,
                key=str(self._address),
                sentence=f"no mail is read from {self._address}: {sentence}",
            )
            self._told = True
        except PyMongoError as error:
            _log.warning("an incident could not be stored: %s", type(error).__name__)


class _Cursor:
    """How far one folder is read, in the store; UIDs mean nothing beyond their UIDVALIDITY."""

    def __init__(self, store: Store, address: MailboxAddress) -> None:
        self._checkpoints = store["checkpoints"]
        self._id = f"mailbox|{address}"
        self._address = address
        self.uidvalidity = self.last_uid = 0
        self.not_before: datetime | None = None

    def settle(self, connection: Connection) -> None:
        """Take up the stored cursor, or begin one. Raises: PyMongoError."""
        found = self._find()
        if found is None:
            self._begin(connection)
        elif found["uidvalidity"] != connection.uidvalidity:
            self._begin_again(connection, started_at=found["started_at"])
        found = self._find() or {}
        self.uidvalidity, self.last_uid = int(found["uidvalidity"]), int(found["last_uid"])
        self.not_before = found["not_before"]

    def _find(self) -> Document | None:
        return self._checkpoints.find_one({"_id": self._id})

    def _begin(self, connection: Connection) -> None:
        first = connection.uid_next()
        begun = {
            "uidvalidity": connection.uidvalidity,
            "last_uid": first - 1,
            "not_before": None,
            "started_at": utc_now(),
        }
        self._checkpoints.update_one({"_id": self._id}, {"$setOnInsert": begun}, upsert=True)
        _log.info(
            "mailbox %s is read for the first time: from UID %s on; what is there already is old "
            "and is not traded",
            self._address,
            first,
        )

    def _begin_again(self, connection: Connection, *, started_at: datetime) -> None:
        """The server numbered its mails anew: read again what may not have been read."""
        not_before = max(utc_now() - _REREAD, started_at)
        begun = {
            "uidvalidity": connection.uidvalidity,
            "last_uid": 0,
            "not_before": not_before,
        }
        self._checkpoints.update_one({"_id": self._id}, {"$set": begun})
        _log.warning(
            "mailbox %s has a new UIDVALIDITY: its mails since %s are read again, and repeats are "
            "recognised by their keys",
            self._address,
            not_before,
        )

    def is_too_old(self, arrived_at: datetime | None) -> bool:
        """Whether a renumbered mail lies before what is read again."""
        return bool(self.not_before and arrived_at and arrived_at < self.not_before)

    def move(self, uid: int) -> None:
        """This mail and all before it are done. Raises: PyMongoError."""
        self._checkpoints.update_one(
            {"_id": self._id, "uidvalidity": self.uidvalidity},
            {"$max": {"last_uid": uid}, "$set": {"saved_at": utc_now()}},
        )
        self.last_uid = uid
