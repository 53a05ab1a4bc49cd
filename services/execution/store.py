"""All queries of execution; `book` is the one place that moves orders, fills and positions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.controls import GLOBAL_CONTROL, trading_state
from services.common.kept import Kept
from services.common.store import Document, Store, from_document, to_document
from services.domain.books import Position, apply_execution, position_id
from services.domain.errors import TransientError
from services.domain.orders import TERMINAL, Execution, Order, OrderReport, Reservation
from services.domain.words import AccountType, OrderStatus, SignalStatus, TradingState
from services.execution.lifecycle import Advance, Incident, OrderState, advance, gate

_TRIES = 5
#: The kill switch may be this old when an order leaves; it must act within a second.
_SWITCH_SECONDS = 0.2


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
        self._trading_state: Kept[str, TradingState] = Kept(
            lambda _: trading_state(store), seconds=_SWITCH_SECONDS
        )

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

    def begin(self, order: Order, *, epoch: int) -> Incident | None:
        """The last gate, then the intent: durable before the broker is called, and by one only.

        Returns: why the order may not leave; None once it is ours to send.

        Raises:
            TransientError: the order was taken up meanwhile, or the account has a newer owner.
        """
        refusal = gate(order, trading_state=self._trading_state(GLOBAL_CONTROL), now=utc_now())
        if refusal is None and not self._move(
            order.client_order_id,
            before=OrderStatus.PENDING,
            after=OrderStatus.SUBMITTING,
            epoch=epoch,
        ):
            raise TransientError(f"order {order.client_order_id} was taken up meanwhile")
        return refusal

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
    ) -> bool:
        now = utc_now()
        owner = {} if epoch is None else {"owner_epoch": epoch}
        mine = {} if epoch is None else {"owner_epoch": {"$not": {"$gt": epoch}}}
        changed = self._store["orders"].update_one(
            {"_id": client_order_id, "status": before, **mine},
            {
                "$set": {"status": after, "updated_at": now, "text": text, **owner},
                "$push": {"events": _event(after, now, now, text)},
            },
        )
        return bool(changed.modified_count)

    def note_absent(self, client_order_id: str, since: datetime) -> None:
        """Remember when the broker first said that it does not have an order."""
        self._store["orders"].update_one(
            {"_id": client_order_id, "absent_since": {"$exists": False}},
            {"$set": {"absent_since": since}},
        )

    def book(self, stored: Document, report: OrderReport, *, epoch: int) -> Advance | None:
        """Apply a broker's report: order, fills, position, reservation and signal, or nothing.

        Args:
            stored: the order as it was read; where it has moved since, it is read again.
            report: the broker's words.
            epoch: of the lease that this is done under.

        Returns: the order afterwards, or None where the report told nothing new.

        Raises:
            TransientError: a newer owner has the account, or the order would not hold still.
        """
        for _ in range(_TRIES):
            if stored.get("owner_epoch", 0) > epoch:
                raise TransientError(f"{stored['account_id']} has a newer owner than {epoch}")
            before = from_document(OrderState, stored)
            fresh = self._unbooked(stored, report.executions)
            after = advance(before, report, fresh)
            if not after.changes(before):
                return None
            if self._book(stored, after.state, report, fresh):
                return after
            read = self.order(stored["_id"])
            if read is None:
                return None
            stored = read
        raise TransientError(f"order {stored['_id']} is moved by somebody else")

    def _book(
        self,
        stored: Document,
        after: OrderState,
        report: OrderReport,
        fresh: Sequence[Execution],
    ) -> bool:
        """One transaction; False, with nothing written, where the order is not as it was read."""

        def work(session: ClientSession) -> bool:
            if not self._update_order(stored, after, report, session):
                return False
            self._book_fills(stored, fresh, session)
            self._update_reservation(after, session)
            self._update_signal(stored, after, report, fresh, session)
            return True

        return self._store.transaction(work)

    def _unbooked(self, stored: Document, executions: Sequence[Execution]) -> list[Execution]:
        if not executions or not stored["filled_quantity"]:
            return list({each.execution_id: each for each in executions}.values())
        ids = {f"{stored['account_id']}|{each.execution_id}": each for each in executions}
        found = self._store["execution_confirmations"].find({"_id": {"$in": list(ids)}}, {"_id": 1})
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
    ) -> bool:
        now = utc_now()
        ended = after.status in TERMINAL
        changed = self._store["orders"].update_one(
            {
                "_id": stored["_id"],
                "status": stored["status"],
                "filled_quantity": stored["filled_quantity"],
            },
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
        return bool(changed.modified_count)

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
