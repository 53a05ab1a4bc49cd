#!/usr/bin/env python3
"""Fill a scratch database with a long past: signals, orders, fills, books and troubles.

    MT_HOME=/tmp/history .venv/bin/python scripts/seed_history.py [--signals 1000000]

For `bench_lists.py`, and for looking at pages that have much to show. The newest day comes first,
so that a run that is stopped has left a shorter past; the same run again adds what is missing.
Writes only where nothing trades: the name of the database begins with `seed_`, MT_HOME is not the
repository, and every account in it is one that this has made.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import nullcontext
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from pymongo.errors import BulkWriteError

from scripts.bench.embedded import embedded_database
from scripts.bench.history import (
    ACCOUNTS,
    INSTRUMENTS,
    STRATEGIES,
    hash_of,
    make_day,
    trading_days,
)
from services.common.clock import utc_now
from services.common.settings import REPOSITORY, CommonSettings, load
from services.common.store import Document, Store, to_document
from services.domain.books import Position, position_id
from services.domain.errors import ConfigurationError

DATABASE: Final = "seed_history"
_BATCH: Final = 1000
#: Of one signal that trades: an order, its four changes, and 1.1 fills.
_EVENTS_OF_A_TRADE: Final = 6.1
_DUPLICATE: Final = 11000


def main() -> int:
    """Fill until there is as much as was asked for."""
    arguments = _arguments()
    settings = scratch_settings()
    with embedded_database(settings) if settings.embedded_database else nullcontext():
        store = Store.connect(settings)
        refuse_what_trades(store)
        store.create_indexes()
        add_books(store)
        fill(store, arguments.signals, arguments.events, arguments.days)
        store.close()
    return 0


def scratch_settings() -> CommonSettings:
    """Settings of a database that is nobody's. Raises: ConfigurationError."""
    os.environ.setdefault("MONGODB_DATABASE", DATABASE)
    settings = load(CommonSettings)
    if not settings.mongodb_database.startswith("seed_"):
        raise ConfigurationError(
            f"MONGODB_DATABASE must begin with seed_, was {settings.mongodb_database}"
        )
    if settings.mt_home == REPOSITORY or (settings.mt_home / ".data").exists():
        raise ConfigurationError(f"MT_HOME must be a directory of its own, was {settings.mt_home}")
    return settings


def refuse_what_trades(store: Store) -> None:
    """Raise ConfigurationError where there is an account that was not made here."""
    strange = store["trading_accounts"].find_one({"seeded": {"$ne": True}}, {"_id": 1})
    if strange:
        raise ConfigurationError(f"this database trades: it has the account {strange['_id']}")


