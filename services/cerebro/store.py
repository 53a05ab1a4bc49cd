"""All queries of Cerebro: what a decision has to know, and the one transaction that keeps it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from pymongo import ASCENDING, DeleteOne, ReplaceOne, UpdateOne
from pymongo.client_session import ClientSession

from services.cerebro.contention import Squeezed
from services.cerebro.gaps import Chain, Count, Ledger, chain_id
from services.common.audit import audit
from services.common.clock import utc_now
from services.common.controls import controls
from services.common.futures import futures_margins
from services.common.guards import exclude_others, make_guard
from services.common.incidents import clear_incident
from services.common.kept import Kept
from services.common.limits import limit_sets
from services.common.locks import locks
from services.common.orders import order_document
from services.common.store import Document, Store, from_document, to_document
from services.decision.prices import preview_key
from services.decision.record import decision_document
from services.domain.accounts import (
    AccountSnapshot,
    MarginPreview,
    MarketPrice,
    Strategy,
    market_price_id,
)
from services.domain.approvals import AWAITS_APPROVAL, ApprovalRequest
from services.domain.books import Position
from services.domain.decisions import Decision, Question
from services.domain.errors import ConfigurationError, TransientError
from services.domain.instruments import Instrument
from services.domain.orders import Reservation
from services.domain.risk import Control, Fund, FuturesMargin, LimitSet, RiskLock
from services.domain.signals import PREVIOUS, Signal, signal_id_for
from services.domain.words import AccountType, Intent, Outcome, SignalStatus

_GUARD_SECONDS = 600.0
#: A strategy's daily record changes once a day.
_RECORD_SECONDS = 60.0
_RECORD_DAYS = 120
#: Entries that share an account's margin at once; what comes after them has its turn next.
_MOST_RIVALS = 200


class CerebroStore:
    """Reference values a moment old; books and reservations always of this instant."""

    def __init__(self, store: Store, *, reference_seconds: float) -> None:
        self._store = store
        self.strategy = Kept(self._strategy, seconds=reference_seconds)
        self.account = Kept(self._account, seconds=reference_seconds)
        self._ratios = Kept(self._load_ratios, seconds=reference_seconds)
        self._controls = Kept(self._load_controls, seconds=reference_seconds)
        self._limit_sets = Kept(self._load_limit_sets, seconds=reference_seconds)
        self._locks = Kept(self._load_locks, seconds=reference_seconds)
        self._futures = Kept(self._load_futures, seconds=reference_seconds)
        self.fund = Kept(self._fund, seconds=reference_seconds)
        self._guard = Kept(self._make_guard, seconds=_GUARD_SECONDS)

    def _strategy(self, strategy_id: str) -> Strategy | None:
        found = self._store["strategies"].find_one({"_id": strategy_id})
        return from_document(Strategy, found) if found else None

    def _account(self, account_id: str) -> AccountSnapshot | None:
        found = self._store["trading_accounts"].find_one({"_id": account_id})
        return from_document(AccountSnapshot, found) if found else None

    def _load_ratios(self, which: str) -> dict[str, Decimal]:
        found = self._store["current_allocation"].find_one({"_id": which})
        rows = found["allocations"] if found else []
        return {row["strategy_id"]: row["ratio"] for row in rows}

    def _load_controls(self, _which: str) -> tuple[Control, ...]:
        return controls(self._store)

    def _load_limit_sets(self, _which: str) -> tuple[LimitSet, ...]:
        return limit_sets(self._store)

    def _load_locks(self, _which: str) -> tuple[RiskLock, ...]:
        return locks(self._store, utc_now())

    def _load_futures(self, _which: str) -> dict[str, FuturesMargin | None]:
        return futures_margins(self._store)

    def _fund(self, account_type: AccountType) -> Fund | None:
        found = self._store["funds"].find_one({"_id": account_type})
        return from_document(Fund, found) if found else None

    def allocation_ratio(self, strategy_id: str) -> Decimal | None:
        """Approved share of account equity; None where nothing is approved."""
        return self._ratios("current").get(strategy_id)

    def controls(self) -> tuple[Control, ...]:
        """Every kill switch and override."""
        return self._controls("all")

    def limit_sets(self) -> tuple[LimitSet, ...]:
        """Every stored limit."""
        return self._limit_sets("all")

    def locks(self) -> tuple[RiskLock, ...]:
        """Every scope whose entries are stopped."""
        return self._locks("all")

    def futures_margins(self) -> dict[str, FuturesMargin | None]:
        """Margins of futures as the operator has stored them, by symbol; None = unreadable."""
        return self._futures("all")

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
        signals = self._store["signal_store"]
        own: Document = {"strategy_id": signal.strategy_id}
        fields = {"signal_id": 1, "undecided": 1, "replays": 1}
        if signal.entry_reference == PREVIOUS:
            earlier = {"received_at": {"$lte": signal.received_at}, "intent": Intent.ENTRY}
            return signals.find_one(
                {**own, **earlier}, fields, sort=[("received_at", -1)], session=session
            )
        # What the sender calls it is what our id is made of, so both are found by `_id`.
        reference = signal.entry_reference or ""
        ids = [reference, signal_id_for(signal.strategy_id, reference)]
        found = signals.find_one({**own, "_id": {"$in": ids}}, fields, session=session)
        if found is None or not found.get("replays"):
            return found
        # The sender knows the entry by its first id; what traded, if anything, is the last replay.
        last = {"_id": found["replays"][-1]}
        return signals.find_one({**own, **last}, fields, session=session) or found

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
            self._store["signal_store"].update_many(
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

    def ledger(self, signals: Sequence[Signal], session: ClientSession) -> Ledger:
        """What is known of the order in which the strategies of these signals send."""
        ids = {signal.strategy_id for signal in signals} | {
            chain_id(signal.strategy_id, leg) for signal in signals for leg in signal.legs
        }
        found = self._store["sequences"].find({"_id": {"$in": list(ids)}}, session=session)
        return Ledger({row["_id"]: _sent_before(row) for row in found})

    def save_ledger(self, ledger: Ledger, session: ClientSession) -> None:
        """Keep what the decided signals changed in it."""
        updates: list[ReplaceOne[Document] | DeleteOne] = []
        for (strategy_id, name), kept in ledger.changed.items():
            if kept is None:
                updates.append(DeleteOne({"_id": name}))
            else:
                row = {"strategy_id": strategy_id, **to_document(kept)}
                updates.append(ReplaceOne({"_id": name}, row, upsert=True))
        if updates:
            self._store["sequences"].bulk_write(updates, ordered=False, session=session)

    def resync(self, strategy_id: str, *, by: str) -> list[str]:
        """Accept what is missing: forget the strategy's count and chains, and clear the incidents.

        The next number and the next claim that come are where they begin again.

        Args:
            strategy_id: whose.
            by: who accepts it, for the audit log.

        Returns: what was forgotten, in sentences.

        Raises:
            ConfigurationError: there is no such strategy.
        """
        if self._strategy(strategy_id) is None:
            raise ConfigurationError(f"there is no strategy named {strategy_id!r}")
        forgotten = self._store.transaction(lambda session: self._forget(strategy_id, by, session))
        for name in forgotten:
            clear_incident(self._store, kind="SIGNAL_GAP", key=name)
        clear_incident(self._store, kind="SEQUENCE_REPEATED", key=strategy_id)
        return [f"{name}: {words}" for name, words in forgotten.items()]

    def _forget(self, strategy_id: str, by: str, session: ClientSession) -> dict[str, str]:
        query = {"strategy_id": strategy_id}
        forgotten = {
            row["_id"]: _sent_before(row).in_words()
            for row in self._store["sequences"].find(query, session=session)
        }
        self._store["sequences"].delete_many(query, session=session)
        audit(
            self._store,
            "GAP_ACCEPTED",
            service="cerebro",
            by=by,
            facts={"strategy_id": strategy_id, "forgotten": list(forgotten.values())},
            session=session,
        )
        return forgotten

    def open_gaps(self, names: Sequence[str]) -> dict[str, str]:
        """The sentence of the open incident of each of these counts and chains that has one."""
        query = {"_id": {"$in": [f"SIGNAL_GAP|{name}" for name in names]}, "status": "OPEN"}
        return {row["key"]: row["sentence"] for row in self._store["incidents"].find(query)}

    def prices(self, account_id: str, instruments: Sequence[Instrument]) -> dict[str, MarketPrice]:
        """What the account's broker has said of these, by instrument key.

        Outside of any transaction: a price is of this instant, not of its snapshot.
        """
        keys = {market_price_id(each, account_id): each.key for each in instruments}
        if not keys:
            return {}
        found = self._store["market_prices"].find({"_id": {"$in": list(keys)}})
        return {keys[row["_id"]]: from_document(MarketPrice, row) for row in found}

    def want_prices(
        self, account_id: str, instruments: Iterable[Instrument], *, at: datetime
    ) -> None:
        """Have account_data ask the account's broker; wanted again is asked again."""
        for instrument in instruments:
            wanted = {
                "account_id": account_id,
                "instrument": to_document(instrument),
                "wanted_at": at,
            }
            self._store["market_prices"].update_one(
                {"_id": market_price_id(instrument, account_id)}, {"$set": wanted}, upsert=True
            )

    def margin_preview(self, account: AccountSnapshot, signal: Signal) -> MarginPreview | None:
        """What the account's broker has said of these legs' margin, where it is ever asked."""
        if not account.previews_margin:
            return None
        key = preview_key(account.account_id, signal)
        found = self._store["margin_previews"].find_one({"_id": key})
        return from_document(MarginPreview, found) if found else None

    def ask(self, question: Question, *, at: datetime) -> None:
        """Have account_data ask an account's broker; asked again is asked again."""
        if question.instrument is not None:
            self.want_prices(question.account_id, [question.instrument], at=at)
        if question.legs:
            # The legs of an earlier question stay beside their answer: they are in the same ratio.
            legs = [to_document(leg) for leg in question.legs]
            self._store["margin_previews"].update_one(
                {"_id": question.key},
                {
                    "$set": {"account_id": question.account_id, "wanted_at": at},
                    "$setOnInsert": {"legs": legs},
                },
                upsert=True,
            )

    def requests(
        self, signal_ids: Sequence[str], session: ClientSession
    ) -> dict[str, ApprovalRequest]:
        """What persons were asked of these signals."""
        found = self._store["approvals"].find(
            {"_id": {"$in": list(signal_ids)}}, {"preview": 0}, session=session
        )
        return {row["_id"]: from_document(ApprovalRequest, row) for row in found}

    def open_requests(self) -> list[ApprovalRequest]:
        """Everything that a person was asked of signals that are not decided."""
        found = self._store["approvals"].find({"open": True}, {"preview": 0})
        return [from_document(ApprovalRequest, row) for row in found]

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

    def save_asked(
        self, asked: Sequence[tuple[ApprovalRequest, Decision]], session: ClientSession
    ) -> None:
        """Keep what persons are asked, and that these signals wait for it.

        Raises: TransientError: one of the signals was decided meanwhile.
        """
        for request, decision in asked:
            changed = self._store["signal_store"].update_one(
                {"_id": request.signal_id, "undecided": True},
                {"$set": {"undecided": AWAITS_APPROVAL, "intent": decision.intent}},
                session=session,
            )
            if not changed.modified_count:
                raise TransientError(f"{request.signal_id} was decided meanwhile")
            preview = decision_document(decision)
            del preview["context"]
            row = {"_id": request.signal_id, **to_document(request), "open": True}
            self._store["approvals"].insert_one({**row, "preview": preview}, session=session)
            facts = {
                "signal_id": request.signal_id,
                "strategy_id": request.strategy_id,
                "before": None,
                "after": {"status": request.status, "expires_at": request.expires_at},
            }
            audit(
                self._store,
                "APPROVAL_ASKED",
                service="cerebro",
                by="cerebro",
                facts=facts,
                session=session,
            )

    def close_requests(self, decisions: Sequence[Decision], session: ClientSession) -> None:
        """Note that these are decided upon their answers."""
        for decision in decisions:
            if decision.context.approval is not None:
                self._store["approvals"].update_one(
                    {"_id": decision.signal_id},
                    {"$set": {"decided_at": decision.decided_at}, "$unset": {"open": ""}},
                    session=session,
                )

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
            order_document(order, at=decision.decided_at, sibling_count=len(decision.orders))
            for decision in decisions
            for order in decision.orders
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


def _sent_before(row: Document) -> Count | Chain:
    return from_document(Count, row) if "last" in row else from_document(Chain, row)


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
