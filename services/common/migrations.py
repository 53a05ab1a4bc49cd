"""Brings a database made by an earlier version to the layout of this one, before anything trades.

A layout is a number: how many of `MIGRATIONS` have been applied. The row `layout` of the collection
`layout` holds it; a database without one is of before there were layouts, or new. One process
migrates at a time, under a lease, and only while no service holds a lease of its own: rows and
unique indexes do not change under what trades. A step that was cut short is done again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.daemon import Process
from services.common.layout import (
    Act,
    IndexChange,
    apply_index_change,
    index_changes,
    missing_collections,
)
from services.common.leases import Lease
from services.common.store import Store
from services.domain.errors import ConfigurationError, TransientError

_log = logging.getLogger(__name__)
_LAYOUT: Final = "layout"
_LEASE: Final = "migrations"
_LEASE_SECONDS: Final = 30.0
#: Stands for the layout while a restore is under way.
_RESTORING: Final = 2**31 - 1
_PAUSE_SECONDS: Final = 0.25
_UNREACHABLE_SECONDS: Final = 60.0


class Migration(NamedTuple):
    """One step from a layout to the next.

    Attributes:
        name: what it does, for people.
        apply: does it; may run again over its own work, also half done.
    """

    name: str
    apply: Callable[[Store], None]


def _mark_orders_at_the_broker(store: Store) -> None:
    """Orders at the broker are found by `sent` since then, those without an outcome by `unknown`.

    Without these marks an order that an earlier version sent would never be looked for.
    """
    orders = store["orders"]
    working = {"working": True, "status": {"$ne": "PENDING"}}
    for row in orders.find({**working, "sent": None}, {"_id": 1}):
        orders.update_one({"_id": row["_id"], **working}, {"$set": {"sent": True}})
    unknown = {"working": True, "status": "UNKNOWN"}
    for row in orders.find({**unknown, "unknown": None}, {"_id": 1}):
        orders.update_one({"_id": row["_id"], **unknown}, {"$set": {"unknown": True}})


#: Only ever added to, at the end; the number of one is its place, counted from 1.
MIGRATIONS: Final[tuple[Migration, ...]] = (
    Migration("mark orders that are at the broker", _mark_orders_at_the_broker),
)
LAYOUT: Final = len(MIGRATIONS)


class Plan(NamedTuple):
    """What a database lacks.

    Attributes:
        present: its layout; None = it is new.
        steps: migrations that it lacks, in order.
    """

    present: int | None
    collections: tuple[str, ...]
    steps: tuple[Migration, ...]
    indexes: tuple[IndexChange, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing has to be done."""
        told_only = all(each.act is Act.LEAVE for each in self.indexes)
        return self.present == LAYOUT and not (self.collections or self.steps) and told_only

    @property
    def needs_quiet(self) -> bool:
        """Whether it changes what services rely on while they run."""
        unique = any(each.is_unique for each in self.indexes if each.act is Act.REBUILD)
        return bool(self.steps) or unique

    def sentences(self) -> list[str]:
        """For people, in the order of the work."""
        said = [f"migration: {step.name}" for step in self.steps]
        said += [f"create collection {name}" for name in self.collections]
        return said + [str(change) for change in self.indexes]


def plan_of(store: Store) -> Plan:
    """What has to be done; changes nothing.

    Raises:
        ConfigurationError: the database is of a newer version.
    """
    present = _present(store)
    collections = missing_collections(store)
    changes = tuple(index_changes(store))
    steps = MIGRATIONS[present:] if present is not None else ()
    return Plan(present, tuple(collections), steps, changes)


def migrate(store: Store, *, by: str, patience_seconds: float = 30.0) -> Plan:
    """Bring the database to the layout of this version; nothing where it has it.

    Args:
        store: of the database.
        by: who, for the row.
        patience_seconds: to wait for another migration, and for leases of the dead to end.

    Returns:
        What was done.

    Raises:
        ConfigurationError: the database is of a newer version, or its rows do not fit.
        TransientError: services still work on it, or another process migrates it.
    """
    if (plan := plan_of(store)).is_empty:
        return plan
    deadline = time.monotonic() + patience_seconds
    with _alone(store, deadline) as lease:
        plan = plan_of(store)  # another may just have done it
        if plan.needs_quiet:
            _wait_for_quiet(store, deadline)
        for name in plan.collections:
            store.database.create_collection(name)
        first = LAYOUT - len(plan.steps) + 1
        for number, step in enumerate(plan.steps, first):
            step.apply(store)
            _note(store, lease, number, by)
            _log.info("database is at layout %s: %s", number, step.name)
        for change in plan.indexes:
            _still_ours(lease)
            apply_index_change(store, change)
            _log.info("%s", change)
        if plan.present != LAYOUT and not plan.steps:
            _note(store, lease, LAYOUT, by)
    return plan


