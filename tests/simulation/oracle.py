"""What must hold at the end of every seed, and what at every step of it."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from brokers.mock.messages import EXECUTIONS
from services.domain.orders import TERMINAL
from services.domain.words import SignalStatus
from tests.simulation.broker import CASH
from tests.simulation.script import PRICES, RATIO
from tests.support.oracle import _bare, booked_fills

_ENDED = {
    SignalStatus.COMPLETED,
    SignalStatus.DENIED,
    SignalStatus.REJECTED,
    SignalStatus.CANCELED,
    SignalStatus.EXPIRED,
    SignalStatus.QUARANTINED,
}
_GUARDS = {"STOP_LOSS", "TAKE_PROFIT"}
_OURS = {
    "BOOKS_BROKEN",
    "CASH_MISMATCH",
    "DEAD_LETTER",
    "DESK_FAILED",
    "FILL_CONTRADICTED",
    "FOREIGN_ORDER",
    "FOREIGN_TRADE",
    "KEY_REUSED",
    "ORDER_DOUBLED",
    "ORDER_ILLEGAL_TRANSITION",
    "ORDER_UNREADABLE",
    "OVERFILL",
    "POSITION_MISMATCH",
    "REPEATED_EXECUTION",
    "SIGNAL_QUARANTINED",
}
#: What is said of an order that the broker has filled as it should not.
_SURPRISES = {"FILL_AFTER_END", "OVERFILL"}
_BOOKS = ("orders", "execution_confirmations", "positions", "reservations", "signal_store")
#: Fills may cost more than was reserved: the market moves by 1.5 %, limits are 1 % away.
_TOLERANCE = Decimal("1.03")


class Oracle:
    """Compares our books with the broker's."""

    def __init__(self, world):
        self._world = world
        self._store = world.store
        self._looked_at = ()

    def differences(self):
        """What does not agree now; empty = all does."""
        rows = {row["_id"]: row for row in self._rows("orders")}
        if unfinished := [*self._closed_accounts(), *self._signals(rows)]:
            return unfinished  # the rest would only say that it is not there yet
        return [
            *self._orders(rows),
            *self._reservations(rows),
            *self._letters(),
            *self._incidents(rows),
            *(each for name in self._world.script.accounts for each in self._account(name)),
            *(each for name in self._world.script.accounts for each in self._resting(name, rows)),
        ]

    def _closed_accounts(self):
        desks = {
            name: desk
            for process in self._world.processes.values()
            for name, desk in process.desks.items()
            if desk._is_open()
        }
        return [f"{name} is closed" for name in self._world.script.accounts if name not in desks]

    def _rows(self, name):
        return self._world.memory[name].documents.values()

    def _signals(self, rows):
        wrong = []
        lives = {row["_id"]: row for row in self._rows("signal_store")}
        raws = list(self._rows("trading_signals_raw"))
        known = {name for raw in raws for name in raw["signal_ids"]}
        sendings = range(len(self._world.script.sendings))
        wrong += [
            f"sending {each} was never answered"
            for each in sendings
            if each not in self._world.receipts
        ]
        for answer in self._world.receipts.values():
            if answer.startswith("sig_") and answer not in known:
                wrong.append(f"{answer} was accepted and is not stored")
        wrong += [f"{each} was received and is not there" for each in known - lives.keys()]
        for name, life in lives.items():
            if name not in known:
                wrong.append(f"{name} was never received")
            mine = [row for row in rows.values() if row["signal_id"] == name]
            if life["status"] not in _ENDED:
                wrong.append(f"{name} is {life['status']}")
            elif life["status"] != SignalStatus.COMPLETED and not _reason(life, mine):
                wrong.append(f"{name} is {life['status']} without a reason")
        return wrong

    def _orders(self, rows):
        wrong = []
        sent = Counter(
            order.client_order_id
            for account_id in self._world.script.accounts
            for order, _ in self._world.exchange.orders(account_id)
        )
        for name, row in rows.items():
            status, count = row["status"], sent.pop(name, 0)
            stayed_here = status in {"DENIED", "EXPIRED", "CANCELED", "REJECTED"} and not count
            if count != 1 and not stayed_here:
                wrong.append(f"order {name}: {status}, {count} at the broker: {row['text']}")
            works = row.get("working", False)
            if works is (status in TERMINAL):
                wrong.append(f"order {name}: {status}, working {works}")
            if works and not self._guards_something(row, rows):
                wrong.append(f"order {name}: {status}: {row['text']}")
            if _is_bare(row):
                wrong.append(f"order {name}: {status}, and nothing guards what it has filled")
        if sent:
            wrong.append(f"orders at the broker that we do not know: {dict(sent)}")
        return wrong

    def _guards_something(self, row, rows):
        order = row["order"]
        entry = rows.get(order.get("parent_order_id"))
        held = self._world.memory["positions"].documents.get(
            "|".join((row["strategy_id"], row["account_id"], row["instrument_key"]))
        )
        rests = row["status"] in {"SUBMITTED", "PARTIALLY_FILLED"}
        return order["role"] in _GUARDS and rests and entry and held and held["quantity"]

    def _reservations(self, rows):
        held = {row["_id"] for row in self._rows("reservations")}
        working = {name for name, row in rows.items() if row.get("working")}
        left = sorted(held - working)
        return [f"reserved for orders that have ended: {left}"] if left else []

    def _letters(self):
        """Those that a fault of the store explains are no finding: the sweeper rings anyway."""
        return [
            f"dead letter {row['_id']}: {row['error']}"
            for row in self._rows("dead_letters")
            if row["status"] == "DEAD" or not _explained(row["error"])
        ]

    def _incidents(self, rows):
        """What only a mistake of ours explains, and what is still asked of persons for nothing."""
        asked = [
            f"incident {row['_id']} is open, and its order is {rows[row['key']]['status']}"
            for row in self._rows("incidents")
            if row["kind"] in {"ORDER_UNKNOWN", "ORDER_MISSING_AT_BROKER"}
            and row["status"] == "OPEN"
        ]
        return asked + [
            f"incident {row['kind']}: {row['sentence']}"
            for row in self._rows("incidents")
            if not (row["kind"] in _SURPRISES and row["key"] in self._world.surprised)
            and (row["kind"] in _OURS or _fills_after_end(row))
        ]

    def _resting(self, account_id, rows):
        """Orders that work at the broker and have ended in our books."""
        return [
            f"order {order.client_order_id} works at the broker and is {row['status']}"
            for order, _ in self._world.exchange.orders(account_id, open_only=True)
            if not (row := rows.get(order.client_order_id, {"status": "not there"})).get("working")
        ]

    def _account(self, account_id):
        exchange = self._world.exchange
        told = EXECUTIONS.validate_json(f"[{','.join(exchange.executions(account_id))}]")
        newest = {each.execution_id: each for each in told}
        theirs = {
            each.execution_id: (each.client_order_id, each.quantity, each.price)
            for each in newest.values()
            if not each.busted
        }
        booked = [row for row in booked_fills(self._store, account_id) if not row["busted"]]
        ours = {
            row["execution_id"]: (row["client_order_id"], row["quantity"], row["price"])
            for row in booked
        }
        held = Counter()
        for row in self._rows("positions"):
            if row["account_id"] == account_id:
                held[row["instrument"]["symbol"]] += row["quantity"]
        paid = sum(
            (
                row["quantity"] * row["price"] * (1 if row["side"] == "BUY" else -1)
                + row["commission"]
                for row in booked
            ),
            Decimal(0),
        )
        compared = {
            "fills": (ours, theirs),
            "positions": (
                {name: each for name, each in held.items() if each},
                {each.instrument.symbol: each.quantity for each in exchange.positions(account_id)},
            ),
            "cash": (CASH - paid, exchange._books.cash(account_id)),
        }
        return [
            f"{account_id} {name}: booked {mine}, the broker's {yours}"
            for name, (mine, yours) in compared.items()
            if mine != yours
        ]

    def overspent(self):
        """Where a strategy holds and reserves more than it was given; asked after every step."""
        memory = self._world.memory
        looked_at = memory["positions"].documents, memory["reservations"].documents
        versions = memory["positions"].version, memory["reservations"].version
        if versions == self._looked_at:
            return ""
        self._looked_at = versions
        used = Counter()
        for row in looked_at[0].values():
            place = row["strategy_id"], row["account_id"]
            used[place] += abs(row["quantity"]) * row["average_price"]
        for row in looked_at[1].values():
            used[row["strategy_id"], row["account_id"]] += row["capital"]
        most = CASH * RATIO * _TOLERANCE
        over = {place: each for place, each in used.items() if each > most}
        if over and self._world.surprised:
            over = {place: each for place, each in over.items() if each > most + self._extra(place)}
        return f"more than {most} is held or reserved: {_in_words(over)}" if over else ""

    def _extra(self, place):
        """What the broker has filled of orders that had ended: nothing was reserved for it."""
        rows = map(self._world.memory["orders"].documents.get, self._world.surprised)
        orders = [row["order"] for row in rows if (row["strategy_id"], row["account_id"]) == place]
        return sum(each["quantity"] * PRICES[each["instrument"]["symbol"]] for each in orders)

    def snapshot(self):
        """All books but for the time stamps."""
        return {name: {row["_id"]: _bare(row) for row in self._rows(name)} for name in _BOOKS}

    def moved(self, before):
        """What changed since although nothing happened."""
        after = self.snapshot()
        return [
            f"{name} {key} moved by itself: {_moved(before[name].get(key), after[name].get(key))}"
            for name in _BOOKS
            for key in before[name].keys() | after[name].keys()
            if before[name].get(key) != after[name].get(key)
        ]


def _in_words(amounts):
    return {place: str(each) for place, each in amounts.items()}


def _reason(life, rows):
    if life["status"] == SignalStatus.QUARANTINED:
        return life["quarantine"]["sentence"]
    said = [life.get("decision", {}).get("reason"), *(row["text"] for row in rows)]
    return any(said)


def _fills_after_end(row):
    return row["kind"] == "FILL_AFTER_END" and "ended as CANCELED" not in row["sentence"]


def _explained(error):
    return error.startswith(("AutoReconnect", "NetworkTimeout", "TransientError"))


def _is_bare(row):
    """A fill that its desk was not told of is seen within 30 s, and guarded or let go."""
    guarded = row["order"].get("stop_loss") or row["order"].get("take_profit")
    return guarded and row["filled_quantity"] and row.get("tended") and not row.get("children")


def _moved(before, after):
    if before is None or after is None:
        return "appeared" if before is None else "disappeared"
    return {
        name: (before.get(name), after.get(name))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }
