"""One poller for every active account: started, ended and rung as the store and the bus say."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from pymongo.errors import PyMongoError

from brokers.broker import Broker
from services.account_data.poller import PRICE_LOOK_SECONDS, WANTED_FOR, Poller
from services.account_data.store import AccountStore
from services.common.broker_accounts import BrokerAccounts
from services.common.clock import utc_now
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import InvalidMessage, TransientError

_log = logging.getLogger(__name__)
_STOP_SECONDS = 10.0


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
        self._thread = threading.Thread(target=self._run, name="accounts", daemon=True)
        #: Accounts that decisions wait for; one look for all of them is two queries.
        self._wanted: set[str] = set()
        self._wishes = threading.Thread(target=self._look, name="wishes", daemon=True)

    def start(self) -> None:
        """Follow the list in a thread, and what decisions wait for in another."""
        self._thread.start()
        self._wishes.start()

    def stop(self) -> None:
        """End all polling."""
        self._stop.set()
        self._thread.join(_STOP_SECONDS)
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

    def follow(self) -> None:
        """Make the pollers match the list of accounts. Raises PyMongoError."""
        wanted = {account.account_id: account for account in self._accounts.active()}
        with self._lock:
            for account_id, poller in list(self._pollers.items()):
                if wanted.get(account_id) != poller.account:
                    self._pollers.pop(account_id).end()
                    _log.info("account %s is not polled any more", account_id)
                elif not poller.alive():
                    self._on_death(f"the thread that polls account {account_id} ended")
            for account_id, account in wanted.items():
                if account_id not in self._pollers:
                    self._pollers[account_id] = self._begin(account)
            self._listed = True

    def state(self) -> str:
        """For /health: each account and its age. Raises: TransientError while one is not fresh."""
        with self._lock:
            listed, pollers = self._listed, list(self._pollers.values())
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

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._follow_if_possible()
                self._stop.wait(self._poll_seconds)
        finally:
            if not self._stop.is_set():
                self._on_death("the thread that follows the list of accounts ended")

    def _follow_if_possible(self) -> None:
        try:
            self.follow()
        except PyMongoError as error:
            _log.warning("the list of accounts could not be read: %s", type(error).__name__)