def open_store(process: Process[Any]) -> Store:
    """The store of a service, whose parts start only once its database has the layout it knows."""
    store = Store.connect(process.settings)
    process.add(_LayoutCheck(store))
    process.health.tell("layout", LAYOUT)
    return store


class _LayoutCheck:
    """The first part of a service: what it raises ends the process before anything is read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self) -> None:
        """Raises: what `check_layout` raises."""
        check_layout(self._store)

    def stop(self) -> None:
        """There is nothing to end."""


def check_layout(store: Store) -> None:
    """Return once the database has said that it has the layout of this version.

    Raises:
        ConfigurationError: it is of another version: nothing may be read or written.
        TransientError: the database does not answer for a minute.
    """
    deadline = time.monotonic() + _UNREACHABLE_SECONDS
    while True:
        try:
            present = _number(store)
            break
        except PyMongoError as error:
            if time.monotonic() > deadline:
                raise TransientError(f"the database does not answer: {error}") from error
            time.sleep(_PAUSE_SECONDS)
    if present is not None and present < LAYOUT:
        raise ConfigurationError(
            f"the database has layout {present}, this version needs {LAYOUT}: stop all processes "
            "and run scripts/migrate.py, or scripts/start.py, which does it too"
        )


def refuse_services(store: Store) -> None:
    """Let no service start on a database that is being restored, until `take_over`."""
    store[_LAYOUT].insert_one({"_id": _LAYOUT, "number": _RESTORING, "changed_at": utc_now()})


def take_over(store: Store, number: int, *, by: str) -> None:
    """Note the layout of what was restored; `migrate` goes on from there."""
    row = {"number": number, "changed_at": utc_now(), "by": by}
    store[_LAYOUT].update_one({"_id": _LAYOUT, "number": _RESTORING}, {"$set": row})


def _present(store: Store) -> int | None:
    """Layout of the database; 0 = of before there were layouts, None = it is new."""
    present = _number(store)
    if present is None and store["controls"].find_one({}, {"_id": 1}) is not None:
        return 0
    return present


def _number(store: Store) -> int | None:
    """As it stands in the database. Raises: ConfigurationError: of a newer version."""
    row = store[_LAYOUT].find_one({"_id": _LAYOUT})
    if row is None:
        return None
    present = int(row["number"])
    if present == _RESTORING:
        raise ConfigurationError(
            "a restore of this database was cut short: remove what is there, and restore again"
        )
    if present > LAYOUT:
        raise ConfigurationError(
            f"the database has layout {present}, this version knows {LAYOUT} at most: it was "
            "used by a newer version. Run that one, or restore a backup of before"
        )
    return present


def _note(store: Store, lease: Lease, number: int, by: str) -> None:
    _still_ours(lease)
    row = {"number": number, "changed_at": utc_now(), "by": by}
    store[_LAYOUT].update_one({"_id": _LAYOUT}, {"$set": row}, upsert=True)


def _still_ours(lease: Lease) -> None:
    if not lease.held():
        raise TransientError("the migration took too long to renew its lease: run it again")


@contextmanager
def _alone(store: Store, deadline: float) -> Iterator[Lease]:
    lease = Lease(store, _LEASE, ttl_seconds=_LEASE_SECONDS)
    lease.start()
    try:
        while not lease.held():
            if time.monotonic() > deadline:
                raise TransientError("another process migrates this database: try again later")
            time.sleep(_PAUSE_SECONDS)
        yield lease
    finally:
        lease.stop()


def _wait_for_quiet(store: Store, deadline: float) -> None:
    """Until no service holds a lease: one that was killed holds it to its end."""
    query = {"_id": {"$ne": _LEASE}}
    while True:
        held = [row for row in store["leases"].find(query) if row["expires_at"] > utc_now()]
        if not held:
            return
        if time.monotonic() > deadline:
            names = ", ".join(sorted(str(row["_id"]) for row in held)[:5])
            raise TransientError(
                f"the database has to be migrated, and services still work on it ({names}): stop "
                "all of them first, on every machine"
            )
        time.sleep(_PAUSE_SECONDS)
