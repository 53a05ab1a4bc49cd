#!/usr/bin/env python3
"""Demo fund, accounts, strategies and allocation, so that a fresh machine can trade at once.

Only adds what is missing: what an operator has changed stays as it is. Run by `start.py --demo`, or
by hand to print the keys of strategies that are new here.
"""

from __future__ import annotations

import argparse
import sys
from decimal import Decimal
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.clock import utc_now
from services.common.credentials import create_key
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Document, Store
from services.domain.errors import TraderError

ACCOUNTS = ("Mock-1", "Mock-2")
#: Strategy, its accounts with the share of each, and its ratio of account equity.
STRATEGIES: dict[str, tuple[dict[str, Decimal], Decimal]] = {
    "SPX_1-D_Opt": ({"Mock-1": Decimal(1)}, Decimal("0.50")),
    "Forex": ({"Mock-2": Decimal(1)}, Decimal("0.20")),
    "Demo_Stocks": ({"Mock-1": Decimal("0.5"), "Mock-2": Decimal("0.5")}, Decimal("0.30")),
}


def create(settings: CommonSettings) -> list[tuple[str, str | None]]:
    """Create what is missing of the demo; each strategy with its key where it is new, else None.

    Raises:
        TransientError: the database does not answer.
    """
    store = Store.connect(settings)
    try:
        store.ping()
        _add_fund(store)
        for account_id in ACCOUNTS:
            _add(store, "trading_accounts", _account(account_id))
        keys = [(name, _add_strategy(store, name)) for name in STRATEGIES]
        _add_allocation(store)
        return keys
    finally:
        store.close()


def _add(store: Store, collection: str, document: Document) -> bool:
    """Insert unless it is there; True when it is new."""
    try:
        store[collection].insert_one(document)
    except DuplicateKeyError:
        return False
    return True


def _add_fund(store: Store) -> None:
    fund = {"_id": "demo-fund", "name": "Demo fund", "currency": "USD"}
    _add(store, "funds", {**fund, "account_ids": list(ACCOUNTS)})


def _account(account_id: str) -> Document:
    """Without amounts: those come from the broker, and until then they are missing, not zero."""
    return {
        "_id": account_id,
        "account_id": account_id,
        "broker": "MOCK",
        "account_type": "PAPER",
        "status": "ACTIVE",
        "currency": "USD",
        "equity": None,
        "cash": None,
        "initial_margin": None,
        "maintenance_margin": None,
        "available_funds": None,
        "buying_power": None,
        "as_of": None,
        "recorded_at": None,
        "poll_error": None,
    }


def _add_strategy(store: Store, strategy_id: str) -> str | None:
    key, credential = create_key()
    weights, _ = STRATEGIES[strategy_id]
    strategy = {
        "_id": strategy_id,
        "strategy_id": strategy_id,
        "name": strategy_id,
        "status": "ACTIVE",
        "accounts": [
            {"account_id": account_id, "weight_ratio": weight}
            for account_id, weight in weights.items()
        ],
        "instrument_types": [],
        "max_signal_age_seconds": None,
        "credentials": [credential],
        "created_at": utc_now(),
    }
    return key if _add(store, "strategies", strategy) else None


def _add_allocation(store: Store) -> None:
    allocation = {
        "version": 1,
        "allocations": [
            {"strategy_id": name, "ratio": ratio} for name, (_, ratio) in STRATEGIES.items()
        ],
        "approved_by": "demo",
        "approved_at": utc_now(),
        "reason": "demo allocation of a fresh instance",
    }
    present = (store["current_allocation"], store["allocation_history"])
    if any(collection.find_one({}) for collection in present):
        return

    def insert(session: ClientSession) -> None:
        store["current_allocation"].insert_one({"_id": "current", **allocation}, session=session)
        store["allocation_history"].insert_one({"_id": 1, **allocation}, session=session)

    store.transaction(insert)


def main() -> int:
    """Print the keys that are new; each is shown this once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    try:
        settings = load(CommonSettings)
        for strategy_id, key in create(settings):
            print(f"{strategy_id}  {key or '(exists: see scripts/credentials.py)'}")
    except TraderError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
