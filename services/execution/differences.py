"""What a look at the broker makes a person see: incidents, locks of entries, foreign orders.

Everything is keyed by what it is about and follows the state it is given: telling the same again
changes nothing, and what is over is cleared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from brokers.broker import OpenOrder
from services.common.controls import set_control
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Document, Store, to_document
from services.domain.comparison import Difference
from services.domain.orders import UNATTRIBUTED, Execution, has_our_form
from services.domain.risk import RiskLock
from services.domain.words import LockRule, Scope, TradingState
from services.execution.documents import Owner
from services.execution.reconcile import Cash

_BY = "execution"


class Differences:
    """Tells what differs in one account."""

    def __init__(self, store: Store, account_id: str) -> None:
        self._store = store
        self._account_id = account_id

    def keep_locks(self, differences: Sequence[Difference]) -> None:
        """Entries are stopped in the instruments that differ, and in no others."""
        wanted = {each.instrument.key: self._lock(each) for each in differences if each.confirmed}
        query = {"rule": LockRule.POSITION_MISMATCH, "account_id": self._account_id}
        held = {row["scope_id"]: row for row in self._store["risk_locks"].find(query)}
        for key in held.keys() - wanted.keys():
            self._store["risk_locks"].delete_one({"_id": held[key]["_id"]})
            clear_incident(self._store, kind="POSITION_MISMATCH", key=f"{self._account_id}|{key}")
        for each in differences:
            lock = wanted.get(each.instrument.key)
            if lock is None:
                continue
            row = {"_id": lock.key, **to_document(lock)}
            self._store["risk_locks"].replace_one({"_id": lock.key}, row, upsert=True)
            self._raise(
                "POSITION_MISMATCH",
                each.instrument.key,
                f"{lock.sentence}; entries in it are stopped until they agree",
                {"broker": each.broker, "books": each.books, "since": each.since},
            )

    def _lock(self, difference: Difference) -> RiskLock:
        return RiskLock(
            scope=Scope.INSTRUMENT,
            scope_id=difference.instrument.key,
            account_id=self._account_id,
            rule=LockRule.POSITION_MISMATCH,
            sentence=f"{self._account_id}, {difference.in_words}",
            locked_at=difference.since,
        )

    def _raise(self, kind: str, key: str, sentence: str, facts: dict[str, Any]) -> None:
        raise_incident(
            self._store,
            kind=kind,
            key=f"{self._account_id}|{key}" if key else self._account_id,
            sentence=sentence,
            facts={"account_id": self._account_id, **facts},
        )

    def tell_foreign(self, fills: Iterable[tuple[Owner, Execution]]) -> None:
        """Trades of nobody's; what is told of them later belongs to the same incident."""
        for owner, each in fills:
            if each.busted:
                key = f"{self._account_id}|{each.execution_id}"
                clear_incident(self._store, kind="FOREIGN_TRADE", key=key)
            elif owner.strategy_id == UNATTRIBUTED:
                self._raise(
                    "FOREIGN_TRADE",
                    each.execution_id,
                    f"{self._account_id}: {each.side} {each.quantity:f} {each.instrument.symbol} "
                    f"at {each.price:f} is of no order of ours; it is booked as unattributed",
                    {"execution_id": each.execution_id, "occurred_at": each.occurred_at},
                )

    def tell_strays(self, executions: Iterable[Execution]) -> None:
        """Fills under ids as only we make them, of orders that we do not have."""
        for order_id in sorted({each.client_order_id for each in executions}):
            self._halt(order_id)

    def _halt(self, order_id: str) -> None:
        sentence = (
            f"{self._account_id}: the broker has order {order_id}, an id as only we make them, "
            "and we do not know it: another system uses our ids, or a backup was restored"
        )
        self._raise("FOREIGN_HAND", order_id, sentence, {"client_order_id": order_id})
        set_control(
            self._store,
            Scope.ACCOUNT,
            self._account_id,
            by=_BY,
            reason=f"order {order_id} has an id of ours and is not known",
            trading_state=TradingState.HALTED,
        )

    def keep_foreign_orders(self, orders: Sequence[OpenOrder], now: datetime) -> int:
        """Remember working orders that are none of ours, and forget those that are gone.

        Returns: how many there are.
        """
        found = {self._key_of(each): each for each in orders}
        rows = self._store["foreign_orders"]
        query = {"account_id": self._account_id, "status": "OPEN"}
        known = {row["_id"] for row in rows.find(query, {"_id": 1})}
        for key, each in found.items():
            document = self._foreign_order(each) | {"last_seen_at": now}
            rows.update_one(
                {"_id": key},
                {"$set": document, "$setOnInsert": {"first_seen_at": now}},
                upsert=True,
            )
            if key in known:
                continue
            if has_our_form(each.report.client_order_id):
                self._halt(each.report.client_order_id)
            else:
                self._tell_foreign_order(each)
        for key in known - found.keys():
            rows.update_one({"_id": key}, {"$set": {"status": "GONE", "gone_at": now}})
            clear_incident(self._store, kind="FOREIGN_ORDER", key=key)
        return len(found)

    def _key_of(self, order: OpenOrder) -> str:
        report = order.report
        name = report.broker_order_id or report.client_order_id
        return f"{self._account_id}|{name or f'{order.side} {order.instrument.key}'}"

    def _foreign_order(self, order: OpenOrder) -> Document:
        document = to_document(order)
        return {
            "account_id": self._account_id,
            "status": "OPEN",
            "instrument_key": order.instrument.key,
            **{name: document[name] for name in ("instrument", "side", "order_type", "report")},
        }

    def _tell_foreign_order(self, order: OpenOrder) -> None:
        terms = order.report.terms
        quantity = f"{terms.quantity:f} " if terms else ""
        self._raise(
            "FOREIGN_ORDER",
            self._key_of(order).removeprefix(f"{self._account_id}|"),
            f"{self._account_id}: a {order.order_type} order to {order.side} {quantity}"
            f"{order.instrument.symbol} works at the broker and is none of ours; it is left alone",
            {"broker_order_id": order.report.broker_order_id},
        )

    def tell_cash(self, cash: Cash | None) -> None:
        """Cash that is not what fills explain; nothing is stopped for it."""
        if cash is None or not cash.confirmed or cash.expected is None:
            if cash is not None and cash.since is None:
                clear_incident(self._store, kind="CASH_MISMATCH", key=self._account_id)
            return
        self._raise(
            "CASH_MISMATCH",
            "",
            f"{self._account_id}: the broker has {cash.broker:f} {cash.currency} of cash, "
            f"our books say {cash.expected:f}",
            {"broker": cash.broker, "books": cash.expected, "since": cash.since},
        )

    def tell_broken(self, broken: Sequence[tuple[str, str]]) -> None:
        """Positions that are not the sum of their fills, each with a sentence."""
        query = {"kind": "BOOKS_BROKEN", "status": "OPEN", "facts.account_id": self._account_id}
        found = {f"{self._account_id}|{key}" for key, _ in broken}
        for row in self._store["incidents"].find(query, {"key": 1}):
            if row["key"] not in found:
                clear_incident(self._store, kind="BOOKS_BROKEN", key=row["key"])
        for key, sentence in broken:
            self._raise("BOOKS_BROKEN", key, sentence, {"position": key})
