"""Databases of tests: made once, emptied between two tests, for making one takes half a second."""

from __future__ import annotations

import uuid
from typing import Any

from pymongo import MongoClient

from services.common.indexes import INDEXES


class EmptiedDatabases:
    """Those that nobody uses now; whoever takes one has it to itself until it is given back."""

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._client = client
        self._free: list[str] = []

    def take(self) -> str:
        """The name of an empty one: it may have indexes and empty collections, no documents."""
        return self._free.pop() if self._free else f"t_{uuid.uuid4().hex[:12]}"

    def give_back(self, name: str) -> None:
        """Empty it; what no instance has is dropped."""
        database = self._client[name]
        for collection in database.list_collection_names():
            if collection not in INDEXES:
                database.drop_collection(collection)
            elif database[collection].find_one({}, {"_id": True}) is not None:
                database[collection].delete_many({})
        self._free.append(name)
