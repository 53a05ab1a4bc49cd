"""Texts of studies in the store: compressed, in pieces, and compared with their hash when read."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

from pymongo import ASCENDING

from services.common.store import Store
from services.domain.errors import InvalidMessage
from services.portfolio_builder.jobs.documents import StoredFile

#: Of one piece; a document may have 16 MB.
_PIECE_BYTES: Final = 8_000_000
_COLLECTION: Final = "portfolio_test_files"


class Files:
    """Keeps and reads them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(self, key: str, text: str) -> StoredFile:
        """Keep a text under `key`; what was there is replaced."""
        raw = text.encode()
        packed = zlib.compress(raw, level=6)
        pieces = [
            packed[start : start + _PIECE_BYTES] for start in range(0, len(packed), _PIECE_BYTES)
        ]
        for number, piece in enumerate(pieces):
            self._store[_COLLECTION].replace_one(
                {"_id": f"{key}|{number}"},
                {"key": key, "number": number, "piece": piece},
                upsert=True,
            )
        digest = hashlib.sha256(raw).hexdigest()
        return StoredFile(key=key, pieces=len(pieces), size_bytes=len(raw), sha256=digest)

    def load(self, file: StoredFile) -> str:
        """The text again. Raises: InvalidMessage: it is not what was kept."""
        rows = self._store[_COLLECTION].find({"key": file.key}).sort("number", ASCENDING)
        packed = b"".join(row["piece"] for row in rows.limit(file.pieces))
        try:
            raw = zlib.decompress(packed)
        except zlib.error as error:
            raise InvalidMessage(f"the stored file {file.key} cannot be unpacked") from error
        found = hashlib.sha256(raw).hexdigest()
        if found != file.sha256:
            raise InvalidMessage(
                f"the stored file {file.key} has the hash {found}, it was kept with {file.sha256}"
            )
        return raw.decode()

    def save_part(self, test_id: str, name: str, text: str) -> None:
        """Keep a finished part of a study. A part is one document: windows are small."""
        self._store[_COLLECTION].replace_one(
            {"_id": f"{test_id}|part|{name}"},
            {"part_of": test_id, "name": name, "piece": zlib.compress(text.encode())},
            upsert=True,
        )

    def parts(self, test_id: str) -> dict[str, str]:
        """Every finished part of a study, by name."""
        rows = self._store[_COLLECTION].find({"part_of": test_id}).sort("name", ASCENDING)
        return {row["name"]: zlib.decompress(row["piece"]).decode() for row in rows}

    def forget_parts(self, test_id: str) -> None:
        """Drop the parts of a study that has its result."""
        self._store[_COLLECTION].delete_many({"part_of": test_id})
