"""One poller for every active account: started, ended and rung as store, schedule and bus say."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pymongo.errors import PyMongoError

from brokers.broker import Broker, MarginQuote
from services.account_data.poller import PRICE_LOOK_SECONDS, WANTED_FOR, Poller
from services.account_data.store import AccountStore
from services.common.broker_accounts import BrokerAccounts
from services.common.clock import utc_now
from services.common.schedule import Schedule
from services.domain.accounts import PreviewLeg
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import Declined, InvalidMessage, TransientError

_log = logging.getLogger(__name__)
_STOP_SECONDS = 10.0
#: Until a new account, or a changed connection, is seen.
_FOLLOW_SECONDS = 5.0
#: For what a person waits for.
_ANSWER_SECONDS = 20.0
#: A broker that hangs holds the threads of HTTP of as many at most; others find some free.
_MOST_WAITING = 16
_FOLLOW = "follow the list of accounts"


class AccountData:
    """Follows the list of accounts; a new one is polled without a restart."""

    def __init__(
        self,
        store: AccountStore,
        accounts: BrokerAccounts,
        open_broker: Callable[[BrokerAccount], Broker],
        *,
        poll_seconds: float,
        max_age_seconds: float,
        on_death: Callable[[str], None],
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._open_broker = open_broker
        self._poll_seconds = poll_seconds
        self._max_age_seconds = max_age_seconds
        self._on_death = on_death
        self._pollers: dict[str, Poller] = {}
        self._lock = threading.Lock()
        self._listed = False
        self._stop = threading.Event()
        self._schedule = Schedule(on_death=on_death)
        self._paces: dict[str, float] = {}
        #: Accounts that decisions wait for; one look for all of them is two queries.
        self._wanted: set[str] = set()
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)
        self._wishes = threading.Thread(target=self._look, name="wishes", daemon=True)

    def start(self) -> None:
        """Follow the list by the schedule, and what decisions wait for in a thread."""
        self._schedule.every(_FOLLOW, min(self._poll_seconds, _FOLLOW_SECONDS), self._look_at_list)
        self._schedule.at_midnight(self.ring_all)
        self._look_at_list()
        self._schedule.start()
        self._wishes.start()

    def stop(self) -> None:
        """End all polling."""
        self._stop.set()
        self._schedule.stop()
        self._wishes.join(_STOP_SECONDS)
        with self._lock:
            pollers = list(self._pollers.values())
        for poller in pollers:
            poller.end()
        until = time.monotonic() + _STOP_SECONDS
        for poller in pollers:
            poller.join(max(0.0, until - time.monotonic()))

    def on_confirmations(self, batch: Sequence[dict[str, str]]) -> None:
        """Orders of accounts have moved, and their figures with them.

        An account that is not polled is left alone: it is inactive, or the next round finds it.
        """
        for fields in batch:
            account_id = fields.get("account_id")
            if not account_id:
                raise InvalidMessage(f"expected an account_id, found {sorted(fields)}")
            with self._lock:
                poller = self._pollers.get(account_id)
            if poller:
                poller.ring()

    def ring_all(self) -> None:
        """A day begins: every account is asked for the figures that it begins with."""
        with self._lock:
            pollers = list(self._pollers.values())
        for poller in pollers:
            poller.ring()

    def sync(self, account_id: str) -> None:
        """Have an account's broker asked now, and wait for the answer.

        Raises:
            Declined: the account is not polled.
            TransientError: there was no answer, or an error, or too many wait already.
        """
        poller = self._poller(account_id)
        with self._place():
            poller.poll_now(seconds=_ANSWER_SECONDS)

    def preview(self, account_id: str, legs: Sequence[PreviewLeg]) -> MarginQuote:
        """What its broker says that legs would change of an account's margin.

        Raises:
            Declined: the account is not polled.
            TransientError: there was no answer.
            BrokerError: what the broker answered instead.
        """
        poller = self._poller(account_id)
        with self._place():
            return poller.ask(lambda broker: broker.preview_margin(legs), seconds=_ANSWER_SECONDS)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the few that wait for brokers. Raises: TransientError: there are too many."""
        if not self._waiting.acquire(blocking=False):
            raise TransientError(
                f"{_MOST_WAITING} others wait for answers of brokers already: try again"
            )
        try:
            yield
        finally:
            self._waiting.release()

    def keep_fund(self, account_id: str) -> None:
        """A person has said something of an account's money: its fund follows at once."""
        self._store.keep_fund(account_id, now=utc_now())

    def _poller(self, account_id: str) -> Poller:
        with self._lock:
            poller = self._pollers.get(account_id)
        if poller is None:
            raise Declined(
                "ACCOUNT_NOT_POLLED",
                f"account {account_id!r} is not polled: it is inactive, or was just added",
            )
        return poller

    def follow(self) -> None:
        """Make the pollers match the list of accounts. Raises PyMongoError."""
        wanted = {account.account_id: account for account in self._accounts.active()}
        paces = self._store.paces()
        with self._lock:
            for account_id, poller in list(self._pollers.items()):
                if wanted.get(account_id) != poller.account:
                    self._schedule.forget(account_id)
                    self._paces.pop(account_id, None)
                    self._pollers.pop(account_id).end()
                    _log.info("account %s is not polled any more", account_id)
                elif not poller.alive():
                    self._on_death(f"the thread that polls account {account_id} ended")
            for account_id, account in wanted.items():
                if account_id not in self._pollers:
                    self._pollers[account_id] = self._begin(account)
                self._keep_pace(account_id, paces.get(account_id, self._poll_seconds))
            self._listed = True
            pollers = list(self._pollers.values())
        for poller in pollers:
            poller.watch(seconds=self._max_age_seconds)

    def _keep_pace(self, account_id: str, seconds: float) -> None:
        """Never so slow that one missed answer makes the account stale."""
        pace = min(seconds, self._max_age_seconds / 2)
        if self._paces.get(account_id) != pace:
            self._paces[account_id] = pace
            self._schedule.every(account_id, pace, self._pollers[account_id].ring)

    def state(self) -> str:
        """For /health: each account and its age. Raises: TransientError while one is not fresh."""
        with self._lock:
            listed, pollers = self._listed, list(self._pollers.values())
        if not self._schedule.running():
            raise TransientError("the schedule does not run")
        if not listed:
            raise TransientError("the list of accounts has not been read yet")
        failures, ages = [], []
        for poller in pollers:
            try:
                ages.append(poller.state(max_age_seconds=self._max_age_seconds))
            except TransientError as error:
                failures.append(str(error))
        if failures:
            raise TransientError("; ".join(failures + ages))
        return "; ".join(ages) or "no active accounts"

    def _begin(self, account: BrokerAccount) -> Poller:
        poller = Poller(
            account,
            self._store,
            self._open_broker,
            poll_seconds=self._poll_seconds,
            is_wanted=lambda: account.account_id in self._wanted,
        )
        poller.start()
        _log.info("account %s is polled at %s", account.account_id, account.broker)
        return poller

    def _look(self) -> None:
        try:
            while not self._stop.wait(PRICE_LOOK_SECONDS):
                self._look_if_possible()
        finally:
            if not self._stop.is_set():
                self._on_death("the thread that looks for what decisions want ended")

    def _look_if_possible(self) -> None:
        try:
            self._wanted = self._store.wanting(since=utc_now() - WANTED_FOR)
        except PyMongoError as error:
            _log.warning("wishes could not be read: %s", type(error).__name__)
            return
        with self._lock:
            pollers = [poller for name, poller in self._pollers.items() if name in self._wanted]
        for poller in pollers:
            poller.look()

    def _look_at_list(self) -> None:
        try:
            self.follow()
        except PyMongoError as error:
            _log.warning("the list of accounts could not be read: %s", type(error).__name__)
