#!/usr/bin/env python3
"""Ask a broker everything about an account that trading needs; places, changes and cancels nothing.

    python3 scripts/check_broker.py IB-1
    python3 scripts/check_broker.py ZE-1 --symbol TCS --json
    python3 scripts/check_broker.py IBKR            # every active account at it

It connects beside the running system, under a client id of its own, and says what is missing and
what mends it. Exit code 0 where nothing is missing, else 1.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from brokers.accounts import SECRETS, Purpose, check_account
from brokers.broker import Broker
from brokers.factory import BrokerConnection, create_broker
from scripts.broker_report import BrokerReport, Examination, in_words
from scripts.tool import operate
from services.common.broker_accounts import BrokerAccounts
from services.common.broker_secrets import secret_places
from services.common.settings import ExecutionSettings
from services.common.settings_file import load
from services.common.store import Document, Store
from services.common.vault import Vault
from services.domain.errors import ConfigurationError
from services.domain.words import AccountType, ActiveStatus


def check(store: Store, settings: ExecutionSettings, row: Document, symbol: str) -> BrokerReport:
    """One account, as its row says."""
    accounts = BrokerAccounts(store, Vault(settings))
    account = accounts.read(row)
    others = accounts.active()
    connection = BrokerConnection(
        mock_base_url=f"http://127.0.0.1:{settings.port('mock_broker')}",
        timeout_seconds=settings.order_timeout_s,
        cache=settings.mt_home / ".data" / "brokers",
    )

    def open_broker() -> Broker:
        check_account(account, others)
        return create_broker(account, connection, purpose=Purpose.CHECK)

    places = secret_places(row, SECRETS.get(account.broker, ()))
    report = Examination(account, places, symbol=symbol).run(open_broker)
    told = {"notes": _notes(row, report, settings), "incidents": _incidents(store, row["_id"])}
    return report.model_copy(update=told)


def _notes(row: Document, report: BrokerReport, settings: ExecutionSettings) -> tuple[str, ...]:
    state, account_type = report.state, row.get("account_type")
    notes = {
        "it is INACTIVE: nothing trades in it": row.get("status") != ActiveStatus.ACTIVE,
        "it is LIVE: execution opens it only in a system started with --live": (
            account_type == AccountType.LIVE and settings.trading_mode != "live"
        ),
        "USE_MOCK_BROKER is set: the system trades at the mock broker, whatever is said here": (
            settings.use_mock_broker
        ),
        f"it was set up in {row.get('currency')}; the broker's currency counts": (
            state is not None and state.currency != row.get("currency")
        ),
    }
    return tuple(note for note, holds in notes.items() if holds)


def _incidents(store: Store, account_id: str) -> tuple[str, ...]:
    """What is open of the account: its own, and of its instruments and fills."""
    key = {"$regex": rf"^{re.escape(account_id)}(\||$)"}
    found = store["incidents"].find({"status": "OPEN", "key": key})
    return tuple(f"{row['kind']}: {row['sentence']}" for row in found)


def _rows(store: Store, name: str) -> list[Document]:
    """An account, or all active ones at a broker. Raises: ConfigurationError."""
    row = store["trading_accounts"].find_one({"_id": name})
    if row is not None:
        return [row]
    active = store["trading_accounts"].find({"status": ActiveStatus.ACTIVE}).sort("_id", 1)
    found = [each for each in active if str(each.get("broker")).upper() == name.upper()]
    if not found:
        known = ", ".join(str(each["_id"]) for each in store["trading_accounts"].find({}))
        raise ConfigurationError(
            f"there is no account, and no broker with accounts, named {name!r}; "
            f"there are: {known or 'none: scripts/accounts.py add'}"
        )
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Check and say; exit code 1 where something is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="account_id, or a broker")
    parser.add_argument("--symbol", default="", help="a stock to ask the price of")
    parser.add_argument("--json", action="store_true", help="for machines")
    arguments = parser.parse_args(argv)

    def work(store: Store) -> int:
        settings = load(ExecutionSettings)
        rows = _rows(store, arguments.name)
        reports = [check(store, settings, row, arguments.symbol) for row in rows]
        if arguments.json:
            print(json.dumps([each.model_dump(mode="json") for each in reports], indent=2))
        else:
            print("\n\n".join("\n".join(in_words(each)) for each in reports))
        return 1 if any(each.missing for each in reports) else 0

    return operate("check_broker", work)


if __name__ == "__main__":
    sys.exit(main())
