"""The store: typed access to MongoDB, and transactions that retry what is transient.

Money is `Decimal` in Python and `Decimal128` in the store, times are aware UTC, dates are ISO text.
Every document's `_id` is its natural key, so a repeat collides instead of doubling.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from bson.codec_options import CodecOptions, TypeRegistry
from bson.decimal128 import DecimalDecoder, DecimalEncoder
from pydantic import BaseModel
from pymongo import IndexModel, MongoClient, ReadPreference
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.common.indexes import INDEXES
from services.common.settings import CommonSettings
from services.domain.errors import ConfigurationError, TransientError

Document = dict[str, Any]
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_TIMEOUT_MS = 5000
_DUPLICATE_KEY = 11000
#: How long a transaction is begun again.
_TRANSACTION_SECONDS = 30.0
#: Options by which the driver would trust any certificate, or one of another host.
_UNVERIFIED = re.compile(
    r"[?&;](tlsInsecure|tlsAllowInvalidCertificates|tlsAllowInvalidHostnames)=true", re.IGNORECASE
)


def _encode_date(value: Any) -> Any:  # noqa: ANN401 - BSON hands over whatever it cannot encode
    if isinstance(value, date):
        return value.isoformat()
    return value


_CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    type_registry=TypeRegistry([DecimalEncoder(), DecimalDecoder()], fallback_encoder=_encode_date),
)


def to_document(value: BaseModel) -> Document:
    """A value as it is stored: plain fields, exact decimals."""
    return value.model_dump()


def from_document(model: type[M], document: Document) -> M:
    """A stored value back; fields of the document that `model` does not know are left out."""
    fields = model.model_fields
    return model.model_validate({key: document[key] for key in document if key in fields})


def among(*values: object) -> Document:
    """One of these; one alone, too, where a partial index of several fields is to find rows.

    By the value itself the embedded database uses the first field of such an index only, and reads
    every row that has it: of all accounts where one account was asked for. With a field more than
    the index has it does so in any case.
    """
    return {"$in": list(values)}


def are_repeats(error: BulkWriteError) -> bool:
    """Whether all that an insert failed of was there already, and the rest of it is durable."""
    details = error.details
    return not details["writeConcernErrors"] and all(
        each["code"] == _DUPLICATE_KEY for each in details["writeErrors"]
    )


class Store:
    """One process's connection to the database."""

    def __init__(self, client: MongoClient[Document], database: str) -> None:
        self.client = client
        self.database: Database[Document] = client.get_database(
            database,
            codec_options=_CODEC,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
        )

    @classmethod
    def connect(cls, settings: CommonSettings) -> Store:
        """Open the database of this instance.

        Raises:
            ConfigurationError: MONGODB_URI is not a MongoDB URI, or trusts any certificate.
        """
        if unverified := _UNVERIFIED.search(settings.database_uri):
            raise ConfigurationError(
                f"setting MONGODB_URI: {unverified[1]} would talk to whoever answers; name the "
                "authority of its certificate with tlsCAFile"
            )
        try:
            client: MongoClient[Document] = MongoClient(
                settings.database_uri,
                serverSelectionTimeoutMS=_TIMEOUT_MS,
                connectTimeoutMS=_TIMEOUT_MS,
                socketTimeoutMS=4 * _TIMEOUT_MS,
                tz_aware=True,
                appname="mathematricks",
            )
        except (PyMongoError, ValueError) as error:
            raise ConfigurationError(
                f"setting MONGODB_URI cannot be used: {type(error).__name__}"
            ) from error
        return cls(client, settings.mongodb_database)

    def __getitem__(self, collection: str) -> Collection[Document]:
        return self.database[collection]

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    def ping(self) -> None:
        """Raise TransientError unless the database answers now."""
        try:
            self.client.admin.command("ping")
        except PyMongoError as error:
            raise TransientError(f"the database does not answer: {type(error).__name__}") from error

    def state(self) -> str:
        """For /health. Raises: TransientError while the database does not answer."""
        self.ping()
        return "answers"

    def transaction(
        self, work: Callable[[ClientSession], T], *, session: ClientSession | None = None
    ) -> T:
        """Run `work` in one transaction; it may run several times, so it touches only the store.

        Args:
            work: what is done, all or nothing.
            session: that it runs in, one transaction at a time; None = one of its own.

        Raises:
            TransientError: the database could not be reached or stayed in conflict.
        """
        until = time.monotonic() + _TRANSACTION_SECONDS

        def bounded(session: ClientSession) -> T:
            # The driver would begin again for two minutes, also where nobody answers.
            if time.monotonic() > until:
                raise TransientError(
                    f"the transaction could not be done within {_TRANSACTION_SECONDS:g} s: the "
                    "database does not answer, or it stayed in conflict"
                )
            return work(session)

        try:
            if session is not None:
                return session.with_transaction(bounded)
            with self.client.start_session() as own:
                return own.with_transaction(bounded)
        except DuplicateKeyError:
            raise
        except ConnectionFailure as error:
            raise TransientError(f"the database went away: {type(error).__name__}") from error
        except PyMongoError as error:
            if error.has_error_label("TransientTransactionError"):
                raise TransientError("the transaction stayed in conflict") from error
            raise

    def update_many(self, collection: str, query: Document, changes: Document) -> int:
        """Change all that match, in a transaction of its own; how many were.

        Outside a transaction the embedded database holds its lock on the collection while it waits
        for a row that a transaction has changed, and that transaction waits for the lock with its
        next statement: neither ends, nor does any other transaction, until it is started anew.

        Raises:
            TransientError: the database could not be reached or stayed in conflict.
        """
        rows = self[collection]
        return self.transaction(
            lambda session: rows.update_many(query, changes, session=session).modified_count
        )

    def delete_many(self, collection: str, query: Document) -> int:
        """Delete all that match, as `update_many` changes; how many were."""
        rows = self[collection]
        return self.transaction(
            lambda session: rows.delete_many(query, session=session).deleted_count
        )

    def create_indexes(self) -> None:
        """Create every index; raising here stops the start, because they carry the idempotency."""
        existing = set(self.database.list_collection_names())
        for collection, indexes in INDEXES.items():
            if collection not in existing:
                self.database.create_collection(collection)
            if indexes:
                self[collection].create_indexes(
                    [IndexModel(keys, **options) for keys, options in indexes]
                )
