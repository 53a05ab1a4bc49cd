"""All queries of execution but those that book."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.locks import cleared_at
from services.common.store import Document, Store, among, from_document
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.orders import Order, OrderTerms
from services.domain.risk import scope_key
from services.domain.values import ZERO
from services.domain.words import Intent, LockRule, OrderRole, OrderStatus, Scope
from services.execution.documents import event
from services.execution.gate import GUARDS
from services.execution.unreadable import readable


def not_above(epoch: int) -> Document:
    """Filter: no newer owner has put its epoch on the row."""
    return {"owner_epoch": {"$not": {"$gt": epoch}}}


class ExecutionStore:
    """Orders and books."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def order(self, client_order_id: str) -> Document | None:
        """One order with all that is stored of it."""
        return self._store["orders"].find_one({"_id": client_order_id})

    def orders(self, client_order_ids: Sequence[str]) -> list[Document]:
        """These orders: what reduces risk first, then the oldest first."""
        if not client_order_ids:
            return []
        found = self._store["orders"].find({"_id": {"$in": list(client_order_ids)}})
        return sorted(
            readable(self._store, found),
            key=lambda row: (not Intent(row["order"]["intent"]).reduces_risk, row["created_at"]),
        )

    def unfinished(self, account_id: str) -> list[Document]:
        """Orders of the account that were taken up and are not at their end."""
        query = {"sent": True, "account_id": among(account_id)}
        return readable(self._store, self._store["orders"].find(query))

    def grouped(self, pending: Sequence[Document]) -> list[list[Document]]:
        """Legs of one signal stand together, also those whose doorbell has not rung yet."""
        groups: dict[str, list[Document]] = {}
        for row in pending:
            key = row["_id"]
            if row.get("sibling_count", 1) > 1 and row["order"].get("role", "LEG") == "LEG":
                key = f"group|{row['signal_id']}"
                if key in groups:
                    continue
                legs = self.legs(row["signal_id"], row["account_id"])
                groups[key] = [each for each in legs if each["status"] == OrderStatus.PENDING]
            else:
                groups[key] = [row]
        return list(groups.values())

    def is_in_doubt(self, account_id: str, instrument_key: str) -> bool:
        """Whether nobody knows what became of an order of the account for an instrument."""
        query = {"sent": True, "account_id": account_id, "instrument_key": among(instrument_key)}
        found = self._store["orders"].find(query, {"status": 1})
        return any(row["status"] in {OrderStatus.SUBMITTING, OrderStatus.UNKNOWN} for row in found)

    def held(self, account_id: str, instrument_key: str) -> Decimal:
        """What the account holds of an instrument by our books, over all strategies; signed."""
        query = {"open": True, "account_id": among(account_id)}
        rows = self._store["positions"].find(query, {"instrument_key": 1, "quantity": 1})
        return sum((r["quantity"] for r in rows if r["instrument_key"] == instrument_key), ZERO)

    def adopt(self, account_id: str, epoch: int) -> None:
        """Put our epoch on every working order, which locks out an owner before us.

        What was noted of an order's absence belongs to the connection before, and is forgotten.
        """
        self._store.update_many(
            "orders",
            {"working": True, "account_id": among(account_id)},
            {"$set": {"owner_epoch": epoch}, "$unset": {"absent_since": ""}},
        )

    def throttle_reset_at(self, strategy_id: str) -> datetime | None:
        """When a person last let a strategy go on that had repeated itself; None = never."""
        key = f"{LockRule.REPEATED_EXECUTION}|{scope_key(Scope.STRATEGY, strategy_id)}"
        return cleared_at(self._store, key)

    def left_since(self, account_id: str, since: datetime) -> list[tuple[Order, datetime]]:
        """Orders of the account that were sent since then, and when."""
        query = {
            "created_at": {"$gte": since},
            "account_id": account_id,
            "sent_at": {"$gte": since},
        }
        found = self._store["orders"].find(query, {"order": 1, "sent_at": 1})
        return [(from_document(Order, row["order"]), row["sent_at"]) for row in found]

    def move(  # noqa: PLR0913 - what a move may change, by name
        self,
        client_order_id: str,
        *,
        before: OrderStatus,
        after: OrderStatus,
        epoch: int,
        text: str = "",
        changes: Document | None = None,
        forget: Sequence[str] = (),
    ) -> bool:
        """Compare-and-set of a status that changes nothing else but `changes` and `forget`.

        Not on an order that a newer owner than `epoch` has taken over.
        """
        now = utc_now()
        update: Document = {
            "$set": {"status": after, "updated_at": now, "text": text, **(changes or {})},
            "$push": {"events": event(after, now, now, text)},
        }
        if forget:
            update["$unset"] = dict.fromkeys(forget, "")
        changed = self._store["orders"].update_one(
            {"_id": client_order_id, "status": before, **not_above(epoch)}, update
        )
        return bool(changed.modified_count)

    def take_back(
        self, orders: Sequence[str], guards: Sequence[str], *, text: str, epoch: int
    ) -> None:
        """What has not left is PENDING again, and guards that would have gone with it are not."""
        for order_id in orders:
            self.move(
                order_id,
                before=OrderStatus.SUBMITTING,
                after=OrderStatus.PENDING,
                epoch=epoch,
                text=text,
                forget=("children", "native_guards", "sent", "sent_at"),
            )
        if guards:
            self._store.delete_many(
                "orders",
                {
                    "_id": {"$in": list(guards)},
                    "status": OrderStatus.SUBMITTING,
                    **not_above(epoch),
                },
            )

    def give_up(
        self, client_order_id: str, *, before: OrderStatus, epoch: int, text: str = ""
    ) -> None:
        """The broker does not have this order: back to PENDING, and counted."""
        row = self.order(client_order_id)
        now = utc_now()
        text = text or "the broker does not have it"
        changed = self._store["orders"].update_one(
            {"_id": client_order_id, "status": before, **not_above(epoch)},
            {
                "$set": {"status": OrderStatus.PENDING, "updated_at": now, "text": text},
                "$push": {"events": event(OrderStatus.PENDING, now, now, text)},
                "$inc": {"resend_count": 1},
                "$unset": dict.fromkeys(
                    ("absent_since", "resolution", "children", "sent", "sent_at", "unknown"), ""
                ),
            },
        )
        attached = (row or {}).get("children", []) if (row or {}).get("native_guards") else []
        if changed.modified_count and attached:
            self._store.delete_many(
                "orders", {"_id": {"$in": attached}, "filled_quantity": ZERO, "attached": True}
            )

    def note_doubt(
        self,
        client_order_id: str,
        statuses: Collection[OrderStatus],
        doubt: Document,
        session: ClientSession,
    ) -> bool:
        """Remember what a person is asked of an order; False where it has its answer by now."""
        found = self._store["orders"].update_one(
            {"_id": client_order_id, "status": {"$in": list(statuses)}},
            {"$set": doubt},
            session=session,
        )
        return found.matched_count > 0

    def note_found(self, client_order_id: str) -> None:
        """Remember that the broker knows a working order of ours again."""
        self._store["orders"].update_one(
            {"_id": client_order_id}, {"$unset": {"missing": "", "resolution": ""}}
        )

    def note_change_sent(self, client_order_id: str, *, sent: bool = True) -> None:
        """Remember that the broker is being asked for a change, or was not after all."""
        stamp = {"modify_sent_at": utc_now()} if sent else {"modify_sent_at": ""}
        update = {"$set": stamp} if sent else {"$unset": stamp}
        self._store["orders"].update_one(
            {"_id": client_order_id, "modify_requested": {"$exists": True}}, update
        )

    def end_change(
        self,
        client_order_id: str,
        *,
        text: str,
        terms: OrderTerms | None = None,
        refused: bool = False,
    ) -> None:
        """A change is settled: these terms hold now; None = those before.

        Args:
            client_order_id: whose.
            text: what became of it.
            terms: as the broker has them.
            refused: the broker does not want to change this order.
        """
        row = self.order(client_order_id)
        if row is None:
            return
        now = utc_now()
        changes: Document = {"updated_at": now, "text": text}
        if refused:
            changes["change_refused"] = True
        if terms is not None:
            known = terms.model_dump(exclude_none=True)
            changes |= {f"order.{name}": value for name, value in known.items()}
            before = {name: row["order"].get(name) for name in known}
            changes["as_decided"] = row.get("as_decided") or before
        self._store["orders"].update_one(
            {"_id": client_order_id},
            {
                "$set": changes,
                "$push": {"events": event(OrderStatus(row["status"]), now, now, text)},
                "$unset": {"modify_requested": "", "modify_sent_at": ""},
            },
        )

    def request_change(
        self, client_order_id: str, terms: Document, *, at: datetime, by: str
    ) -> None:
        """Have a working order changed; one that is being changed already is left alone."""
        wanted = {"terms": terms, "at": at, "by": by}
        self._store["orders"].update_one(
            {"_id": client_order_id, "working": True, "modify_requested": {"$exists": False}},
            {"$set": {"modify_requested": wanted}},
        )

    def request_cancel(
        self, client_order_ids: Sequence[str], *, at: datetime, text: str, cut: bool = False
    ) -> None:
        """Have working orders canceled; `cut` where it is only to be made anew, smaller."""
        if not client_order_ids:
            return
        changes: Document = {"cancel_requested_at": at, "cancel_reason": text}
        if cut:
            changes["cut"] = True
        self._store.update_many(
            "orders",
            {"_id": {"$in": list(client_order_ids)}, "working": True, "cancel_requested_at": None},
            {"$set": changes},
        )

    def waiting(self, account_id: str) -> list[Document]:
        """All orders of the account that are not at their end, as far as it says what to do."""
        fields = dict.fromkeys(
            (
                "status",
                "created_at",
                "cancel_requested_at",
                "modify_requested",
                "modify_sent_at",
                "resolution",
                "order.intent",
                "order.cancel_at",
                "order.expires_at",
            ),
            1,
        )
        query = {"working": True, "account_id": among(account_id)}
        return list(self._store["orders"].find(query, fields))

    def tended(self, account_id: str) -> list[Document]:
        """Orders that execution has to look after beyond their own life."""
        query = {"tended": True, "account_id": among(account_id)}
        return readable(self._store, self._store["orders"].find(query))

    def end_tending(self, client_order_id: str) -> None:
        """Nothing is left to look after."""
        self._store["orders"].update_one({"_id": client_order_id}, {"$unset": {"tended": ""}})

    def add_children(
        self, parent_id: str, rows: Sequence[Document], session: ClientSession
    ) -> None:
        """Store orders made for another one. Raises: BulkWriteError: some are there."""
        self._store["orders"].insert_many(list(rows), session=session)
        ids = [row["_id"] for row in rows]
        self._store["orders"].update_one(
            {"_id": parent_id}, {"$addToSet": {"children": {"$each": ids}}}, session=session
        )

    def link_children(self, parent_id: str, ids: Sequence[str]) -> None:
        """Remember orders that are there already as another one's."""
        self._store["orders"].update_one(
            {"_id": parent_id}, {"$addToSet": {"children": {"$each": list(ids)}}}
        )

    def note_lost(self, client_order_id: str, roles: Sequence[OrderRole]) -> None:
        """Remember which guards of an entry have ended by themselves."""
        self._store["orders"].update_one(
            {"_id": client_order_id}, {"$set": {"guards_lost": list(roles)}}
        )

    def legs(self, signal_id: str, account_id: str) -> list[Document]:
        """The orders that Cerebro made of a signal's legs in an account, by leg."""
        query = {"signal_id": signal_id, "account_id": account_id}
        found = [
            row
            for row in readable(self._store, self._store["orders"].find(query))
            if row["order"].get("role", OrderRole.LEG) == OrderRole.LEG
        ]
        return sorted(found, key=lambda row: row["order"]["leg_index"])

    def squaring_off(self, account_id: str) -> list[Document]:
        """Strategies of the account whose positions are closed at a time of the day."""
        query = {"accounts.account_id": account_id, "square_off": {"$ne": None}}
        return list(self._store["strategies"].find(query, {"square_off": 1}))

    def working_of(self, account_id: str, strategy_id: str) -> list[Document]:
        """A strategy's orders in the account that are not at their end."""
        found = self._store["orders"].find({"working": True, "account_id": among(account_id)})
        return [row for row in found if row["strategy_id"] == strategy_id]

    def open_positions(self, account_id: str, strategy_id: str) -> list[Position]:
        """What a strategy holds in the account."""
        found = self._store["positions"].find({"open": True, "account_id": among(account_id)})
        return [from_document(Position, row) for row in found if row["strategy_id"] == strategy_id]

    def position(self, key: str) -> Document | None:
        """One position of the books."""
        return self._store["positions"].find_one({"_id": key})

    def exits(self, account_id: str, strategy_id: str, instrument: Instrument) -> list[Document]:
        """Exits of a strategy's position that are not at their end, what guards it left out."""
        query = {"working": True, "account_id": among(account_id)}
        return [
            row
            for row in readable(self._store, self._store["orders"].find(query))
            if (row["strategy_id"], row["instrument_key"]) == (strategy_id, instrument.key)
            and Intent(row["order"]["intent"]).reduces_risk
            and row["order"]["role"] not in GUARDS
        ]

    def note_absent(self, client_order_id: str, since: datetime) -> None:
        """Remember when the broker first said that it does not have an order."""
        self._store["orders"].update_one(
            {"_id": client_order_id, "absent_since": {"$exists": False}},
            {"$set": {"absent_since": since}},
        )

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
