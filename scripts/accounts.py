#!/usr/bin/env python3
"""Broker accounts: add one, say how it is reached, and keep its secrets.

    python3 scripts/accounts.py list
    python3 scripts/accounts.py add IB-1 --broker IBKR --currency USD --reason "paper" \\
        port=4002 client_id=1 broker_account=DU1234567
    python3 scripts/accounts.py show IB-1
    python3 scripts/accounts.py set IB-1 port=7497 outside_rth=true --reason "TWS instead"
    python3 scripts/accounts.py add ZE-1 --broker ZERODHA --type LIVE --currency INR \\
        --reason "approved" api_key=abc user_id=AB1234
    python3 scripts/accounts.py secret ZE-1 api_secret          # asks; or from standard input
    python3 scripts/accounts.py secret ZE-1 api_secret --forget
    python3 scripts/accounts.py remove IB-1 --reason "a typing error"

Accounts are PAPER unless `--type LIVE` says otherwise. What cannot be opened as it is typed is
refused and changes nothing; what is changed is used within seconds, without a restart. Every change
is in the audit log. How an account trades is set by `configure.py`; whether its broker answers is
asked by `check_broker.py`.
"""

from __future__ import annotations

import argparse
import getpass
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from pydantic import SecretStr
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from brokers.accounts import SECRETS, check_account
from scripts.configure import value_of
from scripts.tool import add_signature, operate
from services.common.audit import audit
from services.common.broker_accounts import BrokerAccounts
from services.common.broker_secrets import (
    environment_name,
    forget_secret,
    secret_places,
    store_secret,
)
from services.common.scopes import check_signed
from services.common.settings import CommonSettings, load
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.errors import ConfigurationError
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
#: Where in a connection a broker keeps positions apart, with what holds where nothing is said.
_POSITIONS_ARE_IN: Final[Mapping[str, str | None]] = {
    "broker_account": None,
    "product_equity": "CNC",
    "product_derivative": "NRML",
}
#: Where a trace of an account stays for ever.
_TRACES: Final = ("orders", "execution_confirmations", "positions")


def shown(store: Store, account_id: str) -> dict[str, Any]:
    """How an account is reached, and where its secrets are. Raises: ConfigurationError."""
    row = _row(store, account_id)
    names = SECRETS.get(str(row.get("broker")).upper(), ())
    fields = ("broker", "account_type", "status", "currency", "connection")
    return {
        "account_id": account_id,
        **{name: row.get(name) for name in fields},
        "secrets": secret_places(row, names),
    }


def add(store: Store, row: Document, *, by: str, reason: str) -> None:
    """Add an account, as it was typed.

    Args:
        store: the database.
        row: `_id`, `broker`, `account_type`, `currency` and `connection`.
        by: who.
        reason: why.

    Raises:
        ConfigurationError: it could not be opened like this, or is there already.
    """
    check_signed(by, reason)
    account_id = row["_id"]
    if not _ACCOUNT_ID.fullmatch(account_id):
        raise ConfigurationError(
            f"account_id must be up to 40 letters, digits, '_', '.' and '-', was {account_id!r}"
        )
    if not _CURRENCY.fullmatch(row["currency"]):
        raise ConfigurationError(
            f"currency must be three capitals such as USD, was {row['currency']!r}"
        )
    document = {
        "account_id": account_id,
        "status": ActiveStatus.ACTIVE,
        **row,
        **_UNKNOWN,
    }

    def work(session: ClientSession) -> None:
        _check_name(store, account_id, session)
        _check(store, row, session)
        store["trading_accounts"].insert_one(document, session=session)
        _audit(store, "ACCOUNT_ADDED", row | {"reason": reason}, by, session)

    try:
        store.transaction(work)
    except DuplicateKeyError as error:
        raise ConfigurationError(f"account {account_id} is there already") from error


def change(
    store: Store, account_id: str, fields: Mapping[str, Any], *, by: str, reason: str
) -> None:
    """Change fields of a connection; None takes one away. Raises: ConfigurationError."""
    check_signed(by, reason)

    def work(session: ClientSession) -> None:
        row = _row(store, account_id, session)
        before = row.get("connection") or {}
        after = {name: value for name, value in {**before, **fields}.items() if value is not None}
        _check(store, row | {"connection": after}, session)
        _check_place(store, account_id, (before, after), session)
        store["trading_accounts"].update_one(
            {"_id": account_id}, {"$set": {"connection": after}}, session=session
        )
        facts = {"_id": account_id, "before": before, "after": after, "reason": reason}
        _audit(store, "ACCOUNT_CONNECTION_SET", facts, by, session)

    store.transaction(work)


def remove(store: Store, account_id: str, *, by: str, reason: str) -> None:
    """Remove an account that has never traded. Raises: ConfigurationError: it has."""
    check_signed(by, reason)

    def work(session: ClientSession) -> None:
        row = _row(store, account_id, session)
        for name in _TRACES:
            if store[name].find_one({"account_id": account_id}, {"_id": 1}, session=session):
                raise ConfigurationError(
                    f"account {account_id} has {name.replace('_', ' ')} and stays: "
                    f"scripts/configure.py account {account_id} status=INACTIVE ends its trading"
                )
        if store["strategies"].find_one({"accounts.account_id": account_id}, session=session):
            raise ConfigurationError(f"account {account_id} is used by a strategy")
        store["trading_accounts"].delete_one({"_id": account_id}, session=session)
        facts = {"_id": account_id, "broker": row.get("broker"), "reason": reason}
        _audit(store, "ACCOUNT_REMOVED", facts, by, session)

    store.transaction(work)


