"""All queries of execution; `book` is the one place that moves orders, fills and positions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.controls import trading_state
from services.common.leases import Lease
from services.common.store import Document, Store, from_document, to_document
from services.domain.books import Position, apply_execution, position_id
from services.domain.errors import TransientError
from services.domain.orders import TERMINAL, Execution, Order, OrderReport, Reservation
from services.domain.words import AccountType, OrderStatus, SignalStatus
from services.execution.lifecycle import Advance, Incident, OrderState, advance, gate


class AccountRow:
    """What execution needs to know of an account to open a desk for it."""

    def __init__(self, document: Document) -> None:
        self.account_id: str = document["account_id"]
        self.broker: str = document["broker"]
        self.account_type = AccountType(document["account_type"])


class ExecutionStore:
    """Orders and books."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def accounts(self) -> list[AccountRow]:
        """Accounts that take part."""
        found = self._store["trading_accounts"].find({"status": "ACTIVE"})
        return [AccountRow(document) for document in found]

    def order(self, client_order_id: str) -> Document | None:
        """One order with all that is stored of it."""
        return self._store["orders"].find_one({"_id": client_order_id})

    def unfinished(self, account_id: str) -> list[Document]:
        """Orders of the account that were taken up and are not at their end."""
        query = {
            "working": True,
            "account_id": account_id,
            "status": {"$ne": OrderStatus.PENDING},
        }
        return list(self._store["orders"].find(query))

    def adopt(self, account_id: str, epoch: int) -> None:
        """Put our epoch on every working order, which locks out an owner before us."""
        self._store["orders"].update_many(
            {"working": True, "account_id": account_id}, {"$set": {"owner_epoch": epoch}}
        )

    def begin(self, order: Order, lease: Lease) -> Incident | None:
        """The last gate and the intent in one step, durable before the broker is called.

        In one transaction: the account is still ours, the kill switch and the order's expiry are
        looked at, and the order becomes SUBMITTING, which only one can do.

        Returns: why the order may not leave; None once it is ours to send.

        Raises:
            TransientError: the account or the order is somebody else's now.
        """

        def work(session: ClientSession) -> Incident | None:
            lease.check(session)
            state = trading_state(self._store, session)
            refusal = gate(order, trading_state=state, now=utc_now())
            if refusal is None and not self._move(
                order.client_order_id,
                before=OrderStatus.PENDING,
                after=OrderStatus.SUBMITTING,
                epoch=lease.epoch,
                session=session,
            ):
                raise TransientError(f"order {order.client_order_id} was taken up meanwhile")
            return refusal

        return self._store.transaction(work)

    def move(
        self, client_order_id: str, *, before: OrderStatus, after: OrderStatus, text: str = ""
    ) -> bool:
        """Compare-and-set of a status that changes nothing else."""
        return self._move(client_order_id, before=before, after=after, text=text)

    def _move(
        self,
        client_order_id: str,
        *,
        before: OrderStatus,
        after: OrderStatus,
        text: str = "",
        epoch: int | None = None,
        session: ClientSession | None = None,
    ) -> bool:
        now = utc_now()
        owner = {} if epoch is None else {"owner_epoch": epoch}
        changed = self._store["orders"].update_one(
            {"_id": client_order_id, "status": before},
            {
                "$set": {"status": after, "updated_at": now, "text": text, **owner},
                "$push": {"events": _event(after, now, now, text)},
            },
            session=session,
        )
        return bool(changed.modified_count)

    def note_absent(self, client_order_id: str, since: datetime) -> None:
        """Remember when the broker first said that it does not have an order."""
        self._store["orders"].update_one(
            {"_id": client_order_id, "absent_since": {"$exists": False}},
            {"$set": {"absent_since": since}},
        )

    def is_booked(self, report: OrderReport) -> bool:
        """Whether a report can tell nothing new: the order has ended with as much filled."""
        found = self._store["orders"].find_one(
            {"_id": report.client_order_id}, {"status": 1, "filled_quantity": 1}
        )
        return (
            found is not None
            and found["status"] in TERMINAL
            and found["filled_quantity"] >= report.filled_quantity
        )

    def book(self, account_id: str, report: OrderReport, *, epoch: int) -> Advance | None:
        """Apply a broker's report: order, fills, position, reservation and signal, or nothing.

        Returns: the order afterwards, or None where the report told nothing new.

        Raises:
            TransientError: a newer owner has the account.
        """
        return self._store.transaction(
            lambda session: self._book(account_id, report, epoch=epoch, session=session)
        )

    def _book(
        self, account_id: str, report: OrderReport, *, epoch: int, session: ClientSession
    ) -> Advance | None:
        stored = self._store["orders"].find_one({"_id": report.client_order_id}, session=session)
        if stored is None or stored["account_id"] != account_id:
            return None
        if stored.get("owner_epoch", 0) > epoch:
            raise TransientError(f"account {account_id} has a newer owner than epoch {epoch}")
        before = from_document(OrderState, stored)
        fresh = self._unbooked(account_id, report.executions, session)
        after = advance(before, report, fresh)
        if not after.changes(before):
            return None
        self._book_fills(stored, fresh, session)
        self._update_order(stored, after.state, report, session)
        self._update_reservation(after.state, session)
        self._update_signal(stored, after.state, report, fresh, session)
        return after

    def _unbooked(
        self, account_id: str, executions: Sequence[Execution], session: ClientSession
    ) -> list[Execution]:
        if not executions:
            return []
        ids = {f"{account_id}|{each.execution_id}": each for each in executions}
        found = self._store["execution_confirmations"].find(
            {"_id": {"$in": list(ids)}}, {"_id": 1}, session=session
        )
        booked = {row["_id"] for row in found}
        return [each for key, each in ids.items() if key not in booked]

    def _book_fills(
        self, stored: Document, fresh: Sequence[Execution], session: ClientSession
    ) -> None:
        if not fresh:
            return
        instrument = fresh[0].instrument
        key = position_id(stored["strategy_id"], stored["account_id"], instrument)
        found = self._store["positions"].find_one({"_id": key}, session=session)
        position = (
            from_document(Position, found)
            if found
            else Position(
                strategy_id=stored["strategy_id"],
                account_id=stored["account_id"],
                instrument=instrument,
            )
        )
        rows = []
        for execution in sorted(fresh, key=lambda each: each.occurred_at):
            after = apply_execution(position, execution)
            gain = after.realized_pnl - position.realized_pnl
            rows.append(_confirmation(stored, execution, gain))
            position = after
        self._store["execution_confirmations"].insert_many(rows, session=session)
        document = {"instrument_key": instrument.key, **to_document(position)}
        if position.quantity:
            document["open"] = True
        self._store["positions"].replace_one({"_id": key}, document, upsert=True, session=session)

    def _update_order(
        self, stored: Document, after: OrderState, report: OrderReport, session: ClientSession
    ) -> None:
        now = utc_now()
        ended = after.status in TERMINAL
        self._store["orders"].update_one(
            {"_id": stored["_id"]},
            {
                "$set": {
                    "status": after.status,
                    "broker_order_id": after.broker_order_id,
                    "filled_quantity": after.filled_quantity,
                    "avg_fill_price": after.avg_fill_price,
                    "text": report.text,
                    "updated_at": now,
                    **({} if ended else {"working": True}),
                },
                "$push": {"events": _event(after.status, report.occurred_at, now, report.text)},
                "$unset": {"absent_since": "", **({"working": ""} if ended else {})},
            },
            session=session,
        )

    def _update_reservation(self, after: OrderState, session: ClientSession) -> None:
        reservations = self._store["reservations"]
        order_id = after.order.client_order_id
        if after.status in TERMINAL:
            reservations.delete_one({"_id": order_id}, session=session)
        elif after.filled_quantity:
            found = reservations.find_one({"_id": order_id}, session=session)
            if found is None:
                return
            whole = Reservation.model_validate(found.get("whole") or _plain(found))
            left = whole.after_fill(after.filled_quantity)
            if left is None:
                reservations.delete_one({"_id": order_id}, session=session)
                return
            row = {**to_document(left), "whole": to_document(whole)}
            reservations.replace_one({"_id": order_id}, row, session=session)

    def _update_signal(
        self,
        stored: Document,
        after: OrderState,
        report: OrderReport,
        fresh: Sequence[Execution],
        session: ClientSession,
    ) -> None:
        status: SignalStatus | None = SignalStatus.WORKING
        now = utc_now()
        changes: Document = {}
        first: Document = {"stages.submitted_at": report.occurred_at}
        if fresh:
            first["stages.first_fill_at"] = min(each.occurred_at for each in fresh)
        if after.status in TERMINAL:
            status = self._outcome(stored, after, session)
            if status is not None:
                changes["stages.completed_at"] = now
        changes["status"] = status or SignalStatus.WORKING
        self._store["signal_store"].update_one(
            {"_id": stored["signal_id"]}, {"$set": changes, "$min": first}, session=session
        )

    def _outcome(
        self, stored: Document, after: OrderState, session: ClientSession
    ) -> SignalStatus | None:
        """The outcome of the signal once its last order has ended; None while others work."""
        filled = bool(after.filled_quantity)
        if stored.get("sibling_count", 1) > 1:
            others = self._store["orders"].find(
                {"signal_id": stored["signal_id"], "_id": {"$ne": stored["_id"]}},
                {"working": 1, "filled_quantity": 1},
                session=session,
            )
            for other in others:
                if other.get("working"):
                    return None
                filled = filled or bool(other["filled_quantity"])
        return SignalStatus.COMPLETED if filled else SignalStatus(after.status)

    def cursor(self, account_id: str) -> str | None:
        """Where the stream of the broker's reports was left."""
        found = self._store["checkpoints"].find_one({"_id": f"reports|{account_id}"})
        return found["cursor"] if found else None

    def save_cursor(self, account_id: str, cursor: str) -> None:
        """Remember how far the broker's reports are booked."""
        self._store["checkpoints"].update_one(
            {"_id": f"reports|{account_id}"},
            {"$set": {"cursor": cursor, "saved_at": utc_now()}},
            upsert=True,
        )


def _event(
    status: OrderStatus, occurred_at: datetime, recorded_at: datetime, text: str
) -> dict[str, Any]:
    return {
        "status": status,
        "occurred_at": occurred_at,
        "recorded_at": recorded_at,
        "text": text,
    }


def _plain(document: Document) -> Document:
    return {name: value for name, value in document.items() if name not in {"_id", "whole"}}


def _confirmation(stored: Document, execution: Execution, gain: Decimal) -> Document:
    return {
        "_id": f"{stored['account_id']}|{execution.execution_id}",
        "account_id": stored["account_id"],
        "execution_id": execution.execution_id,
        "client_order_id": stored["client_order_id"],
        "signal_id": stored["signal_id"],
        "strategy_id": stored["strategy_id"],
        "instrument_key": execution.instrument.key,
        "side": execution.side,
        "quantity": execution.quantity,
        "price": execution.price,
        "commission": execution.commission,
        "realized_pnl": gain,
        "occurred_at": execution.occurred_at,
        "recorded_at": utc_now(),
    }
