"""The secrets that open broker accounts: sealed in the store, or given by the environment.

A secret is in the environment as `BROKER_<ACCOUNT>_<NAME>`, or sealed in the account's row. The
environment wins, as it does over `.env`. No secret is ever part of an answer, a log or an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr
from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.errors import ConfigurationError

_NAME: Final = re.compile("[a-z][a-z0-9_]{0,39}")


def environment_name(account_id: str, name: str) -> str:
    """Where a secret is looked for first: `BROKER_IB_1_ACCESS_TOKEN`."""
    return "_".join(("BROKER", re.sub("[^A-Z0-9]", "_", account_id.upper()), name.upper()))


def secrets_of(
    store: Store, vault: Vault, account_id: str, *, environ: Mapping[str, str] = os.environ
) -> dict[str, SecretStr]:
    """All secrets of an account by name, as they are now.

    Raises:
        ConfigurationError: a stored one was sealed with a key that we do not have.
        PyMongoError: the database does not answer.
    """
    row = store["trading_accounts"].find_one({"_id": account_id}, {"secrets": 1}) or {}
    found = {
        name: SecretStr(vault.open(each["sealed"]))
        for name, each in (row.get("secrets") or {}).items()
    }
    prefix = environment_name(account_id, "")
    given = {
        name.removeprefix(prefix).lower(): SecretStr(value)
        for name, value in environ.items()
        if name.startswith(prefix) and value
    }
    return found | given


def secret_places(
    row: Document, names: tuple[str, ...], *, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Of each secret where it is, in words; never the secret."""
    stored = row.get("secrets") or {}
    places = {}
    for name in names:
        place = "missing"
        if name in stored:
            place = f"stored {stored[name]['stored_at']:%Y-%m-%d %H:%M} by {stored[name]['by']}"
        in_environment = environment_name(str(row["_id"]), name)
        if environ.get(in_environment):
            place = f"from the environment, {in_environment}"
        places[name] = place
    return places


def store_secret(
    store: Store, vault: Vault, account_id: str, name: str, value: SecretStr, *, by: str
) -> None:
    """Seal a secret into its account's row, in the place of an earlier one; audited.

    Raises:
        ConfigurationError: there is no such account, or it is no name or no secret.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"a secret's name is lower-case letters, digits and _, was {name!r}"
        )
    if not value.get_secret_value().strip():
        raise ConfigurationError(f"account {account_id}: {name} must not be empty")
    if not by.strip():
        raise ConfigurationError("by must name who stores this, was empty")
    sealed = {
        "sealed": vault.seal(value.get_secret_value().strip()),
        "stored_at": utc_now(),
        "by": by,
    }
    change = {"$set": {f"secrets.{name}": sealed}}
    _change_secret(store, account_id, change, ("BROKER_SECRET_STORED", name, by))


def forget_secret(store: Store, account_id: str, name: str, *, by: str) -> None:
    """Take a stored secret away; audited. Raises: ConfigurationError: there is no such account."""
    change = {"$unset": {f"secrets.{name}": ""}}
    _change_secret(store, account_id, change, ("BROKER_SECRET_FORGOTTEN", name, by))


def _change_secret(
    store: Store, account_id: str, change: Document, told: tuple[str, str, str]
) -> None:
    what, name, by = told

    def work(session: ClientSession) -> None:
        found = store["trading_accounts"].update_one({"_id": account_id}, change, session=session)
        if not found.matched_count:
            raise ConfigurationError(f"there is no account named {account_id!r}")
        facts = {"account": account_id, "secret": name}
        audit(store, what, service="operator", by=by, facts=facts, session=session)

    store.transaction(work)
