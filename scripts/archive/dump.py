"""A database as files, all of one moment, and files as a database.

The files are those of mongodump (`<collection>.bson.gz`), so that either can read the other's.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from bson import decode_file_iter
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from services.common.store import Store
from services.domain.errors import TransientError

_RAW: Final[CodecOptions[RawBSONDocument]] = CodecOptions(document_class=RawBSONDocument)
_BATCH: Final = 1000
_SUFFIX: Final = ".bson.gz"


def dump(store: Store, folder: Path, *, embedded: bool) -> dict[str, int]:
    """Write every collection into `folder`; collection → how many documents.

    Args:
        store: of the database; it may be in use.
        folder: an empty one.
        embedded: whether it is SecantusDB: its snapshot is a transaction, MongoDB's a session.

    Raises:
        TransientError: the database no longer has the moment that was begun at.
    """
    names = sorted(store.database.list_collection_names())
    database = _raw(store)
    counts = {}
    try:
        with _snapshot(store, embedded=embedded) as session:
            for name in names:
                with gzip.open(folder / f"{name}{_SUFFIX}", "wb", compresslevel=3) as file:
                    counts[name] = _write(database, name, file, session)
    except OperationFailure as error:
        raise TransientError(
            f"the database gave up the moment that the backup is of ({error.code}): try again "
            "when less is going on, or with the instance stopped"
        ) from error
    return counts


def load(store: Store, folder: Path, *, but: frozenset[str]) -> dict[str, int]:
    """Put the documents of every file into its collection, `but` some; collection → how many."""
    database = _raw(store)
    counts = {}
    for file in sorted(folder.glob(f"*{_SUFFIX}")):
        name = file.name.removesuffix(_SUFFIX)
        if name not in but:
            with gzip.open(file, "rb") as opened:
                counts[name] = _insert(database, name, opened)
    return counts


def _raw(store: Store) -> Database[RawBSONDocument]:
    """Bytes as they are stored: what no model of ours knows is kept, too."""
    return store.client.get_database(
        store.database.name,
        codec_options=_RAW,
        write_concern=store.database.write_concern,
        read_concern=ReadConcern(),
    )


@contextmanager
def _snapshot(store: Store, *, embedded: bool) -> Iterator[ClientSession]:
    if not embedded:
        with store.client.start_session(snapshot=True) as session:
            yield session
        return
    with store.client.start_session() as session, session.start_transaction():
        yield session


def _write(
    database: Database[RawBSONDocument],
    name: str,
    file: gzip.GzipFile,
    session: ClientSession,
) -> int:
    count = 0
    for document in database[name].find({}, session=session, batch_size=_BATCH):
        file.write(document.raw)
        count += 1
    return count


def _insert(database: Database[RawBSONDocument], name: str, file: IO[bytes]) -> int:
    documents = decode_file_iter(file, _RAW)
    while batch := list(itertools.islice(documents, _BATCH)):
        database[name].insert_many(batch)
    return database[name].count_documents({})
