"""Which indexes a database has, which it should have, and how one becomes the other.

An index is known by its keys; its name is of no meaning. A unique one carries idempotency and must
never be missing: where its options change, the next one is made beside it before it goes. If its
rows are not unique, making the next one fails and what was there stays.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError

from services.common.indexes import INDEXES
from services.common.store import Store
from services.domain.errors import ConfigurationError

Keys = tuple[tuple[str, int], ...]
_EXPIRE: Final = "expireAfterSeconds"
#: What makes two indexes of the same keys different.
_OPTIONS: Final = ("unique", "sparse", _EXPIRE, "partialFilterExpression")


class Act(StrEnum):
    """What is done about one index."""

    CREATE = "create"
    REBUILD = "rebuild"
    LEAVE = "leave"


class IndexChange(NamedTuple):
    """One index that is not as it should be.

    Attributes:
        options: that it should have; of one that is left those that it has.
        present: name and options of the wrong one; None = there is nothing of these keys.
        beside: the right one is there too: a rebuild was cut short.
    """

    act: Act
    collection: str
    keys: Keys
    options: Mapping[str, Any]
    present: Mapping[str, Any] | None = None
    beside: bool = False

    @property
    def usual_name(self) -> str:
        """As the driver would name it."""
        return "_".join(f"{field}_{way}" for field, way in self.keys)

    @property
    def is_unique(self) -> bool:
        """Whether writes are refused by what is there, or by what will be."""
        return bool(self.options.get("unique") or (self.present or {}).get("unique"))

    def __str__(self) -> str:
        """For people: what, where, and what it has beside its keys."""
        fields = ", ".join(name if way > 0 else f"{name} descending" for name, way in self.keys)
        marks = "".join(f", {name}" for name in _OPTIONS if self.options.get(name))
        known = ", which this version does not know" if self.act is Act.LEAVE else ""
        return f"{self.act} index of {self.collection} ({fields}{marks}){known}"


def missing_collections(store: Store) -> list[str]:
    """Collections that have to be made: a transaction should not be the first to write to one."""
    existing = set(store.database.list_collection_names())
    return [name for name in INDEXES if name not in existing]


def index_changes(store: Store) -> list[IndexChange]:
    """What differs from the definitions, collections in their order; nothing is changed."""
    existing = set(store.database.list_collection_names())
    changes: list[IndexChange] = []
    for collection, wanted in INDEXES.items():
        present = _present(store, collection) if collection in existing else {}
        changes += _differences(collection, wanted, present)
    return changes


def apply_index_change(store: Store, change: IndexChange) -> None:
    """Make one index as it should be; harmless to repeat after a crash at any point.

    Raises:
        ConfigurationError: rows are there twice that a unique index is to keep apart.
    """
    try:
        if change.act is Act.CREATE:
            _create(store, change, change.usual_name)
        elif change.act is Act.REBUILD and change.present is not None:
            _rebuild(store, change, change.present)
    except DuplicateKeyError as error:
        found = (error.details or {}).get("keyValue")
        raise ConfigurationError(
            f"cannot {change}: two rows have {found}. Decide which one is right; no row was "
            "changed, and the index that was there is there"
        ) from error


def _rebuild(store: Store, change: IndexChange, present: Mapping[str, Any]) -> None:
    collection = store[change.collection]
    differ = {name for name in _OPTIONS if present.get(name) != change.options.get(name)}
    if differ == {_EXPIRE} and _EXPIRE in present and _EXPIRE in change.options:
        index = {"name": present["name"], _EXPIRE: change.options[_EXPIRE]}
        store.database.command({"collMod": change.collection, "index": index})
    elif change.is_unique:
        if not change.beside:
            _create(store, change, _free_name(store, change))
        collection.drop_index(present["name"])
    else:  # MongoDB takes no second one of these, and nothing but speed is lost meanwhile
        collection.drop_index(present["name"])
        _create(store, change, change.usual_name)


def _free_name(store: Store, change: IndexChange) -> str:
    taken = {index["name"] for index in store[change.collection].list_indexes()}
    numbered = (f"{change.usual_name}_{number}" for number in itertools.count(2))
    return next(
        name for name in (change.usual_name, *itertools.islice(numbered, 99)) if name not in taken
    )


def _create(store: Store, change: IndexChange, name: str) -> None:
    index = IndexModel(list(change.keys), name=name, **change.options)
    store[change.collection].create_indexes([index])


def _present(store: Store, collection: str) -> dict[Keys, list[dict[str, Any]]]:
    """Indexes by their keys, each as its name and the options that matter."""
    found: dict[Keys, list[dict[str, Any]]] = {}
    for index in store[collection].list_indexes():
        keys = tuple((name, int(way)) for name, way in index["key"].items())
        found.setdefault(keys, []).append({"name": index["name"], **_options_of(index)})
    found.pop((("_id", 1),), None)
    return found


def _differences(
    collection: str,
    wanted: Sequence[tuple[list[tuple[str, int]], dict[str, Any]]],
    present: dict[Keys, list[dict[str, Any]]],
) -> list[IndexChange]:
    changes = []
    for key_list, options in wanted:
        keys = tuple(key_list)
        there = present.pop(keys, [])
        wrong = [each for each in there if _options_of(each) != _options_of(options)]
        if not there:
            changes.append(IndexChange(Act.CREATE, collection, keys, options))
        changes += [
            IndexChange(Act.REBUILD, collection, keys, options, each, len(wrong) < len(there))
            for each in wrong[:1]
        ]
    left = [(keys, each) for keys, there in present.items() for each in there]
    return changes + [IndexChange(Act.LEAVE, collection, keys, each) for keys, each in left]


def _options_of(index: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(index[name]) for name in _OPTIONS if index.get(name) not in (None, False)}


def _plain(value: object) -> object:
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value
