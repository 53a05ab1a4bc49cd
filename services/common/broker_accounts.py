"""Stored accounts as their brokers' adapters need them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.common.broker_secrets import secrets_of
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError
from services.domain.words import AccountType

#: In place of any other broker where everything trades at the mock broker.
MOCK: Final = "MOCK"


def read_account(
    row: Document, store: Store, vault: Vault, *, use_mock_broker: bool = False
) -> BrokerAccount:
    """A stored account as its adapter needs it; its secrets are read whenever they are asked for.

    Raises:
        ConfigurationError: the row cannot be read; the sentence names account and field.
    """
    account_id = str(row["_id"])
    try:
        account_type = AccountType(row.get("account_type", AccountType.PAPER))
    except ValueError as error:
        known = ", ".join(AccountType)
        raise ConfigurationError(
            f"account {account_id}: account_type must be one of {known}, "
            f"was {row['account_type']!r}"
        ) from error
    if use_mock_broker:
        return BrokerAccount(account_id, MOCK, account_type)
    connection = row.get("connection") or {}
    if not isinstance(connection, Mapping):
        raise ConfigurationError(f"account {account_id}: connection must be an object")
    return BrokerAccount(
        account_id,
        str(row.get("broker") or "").strip().upper(),
        account_type,
        connection=dict(connection),
        secrets=lambda: secrets_of(store, vault, account_id),
    )
