"""All desks of one process, and the doorbells that reach them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from pymongo.errors import PyMongoError

from services.common.incidents import raise_incident
from services.common.store import Store
from services.domain.errors import ConfigurationError, InvalidMessage, TransientError
from services.domain.words import AccountType
from services.execution.desk import Desk
from services.execution.store import AccountRow, ExecutionStore

_log = logging.getLogger(__name__)
_LOOK_FOR_ACCOUNTS_SECONDS = 3.0


class Execution:
    """Opens a desk for every active account, also for those that appear later."""

    def __init__(
        self,
        store: Store,
        queries: ExecutionStore,
        open_desk: Callable[[AccountRow], Desk],
        *,
        live: bool,
    ) -> None:
        self._store = store
        self._queries = queries
        self._open_desk = open_desk
        self._live = live
        self._desks: dict[str, Desk] = {}
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
        return "; ".join(f"{name}: {desk.state()}" for name, desk in self._desks.items()) or "none"

    def on_orders(self, batch: Sequence[dict[str, str]]) -> None:
        """Hand orders to their accounts' desks. Raises: InvalidMessage, TransientError."""
        by_account: dict[str, list[str]] = {}
        for fields in batch:
            account_id, order_id = fields.get("account_id"), fields.get("client_order_id")
            if not account_id or not order_id:
                raise InvalidMessage(f"expected account_id and client_order_id, found {fields}")
            by_account.setdefault(account_id, []).append(order_id)
        for account_id, order_ids in by_account.items():
            desk = self._desks.get(account_id)
            if desk is None:
                raise TransientError(f"there is no desk for account {account_id} here")
            desk.wake(order_ids)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                for account in self._queries.accounts():
                    if account.account_id not in self._desks:
                        self._add(account)
            except (PyMongoError, ConfigurationError) as error:
                _log.warning("accounts cannot be opened: %s", error)
            self._stop.wait(_LOOK_FOR_ACCOUNTS_SECONDS)

    def _add(self, account: AccountRow) -> None:
        if account.account_type is AccountType.LIVE and not self._live:
            raise_incident(
                self._store,
                kind="LIVE_ACCOUNT_IN_PAPER_MODE",
                key=account.account_id,
                sentence=f"account {account.account_id} is LIVE and stays closed: "
                "the system was not started with --live",
            )
            return
        desk = self._open_desk(account)
        desk.start()
        self._desks[account.account_id] = desk