def keep_secret(
    store: Store, vault: Vault, account_id: str, name: str, value: SecretStr | None, *, by: str
) -> None:
    """Store a secret that the account's broker has; None forgets it. Raises: ConfigurationError."""
    broker = str(_row(store, account_id).get("broker")).upper()
    names = SECRETS.get(broker, ())
    if name not in names:
        known = ", ".join(names) or "none"
        raise ConfigurationError(f"accounts at {broker} have no secret {name!r}; there are {known}")
    if value is None:
        forget_secret(store, account_id, name, by=by)
    else:
        store_secret(store, vault, account_id, name, value, by=by)


def _row(store: Store, account_id: str, session: ClientSession | None = None) -> Document:
    row = store["trading_accounts"].find_one({"_id": account_id}, session=session)
    if row is None:
        raise ConfigurationError(f"there is no account named {account_id!r}")
    return row


def _check(store: Store, row: Document, session: ClientSession) -> None:
    """Refuse what execution could not open beside the accounts that trade."""
    accounts = BrokerAccounts(store, Vault(load(CommonSettings)))
    others = store["trading_accounts"].find({"status": ActiveStatus.ACTIVE}, session=session)
    check_account(accounts.read(row), [accounts.read(each) for each in others])


def _check_place(
    store: Store, account_id: str, change: tuple[Document, Document], session: ClientSession
) -> None:
    """Refuse to move the account away from what it holds: an exit would open a position there."""
    before, after = ({**_POSITIONS_ARE_IN, **each} for each in change)
    moved = [name for name in _POSITIONS_ARE_IN if before[name] != after[name]]
    for name, query in (("positions", {"open": True}), ("orders", {"working": True})):
        held = store[name].find_one(
            {"account_id": account_id, **query}, {"_id": 1}, session=session
        )
        if moved and held is not None:
            raise ConfigurationError(
                f"account {account_id} has open {name} in {moved[0]} {before[moved[0]]}: "
                f"close them first, or add another account for {after[moved[0]]}"
            )


def _check_name(store: Store, account_id: str, session: ClientSession) -> None:
    """Two accounts never read the same secrets of the environment."""
    for row in store["trading_accounts"].find({}, {"_id": 1}, session=session):
        other = str(row["_id"])
        if environment_name(other, "") == environment_name(account_id, "") and other != account_id:
            raise ConfigurationError(
                f"account_id {account_id!r} is too like {other!r}: their secrets would have the "
                "same name in the environment"
            )


def _audit(store: Store, what: str, facts: Document, by: str, session: ClientSession) -> None:
    told = {"account": facts["_id"], **{k: v for k, v in facts.items() if k != "_id"}}
    audit(store, what, service="operator", by=by, facts=told, session=session)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1, with a sentence, where it is refused."""
    parser = _parser()
    arguments, more = parser.parse_known_args(argv)  # fields that stand behind an option
    if more and (not hasattr(arguments, "fields") or any(word.startswith("-") for word in more)):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if more:
        arguments.fields += more
    return operate("accounts", lambda store: _run(store, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every account")
    for name, words in (
        ("add", "a new one"),
        ("show", "how it is reached"),
        ("set", "fields of its connection; null takes one away"),
        ("secret", "store one of its secrets, asked for or from standard input"),
        ("remove", "one that has never traded"),
    ):
        command = commands.add_parser(name, help=words)
        command.add_argument("account", help="account_id")
        if name == "secret":
            command.add_argument("name")
            command.add_argument("--forget", action="store_true", help="take it away")
        if name in {"add", "set"}:
            command.add_argument("fields", nargs="*", metavar="FIELD=VALUE")
        if name != "show":
            add_signature(command, reason=name != "secret")
    adding = commands.choices["add"]
    adding.add_argument("--broker", required=True, type=str.upper, choices=sorted(SECRETS))
    adding.add_argument(
        "--type",
        default=AccountType.PAPER,
        type=str.upper,
        choices=[str(each) for each in AccountType],
    )
    adding.add_argument("--currency", required=True, metavar="CODE", help="of the account")
    return parser


def _run(store: Store, arguments: argparse.Namespace) -> int:
    if arguments.command == "list":
        for row in store["trading_accounts"].find({}).sort("_id", 1):
            words = [row.get(name) for name in ("broker", "account_type", "status", "currency")]
            print(f"{row['_id']:<20} {' '.join(str(word) for word in words)}")
        return 0
    account_id = arguments.account
    signed = {"by": getattr(arguments, "by", ""), "reason": getattr(arguments, "reason", "")}
    if arguments.command == "add":
        row = {
            "_id": account_id,
            "broker": arguments.broker,
            "account_type": arguments.type,
            "currency": arguments.currency,
            "connection": _typed(arguments.fields),
        }
        add(store, row, **signed)
    elif arguments.command == "set":
        change(store, account_id, _typed(arguments.fields), **signed)
    elif arguments.command == "secret":
        value = None if arguments.forget else _ask(f"{arguments.name} of {account_id}: ")
        vault = Vault(load(CommonSettings))
        keep_secret(store, vault, account_id, arguments.name, value, by=arguments.by)
    elif arguments.command == "remove":
        remove(store, account_id, **signed)
        print(f"account {account_id} is removed")
        return 0
    print(json.dumps(shown(store, account_id), indent=2))
    return 0


def _typed(pairs: Sequence[str]) -> dict[str, Any]:
    """FIELD=VALUE as typed. Raises: ConfigurationError: one is not."""
    fields = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ConfigurationError(f"expected FIELD=VALUE, was {pair!r}")
        fields[name.strip()] = value_of(text)
    return fields


def _ask(prompt: str) -> SecretStr:
    """A secret, never as an argument: those are seen by everybody on this machine."""
    typed = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline()
    return SecretStr(typed.strip())


if __name__ == "__main__":
    sys.exit(main())
