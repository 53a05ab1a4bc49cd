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
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from pydantic import SecretStr

from brokers.accounts import SECRETS
from scripts.configure import value_of
from scripts.tool import add_signature, operate
from services.common.account_setup import (
    add_account,
    change_account,
    keep_secret,
    remove_account,
    setup_of,
)
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.common.vault import Vault
from services.domain.errors import ConfigurationError
from services.domain.words import AccountType


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
        add_account(store, row, **signed)
    elif arguments.command == "set":
        change_account(store, account_id, connection=_typed(arguments.fields), **signed)
    elif arguments.command == "secret":
        value = None if arguments.forget else _ask(f"{arguments.name} of {account_id}: ")
        vault = Vault(load(CommonSettings))
        keep_secret(store, vault, account_id, arguments.name, value, by=arguments.by)
    elif arguments.command == "remove":
        remove_account(store, account_id, **signed)
        print(f"account {account_id} is removed")
        return 0
    print(json.dumps(setup_of(store, account_id), indent=2))
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
