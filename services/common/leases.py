"""Leases with fencing tokens: one owner at a time, and a stale owner can be told from the live one.

A lease lives in MongoDB. Clocks of machines differ, and are set back, so nobody reckons with those
of others: an owner is replaced when whoever wants the lease has not seen it renew for its whole
time, by a monotonic clock. When it expires is written for people, and so that a renewal is seen.

Each change of hands raises the `epoch` of a lease; what the owner writes carries the epoch, so that
the writes of an owner that was paused past its time can be refused. A transaction that an owner
died in, or was paused in, is aborted by the next one: the database would keep its rows locked for a
minute, and the next owner waiting.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError, PyMongoError

from services.common.clock import utc_now
from services.common.store import Document, Store

_log = logging.getLogger(__name__)


class Lease:
    """The right to be the only one who does `name`, renewed by a thread while held.

    Attributes:
        epoch: fencing token of the present holding; 0 before the first.
        session: what the owner does in transactions, one at a time, it does in this one.
    """

    def __init__(self, store: Store, name: str, *, ttl_seconds: float) -> None:
        self._store = store
        self.name = name
        self._ttl = ttl_seconds
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._held_until = 0.0
        #: The row of the present owner as it was last seen to change, and when.
        self._seen: tuple[object, ...] = ()
        self._seen_at = 0.0
        self.epoch = 0
        self.session = store.client.start_session()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def held(self) -> bool:
        """Whether we own it now, by our own clock: false early rather than late."""
        return time.monotonic() < self._held_until

    def try_acquire(self) -> bool:
        """Take or renew the lease; False while another holds it. Raises PyMongoError."""
        asked_at = time.monotonic()
        until = utc_now() + timedelta(seconds=self._ttl)
        leases = self._store["leases"]
        renewed = leases.update_one(
            {"_id": self.name, "owner": self._owner, "epoch": self.epoch},
            {"$set": {"expires_at": until}},
        )
        if not renewed.matched_count and not self._take_over(until):
            self._held_until = 0.0
            return False
        self._held_until = asked_at + self._ttl
        return True

    def _take_over(self, until: datetime) -> bool:
        leases = self._store["leases"]
        present = leases.find_one({"_id": self.name})
        ours = {"owner": self._owner, "session": self.session.session_id, "expires_at": until}
        if present is None:
            try:
                leases.insert_one({"_id": self.name, "epoch": 1, **ours})
            except DuplicateKeyError:
                return False
            self.epoch = 1
            return True
        if not self._is_free(present):
            return False
        epoch = int(present["epoch"])
        taken = leases.update_one(
            {"_id": self.name, "epoch": epoch, "expires_at": present["expires_at"]},
            {"$set": {"epoch": epoch + 1, **ours}},
        )
        if taken.modified_count:
            self._abort(present.get("session"))
            self.epoch = epoch + 1
            _log.info("lease %s taken with epoch %s", self.name, self.epoch)
        return bool(taken.modified_count)

    def _is_free(self, present: Document) -> bool:
        """Whether its owner has given it back, or has not renewed it while we watched for its time.

        Its own time is over then, too: it began when we last saw the owner renew it, or before.
        """
        if not present["owner"]:
            return True
        moment = time.monotonic()
        seen = (present["owner"], present["epoch"], present["expires_at"])
        if seen != self._seen:
            self._seen, self._seen_at = seen, moment
        return moment - self._seen_at > self._ttl

    def _abort(self, session: object) -> None:
        """End the session of the owner before, and with it the transaction that it left open."""
        if session is None:
            return
        try:
            self._store.client.admin.command("killSessions", [session])
        except PyMongoError as error:
            # Not fatal: the database does the same after a minute.
            _log.warning("lease %s: an old session lives on: %s", self.name, error)

    def start(self) -> None:
        """Keep trying to hold the lease until `stop`."""
        self._thread = threading.Thread(target=self._keep, name=f"lease-{self.name}", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        while not self._stop.is_set():
            try:
                self.try_acquire()
            except PyMongoError as error:
                _log.warning("lease %s could not be renewed: %s", self.name, type(error).__name__)
            self._stop.wait(self._ttl / 3 if self.held() else min(0.5, self._ttl / 3))

    def stop(self) -> None:
        """Stop renewing and give the lease back, so that the next owner need not wait."""
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=self._ttl)
        self.session.end_session()
        if not self.held():
            return
        self._held_until = 0.0
        try:
            self._store["leases"].update_one(
                {"_id": self.name, "owner": self._owner, "epoch": self.epoch},
                {"$set": {"owner": "", "expires_at": utc_now() - timedelta(seconds=1)}},
            )
        except PyMongoError as error:
            _log.warning("lease %s could not be released: %s", self.name, type(error).__name__)
