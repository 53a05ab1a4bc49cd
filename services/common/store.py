"""The store: typed access to MongoDB, its indexes, and transactions that retry what is transient.

Money is `Decimal` in Python and `Decimal128` in the store, times are aware UTC, dates are ISO text.
Every document's `_id` is its natural key, so a repeat collides instead of doubling.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from bson.codec_options import CodecOptions, TypeRegistry
from bson.decimal128 import DecimalDecoder, DecimalEncoder
from pydantic import BaseModel
from pymongo import ASCENDING, DESCENDING, MongoClient, ReadPreference
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.common.settings import CommonSettings
from services.domain.errors import ConfigurationError, TransientError

Document = dict[str, Any]
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

_TIMEOUT_MS = 5000
#: Equity by the minute is kept for two weeks, by the day for ever.
POINTS_SECONDS = 14 * 86400
#: What people were told is kept for a quarter of a year.
NOTIFICATION_SECONDS = 90 * 86400


def _encode_date(value: Any) -> Any:  # noqa: ANN401 - BSON hands over whatever it cannot encode
    if isinstance(value, date):
        return value.isoformat()
    return value


_CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    type_registry=TypeRegistry([DecimalEncoder(), DecimalDecoder()], fallback_encoder=_encode_date),
)

#: Every index the hot path and the pages use; created at start, and start fails without them.
#: Partial indexes keep the cost of looking for unfinished work flat, however much is stored.
_INDEXES: dict[str, list[tuple[list[tuple[str, int]], dict[str, Any]]]] = {
    "trading_signals_raw": [
        (
            [("strategy_name", ASCENDING), ("idempotency_key", ASCENDING)],
            {"unique": True, "partialFilterExpression": {"idempotency_key": {"$type": "string"}}},
        ),
        ([("signal_ids", ASCENDING)], {}),
    ],
    "signal_store": [
        ([("strategy_id", ASCENDING), ("received_at", DESCENDING)], {}),
        ([("received_at", DESCENDING)], {}),
        ([("status", ASCENDING), ("received_at", DESCENDING)], {}),
        (
            [("undecided", ASCENDING), ("received_at", ASCENDING)],
            {"partialFilterExpression": {"undecided": True}},
        ),
    ],
    "orders": [
        ([("signal_id", ASCENDING)], {}),
        (
            [("working", ASCENDING), ("account_id", ASCENDING)],
            {"partialFilterExpression": {"working": True}},
        ),
        (
            [("sent", ASCENDING), ("account_id", ASCENDING), ("instrument_key", ASCENDING)],
            {"partialFilterExpression": {"sent": True}},
        ),
        ([("created_at", DESCENDING)], {}),
        ([("strategy_id", ASCENDING), ("created_at", DESCENDING)], {}),
        (
            [("tended", ASCENDING), ("account_id", ASCENDING)],
            {"partialFilterExpression": {"tended": True}},
        ),
        # Orders without a known outcome are few, and every decision looks for them. A field of its
        # own, because an index on `status` would be looked at with every step of every order.
        ([("unknown", ASCENDING)], {"partialFilterExpression": {"unknown": True}}),
    ],
    "execution_confirmations": [
        ([("signal_id", ASCENDING)], {}),
        ([("occurred_at", DESCENDING)], {}),
        ([("strategy_id", ASCENDING), ("occurred_at", DESCENDING)], {}),
        ([("account_id", ASCENDING), ("execution_id", ASCENDING)], {}),
        ([("account_id", ASCENDING), ("occurred_at", DESCENDING)], {}),
        # The fills of a position in their order.
        (
            [
                ("account_id", ASCENDING),
                ("instrument_key", ASCENDING),
                ("strategy_id", ASCENDING),
                ("occurred_at", DESCENDING),
            ],
            {},
        ),
    ],
    "cash_flows": [([("account_id", ASCENDING)], {})],
    "reconciliations": [],
    "foreign_orders": [([("account_id", ASCENDING), ("status", ASCENDING)], {})],
    "positions": [
        (
            [("open", ASCENDING), ("account_id", ASCENDING)],
            {"partialFilterExpression": {"open": True}},
        )
    ],
    "reservations": [([("account_id", ASCENDING)], {})],
    "sequences": [],
    "controls": [],
    "kill_runs": [
        ([("open", ASCENDING)], {"partialFilterExpression": {"open": True}}),
        ([("requested_at", DESCENDING)], {}),
    ],
    "risk_limits": [],
    "risk_locks": [],
    "risk_resets": [],
    "contention_ledger": [([("decided_at", DESCENDING)], {})],
    "futures_margins": [],
    "square_offs": [],
    "market_prices": [([("wanted_at", DESCENDING)], {})],
    "margin_previews": [([("wanted_at", DESCENDING)], {})],
    "funds": [],
    "account_positions": [],
    "daily_marks": [([("account_id", ASCENDING), ("date", ASCENDING)], {})],
    "equity_history": [([("account_id", ASCENDING), ("date", ASCENDING)], {})],
    "fund_history": [([("account_type", ASCENDING), ("date", ASCENDING)], {})],
    "equity_points": [
        ([("account_id", ASCENDING), ("at", ASCENDING)], {}),
        ([("at", ASCENDING)], {"expireAfterSeconds": POINTS_SECONDS}),
    ],
    "fund_points": [
        ([("account_type", ASCENDING), ("at", ASCENDING)], {}),
        ([("at", ASCENDING)], {"expireAfterSeconds": POINTS_SECONDS}),
    ],
    "capital_flows": [
        ([("account_id", ASCENDING), ("effective_at", DESCENDING)], {}),
        ([("status", ASCENDING), ("account_id", ASCENDING)], {}),
    ],
    "current_allocation": [],
    "allocation_history": [],
    "allocation_caps": [],
    "allocation_proposals": [
        ([("status", ASCENDING), ("proposed_at", DESCENDING)], {}),
        ([("proposed_at", DESCENDING)], {}),
    ],
    "strategy_returns": [
        (
            [("strategy_id", ASCENDING), ("source", ASCENDING), ("date", DESCENDING)],
            {"unique": True},
        )
    ],
    "portfolio_tests": [
        ([("requested_at", DESCENDING)], {}),
        (
            [("open", ASCENDING), ("requested_at", ASCENDING)],
            {"partialFilterExpression": {"open": True}},
        ),
        ([("propose", ASCENDING)], {"partialFilterExpression": {"propose": True}}),
    ],
    "portfolio_test_files": [
        ([("key", ASCENDING), ("number", ASCENDING)], {}),
        ([("part_of", ASCENDING)], {}),
    ],
    "reoptimization": [],
    # A claim of a developer is one document; its days are compressed in it.
    "record_versions": [
        (
            [("strategy_id", ASCENDING), ("source", ASCENDING), ("number", DESCENDING)],
            {"unique": True},
        ),
        (
            [("current", ASCENDING), ("strategy_id", ASCENDING)],
            {"partialFilterExpression": {"current": True}},
        ),
    ],
    "live_reports": [],
    # Summaries: a row follows from the documents of its day (services/dashboard_creator/summaries).
    "strategy_days": [
        ([("strategy_id", ASCENDING), ("date", ASCENDING)], {"unique": True}),
        ([("date", ASCENDING)], {}),
    ],
    "strategy_months": [([("strategy_id", ASCENDING), ("month", ASCENDING)], {"unique": True})],
    "strategy_totals": [],
    "dashboards": [],
    "daily_reports": [],
    "record_reviews": [
        ([("strategy_id", ASCENDING), ("uploaded_at", DESCENDING)], {}),
        ([("uploaded_at", ASCENDING)], {"expireAfterSeconds": 30 * 86400}),
    ],
    "strategies": [
        ([("credentials.key_hash", ASCENDING)], {}),
        ([("credentials.credential_id", ASCENDING)], {}),
    ],
    "users": [([("credentials.key_hash", ASCENDING)], {})],
    "sessions": [
        ([("user", ASCENDING), ("created_at", DESCENDING)], {}),
        ([("expires_at", ASCENDING)], {"expireAfterSeconds": 0}),
    ],
    "login_failures": [
        ([("name", ASCENDING)], {}),
        ([("expires_at", ASCENDING)], {"expireAfterSeconds": 0}),
    ],
    "rate_windows": [([("expires_at", ASCENDING)], {"expireAfterSeconds": 0})],
    "idempotency_keys": [([("expires_at", ASCENDING)], {"expireAfterSeconds": 0})],
    # Requests for a person's approval: those that are not decided yet, and all by time.
    "approvals": [
        (
            [("open", ASCENDING), ("asked_at", ASCENDING)],
            {"partialFilterExpression": {"open": True}},
        ),
        ([("asked_at", DESCENDING)], {}),
        ([("status", ASCENDING), ("asked_at", DESCENDING)], {}),
    ],
    "incidents": [
        ([("status", ASCENDING), ("last_seen_at", DESCENDING)], {}),
        ([("last_seen_at", DESCENDING)], {}),
        ([("cleared_at", DESCENDING)], {}),
    ],
    "notifications": [
        ([("user", ASCENDING), ("number", DESCENDING)], {}),
        (
            [("unread", ASCENDING), ("user", ASCENDING), ("number", DESCENDING)],
            {"partialFilterExpression": {"unread": True}},
        ),
        ([("created_at", ASCENDING)], {"expireAfterSeconds": NOTIFICATION_SECONDS}),
    ],
    "notification_outbox": [
        (
            [("open", ASCENDING), ("channel_id", ASCENDING), ("next_try_at", ASCENDING)],
            {"partialFilterExpression": {"open": True}},
        ),
        ([("created_at", ASCENDING)], {"expireAfterSeconds": NOTIFICATION_SECONDS}),
    ],
    "notification_settings": [],
    "notification_counters": [],
    "notification_channels": [([("user", ASCENDING)], {}), ([("chat_id", ASCENDING)], {})],
    "notification_links": [([("expires_at", ASCENDING)], {"expireAfterSeconds": 0})],
    "telegram_questions": [
        ([("chat_id", ASCENDING)], {}),
        ([("expires_at", ASCENDING)], {"expireAfterSeconds": 3600}),
    ],
    "service_states": [],
    "dead_letters": [([("status", ASCENDING), ("last_failed_at", DESCENDING)], {})],
    "audit_log": [
        ([("recorded_at", DESCENDING)], {}),
        ([("by", ASCENDING), ("recorded_at", DESCENDING)], {}),
        ([("what", ASCENDING), ("recorded_at", DESCENDING)], {}),
        # What was done with one signal, or one order, for its evidence.
        ([("facts.signal_id", ASCENDING)], {}),
        ([("facts.client_order_id", ASCENDING)], {}),
    ],
}


def to_document(value: BaseModel) -> Document:
    """A value as it is stored: plain fields, exact decimals."""
    return value.model_dump()


def from_document(model: type[M], document: Document) -> M:
    """A stored value back; fields of the document that `model` does not know are left out."""
    fields = model.model_fields
    return model.model_validate({key: document[key] for key in document if key in fields})


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
            ConfigurationError: MONGODB_URI is not a MongoDB URI.
        """
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
        try:
            if session is not None:
                return session.with_transaction(work)
            with self.client.start_session() as own:
                return own.with_transaction(work)
        except DuplicateKeyError:
            raise
        except ConnectionFailure as error:
            raise TransientError(f"the database went away: {type(error).__name__}") from error
        except PyMongoError as error:
            if error.has_error_label("TransientTransactionError"):
                raise TransientError("the transaction stayed in conflict") from error
            raise

    def create_indexes(self) -> None:
        """Create every index; raising here stops the start, because they carry the idempotency."""
        existing = set(self.database.list_collection_names())
        for collection, indexes in _INDEXES.items():
            if collection not in existing:
                self.database.create_collection(collection)
            for keys, options in indexes:
                self[collection].create_index(keys, **options)