def fill(store: Store, signals: int, events: int, days: int) -> tuple[int, int]:
    """Days, the newest first, until so many signals are there; how many signals and events are."""
    made, happened, began = 0, 0, time.monotonic()
    traded_ratio = min(1.0, events / signals / _EVENTS_OF_A_TRADE)
    a_day = max(1, signals // days)
    for day in trading_days(utc_now() - timedelta(days=1)):
        if made >= signals:
            break
        past = make_day(day, min(a_day, signals - made), traded_ratio=traded_ratio)
        _insert(store, "signal_store", past.signals)
        _insert(store, "orders", past.orders)
        _insert(store, "execution_confirmations", past.fills)
        made, happened = made + len(past.signals), happened + past.events
        rate = made / (time.monotonic() - began)
        print(f"{day:%Y-%m-%d}: {made:,} signals, {happened:,} events, {rate:.0f}/s", flush=True)
    return made, happened


def add_books(store: Store) -> None:
    """Accounts, strategies, positions, prices, and some troubles."""
    now = utc_now()
    _insert(store, "trading_accounts", [_account(name, now) for name in ACCOUNTS])
    _insert(store, "strategies", [_strategy(name, now) for name in STRATEGIES])
    _insert(store, "controls", [{"_id": "global", "trading_state": "ACTIVE"}])
    _insert(store, "positions", [_position(*each, now) for each in _triples()])
    _insert(store, "market_prices", [_price(name, now) for name in ACCOUNTS])
    _insert(store, "incidents", [_incident(number, now) for number in range(2000)])
    _insert(store, "dead_letters", [_dead_letter(number, now) for number in range(2000)])


def account_of(strategy_id: str) -> str:
    """Where a strategy trades."""
    return ACCOUNTS[hash_of(strategy_id) % len(ACCOUNTS)]


def _triples() -> list[tuple[str, int]]:
    return [(name, number) for name in STRATEGIES for number in range(10)]


def _insert(store: Store, collection: str, rows: list[Document]) -> None:
    """Insert what is not there yet."""
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        try:
            store[collection].insert_many(batch, ordered=False)
        except BulkWriteError as error:
            if any(each["code"] != _DUPLICATE for each in error.details["writeErrors"]):
                raise


def _account(account_id: str, now: datetime) -> Document:
    return {
        "_id": account_id,
        "account_id": account_id,
        "broker": "MOCK",
        "account_type": "PAPER",
        "status": "ACTIVE",
        "currency": "USD",
        "equity": Decimal(1_000_000),
        "cash": Decimal(600_000),
        "as_of": now,
        "seeded": True,
    }


def _strategy(strategy_id: str, now: datetime) -> Document:
    return {
        "_id": strategy_id,
        "strategy_id": strategy_id,
        "name": strategy_id.replace("_", " "),
        "status": "ACTIVE",
        "accounts": [{"account_id": account_of(strategy_id), "weight_ratio": Decimal(1)}],
        "credentials": [],
        "created_at": now,
    }


def _position(strategy_id: str, number: int, now: datetime) -> Document:
    instrument = INSTRUMENTS[(hash_of(strategy_id) + number * 7) % len(INSTRUMENTS)]
    position = Position(
        strategy_id=strategy_id,
        account_id=account_of(strategy_id),
        instrument=instrument,
        quantity=Decimal(number * 10 - 20),
        average_price=Decimal("150.02") if number != 2 else Decimal(0),
        realized_pnl=Decimal("12.50") * number,
        updated_at=now,
    )
    row = {
        "_id": position_id(strategy_id, position.account_id, instrument),
        "instrument_key": instrument.key,
        **to_document(position),
    }
    return row | ({"open": True} if position.quantity else {})


def _price(account_id: str, now: datetime) -> Document:
    return {
        "_id": f"{account_id}|{INSTRUMENTS[0].key}",
        "account_id": account_id,
        "instrument": to_document(INSTRUMENTS[0]),
        "price": Decimal("151.20"),
        "wanted_at": now,
        "answered_at": now,
        "as_of": now,
    }


def _incident(number: int, now: datetime) -> Document:
    at = now - timedelta(minutes=7 * number)
    return {
        "_id": f"SEEDED|{number}",
        "kind": "SEEDED",
        "key": str(number),
        "sentence": f"a made-up incident, number {number}",
        "facts": {},
        "status": "OPEN" if number < 5 else "CLEARED",
        "count": 1,
        "opened_at": at,
        "last_seen_at": at,
    }


def _dead_letter(number: int, now: datetime) -> Document:
    at = now - timedelta(minutes=11 * number)
    return {
        "_id": f"cerebro|{number}",
        "subscription": "cerebro",
        "topic": "standardized-signals",
        "payload": '{"signal_id": "sig_x"}',
        "error": "KeyError: 'x'",
        "traceback": "Traceback …",
        "failures": 5,
        "status": "DEAD" if number < 3 else "RECOVERED",
        "first_failed_at": at,
        "last_failed_at": at,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--signals", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=3_000_000, help="orders, changes and fills")
    parser.add_argument("--days", type=int, default=250, help="trading days they are spread over")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConfigurationError as error:
        print(f"refused: {error}", file=sys.stderr)
        sys.exit(78)
