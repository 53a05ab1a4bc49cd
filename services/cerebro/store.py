"""All queries of Cerebro: what a decision has to know, and the one transaction that keeps it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from pymongo import ASCENDING, DESCENDING, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession

from services.cerebro.approval_store import ApprovalStore
from services.cerebro.contention import Squeezed
from services.cerebro.gap_store import GapStore
from services.cerebro.questions import Questions
from services.cerebro.reference import Reference
from services.common.guards import exclude_others, make_guard
from services.common.kept import Kept
from services.common.orders import order_document
from services.common.store import Document, Store, from_document, to_document
from services.common.stretches import back_from
from services.decision.record import decision_document
from services.domain.approvals import AWAITS_APPROVAL
from services.domain.books import Position
from services.domain.decisions import Decision
from services.domain.errors import TransientError
from services.domain.orders import Reservation
from services.domain.signals import PREVIOUS, Signal, signal_id_for
from services.domain.words import Intent, Outcome, SignalStatus

_GUARD_SECONDS = 600.0
#: A strategy's daily record changes once a day.
_RECORD_SECONDS = 60.0
_RECORD_DAYS = 120
#: Entries that share an account's margin at once; what comes after them has its turn next.
_MOST_RIVALS = 200
#: What an exit wants to know of its entry.
_OF_ENTRY: Final = dict.fromkeys(("signal_id", "strategy_id", "intent", "undecided", "replays"), 1)


class CerebroStore:
    """Books and reservations, always of this instant, and signals; the rest has a part of its own.

    Attributes:
        reference: what is a moment old.
        gaps: the order in which strategies send.
        questions: what brokers are asked.
        approvals: what persons are asked.
    """

    def __init__(self, store: Store, *, reference_seconds: float) -> None:
        self._store = store
        self.reference = Reference(store, seconds=reference_seconds)
        self.gaps = GapStore(store)
        self.questions = Questions(store)
        self.approvals = ApprovalStore(store)
        self._guard = Kept(self._make_guard, seconds=_GUARD_SECONDS)

    def signals(self, signal_ids: Sequence[str]) -> list[Document]:
        """The stored lives of these signals, the oldest first."""
        found = self._store["signal_store"].find({"_id": {"$in": list(signal_ids)}})
        return sorted(found, key=lambda life: life["received_at"])

    def exclude_others(self, account_ids: list[str], session: ClientSession) -> None:
        """Make two decisions on one account conflict, so that neither spends what the other did."""
        for account_id in account_ids:
            self._guard(account_id)
        exclude_others(self._store, account_ids, session)

    def _make_guard(self, account_id: str) -> bool:
        return make_guard(self._store, account_id)

    def positions(self, account_ids: list[str], session: ClientSession) -> list[Position]:
        """Open positions of all strategies in these accounts."""
        query = {"open": True, "account_id": {"$in": account_ids}}
        found = self._store["positions"].find(query, session=session)
        return [from_document(Position, document) for document in found]

    def reservations(self, account_ids: list[str], session: ClientSession) -> list[Reservation]:
        """Everything held in these accounts."""
        query = {"account_id": {"$in": account_ids}}
        found = self._store["reservations"].find(query, session=session)
        return [from_document(Reservation, document) for document in found]

    def undecided_of(self, account_ids: Collection[str], session: ClientSession) -> list[Document]:
        """Undecided signals of the strategies that trade in these accounts, oldest first.

        Of a backlog the oldest only: they are decided in one transaction.
        """
        trading = self._store["strategies"].find(
            {"accounts.account_id": {"$in": list(account_ids)}}, {"_id": 1}
        )
        names = [row["_id"] for row in trading]
        # Those that wait for a person want no margin yet, and are not among them.
        query = {"undecided": True, "strategy_id": {"$in": names}}
        found = self._store["signal_store"].find(query, session=session)
        return list(found.sort("received_at", ASCENDING).limit(_MOST_RIVALS))

    def find_entry(self, signal: Signal, session: ClientSession) -> Document | None:
        """The signal that `entry_reference` means: `$PREVIOUS`, our id, or the sender's own."""
        if signal.entry_reference == PREVIOUS:
            return self._latest_entry(signal, session)
        # What the sender calls it is what our id is made of, so both are found by `_id`.
        reference = signal.entry_reference or ""
        ids = [reference, signal_id_for(signal.strategy_id, reference)]
        found = self._own(ids, signal.strategy_id, session)
        if found is None or not found.get("replays"):
            return found
        # The sender knows the entry by its first id; what traded, if anything, is the last replay.
        return self._own([found["replays"][-1]], signal.strategy_id, session) or found

    def _own(self, ids: Sequence[str], strategy_id: str, session: ClientSession) -> Document | None:
        """The first of these signals that is the strategy's.

        By `_id` alone: with the strategy in the query the embedded database reads all of it.
        """
        query = {"_id": {"$in": list(ids)}}
        found = {
            row["_id"]: row
            for row in self._store["signal_store"].find(query, _OF_ENTRY, session=session)
        }
        rows = (found.get(each) for each in ids)
        return next((row for row in rows if row and row["strategy_id"] == strategy_id), None)

    def _latest_entry(self, signal: Signal, session: ClientSession) -> Document | None:
        """The strategy's latest entry that was received before this signal.

        What else is asked of it is asked of the rows: see `stretches.py`.
        """
        for stretch in back_from(signal.received_at):
            query = {"strategy_id": signal.strategy_id, "received_at": stretch}
            found = self._store["signal_store"].find(query, _OF_ENTRY, session=session)
            with found.sort("received_at", DESCENDING) as rows:
                entry = next((row for row in rows if row.get("intent") == Intent.ENTRY), None)
            if entry is not None:
                return entry
        return None

    def orders_of(self, signal_id: str, session: ClientSession) -> list[Document]:
        """Orders that an entry made."""
        return list(self._store["orders"].find({"signal_id": signal_id}, session=session))

    def life(self, signal_id: str, session: ClientSession) -> Document | None:
        """How far a signal has come, or the last replay of it."""
        fields = {"undecided": 1, "status": 1, "replays": 1}
        signals = self._store["signal_store"]
        found = signals.find_one({"_id": signal_id}, fields, session=session)
        if found is None or not found.get("replays"):
            return found
        last = signals.find_one({"_id": found["replays"][-1]}, fields, session=session)
        # A replay that was asked for and has not come in yet is not decided.
        return last or {"undecided": True}

    def cancel_entries(
        self, signal_id: str, orders: Sequence[str], *, at: datetime
    ) -> dict[str, str]:
        """Have working entry orders canceled for an exit, and remember that it was for it.

        Returns: those that were not asked for before, with their accounts.
        """
        self._store["signal_store"].update_one(
            {"_id": signal_id, "undecided": True},
            {"$addToSet": {"canceled_entries": {"$each": list(orders)}}},
        )
        asked = {}
        for order_id, account_id in self.accounts_of(orders).items():
            changed = self._store["orders"].update_one(
                {"_id": order_id, "working": True, "cancel_requested_at": None},
                {"$set": {"cancel_requested_at": at}},
            )
            if changed.modified_count:
                asked[order_id] = account_id
        return asked

    def note_waiting(self, signal_ids: Sequence[str], *, at: datetime) -> None:
        """Remember when signals that wait were first looked at."""
        if signal_ids:
            self._store.update_many(
                "signal_store",
                {
                    "_id": {"$in": list(signal_ids)},
                    "undecided": {"$in": [True, AWAITS_APPROVAL]},
                    "waiting_since": None,
                },
                {"$set": {"waiting_since": at}},
            )

    def any_works(self, orders: Sequence[str], session: ClientSession) -> bool:
        """Whether one of these orders is not at its end."""
        query = {"_id": {"$in": list(orders)}, "working": True}
        return self._store["orders"].find_one(query, {"_id": 1}, session=session) is not None

    def working_orders(self, strategy_id: str, session: ClientSession) -> list[Document]:
        """Orders of a strategy that are not at their end."""
        query = {"working": True, "strategy_id": strategy_id}
        return list(self._store["orders"].find(query, session=session))

    def has_undecided_before(self, signal: Signal, session: ClientSession) -> bool:
        """Whether an earlier signal of the strategy still waits for its decision."""
        query = {
            "undecided": True,
            "strategy_id": signal.strategy_id,
            "received_at": {"$lt": signal.received_at},
        }
        found = self._store["signal_store"].find_one(query, {"_id": 1}, session=session)
        return found is not None

    def open_incidents(self, kind: str) -> list[str]:
        """Keys of the open incidents of a kind."""
        query = {"status": "OPEN", "kind": kind}
        return [row["key"] for row in self._store["incidents"].find(query, {"key": 1})]

    def instruments_of(self, signal_ids: Sequence[str]) -> dict[str, set[str]]:
        """Instrument keys of each of these signals."""
        lives = self.signals(signal_ids)
        return {
            life["_id"]: {leg.instrument.key for leg in from_document(Signal, life["signal"]).legs}
            for life in lives
        }

    def save(self, decisions: Sequence[Decision], session: ClientSession) -> None:
        """Keep decisions with their orders and reservations, all of them.

        Raises:
            TransientError: one of the signals was decided meanwhile.
        """
        if not decisions:
            return
        updates = [_decided(decision) for decision in decisions]
        changed = self._store["signal_store"].bulk_write(updates, ordered=False, session=session)
        if changed.modified_count != len(decisions):
            raise TransientError("a signal of this batch was decided meanwhile")
        orders = [
            order_document(
                order,
                at=decision.decided_at,
                sibling_count=len(decision.orders),
                reservation=reservation,
            )
            for decision in decisions
            for order, reservation in zip(decision.orders, decision.reservations, strict=True)
        ]
        if orders:
            self._store["orders"].insert_many(orders, session=session)
            held = [
                _reservation_document(each)
                for decision in decisions
                for each in decision.reservations
            ]
            self._store["reservations"].insert_many(held, session=session)
        for lock in (lock for decision in decisions for lock in decision.locks):
            row = {"_id": lock.key, **to_document(lock)}
            self._store["risk_locks"].replace_one(
                {"_id": lock.key}, row, upsert=True, session=session
            )
        for decision in decisions:
            if decision.cancels:
                self._store["orders"].update_many(
                    {"_id": {"$in": list(decision.cancels)}, "working": True},
                    {"$set": {"cancel_requested_at": decision.decided_at}},
                    session=session,
                )

    def save_squeezed(self, rows: Sequence[Squeezed], session: ClientSession) -> None:
        """Keep who got less margin than asked for, by signal and account."""
        if not rows:
            return
        self._store["contention_ledger"].bulk_write(
            [
                ReplaceOne(
                    {"_id": f"{row.signal_id}|{row.account_id}"},
                    to_document(row),
                    upsert=True,
                )
                for row in rows
            ],
            session=session,
        )

    def accounts_of(self, client_order_ids: Sequence[str]) -> dict[str, str]:
        """Which account each order is in."""
        found = self._store["orders"].find(
            {"_id": {"$in": list(client_order_ids)}}, {"account_id": 1}
        )
        return {row["_id"]: row["account_id"] for row in found}


def _decided(decision: Decision) -> UpdateOne:
    """The compare-and-set that makes a decision the only one of its signal."""
    ended = decision.outcome is Outcome.DENIED or not decision.orders
    changes: Document = {
        "status": _status_of(decision),
        "intent": decision.intent,
        "decision": decision_document(decision),
        "stages.decided_at": decision.decided_at,
    }
    if ended:
        changes["stages.completed_at"] = decision.decided_at
    return UpdateOne(
        {"_id": decision.signal_id, "undecided": {"$in": [True, AWAITS_APPROVAL]}},
        {"$set": changes, "$unset": {"undecided": "", "waiting_since": ""}},
    )


def _status_of(decision: Decision) -> SignalStatus:
    if decision.outcome is Outcome.DENIED:
        expired = decision.code == "SIGNAL_EXPIRED"
        return SignalStatus.EXPIRED if expired else SignalStatus.DENIED
    return SignalStatus.DECIDED if decision.orders else SignalStatus.COMPLETED


def _reservation_document(reservation: Reservation) -> Document:
    return {"_id": reservation.client_order_id, **to_document(reservation)}
