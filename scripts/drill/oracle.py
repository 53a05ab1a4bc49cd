"""What must hold when all is quiet again: our books are the broker's, and nothing is left over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

from scripts.drill.stack import CASH, Stack
from services.common.store import Document, Store
from services.domain.instruments import Instrument
from services.domain.orders import TERMINAL
from services.domain.words import OrderStatus, SignalStatus

_S = SignalStatus
_ENDED = frozenset({_S.COMPLETED, _S.DENIED, _S.REJECTED, _S.CANCELED, _S.EXPIRED, _S.QUARANTINED})
#: Ended without the broker, or by its plain refusal, which leaves no order there.
_STAYED_HERE = frozenset(
    {OrderStatus.DENIED, OrderStatus.EXPIRED, OrderStatus.CANCELED, OrderStatus.REJECTED}
)
#: A message that failed for want of database, bus or broker is explained by the faults.
_EXPLAINED = (
    "AutoReconnect",
    "NetworkTimeout",
    "ServerSelectionTimeoutError",
    "ConnectionFailure",
    "OperationFailure",
    "TransientError",
    "BrokerUnavailable",
)
#: Fields that a look at the broker may touch without telling anything new.
_STAMPS = {"updated_at", "recorded_at", "owner_epoch", "last_seen_at", "count", "checked_at"}
_BOOKS = ("orders", "execution_confirmations", "positions", "reservations", "signal_store")
_CENT = Decimal("0.01")
Rows = dict[str, Document]


class Oracle:
    """Compares our books with the broker's."""

    def __init__(self, stack: Stack, store: Store, accounts: Iterable[str]) -> None:
        self._stack = stack
        self._store = store
        self._accounts = tuple(accounts)

    def differences(self, accepted: Mapping[str, str]) -> dict[str, list[str]]:
        """Each rule with what breaks it; empty lists = all holds.

        Args:
            accepted: the sender's own id → our signal_id, of all that were acknowledged.
        """
        orders: Rows = {row["_id"]: row for row in self._store["orders"].find()}
        found: dict[str, list[str]] = {
            "every accepted signal has ended, with a reason": list(
                self._signals(set(accepted.values()), orders)
            ),
            "orders at the broker are those that were decided, once": list(self._orders(orders)),
            "nothing is reserved for what has ended": list(self._reservations(orders)),
            "no dead letter is unexplained": list(self._letters()),
        }
        books = {
            "fills": "fills are the broker's",
            "positions": "positions are the broker's, to the cent",
            "cash": "cash is the broker's, to the cent",
            "P&L": "P&L is the broker's, to the cent",
        }
        found |= {rule: [] for rule in books.values()}
        for account_id in self._accounts:
            for name, sentence in self._account(account_id):
                found[books[name]].append(f"{account_id}: {sentence}")
        return found

    def undecided(self) -> int:
        """Signals that Cerebro still has to decide."""
        return self._store["signal_store"].count_documents({"undecided": True})

    def _signals(self, accepted: set[str], orders: Rows) -> Iterator[str]:
        texts: dict[str, list[str]] = {}
        for row in orders.values():
            texts.setdefault(row["signal_id"], []).append(row["text"])
        seen = set()
        for life in self._store["signal_store"].find():
            name, status = life["_id"], life["status"]
            seen.add(name)
            if status not in _ENDED:
                yield f"{name} is {status}"
            elif status != _S.COMPLETED and not _has_reason(life, texts.get(name, [])):
                yield f"{name} is {status} without a reason"
        for name in sorted(accepted - seen):
            yield f"{name} was acknowledged and is not there"

    def _orders(self, orders: Rows) -> Iterator[str]:
        sent: Counter[str] = Counter()
        for account_id in self._accounts:
            for each in self._stack.broker("GET", f"/v1/accounts/{account_id}/orders"):
                sent[each["client_order_id"]] += 1
        for name, row in orders.items():
            status, count = row["status"], sent.pop(name, 0)
            if count != 1 and not (status in _STAYED_HERE and not count):
                yield f"{name} is {status}, {count} at the broker: {row['text']}"
            if status not in TERMINAL:
                yield f"{name} is {status}: {row['text']}"
            elif row.get("working"):
                yield f"{name} is {status} and marked as working"
        if sent:
            yield f"the broker has orders that were never decided: {dict(sent)}"

    def _reservations(self, orders: Rows) -> Iterator[str]:
        for row in self._store["reservations"].find():
            status = orders.get(row["_id"], {}).get("status", "not there")
            yield f"{row['_id']} is {status}"

    def _letters(self) -> Iterator[str]:
        for row in self._store["dead_letters"].find():
            error = str(row.get("error", ""))
            if row["status"] == "DEAD" or not error.startswith(_EXPLAINED):
                yield f"{row['_id']} is {row['status']}: {error}"

    def _account(self, account_id: str) -> Iterator[tuple[str, str]]:
        booked, theirs = self._booked(account_id), self._told(account_id)
        if booked != theirs:
            yield "fills", _differences(booked, theirs)
        rows = list(self._store["positions"].find({"account_id": account_id}))
        held: Counter[str] = Counter()
        for row in rows:
            held[row["instrument_key"]] += row["quantity"]
        ours = {name: each for name, each in held.items() if each}
        found = self._stack.broker("GET", f"/v1/accounts/{account_id}/positions")
        positions = {
            Instrument.model_validate(each["instrument"]).key: Decimal(each["quantity"])
            for each in found
        }
        if ours != positions:
            yield "positions", _differences(ours, positions)
        # Prices move: cash, positions and equity are those of one answer only where nothing trades.
        state = self._stack.broker("GET", f"/v1/accounts/{account_id}/state")
        yield from self._money(account_id, rows, state)

    def _money(
        self, account_id: str, rows: list[Document], state: Mapping[str, str]
    ) -> Iterator[tuple[str, str]]:
        paid = sum((_paid(row) for row in self._fills(account_id)), Decimal(0))
        if _cents(CASH - paid) != _cents(Decimal(state["cash"])):
            yield "cash", f"ours {CASH - paid}, the broker's {state['cash']}"
        prices = self._stack.broker("GET", "/v1/prices")
        made = Decimal(0)
        for row in rows:
            price = Decimal(prices.get(row["instrument_key"], "0"))
            open_pnl = row["quantity"] * (price - row["average_price"])
            made += row["realized_pnl"] - row["commissions"] + open_pnl
        theirs = Decimal(state["equity"]) - CASH
        if abs(made - theirs) > _CENT:
            yield "P&L", f"ours {made}, the broker's {theirs}"

    def _fills(self, account_id: str) -> list[Document]:
        """Every fill as it was told last; earlier tellings stay in the store beside it."""
        rows = self._store["execution_confirmations"].find({"account_id": account_id})
        last: Rows = {}
        for row in sorted(rows, key=lambda each: (each["revision"], each["busted"])):
            last[row["execution_id"]] = row
        return [row for row in last.values() if not row["busted"]]

    def _booked(self, account_id: str) -> dict[str, tuple[Any, ...]]:
        return {
            row["execution_id"]: (row["client_order_id"], row["quantity"], row["price"])
            for row in self._fills(account_id)
        }

    def _told(self, account_id: str) -> dict[str, tuple[Any, ...]]:
        last = {}
        for each in self._stack.broker("GET", f"/v1/accounts/{account_id}/executions"):
            last[each["execution_id"]] = each
        return {
            name: (each["client_order_id"], Decimal(each["quantity"]), Decimal(each["price"]))
            for name, each in last.items()
            if not each.get("busted")
        }

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """All books but for the time stamps."""
        return {
            name: {row["_id"]: _bare(row) for row in self._store[name].find()} for name in _BOOKS
        }


