"""How broker accounts are set up: one set of rules for whoever types, script or HTTP.

What cannot be opened as it is typed is refused and changes nothing; every change is in the audit
log, in the same transaction. Refusals are `Declined`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from pydantic import SecretStr
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from brokers.accounts import SECRETS, check_account
from services.common.audit import audit
from services.common.broker_secrets import (
    environment_name,
    forget_secret,
    secret_places,
    store_secret,
)
from services.common.scopes import check_signed
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError, Declined
from services.domain.words import AccountType, ActiveStatus

_ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_CURRENCY: Final = re.compile("[A-Z]{3}")
#: Amounts come from the broker; until then they are missing, not zero.
_UNKNOWN: Final = dict.fromkeys(
    (
        "equity",
        "cash",
        "initial_margin",
        "maintenance_margin",
        "available_funds",
        "buying_power",
        "as_of",
        "recorded_at",
        "poll_error",
    )
)
#: What a row means that does not say, as `AccountSnapshot` reads it.
_UNSAID: Final[Mapping[str, Any]] = {
    "broker": "",
    "account_type": AccountType.PAPER,
    "status": ActiveStatus.ACTIVE,
    "currency": "USD",
    "connection": None,
}
#: Where in a connection a broker keeps positions apart, with what holds where nothing is said.
_POSITIONS_ARE_IN: Final[Mapping[str, str | None]] = {
    "broker_account": None,
    "product_equity": "CNC",
    "product_derivative": "NRML",
}
#: Where a trace of an account stays for ever.
_TRACES: Final = ("orders", "execution_confirmations", "positions")
_POLL_SECONDS: Final = (Decimal(1), Decimal(3600))
_NAME_LENGTH: Final = 80


def setup_of(store: Store, account_id: str) -> dict[str, Any]:
    """How an account is reached, and where its secrets are."""
    row = _row(store, account_id)
    names = SECRETS.get(str(row.get("broker")).upper(), ())
    known = {name: row[name] for name in _UNSAID if row.get(name) is not None}
    return {
        "account_id": account_id,
        **_UNSAID,
        **known,
        "secrets": secret_places(row, names),
    }


def add_account(store: Store, row: Document, *, by: str, reason: str) -> None:
    """Add an account, as it was typed.

    Args:
        store: the database.
        row: `_id`, `broker`, `account_type`, `currency` and `connection`; also `account_name` and
            `poll_seconds`.
        by: who.
        reason: why.
    """
    check_signed(by, reason)
    account_id = row["_id"]
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise Declined(
            "WRONG_ACCOUNT_ID",
            f"account_id must be up to 40 letters, digits, '_', '.' and '-', was {account_id!r}",
            field="account_id",
        )
    if not _CURRENCY.fullmatch(row["currency"]):
        raise Declined(
            "WRONG_CURRENCY",
            f"currency must be three capitals such as USD, was {row['currency']!r}",
            field="currency",
        )
    _check_settings(row)
    document = {"account_id": account_id, "status": ActiveStatus.ACTIVE, **row, **_UNKNOWN}

    def work(session: ClientSession) -> None:
        _check_name(store, account_id, session)
        _check_opens(store, row, session)
        store["trading_accounts"].insert_one(document, session=session)
        _audit(store, "ACCOUNT_ADDED", row | {"reason": reason}, by, session)

    try:
        store.transaction(work)
    except DuplicateKeyError as error:
        raise Declined(
            "ACCOUNT_EXISTS", f"account {account_id} is there already", field="account_id"
        ) from error


def change_account(
    store: Store,
    account_id: str,
    *,
    by: str,
    reason: str,
    connection: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Change how an account is reached or followed; None as a value takes a field away.

    Args:
        store: the database.
        account_id: which.
        by: who.
        reason: why.
        connection: fields of its connection.
        settings: `status`, `account_name` and `poll_seconds`.
    """
    check_signed(by, reason)
    _check_settings(settings or {})

    def work(session: ClientSession) -> None:
        row = _row(store, account_id, session)
        if connection:
            row = _connect(store, row, connection, session)
            facts = {"_id": account_id, **row.pop("changed"), "reason": reason}
            _audit(store, "ACCOUNT_CONNECTION_SET", facts, by, session)
        if settings:
            before = {name: row.get(name) for name in settings}
            _set(store, row, settings, session)
            facts = {"_id": account_id, "before": before, "after": dict(settings)}
            _audit(store, "ACCOUNT_SET", facts | {"reason": reason}, by, session)

    store.transaction(work)


def _connect(
    store: Store, row: Document, fields: Mapping[str, Any], session: ClientSession
) -> Document:
    """Write a changed connection; the row as it is then, and what has changed."""
    before = row.get("connection") or {}
    after = {name: value for name, value in {**before, **fields}.items() if value is not None}
    row = row | {"connection": after}
    _check_opens(store, row, session)
    _check_place(store, row["_id"], (before, after), session)
    store["trading_accounts"].update_one(
        {"_id": row["_id"]}, {"$set": {"connection": after}}, session=session
    )
    return row | {"changed": {"before": before, "after": after}}


def _set(store: Store, row: Document, settings: Mapping[str, Any], session: ClientSession) -> None:
    status = settings.get("status")
    if status == ActiveStatus.INACTIVE:
        _check_idle(store, row["_id"], session)
    elif status == ActiveStatus.ACTIVE:
        _check_opens(store, row, session)
    update = {
        "$set": {name: value for name, value in settings.items() if value is not None},
        "$unset": {name: "" for name, value in settings.items() if value is None},
    }
    changes = {word: fields for word, fields in update.items() if fields}
    store["trading_accounts"].update_one({"_id": row["_id"]}, changes, session=session)


