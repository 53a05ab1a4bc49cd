"""What all parts of the fake share: the engine, the session, and what is not shown yet."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass

from brokers.mock.faults import Step
from tests.fakes.kite.catalogue import Catalogue, today_in_india
from tests.fakes.kite.errors import KiteError
from tests.fakes.kite.limits import Limits
from tests.fakes.kite.state import State
from tests.fakes.venue import CASH

#: What an order passes through before it is at the exchange.
INTERIM = ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING")


@dataclass(frozen=True)
class User:
    """Whose account it is, and the app that may trade it."""

    account_id: str
    user_id: str
    api_key: str
    api_secret: str
    access_token: str
    redirect_url: str
    postback_url: str


@dataclass(frozen=True)
class Oddity:
    """What is odd about one of the next orders.

    Attributes:
        shows: for `seconds` the order book says this, whatever has become of the order.
        untagged: for `seconds` the order book leaves out its tag.
        fails: numbers of the slices (from 1) that an autosliced order does not get.
        seconds: how long; None = until `POST /v1/kite/reveal`.
    """

    shows: str | None = None
    untagged: bool = False
    fails: tuple[int, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True)
class Failure:
    """What one of the next calls of a kind is answered; `taken`: after it has been carried out."""

    error: KiteError
    step: Step
    taken: bool


class House:
    """The brokerage house."""

    def __init__(self, venue, user, path, *, settle_seconds, minute_seconds):
        self.venue = venue
        self.exchange = venue.exchange
        self.user = user
        self.catalogue = Catalogue(today_in_india())
        self.limits = Limits()
        self.state = State(path, first={"access_token": user.access_token, "opening": str(CASH)})
        #: How long a new order is in interim states.
        self.settle_seconds = settle_seconds
        #: What is a minute to an order of validity TTL.
        self.minute_seconds = minute_seconds
        #: One placement at a time: engine ids are given out in order.
        self.placing = threading.Lock()
        self._lock = threading.Lock()
        self.forget()

    def forget(self):
        """What a restart forgets too: oddities, and what they hide."""
        self.next_orders = deque()
        self.failures = []
        self._veils = {}
        self._untagged = {}
        self._placed = {}
        #: By Kite's id, of the orders that were placed since the start.
        self.engine_ids = {}
        self._used = {
            stored.order.client_order_id
            for stored in self.venue.journal.orders(self.user.account_id)
        }

    def engine_id(self, tag):
        """An id that no order has, the tag itself where it is free: commands name orders by it."""
        wanted = tag or f"#{uuid.uuid4().hex}"
        if wanted in self._used:
            wanted = f"{wanted}#{uuid.uuid4().hex[:8]}"
        self._used.add(wanted)
        return wanted

    def begins(self, engine_id, oddity):
        """An order goes to the engine now."""
        self._placed[engine_id] = time.monotonic()
        until = None if oddity.seconds is None else time.monotonic() + oddity.seconds
        if oddity.shows:
            self._veils[engine_id] = (oddity.shows, until)
        if oddity.untagged:
            self._untagged[engine_id] = until

    def veil(self, engine_id, status, seconds):
        """For a while the order book says this of an order."""
        self._veils[engine_id] = (status, time.monotonic() + seconds)

    def next_oddity(self):
        """Of the order that is placed now."""
        return self.next_orders.popleft() if self.next_orders else Oddity()

    def next_failure(self, step):
        """Of the call that is answered now; None = it is answered as ever."""
        with self._lock:
            for place, failure in enumerate(self.failures):
                if failure.step is step:
                    return self.failures.pop(place)
        return None

    def reveal(self):
        """Show everything as it is; the engine ids of what was not shown so."""
        hidden = set(self._veils)
        self._veils, self._untagged = {}, {}
        return hidden

    def interim(self, engine_id):
        """The state that an order passes through now; None = it has been through."""
        if (since := self._placed.get(engine_id)) is None:
            return None
        share = (time.monotonic() - since) / self.settle_seconds if self.settle_seconds else 1
        if share >= 1:
            return None
        return INTERIM[int(share * len(INTERIM))]

    def shown(self, engine_id):
        """What the order book says instead of how an order stands; None = how it stands."""
        status, until = self._veils.get(engine_id, (None, 0))
        if status is not None and (until is None or time.monotonic() < until):
            return status
        return self.interim(engine_id)

    def hides_tag(self, engine_id):
        """Whether the tag is left out."""
        if engine_id not in self._untagged:
            return False
        until = self._untagged[engine_id]
        return until is None or time.monotonic() < until