def moved(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What changed between two snapshots although nothing happened."""
    return [
        f"{name} {key}"
        for name in _BOOKS
        for key in sorted(before[name].keys() | after[name].keys())
        if before[name].get(key) != after[name].get(key)
    ]


def leaks(logs: Path, secrets: Mapping[str, str]) -> list[str]:
    """Where a secret stands in a log: name of the secret and the file, never the secret."""
    found = []
    for path in sorted(each for each in logs.rglob("*") if each.is_file()):
        content = path.read_bytes()
        found += [
            f"{name} stands in {path.name}"
            for name, secret in secrets.items()
            if secret.encode() in content
        ]
    return found


def _has_reason(life: Document, texts: Iterable[str]) -> bool:
    if life["status"] == _S.QUARANTINED:
        return bool(life["quarantine"]["sentence"])
    return bool((life.get("decision") or {}).get("reason")) or any(texts)


def _paid(row: Document) -> Decimal:
    sign = 1 if row["side"] == "BUY" else -1
    paid: Decimal = row["quantity"] * row["price"] * sign + row["commission"]
    return paid


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, rounding=ROUND_HALF_EVEN)


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    names = [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)]
    shown = [f"{name}: ours {ours.get(name)}, theirs {theirs.get(name)}" for name in sorted(names)]
    return f"{len(shown)} differ: " + "; ".join(shown[:5])


def _bare(value: Any) -> Any:  # noqa: ANN401 - whatever a document holds
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if key not in _STAMPS}
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return value
