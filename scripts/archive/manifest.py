"""What a backup holds, with the checksum of each file, so that a damaged one is never restored."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from services.domain.errors import ConfigurationError

MANIFEST: Final = "manifest.json"
DATABASE: Final = "database"
SEALED: Final = "keys.sealed"
MOCK_BROKER: Final = "mock_broker.sqlite3"
_CHUNK: Final = 1 << 20


class Manifest(BaseModel):
    """The list of contents.

    Attributes:
        taken_at: the moment that the database was read at; all of it is of this moment.
        layout: of the database (services/common/migrations.py).
        documents: collection → how many.
        files: path in the backup → SHA-256.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    taken_at: AwareDatetime
    database: str
    layout: int
    documents: dict[str, int]
    files: dict[str, str]


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Last of all: a folder without one is no backup."""
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def checksums(folder: Path) -> dict[str, str]:
    """Path → SHA-256 of every file below `folder` but the manifest."""
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    return {
        str(each.relative_to(folder)): _sha256(each) for each in files if each != folder / MANIFEST
    }


def verified(folder: Path) -> Manifest:
    """The manifest of a backup whose every file is as it was written.

    Raises:
        ConfigurationError: it is none, or something in it is missing, changed or added.
    """
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigurationError(f"{folder} is no backup: {MANIFEST} cannot be read") from error
    found = checksums(folder)
    names = found.keys() | manifest.files.keys()
    wrong = sorted(name for name in names if found.get(name) != manifest.files.get(name))
    if wrong:
        raise ConfigurationError(
            f"{folder} is damaged, and nothing was restored: {', '.join(wrong[:5])} missing or "
            "not as written"
        )
    return manifest


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