def remove_account(store: Store, account_id: str, *, by: str, reason: str) -> None:
    """Remove an account that has never traded."""
    check_signed(by, reason)

    def work(session: ClientSession) -> None:
        row = _row(store, account_id, session)
        for name in _TRACES:
            if store[name].find_one({"account_id": account_id}, {"_id": 1}, session=session):
                raise Declined(
                    "ACCOUNT_IN_USE",
                    f"account {account_id} has {name.replace('_', ' ')} and stays: "
                    f"scripts/configure.py account {account_id} status=INACTIVE ends its trading",
                )
        if store["strategies"].find_one({"accounts.account_id": account_id}, session=session):
            raise Declined("ACCOUNT_IN_USE", f"account {account_id} is used by a strategy")
        store["trading_accounts"].delete_one({"_id": account_id}, session=session)
        facts = {"_id": account_id, "broker": row.get("broker"), "reason": reason}
        _audit(store, "ACCOUNT_REMOVED", facts, by, session)

    store.transaction(work)


def keep_secret(
    store: Store, vault: Vault, account_id: str, name: str, value: SecretStr | None, *, by: str
) -> None:
    """Seal a secret that the account's broker has; None forgets it."""
    broker = str(_row(store, account_id).get("broker")).upper()
    names = SECRETS.get(broker, ())
    if name not in names:
        known = ", ".join(names) or "none"
        raise Declined(
            "UNKNOWN_SECRET", f"accounts at {broker} have no secret {name!r}; there are {known}"
        )
    if value is None:
        forget_secret(store, account_id, name, by=by)
    else:
        store_secret(store, vault, account_id, name, value, by=by)


def _row(store: Store, account_id: str, session: ClientSession | None = None) -> Document:
    row = store["trading_accounts"].find_one({"_id": account_id}, session=session)
    if row is None:
        raise Declined("UNKNOWN_ACCOUNT", f"there is no account named {account_id!r}")
    return row


def _check_settings(settings: Mapping[str, Any]) -> None:
    low, high = _POLL_SECONDS
    seconds = settings.get("poll_seconds")
    if seconds is not None and not low <= seconds <= high:
        raise Declined(
            "WRONG_POLL_SECONDS",
            f"poll_seconds must be from {low} to {high}, was {seconds}",
            field="poll_seconds",
        )
    name = settings.get("account_name")
    if name is not None and len(name) > _NAME_LENGTH:
        raise Declined(
            "WRONG_ACCOUNT_NAME",
            f"account_name must have at most {_NAME_LENGTH} letters, had {len(name)}",
            field="account_name",
        )


def _check_opens(store: Store, row: Document, session: ClientSession) -> None:
    """Refuse what could not be opened beside the accounts that trade."""
    others = store["trading_accounts"].find({"status": ActiveStatus.ACTIVE}, session=session)
    try:
        check_account(_as_opened(row), [_as_opened(each) for each in others])
    except ConfigurationError as error:
        raise Declined("WRONG_CONNECTION", str(error), field="connection") from error


def _as_opened(row: Document) -> BrokerAccount:
    return BrokerAccount(
        str(row["_id"]),
        str(row.get("broker") or "").strip().upper(),
        str(row.get("account_type") or AccountType.PAPER),
        connection=row.get("connection") or {},
    )


def _check_place(
    store: Store, account_id: str, change: tuple[Document, Document], session: ClientSession
) -> None:
    """Refuse to move the account away from what it holds: an exit would open a position there."""
    before, after = ({**_POSITIONS_ARE_IN, **each} for each in change)
    moved = [name for name in _POSITIONS_ARE_IN if before[name] != after[name]]
    held = _open_in(store, account_id, session) if moved else ""
    if held:
        raise Declined(
            "ACCOUNT_IN_USE",
            f"account {account_id} has open {held} in {moved[0]} {before[moved[0]]}: "
            f"close them first, or add another account for {after[moved[0]]}",
        )


def _check_idle(store: Store, account_id: str, session: ClientSession) -> None:
    """Refuse to look away from an account that holds something, by our books or the broker's."""
    held = _open_in(store, account_id, session)
    stored = store["account_positions"].find_one({"_id": account_id}, session=session) or {}
    names = [
        each["instrument"]["symbol"] for each in stored.get("positions", ()) if each["quantity"]
    ]
    if held or names:
        which = f"open {held}" if held else f"positions at its broker ({', '.join(names)})"
        raise Declined(
            "ACCOUNT_IN_USE", f"account {account_id} has {which}: close them before it is left"
        )


def _open_in(store: Store, account_id: str, session: ClientSession) -> str:
    """What is open in an account by our books; empty where nothing is."""
    for name, mark in (("positions", "open"), ("orders", "working")):
        query = {mark: True, "account_id": account_id}
        if store[name].find_one(query, {"_id": 1}, session=session) is not None:
            return name
    return ""


def _check_name(store: Store, account_id: str, session: ClientSession) -> None:
    """Two accounts never read the same secrets of the environment."""
    for row in store["trading_accounts"].find({}, {"_id": 1}, session=session):
        other = str(row["_id"])
        if environment_name(other, "") == environment_name(account_id, "") and other != account_id:
            raise Declined(
                "WRONG_ACCOUNT_ID",
                f"account_id {account_id!r} is too like {other!r}: their secrets would have the "
                "same name in the environment",
                field="account_id",
            )


def _audit(store: Store, what: str, facts: Document, by: str, session: ClientSession) -> None:
    told = {"account": facts["_id"], **{k: v for k, v in facts.items() if k != "_id"}}
    audit(store, what, service="operator", by=by, facts=told, session=session)
