"""What orders need beyond their own life at the broker: slices of algos, guards, groups of legs.

Everything here is found again from the rows alone: an order and what was made for it are looked at,
a pure function says what is missing, and that is stored. It may run twice, and after a crash.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from services.common.store import Document, from_document
from services.domain.instruments import Instrument
from services.domain.orders import Order
from services.domain.words import OrderRole
from services.execution.counter import Counter
from services.execution.documents import Booking
from services.execution.guarding import Guarding
from services.execution.legs import Legs
from services.execution.sightings import Sighting, moved_signals, sightings_of
from services.execution.slicing import Slicing


class _Position(NamedTuple):
    """What a strategy holds of an instrument in the account."""

    strategy_id: str
    instrument: Instrument


class _Place(NamedTuple):
    """By what a booking concerns a tended order."""

    strategy_id: str
    instrument_key: str
    signal_id: str
    is_algo: bool


class Tending:
    """Looks after the orders of one account; `note` from any thread, the rest from its worker."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._slicing = Slicing(counter)
        self._guarding = Guarding(counter)
        self._legs = Legs(counter)
        self._places: dict[str, _Place] = {}
        self._due: set[str] = set()
        self._again: dict[str, datetime] = {}
        self._sightings: dict[str, Sighting] = {}
        self._trims: set[_Position] = set()
        self._lock = threading.Lock()

    def load(self) -> None:
        """Find everything again that must be looked after; all of it is due."""
        self._sightings, self._again = {}, {}
        self.look_again()

    def look_again(self) -> None:
        """Whatever has moved since the last look is due, whoever moved it.

        A process that has lost the account tells its next owner of no booking. Three queries,
        however many orders there are: positions may be guarded for weeks.
        """
        queries = self._counter.queries
        rows = queries.tended(self._counter.account_id)
        places = {row["_id"]: _place_of(row) for row in rows}
        sightings = sightings_of(self._counter.store, rows)
        # Legs of a signal go by each other, also by those that are looked after no more.
        moved = moved_signals(self._sightings, sightings)
        with self._lock:
            self._places = places
            self._due |= {name for name, place in places.items() if place.signal_id in moved}
        self._sightings = sightings

    def add(self, rows: Iterable[Document]) -> None:
        """Look after these orders too, where they need it."""
        with self._lock:
            for row in rows:
                if row.get("tended"):
                    self._places[row["_id"]] = _place_of(row)
                    self._due.add(row["_id"])

    def note(self, booking: Booking) -> None:
        """An order has moved: whatever hangs on it is due."""
        order = booking.after.state.order
        if booking.fresh and order.intent.reduces_risk:
            with self._lock:
                self._trims.add(_Position(order.strategy_id, order.instrument))
        self.touch(order.strategy_id, order.instrument.key, order.signal_id)

    def touch(self, strategy_id: str, instrument_key: str, signal_id: str = "") -> None:
        """Whatever hangs on a position, or on a signal, is due."""
        with self._lock:
            for order_id, place in self._places.items():
                position = (place.strategy_id, place.instrument_key)
                if place.signal_id == signal_id or position == (strategy_id, instrument_key):
                    self._due.add(order_id)

    def due_by_time(self, now: datetime) -> None:
        """Algos, and guards that are placed anew with the day, are due because time has passed."""
        with self._lock:
            self._due |= {name for name, place in self._places.items() if place.is_algo}
            self._due |= {name for name, at in self._again.items() if at <= now}

    def run(self) -> list[str]:
        """Tend everything that is due.

        Returns: client_order_ids that the desk should look at.

        Raises: TransientError, PyMongoError: what is left stays due.
        """
        wake: list[str] = []
        with self._lock:
            trims, self._trims = self._trims, set()
        for position in trims:
            wake += self._guarding.trim(*position)
        while True:
            with self._lock:
                order_id = next(iter(self._due), None)
                if order_id is None:
                    return wake
                self._due.discard(order_id)
            try:
                wake += self._tend(order_id)
            except BaseException:
                with self._lock:
                    self._due.add(order_id)
                raise

    def _tend(self, order_id: str) -> list[str]:
        row = self._counter.queries.order(order_id)
        if row is None:
            return []
        order = from_document(Order, row["order"])
        children = self._counter.queries.orders(row.get("children", ()))
        wake: list[str] = []
        done = True
        if order.algo is not None:
            ended, woken = self._slicing.tend(row, order, children)
            done, wake = done and ended, wake + woken
            row = self._counter.queries.order(order_id) or row
        if order.stop_loss is not None or order.take_profit is not None:
            tended = self._guarding.tend(row, order, children)
            done, wake = done and tended.done, wake + tended.wake
            self._look_again(order_id, tended.again_at)
        if row.get("sibling_count", 1) > 1 and order.role is OrderRole.LEG:
            ended, woken = self._legs.tend(order)
            done, wake = done and ended, wake + woken
        if done:
            self._counter.queries.end_tending(order_id)
            with self._lock:
                self._places.pop(order_id, None)
        return wake

    def _look_again(self, order_id: str, at: datetime | None) -> None:
        with self._lock:
            if at is None:
                self._again.pop(order_id, None)
            else:
                self._again[order_id] = at


def _place_of(row: Document) -> _Place:
    order = from_document(Order, row["order"])
    return _Place(order.strategy_id, order.instrument.key, order.signal_id, order.algo is not None)
