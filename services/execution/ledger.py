"""Fills into books: what execution keeps of each fill, and what it makes of positions.

What was told is never changed: a correction is a row of its own. What follows from it (the P&L each
fill realized, and whether it counts) is written anew where a fill comes late, corrected or taken
back, together with the position, from the last fill before it after which nothing was held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession

from services.common.incidents import raise_incident
from services.common.store import Document, Store, from_document
from services.common.stretches import back_from
from services.domain.books import (
    Fill,
    Position,
    Step,
    booking_order,
    is_behind,
    opening_of,
    rank,
    rebuilt,
)
from services.domain.orders import Execution, Order
from services.execution.cash import cash_updates
from services.execution.documents import (
    Owner,
    confirmation,
    effect,
    execution_of,
    flat,
    position_document,
    position_key,
    position_of_row,
)

_AS_FIRST_TOLD = (0, False)
_CONTENT = ("side", "quantity", "price")


class News(NamedTuple):
    """What a report tells of fills that the books do not have.

    Attributes:
        fresh: to be booked: fills, corrections, and fills that were taken back.
        replaced: what those of `fresh` that are corrections had counted as before.
    """

    fresh: tuple[Execution, ...]
    replaced: tuple[Execution, ...] = ()


class _Tail(NamedTuple):
    """The last fills of a position, in their order, and what was before them."""

    opening: Position
    rows: Sequence[Document]
    fills: Sequence[Fill]


class _Moved(NamedTuple):
    """A position after fills, what each of them did, and the rows in which that changed."""

    after: Position
    steps: Mapping[str, Step]
    rewritten: list[UpdateOne]


class Ledger:
    """Fills and positions of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = store["execution_confirmations"]

    def unbooked(self, stored: Document, executions: Sequence[Execution]) -> News:
        """Those of an order's executions that the books do not have yet, or not so."""
        newest = _newest(executions)
        if not newest or stored["avg_fill_price"] is None:  # nothing was ever told of it
            return News(newest)
        return self.news(stored["account_id"], newest)

    def news(self, account_id: str, executions: Sequence[Execution]) -> News:
        """Those of an account's executions that the books do not have yet, or not so."""
        newest = _newest(executions)
        ids = [each.execution_id for each in newest]
        known: dict[str, Document] = {}
        for row in self._rows.find({"account_id": account_id, "execution_id": {"$in": ids}}):
            other = known.get(row["execution_id"])
            if other is None or rank_of(row) > rank_of(other):
                known[row["execution_id"]] = row
        fresh, replaced = [], []
        for execution in newest:
            booked = known.get(execution.execution_id)
            if booked is None or rank(execution) > rank_of(booked):
                fresh.append(execution)
                if booked is not None and counts(booked):
                    replaced.append(execution_of(booked, execution.instrument))
            elif rank(execution) == rank_of(booked):
                self._compare(booked, execution)
        return News(tuple(fresh), tuple(replaced))

    def _compare(self, row: Document, execution: Execution) -> None:
        """The same fill told twice must be the same; what was booked stays."""
        if all(row[name] == getattr(execution, name) for name in _CONTENT):
            return
        raise_incident(
            self._store,
            kind="FILL_CONTRADICTED",
            key=row["_id"],
            sentence=f"fill {execution.execution_id} in {row['account_id']} is booked as "
            f"{row['side']} {row['quantity']:f} at {row['price']:f}, and was told again, without a "
            f"new revision, as {execution.side} {execution.quantity:f} at {execution.price:f}",
            facts={"account_id": row["account_id"]},
        )

    def book(self, fills: Sequence[tuple[Document, Execution]], session: ClientSession) -> None:
        """Keep fills that are not booked yet, each with its order's row, and move the positions."""
        self.book_owned([(Owner.of_order(stored), each) for stored, each in fills], session)

    def book_owned(self, fills: Sequence[tuple[Owner, Execution]], session: ClientSession) -> None:
        """Keep fills that are not booked yet, each with whose it is; move positions and cash."""
        if not fills:
            return
        superseded = self._superseded(fills, session)
        incoming: dict[str, list[tuple[Owner, Execution]]] = {}
        for owner, execution in fills:
            incoming.setdefault(position_key(owner, execution), []).append((owner, execution))
        gone: dict[str, list[Document]] = {}
        for row in superseded:
            gone.setdefault(position_of_row(row), []).append(row)
        positions = self._positions(incoming.keys() | gone.keys(), session)
        writes: list[Any] = []
        for key in incoming.keys() | gone.keys():
            arrived = incoming.get(key, [])
            before = positions.get(key) or flat(*arrived[0])
            moved = self._moved(before, arrived, gone.get(key, []), session)
            positions[key] = moved.after
            writes += moved.rewritten
            writes += [
                InsertOne(
                    confirmation(
                        owner, each, None if each.busted else moved.steps[each.execution_id]
                    )
                )
                for owner, each in arrived
            ]
        writes += [UpdateOne({"_id": row["_id"]}, {"$set": effect(None)}) for row in superseded]
        self._rows.bulk_write(writes, ordered=False, session=session)
        self._replace(positions, session)
        taken_back = [
            (row, execution_of(row, positions[position_of_row(row)].instrument))
            for row in superseded
        ]
        updates = cash_updates(fills, taken_back)
        if updates:
            self._store["cash_flows"].bulk_write(updates, ordered=False, session=session)

    def give(
        self, row: Document, owner: Owner, adopted: Document, session: ClientSession
    ) -> Position:
        """Another owner for a fill of no order: both positions are as if it had always been so.

        Args:
            row: of the telling that counts.
            owner: to whom; another than now.
            adopted: who did it and why, kept with the row.
            session: of the transaction.

        Returns: the position it is of now.
        """
        old_key = position_of_row(row)
        positions = self._positions({old_key}, session)
        execution = execution_of(row, positions[old_key].instrument)
        new_key = position_key(owner, execution)
        positions |= self._positions({new_key}, session)
        left = self._moved(positions[old_key], [], [row], session)
        before = positions.get(new_key) or flat(owner, execution)
        joined = self._moved(before, [(owner, execution)], [], session)
        changes = {
            "strategy_id": owner.strategy_id,
            "adopted": adopted,
            **effect(joined.steps[execution.execution_id]),
        }
        writes = [*left.rewritten, *joined.rewritten]
        self._rows.bulk_write(
            [*writes, UpdateOne({"_id": row["_id"]}, {"$set": changes})], session=session
        )
        self._replace({old_key: left.after, new_key: joined.after}, session)
        return joined.after

    def _positions(self, keys: Iterable[str], session: ClientSession) -> dict[str, Position]:
        found = self._store["positions"].find({"_id": {"$in": list(keys)}}, session=session)
        return {row["_id"]: from_document(Position, row) for row in found}

    def _replace(self, positions: Mapping[str, Position], session: ClientSession) -> None:
        self._store["positions"].bulk_write(
            [
                ReplaceOne({"_id": key}, position_document(position), upsert=True)
                for key, position in positions.items()
            ],
            ordered=False,
            session=session,
        )

    def _superseded(
        self, fills: Sequence[tuple[Owner, Execution]], session: ClientSession
    ) -> list[Document]:
        """Rows that counted until now, and that these fills correct or take back."""
        corrections = {
            (owner.account_id, each.execution_id)
            for owner, each in fills
            if rank(each) != _AS_FIRST_TOLD
        }
        found = []
        for account_id, execution_id in sorted(corrections):
            query = {"account_id": account_id, "execution_id": execution_id}
            found += [row for row in self._rows.find(query, session=session) if counts(row)]
        return found

    def _moved(
        self,
        position: Position,
        arrived: Sequence[tuple[Owner, Execution]],
        gone: Sequence[Document],
        session: ClientSession,
    ) -> _Moved:
        """A position after fills have come and gone."""
        counted = [Fill(each, owner.order) for owner, each in arrived if not each.busted]
        tail = _Tail(position, (), ())
        if gone or any(is_behind(position, fill.execution) for fill in counted):
            times = [fill.execution.occurred_at for fill in counted]
            since = min([*times, *(row["occurred_at"] for row in gone)])
            tail = self._tail(position, since, session)
        dropped = {row["_id"] for row in gone}
        kept = [
            (row, fill)
            for row, fill in zip(tail.rows, tail.fills, strict=True)
            if row["_id"] not in dropped
        ]
        after, steps = rebuilt(tail.opening, [*(fill for _, fill in kept), *counted])
        by_id = {step.execution_id: step for step in steps}
        rewritten = [
            UpdateOne({"_id": row["_id"]}, {"$set": effect(step)})
            for row, _ in kept
            if _step_of(row) != (step := by_id[row["execution_id"]])
        ]
        return _Moved(after, by_id, rewritten)

    def unexplained(self, position: Position, session: ClientSession) -> Decimal:
        """What of a position its fills do not sum up to, since nothing was held; signed."""
        if position.updated_at is None:
            return position.quantity
        end = position.updated_at + timedelta(milliseconds=1)
        return self._tail(position, end, session).opening.quantity

    def _tail(self, position: Position, since: datetime, session: ClientSession) -> _Tail:
        """The fills of a position from the last one before `since` after which nothing was held."""
        told = [
            (row, execution_of(row, position.instrument))
            for row in self._back_to_flat(position, since, session)
        ]
        told.sort(key=lambda each: booking_order(each[1]))
        places = [
            place + 1
            for place, (row, each) in enumerate(told)
            if row.get("flat") and each.occurred_at < since
        ]
        start = max(places, default=0)
        rows = [row for row, _ in told[start:]]
        orders = self._orders(rows, session)
        fills = [Fill(each, orders.get(row["client_order_id"])) for row, each in told[start:]]
        opening = opening_of(position, fills, [_step_of(row) for row in rows])
        if start:
            last = told[start - 1][1]
            place = {"updated_at": last.occurred_at, "last_execution_id": last.execution_id}
            opening = opening.model_copy(update=place)
        return _Tail(opening, rows, fills)

    def _back_to_flat(
        self, position: Position, since: datetime, session: ClientSession
    ) -> list[Document]:
        """Rows that count, back until one before `since` after which nothing was held.

        Read in ever longer stretches of time, each by an index: a fill is mostly late by seconds.
        """
        rows: list[Document] = []
        for stretch in back_from(since, later_too=True):
            query = {
                "account_id": position.account_id,
                "instrument_key": position.instrument.key,
                "strategy_id": position.strategy_id,
                "occurred_at": stretch,
            }
            found = self._rows.find(query, session=session)
            rows += [row for row in found if counts(row)]
            if any(row.get("flat") and row["occurred_at"] < since for row in rows):
                break
        return rows

    def _orders(self, rows: Iterable[Document], session: ClientSession) -> dict[str, Order]:
        ids = sorted({row["client_order_id"] for row in rows if row["client_order_id"]})
        found = self._store["orders"].find({"_id": {"$in": ids}}, {"order": 1}, session=session)
        return {row["_id"]: from_document(Order, row["order"]) for row in found}


def _newest(executions: Sequence[Execution]) -> tuple[Execution, ...]:
    """Each execution once, as it was told last."""
    newest: dict[str, Execution] = {}
    for execution in executions:
        known = newest.get(execution.execution_id)
        if known is None or rank(execution) > rank(known):
            newest[execution.execution_id] = execution
    return tuple(newest.values())


def rank_of(row: Document) -> tuple[int, bool]:
    """`rank` of a stored telling."""
    return row.get("revision", 0), row.get("busted", False)


def counts(row: Document) -> bool:
    """Whether a stored telling is the newest of its fill, and not taken back.

    Asked of rows, not of the database: the embedded one leaves its index for such a condition.
    """
    return not row.get("void")


def _step_of(row: Document) -> Step:
    return Step(row["execution_id"], row["realized_pnl"], row.get("flat", False))
