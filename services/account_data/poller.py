"""Asks one account's broker, again and again, in a thread of its own.

A broker that hangs or fails therefore delays its own account and no other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from pymongo.errors import PyMongoError

from brokers.broker import AccountState, Broker
from services.account_data.store import Account, AccountStore
from services.account_data.views import age_seconds
from services.common.clock import utc_now
from services.domain.errors import TraderError, TransientError

_log = logging.getLogger(__name__)
FAILURES_FOR_INCIDENT = 3
#: Doorbells of a busy account are answered together, at most this often.
MINIMUM_GAP_SECONDS = 1.0


class Poller:
    """Keeps the stored figures of one account as young as its broker allows."""

    def __init__(
        self,
        account: Account,
        store: AccountStore,
        open_broker: Callable[[Account], Broker],
        *,
        poll_seconds: float,
    ) -> None:
        self.account = account
        self._store = store
        self._open_broker = open_broker
        self._poll_seconds = poll_seconds
        self._broker: Broker | None = None
        self._as_of: datetime | None = None
        self._trouble: str | None = None
        self._failures = 0
        #: None until the first answer: an earlier process may have left an incident open.
        self._incident_open: bool | None = None
        self._rung = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"poll-{account.account_id}", daemon=True
        )

    def start(self) -> None:
        """Ask now and from now on."""
        self._thread.start()

    def end(self) -> None:
        """Ask no more, without waiting for the question that is under way."""
        self._stop.set()
        self._rung.set()

    def join(self, timeout: float) -> None:
        """Wait for the end."""
        self._thread.join(timeout)

    def ring(self) -> None:
        """The account has just traded: ask now, or right after the question under way."""
        self._rung.set()

    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def state(self, *, max_age_seconds: float) -> str:
        """For /health: the age of what is stored.

        Raises:
            TransientError: the last question failed, or what is stored is too old.
        """
        trouble, as_of = self._trouble, self._as_of
        age = None if as_of is None else age_seconds(as_of, utc_now())
        known = "no answer yet" if age is None else f"{age:.1f} s old"
        sentence = f"{self.account.account_id}: {known}"
        if trouble is not None:
            raise TransientError(f"{sentence}, last attempt: {trouble}")
        if age is None or age > max_age_seconds:
            raise TransientError(sentence)
        return sentence

    def poll(self) -> None:
        """Ask the broker once and store the answer, or that there was none."""
        try:
            answer: AccountState | str = self._ask()
        except TraderError as error:
            answer = str(error)
        except Exception as error:  # noqa: BLE001 - a bug of one adapter must not end its polling
            _log.exception("account %s: its broker adapter failed", self.account.account_id)
            answer = f"{type(error).__name__}: {error}"
        if self._stop.is_set():
            return
        try:
            if isinstance(answer, str):
                self._failed(answer)
            else:
                self._answered(answer)
        except PyMongoError as error:
            _log.warning(
                "account %s could not be stored: %s", self.account.account_id, type(error).__name__
            )

    def _ask(self) -> AccountState:
        if self._broker is None:
            self._broker = self._open_broker(self.account)
        if not self._broker.is_connected():
            self._broker.connect()
        state = self._broker.account_state()
        if state.account_id != self.account.account_id:
            raise TransientError(
                f"expected figures of {self.account.account_id}, found {state.account_id}"
            )
        return state

    def _answered(self, state: AccountState) -> None:
        now = utc_now()
        self._store.save_state(state, recorded_at=now)
        if self._failures:
            _log.info(
                "account %s answers again after %s failures",
                self.account.account_id,
                self._failures,
            )
        self._as_of = min(state.as_of, now)
        self._trouble, self._failures = None, 0
        if self._incident_open is not False:
            self._store.clear_unreachable(self.account.account_id)
            self._incident_open = False

    def _failed(self, sentence: str) -> None:
        self._failures += 1
        if self._failures == 1:
            _log.warning("account %s does not answer: %s", self.account.account_id, sentence)
        self._trouble = sentence
        self._store.save_failure(self.account.account_id, sentence, at=utc_now())
        if self._failures >= FAILURES_FOR_INCIDENT and not self._incident_open:
            self._store.raise_unreachable(
                self.account.account_id, sentence, failures=self._failures
            )
            self._incident_open = True

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self._rung.clear()
            self.poll()
            self._rung.wait(max(0.0, began + self._poll_seconds - time.monotonic()))
            self._stop.wait(max(0.0, began + MINIMUM_GAP_SECONDS - time.monotonic()))
        if self._broker is not None:
            self._broker.close()
