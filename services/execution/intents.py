"""The write-ahead: orders pass the gate and become SUBMITTING in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.common.clock import utc_now
from services.common.controls import controls
from services.common.failpoints import FailPoint, failpoint
from services.common.kept import Kept
from services.common.leases import Lease
from services.common.limits import limit_sets
from services.common.locks import locks
from services.common.orders import order_document
from services.common.store import Document, Store, from_document, to_document
from services.domain.books import Position, position_id
from services.domain.errors import TransientError
from services.domain.orders import Order
from services.domain.risk import LimitSet, RiskLock
from services.domain.values import ZERO
from services.domain.words import OrderStatus
from services.execution.bookkeeper import Bookkeeper
from services.execution.documents import event
from services.execution.gate import Seen, Verdict, Working, judge
from services.execution.store import not_above
from services.execution.unreadable import readable

_LIMITS_SECONDS = 0.5
_LOCKS_SECONDS = 0.1
_PER_GROUP_REFUSAL = "GROUP_REFUSED"


class Leaving(NamedTuple):
    """An order that may leave: its row and itself, as they are stored now."""

    stored: Document
    order: Order


class Judged(NamedTuple):
    """What the gate made of some orders."""

    leaving: list[Leaving]
    refused: list[tuple[Document, Verdict]]
    waiting: list[tuple[Document, Verdict]]


class Ground(NamedTuple):
    """What the desk knows and the store does not.

    Attributes:
        epoch: of the lease that this is done under.
        entries_stopped: why no entry may go in the account; empty = it may.
        repeated: of an order, and of those that leave just before it: see `Seen`.
    """

    epoch: int
    entries_stopped: str
    repeated: Callable[[Order, Sequence[Order]], str]


class Intents:
    """Passes orders of one account through the gate."""

    def __init__(self, store: Store, account_id: str, *, lease: Lease, books: Bookkeeper) -> None:
        self._store = store
        self._account_id = account_id
        self._lease = lease
        self._books = books
        self._limits: Kept[str, tuple[LimitSet, ...]] = Kept(
            lambda _: limit_sets(store), seconds=_LIMITS_SECONDS
        )
        self._locks: Kept[str, tuple[RiskLock, ...]] = Kept(
            lambda _: locks(store, utc_now()), seconds=_LOCKS_SECONDS
        )
        self._currency: Kept[str, str] = Kept(self._load_currency, seconds=60)

    def _load_currency(self, account_id: str) -> str:
        found = self._store["trading_accounts"].find_one({"_id": account_id}, {"currency": 1})
        return str((found or {}).get("currency") or "")

    def pass_gate(
        self,
        groups: Sequence[Sequence[Document]],
        ground: Ground,
        guards_of: Callable[[Order], Sequence[Order]],
    ) -> Judged:
        """Judge orders and store the intent of those that may leave, all in one step.

        Args:
            groups: rows of PENDING orders as they were read; those of one group go together or
                stay together.
            ground: what else is known.
            guards_of: orders that go to the broker together with one; stored with its intent.

        Raises:
            TransientError: the account is another's now; nothing was changed.
        """
        limits = self._limits("all")
        self._locks("all")  # outside of the transaction, which may run again
        judged = self._books.transact(
            self._lease, lambda session: self._judge(groups, ground, limits, guards_of, session)
        )
        failpoint(FailPoint.INTENT_STORED)
        return judged

    def _judge(
        self,
        groups: Sequence[Sequence[Document]],
        ground: Ground,
        limits: Sequence[LimitSet],
        guards_of: Callable[[Order], Sequence[Order]],
        session: ClientSession,
    ) -> Judged:
        self._check_owner(ground.epoch, session)
        orders = {
            row["_id"]: from_document(Order, row["order"]) for group in groups for row in group
        }
        judged = Judged([], [], [])
        ahead: list[Order] = []
        seen = self._seen(list(orders.values()), ground, limits, ahead, session)
        for group in groups:
            verdicts = [(row, self._verdict(orders[row["_id"]], seen)) for row in group]
            seen = _sort(verdicts, seen, judged)
            ahead[:] = [each.order for each in judged.leaving]
        self._begin(judged.leaving, ground.epoch, guards_of, session)
        return judged

    def _check_owner(self, epoch: int, session: ClientSession) -> None:
        lease = self._store["leases"].find_one({"_id": self._lease.name}, session=session)
        if lease is None or lease["epoch"] != epoch:
            raise TransientError(f"account {self._account_id} is another's now")

    def _seen(
        self,
        orders: Sequence[Order],
        ground: Ground,
        limits: Sequence[LimitSet],
        ahead: Sequence[Order],
        session: ClientSession,
    ) -> Seen:
        now = utc_now()
        keys = sorted({order.instrument.key for order in orders})
        query = {"sent": True, "account_id": self._account_id, "instrument_key": {"$in": keys}}
        fields = {"order": 1, "status": 1, "filled_quantity": 1}
        found = self._store["orders"].find(query, fields, session=session)
        working = [_working(row) for row in readable(self._store, found)]
        places = sorted({_place(order) for order in orders if order.intent.reduces_risk})
        held = (
            self._store["positions"].find({"_id": {"$in": places}}, session=session)
            if places
            else ()
        )
        return Seen(
            now=now,
            controls=controls(self._store, session),
            locks=self._locks("all"),
            limits=limits,
            positions={row["_id"]: from_document(Position, row) for row in held},
            working=working,
            currency=self._currency(self._account_id) or None,
            entries_stopped=ground.entries_stopped,
            repeated=lambda order: ground.repeated(order, ahead),
        )

    def _verdict(self, order: Order, seen: Seen) -> Verdict:
        return judge(order, seen, position=seen.positions.get(_place(order)))

    def _begin(
        self,
        leaving: Sequence[Leaving],
        epoch: int,
        guards_of: Callable[[Order], Sequence[Order]],
        session: ClientSession,
    ) -> None:
        """The intent: PENDING becomes SUBMITTING, durable before the broker is called."""
        failpoint(FailPoint.BEFORE_INTENT)
        if not leaving:
            return
        changed = sum(
            self._store["orders"]
            .update_many(
                {"_id": {"$in": ids}, "status": OrderStatus.PENDING, **not_above(epoch)},
                {
                    "$set": changes,
                    "$push": {"events": _event(changes)},
                    "$unset": {"absent_since": ""},
                },
                session=session,
            )
            .modified_count
            for ids, changes in _alike(leaving, epoch, guards_of)
        )
        if changed != len(leaving):
            raise TransientError("an order was moved by somebody else")
        guards = [guard for each in leaving for guard in guards_of(each.order)]
        if guards:
            # An attempt that was taken back may have left its own, if it was interrupted there.
            left = {"$in": [guard.client_order_id for guard in guards]}
            self._store["orders"].delete_many(
                {"_id": left, "attached": True, "filled_quantity": ZERO}, session=session
            )
            self._store["orders"].insert_many(
                [_attached(guard, epoch) for guard in guards], session=session
            )


def _sort(verdicts: Sequence[tuple[Document, Verdict]], seen: Seen, judged: Judged) -> Seen:
    """Whole groups only; what leaves is on its way for those that are judged after it."""
    refused = next((v for _, v in verdicts if v.code and not v.waits), None)
    waits = next((v for _, v in verdicts if v.waits), None)
    if refused is not None:
        for row, own in verdicts:
            of_other = f"another leg may not go: {refused.code}: {refused.sentence}"
            verdict = (
                own
                if own.code and not own.waits
                else Verdict(own.order, _PER_GROUP_REFUSAL, of_other)
            )
            judged.refused.append((row, verdict))
        return seen
    if waits is not None:
        judged.waiting.extend((row, own if own.waits else waits) for row, own in verdicts)
        return seen
    left = {}
    for row, verdict in verdicts:
        order = verdict.order
        stored = row | {"status": OrderStatus.SUBMITTING, "order": to_document(order)}
        stored |= {"text": verdict.sentence}
        if verdict.sentence:  # cut: replays compare with what was decided
            stored["as_decided"] = row.get("as_decided") or {"quantity": row["order"]["quantity"]}
        judged.leaving.append(Leaving(stored, order))
        left[order.client_order_id] = Working(order, OrderStatus.SUBMITTING, order.quantity)
    others = [each for each in seen.working if each.order.client_order_id not in left]
    return seen._replace(working=[*others, *left.values()])


def _place(order: Order) -> str:
    return position_id(order.strategy_id, order.account_id, order.instrument)


def _working(row: Document) -> Working:
    order = from_document(Order, row["order"])
    return Working(order, OrderStatus(row["status"]), order.quantity - row["filled_quantity"])


def _alike(
    leaving: Sequence[Leaving], epoch: int, guards_of: Callable[[Order], Sequence[Order]]
) -> list[tuple[list[str], Document]]:
    """Orders whose rows change in the same way: one statement for all of them is half the cost."""
    now = utc_now()
    groups: list[tuple[list[str], Document]] = []
    for each in leaving:
        changes = _intent(each, epoch, guards_of(each.order), now)
        each.stored.update(changes)
        each.stored.pop("absent_since", None)  # it belongs to the attempt before
        same = next((ids for ids, others in groups if others == changes), None)
        if same is None:
            groups.append(([each.stored["_id"]], changes))
        else:
            same.append(each.stored["_id"])
    return groups


def _intent(leaving: Leaving, epoch: int, guards: Sequence[Order], now: datetime) -> Document:
    """What the intent changes in an order's row."""
    stored, order = leaving
    changes: Document = {
        "status": OrderStatus.SUBMITTING,
        "owner_epoch": epoch,
        "updated_at": now,
        "sent": True,
        "sent_at": now,
        "text": stored["text"],
    }
    if stored["text"]:
        changes["order.quantity"] = order.quantity
        changes["as_decided"] = stored["as_decided"]
    if needs_tending(order, stored.get("sibling_count", 1)):
        changes["tended"] = True
    if guards:
        changes["children"] = [guard.client_order_id for guard in guards]
        changes["native_guards"] = True
    if order.algo is not None:
        changes["algo_started_at"] = now
    return changes


def _event(changes: Document) -> Document:
    at = changes["updated_at"]
    return event(OrderStatus.SUBMITTING, at, at, changes["text"])


def needs_tending(order: Order, sibling_count: int) -> bool:
    """Whether execution has to look after an order beyond its own life at the broker."""
    guarded = order.stop_loss is not None or order.take_profit is not None
    return guarded or order.algo is not None or sibling_count > 1


def _attached(guard: Order, epoch: int) -> Document:
    now = utc_now()
    return order_document(guard, at=now) | {
        "status": OrderStatus.SUBMITTING,
        "owner_epoch": epoch,
        "sent": True,
        "sent_at": now,
        "attached": True,
    }
