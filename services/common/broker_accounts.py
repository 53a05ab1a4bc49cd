"""Stored accounts as their brokers' adapters need them."""

from __future__ import annotations

from typing import Final

from services.common.broker_secrets import secrets_of
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.broker_accounts import BrokerAccount
from services.domain.words import AccountType, ActiveStatus

_MOCK: Final = "MOCK"
_FIELDS: Final = {"broker": 1, "account_type": 1, "connection": 1}


class BrokerAccounts:
    """The accounts that take part, as an operator has them now.

    Args:
        store: the database.
        vault: opens their stored secrets.
        use_mock_broker: all of them trade at the mock broker, whatever their broker is.
    """

    def __init__(self, store: Store, vault: Vault, *, use_mock_broker: bool = False) -> None:
        self._store = store
        self._vault = vault
        self._use_mock_broker = use_mock_broker

    def active(self) -> list[BrokerAccount]:
        """All of them, in the order of their ids. Raises: PyMongoError."""
        query = {"status": ActiveStatus.ACTIVE}
        found = self._store["trading_accounts"].find(query, _FIELDS).sort("_id")
        return [self.read(row) for row in found]

    def read(self, row: Document) -> BrokerAccount:
        """One stored account; its secrets are read whenever they are asked for."""
        account_id = str(row["_id"])
        account_type = str(row.get("account_type") or AccountType.PAPER)
        if self._use_mock_broker:
            return BrokerAccount(account_id, _MOCK, account_type)
        return BrokerAccount(
            account_id,
            str(row.get("broker") or "").strip().upper(),
            account_type,
            connection=row.get("connection") or {},
            secrets=lambda: secrets_of(self._store, self._vault, account_id),
        )
