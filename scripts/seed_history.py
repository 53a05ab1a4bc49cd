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
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from pymongo.errors import BulkWriteError

from scripts.bench.embedded import embedded_database
from scripts.bench.history import make_day, trading_days
from scripts.bench.surroundings import surroundings
from services.common.clock import utc_now
from services.common.settings import REPOSITORY, CommonSettings
from services.common.settings_file import load
from services.common.store import Document, Store
from services.dashboard_creator.latency import counted
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
        add_surroundings(store)
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
        stored = _day(store, day, min(a_day, signals - made), traded_ratio)
        made, happened = made + stored["signals"], happened + stored["events"]
        rate = made / (time.monotonic() - began)
        print(f"{day:%Y-%m-%d}: {made:,} signals, {happened:,} events, {rate:.0f}/s", flush=True)
    return made, happened


def _day(store: Store, day: datetime, signals: int, traded_ratio: float) -> Document:
    """Store a day, unless an earlier run has; how many signals and events it has."""
    name = {"_id": f"{day:%Y-%m-%d}|{signals}|{traded_ratio:.4f}"}
    done: Document | None = store["seeded_days"].find_one(name)
    if done is None:
        past = make_day(day, signals, traded_ratio=traded_ratio)
        for collection, rows in past.collections:
            _insert(store, collection, rows)
        _insert(store, "latency_buckets", _hours(past.signals))
        done = {**name, "signals": len(past.signals), "events": past.events}
        store["seeded_days"].insert_one(done)
    return done


def _hours(signals: list[Document]) -> Iterator[Document]:
    """How many there are in each hour, as the dashboards count them by and by."""
    by_hour: dict[datetime, list[Document]] = {}
    for row in signals:
        hour = row["received_at"].replace(minute=0, second=0, microsecond=0)
        by_hour.setdefault(hour, []).append(row)
    for hour, rows in by_hour.items():
        number = int(hour.timestamp() // 3600)
        many, counts = counted(rows)
        counted_as = {"size": "HOUR", "number": number, "at": hour}
        yield {"_id": f"HOUR|{number}", **counted_as, "signals": many, "counts": counts}


def add_surroundings(store: Store) -> None:
    """What else there is, and more of it than one would like; once."""
    name = {"_id": "surroundings"}
    if store["seeded_days"].find_one(name) is None:
        for collection, rows in surroundings(utc_now()):
            _insert(store, collection, rows)
        store["seeded_days"].insert_one(name)


def _insert(store: Store, collection: str, rows: Iterable[Document]) -> None:
    """Insert what is not there yet."""
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        try:
            store[collection].insert_many(batch, ordered=False)
        except BulkWriteError as error:
            if any(each["code"] != _DUPLICATE for each in error.details["writeErrors"]):
                raise


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
