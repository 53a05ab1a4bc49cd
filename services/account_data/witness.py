"""A second witness of the books: what account data's own session at the broker shows.

Execution compares books and broker itself, by the session that it trades with, and books what it
finds. Where that session, or execution, is wrong, nobody else would see it: here the same figures
are asked for by another process and another session, and only told. What is told is critical: where
no person acknowledges it, entries of the account stop.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from pydantic import ValidationError
from pymongo.errors import PyMongoError

from brokers.broker import BrokerPosition
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Store, among, from_document, to_document
from services.domain.books import Position
from services.domain.comparison import Difference, changed, compare, judged, quantities
from services.domain.errors import TransientError
from services.domain.fronts import in_our_words, months
from services.domain.instruments import Instrument
from services.domain.words import OrderStatus

_log = logging.getLogger(__name__)
INCIDENT: Final = "BOOKS_DISPUTED"
#: An order that moved a moment ago is being booked.
_RESTING: Final = timedelta(seconds=5)
#: Nobody knows yet whether the broker has them: execution asks, and tells a person.
_IN_FLIGHT: Final = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


@contextmanager
def _readable(account_id: str) -> Iterator[None]:
    """Rows that cannot be read are no reason to stop asking the broker."""
    try:
        yield
    except (ValidationError, KeyError, TypeError) as error:
        raise TransientError(
            f"what is stored of {account_id} cannot be compared: {error}"
        ) from error


class Witness:
    """Compares an account's books with positions that account data was told.

    What is known of differences is kept in the store: a new process goes on where the last one was.

    Args:
        store: the database.
        settle_seconds: how long a difference must stay the same before it is believed.
    """

    def __init__(self, store: Store, *, settle_seconds: float) -> None:
        self._store = store
        self._settle = timedelta(seconds=settle_seconds)

    def books(self, account_id: str) -> dict[str, Decimal] | None:
        """What our books hold by instrument key, before the broker is asked; None = not known."""
        try:
            return quantities(self._open_positions(account_id))
        except (PyMongoError, TransientError) as error:
            _log.warning("books of %s could not be read: %s", account_id, error)
            return None

    def compare(
        self,
        account_id: str,
        told: Sequence[BrokerPosition],
        before: Mapping[str, Decimal] | None,
        *,
        at: datetime,
    ) -> tuple[Difference, ...]:
        """Judge one answer of the broker; raise incidents, or clear them.

        An account that execution has never looked at has no books: nothing is said of it. Nor is
        anything where the store does not answer.

        Args:
            account_id: whose.
            told: what the broker has said it holds.
            before: `books`, before it was asked.
            at: when.

        Returns: what is known of differences now, those that are not believed yet, too.
        """
        if before is None:
            return ()
        try:
            return self._compare(account_id, told, before, at)
        except (PyMongoError, TransientError) as error:
            _log.warning("books of %s could not be compared: %s", account_id, error)
            return ()

    def _compare(
        self,
        account_id: str,
        told: Sequence[BrokerPosition],
        before: Mapping[str, Decimal],
        at: datetime,
    ) -> tuple[Difference, ...]:
        looked = {"_id": account_id, "looked_at": {"$ne": None}}
        if self._store["reconciliations"].find_one(looked, {"_id": 1}) is None:
            return ()
        held = self._open_positions(account_id)
        moving = changed(before, quantities(held)) | self._moving(account_id, at)
        names = months([e.instrument for e in held], [e.instrument for e in told])
        found = compare(in_our_words(told, names), held, at)
        known = self._known(account_id)
        after = judged(known, found, moving=moving, now=at, settle=self._settle)
        self._tell(account_id, after)
        if after or known:
            kept = {"differences": [to_document(each) for each in after]}
            self._store["account_positions"].update_one(
                {"_id": account_id}, {"$set": kept}, upsert=True
            )
        return tuple(after)

    def _open_positions(self, account_id: str) -> list[Position]:
        query = {"open": True, "account_id": among(account_id)}
        with _readable(account_id):
            return [from_document(Position, row) for row in self._store["positions"].find(query)]

    def _moving(self, account_id: str, now: datetime) -> frozenset[str]:
        """Instruments of orders that moved a moment ago, or may be at the broker or not."""
        fields = {"status": 1, "updated_at": 1, "order.instrument": 1}
        query = {"working": True, "account_id": among(account_id)}
        rows = self._store["orders"].find(query, fields)
        with _readable(account_id):
            return frozenset(
                from_document(Instrument, row["order"]["instrument"]).key
                for row in rows
                if row["status"] in _IN_FLIGHT or now - row["updated_at"] < _RESTING
            )

    def _known(self, account_id: str) -> list[Difference]:
        row = self._store["account_positions"].find_one({"_id": account_id}, {"differences": 1})
        with _readable(account_id):
            return [from_document(Difference, e) for e in (row or {}).get("differences", ())]

    def _tell(self, account_id: str, differences: Iterable[Difference]) -> None:
        believed = {f"{account_id}|{e.instrument.key}": e for e in differences if e.confirmed}
        query = {"kind": INCIDENT, "status": "OPEN", "facts.account_id": account_id}
        for row in list(self._store["incidents"].find(query, {"key": 1})):
            if row["key"] not in believed:
                clear_incident(self._store, kind=INCIDENT, key=row["key"])
        for key, each in believed.items():
            facts = {"broker": each.broker, "books": each.books, "since": each.since}
            facts |= {"account_id": account_id, "instrument_key": each.instrument.key}
            raise_incident(
                self._store,
                kind=INCIDENT,
                key=key,
                sentence=f"{account_id}, {each.in_words}, by a look of its own of account_data, "
                f"not execution's, since {each.since:%H:%M:%S} UTC",
                facts=facts,
            )
