"""The oracle of the fault matrix: one order at the broker for one of ours, and books that equal."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from services.domain.orders import TERMINAL

#: Fields of rows that a look at the broker may touch without telling anything new.
_STAMPS = {"updated_at", "recorded_at", "owner_epoch", "last_seen_at", "count", "checked_at"}
_BOOKS = ("orders", "execution_confirmations", "positions", "reservations", "signal_store")


class Oracle:
    """Compares our books of some accounts with the broker's own."""

    def __init__(self, store, broker, accounts, *, cash):
        self._store = store
        self._broker = broker
        self._accounts = accounts
        self._cash = cash

    def differences(self, *, resting=()):
        """What does not agree with the broker now; empty = all does."""
        wrong, working = [], set(resting)
        sent = Counter(
            each["client_order_id"]
            for account_id in self._accounts
            for each in self._broker.get(account_id, "orders")
        )
        for row in self._store["orders"].find():
            name, status, count = row["_id"], row["status"], sent.pop(row["_id"], 0)
            wanted = 0 if row["order"].get("algo") else 1
            stayed_here = status in {"DENIED", "EXPIRED", "CANCELED"} and not count
            if count != wanted and not stayed_here:
                wrong.append(f"{name}: {status}, {count} at the broker")
            if (status in TERMINAL) is (name in working):
                wrong.append(f"{name}: {status}: {row['text']}")
        sent.pop("", None)  # placed by hand there, none of ours
        if sent:
            wrong.append(f"orders at the broker that we do not know: {sent}")
        return (
            wrong
            + self._left(working)
            + [
                each
                for account_id in self._accounts
                for each in self._account_differences(account_id)
            ]
        )

    def _left(self, working):
        """What ended orders left behind."""
        wrong = []
        held = {row["_id"] for row in self._store["reservations"].find()} - working
        if held:
            wrong.append(f"reservations of orders that have ended: {held}")
        marked = {row["_id"] for row in self._store["orders"].find({"working": True})}
        if marked != working:
            wrong.append(f"marked as working: {marked}, expected {working}")
        undone = self._store["signal_store"].count_documents(
            {"status": {"$in": ["DECIDED", "WORKING"]}}
        )
        # What guards an entry works on after the signal of both has ended.
        legs = self._store["orders"].count_documents(
            {"_id": {"$in": sorted(working)}, "order.role": "LEG"}
        )
        if undone != legs:
            wrong.append(f"{undone} signals without an end, expected {legs}")
        return wrong

    def _account_differences(self, account_id):
        name = "execution_id" if self._broker.same_ids else "client_order_id"
        fills = Counter(
            (each[name], Decimal(each["quantity"]), Decimal(each["price"]))
            for each in self._broker.get(account_id, "executions")
        )
        booked_rows = booked_fills(self._store, account_id)
        booked = Counter((row[name], row["quantity"], row["price"]) for row in booked_rows)
        theirs = Counter(
            {
                each["instrument"]["symbol"]: Decimal(each["quantity"])
                for each in self._broker.get(account_id, "positions")
            }
        )
        ours = Counter()
        for row in self._store["positions"].find({"account_id": account_id}):
            ours[row["instrument"]["symbol"]] += row["quantity"]
        # Every instrument of these tests is a stock in the account's currency.
        paid = sum(
            (
                row["quantity"] * row["price"] * (1 if row["side"] == "BUY" else -1)
                + row["commission"]
                for row in booked_rows
            ),
            Decimal(0),
        )
        cash = Decimal(self._broker.get(account_id, "state")["cash"])
        compared = {
            "fills": (booked, fills),
            "positions": (_held(ours), _held(theirs)),
            "cash": (self._cash - paid, cash),
        }
        return [
            f"{account_id} {name}: booked {mine}, the broker's {yours}"
            for name, (mine, yours) in compared.items()
            if mine != yours
        ]

    def snapshot(self):
        """All books but for the time stamps."""
        return {
            name: {row["_id"]: _bare(row) for row in self._store[name].find()} for name in _BOOKS
        }


def booked_fills(store, account_id):
    """Every fill of an account as told last; earlier tellings stay in the store beside it."""
    rows = store["execution_confirmations"].find({"account_id": account_id}).sort("revision")
    return list({row["execution_id"]: row for row in rows}.values())


def _held(quantities):
    return {symbol: quantity for symbol, quantity in quantities.items() if quantity}


def _bare(value):
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items() if key not in _STAMPS}
    if isinstance(value, list):
        return [_bare(each) for each in value]
    return value
