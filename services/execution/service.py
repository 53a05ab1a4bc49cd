"""All desks of one process, and the doorbells that reach them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from pymongo.errors import PyMongoError

from services.common.broker_accounts import BrokerAccounts
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Store
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError, InvalidMessage, TransientError
from services.domain.words import AccountType
from services.execution.desk import Desk
from services.execution.troubles import MISCONFIGURED

_log = logging.getLogger(__name__)
_LOOK_FOR_ACCOUNTS_SECONDS = 3.0
_LIVE_IN_PAPER = "LIVE_ACCOUNT_IN_PAPER_MODE"
#: Opens a desk for an account, beside those that are open. Raises: ConfigurationError.
DeskOpener = Callable[[BrokerAccount, Sequence[BrokerAccount]], Desk]


class Execution:
    """Opens a desk for every active account, also for those that appear later or are changed.

    An account that is set up wrongly stays closed and keeps nobody else from trading.
    """

    def __init__(
        self, store: Store, accounts: BrokerAccounts, open_desk: DeskOpener, *, live: bool
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._open_desk = open_desk
        self._live = live
        self._desks: dict[str, Desk] = {}
        self._opened: dict[str, BrokerAccount] = {}
        #: Why accounts are closed, by incident kind and account; None = told by nobody yet.
        self._told: dict[tuple[str, str], str | None] = {}
        self._trouble = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="accounts", daemon=True)

    def start(self) -> None:
        """Open the desks."""
        self._thread.start()

    def stop(self) -> None:
        """Close the desks."""
        self._stop.set()
        self._thread.join(timeout=10)
        for desk in self._desks.values():
            desk.stop()

    def state(self) -> str:
        """For /health: every desk's state. Raises: TransientError while one cannot trade."""
        desks = dict(self._desks)
        return "; ".join(f"{name}: {desk.state()}" for name, desk in desks.items()) or "none"

    def on_orders(self, batch: Sequence[dict[str, str]]) -> None:
        """Hand orders to their accounts' desks. Raises: InvalidMessage, TransientError.

        Some only say that a broker has news of its own; an account that is closed needs none.
        """
        by_account: dict[str, list[str]] = {}
        for fields in batch:
            account_id, order_id = fields.get("account_id"), fields.get("client_order_id")
            if not account_id or not order_id:
                raise InvalidMessage(f"expected account_id and client_order_id, found {fields}")
            if not fields.get("ask"):
                by_account.setdefault(account_id, []).append(order_id)
            elif (asked := self._desks.get(account_id)) is not None:
                asked.ask_soon()
        for account_id, order_ids in by_account.items():
            desk = self._desks.get(account_id)
            if desk is None:
                raise TransientError(f"there is no desk for account {account_id} here")
            desk.wake(order_ids)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(_LOOK_FOR_ACCOUNTS_SECONDS)

    def look(self) -> None:
        """Open what is not open, and open anew what was changed."""
        try:
            for account in self._accounts.active():
                if self._opened.get(account.account_id) != account:
                    self._follow(account)
            self._trouble = ""
        except PyMongoError as error:
            self._in_trouble(type(error).__name__)
        except Exception as error:  # noqa: BLE001 - no account would ever be opened again
            self._in_trouble(f"{type(error).__name__}: {error}", error)

    def _in_trouble(self, words: str, bug: Exception | None = None) -> None:
        """Told once in the same words: it is tried again every few seconds."""
        level = logging.DEBUG if words == self._trouble else logging.WARNING
        _log.log(level, "accounts cannot be opened: %s", words, exc_info=bug)
        self._trouble = words

    def _follow(self, account: BrokerAccount) -> None:
        """Open an account, or open it anew where a person has changed how it is reached."""
        desk = self._desks.pop(account.account_id, None)
        if desk is not None:
            _log.info("account %s was changed: it is closed and opened anew", account.account_id)
            self._opened.pop(account.account_id)
            desk.stop()
        closed = account.account_type == AccountType.LIVE and not self._live
        sentence = (
            f"account {account.account_id} is LIVE and stays closed: "
            "the system was not started with --live"
        )
        self._tell(_LIVE_IN_PAPER, account, sentence if closed else "")
        if closed:
            return
        try:
            desk = self._open_desk(account, list(self._opened.values()))
        except ConfigurationError as error:
            self._tell(MISCONFIGURED, account, f"{error}; it stays closed until that is mended")
            return
        except PyMongoError:
            raise
        except Exception as error:  # noqa: BLE001 - e.g. a broker's library that is half installed
            words = f"account {account.account_id} could not be opened: {type(error).__name__}"
            self._tell(MISCONFIGURED, account, f"{words}: {error}; it is tried again")
            return
        self._tell(MISCONFIGURED, account, "")
        desk.start()
        self._desks[account.account_id] = desk
        self._opened[account.account_id] = account

    def _tell(self, kind: str, account: BrokerAccount, sentence: str) -> None:
        """Show a person why an account is closed, once; an empty sentence ends it."""
        key = (kind, account.account_id)
        if self._told.get(key) == sentence:
            return
        if sentence:
            raise_incident(self._store, kind=kind, key=account.account_id, sentence=sentence)
        else:
            clear_incident(self._store, kind=kind, key=account.account_id)
        self._told[key] = sentence
