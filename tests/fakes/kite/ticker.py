"""The websocket: order updates as they happen, and prices. What nobody is there for is lost."""

from __future__ import annotations

import asyncio
import json
import threading
import time

from starlette.websockets import WebSocketDisconnect

from brokers.mock.faults import FaultKind, Step
from services.domain.orders import OrderReport
from services.domain.words import OrderStatus
from tests.fakes.kite import ticks
from tests.fakes.kite.errors import KiteError, Misuse

_K = FaultKind
_LOST = frozenset({_K.DROP_BEFORE_ACCEPT, _K.ACCEPT_THEN_SILENCE, _K.THROTTLE})
_GARBAGE = frozenset({_K.GARBAGE_ANSWER})
_ERRORS = frozenset({_K.ERROR_BEFORE_ACCEPT, _K.ERROR_AFTER_ACCEPT})
_CUT = object()
_HEARTBEAT_SECONDS = 1.0
_LOOK_SECONDS = 0.2
_SETTLE_LOOK_SECONDS = 0.005


class Connection:
    """One client that listens."""

    def __init__(self, websocket):
        self._websocket = websocket
        self._loop = asyncio.get_running_loop()
        self._outbox = asyncio.Queue()
        #: Of the instruments it wants: how much of each.
        self.modes = {}

    def send(self, frame):
        """From any thread: text, bytes, or the end."""
        self._loop.call_soon_threadsafe(self._outbox.put_nowait, frame)

    async def write(self):
        """Send what there is, and a heartbeat where there is nothing."""
        while True:
            try:
                frame = await asyncio.wait_for(self._outbox.get(), _HEARTBEAT_SECONDS)
            except TimeoutError:
                frame = ticks.HEARTBEAT
            if frame is _CUT:
                await self._websocket.close(1011)
                return
            if isinstance(frame, bytes):
                await self._websocket.send_bytes(frame)
            else:
                await self._websocket.send_text(frame)

    async def read(self, take):
        """Take what the client asks for until it goes."""
        try:
            while True:
                take(self, await self._websocket.receive_text())
        except WebSocketDisconnect:
            return


class Ticker:
    """All connections, and the thread that tells them."""

    def __init__(self, house, session, book, orders, postbacks):
        self._house = house
        self._session = session
        self._book = book
        self._orders = orders
        self._postbacks = postbacks
        self._connections = set()
        self._lock = threading.Lock()
        self._cursor = house.venue.journal.last_report_number()
        #: How often the books have begun anew: a report of older ones is none of these.
        self._books = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="ticker", daemon=True)

    def start(self):
        """Tell what happens from now on."""
        self._thread.start()

    def stop(self):
        """Tell nothing any more."""
        self._ended.set()
        self.cut()
        self._thread.join(timeout=5)

    def cut(self):
        """End every connection."""
        for connection in tuple(self._connections):
            connection.send(_CUT)

    async def serve(self, websocket):
        """One client, admitted by its token."""
        if not self._admits(websocket):
            await websocket.close()  # before it is accepted: 403
            return
        await websocket.accept()
        connection = Connection(websocket)
        self._connections.add(connection)
        connection.send(ticks.HEARTBEAT)  # what happens from now on is told
        jobs = [
            asyncio.create_task(connection.read(self._take)),
            asyncio.create_task(connection.write()),
        ]
        try:
            await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connections.discard(connection)
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)

    def _admits(self, websocket):
        violations = self._house.venue.violations
        if self._house.venue.faults.is_out(self._house.user.account_id):
            return False
        if websocket.headers.get("x-kite-version") != "3":
            violations.add("websocket: `X-Kite-Version` must be 3")
        query = dict(websocket.query_params)
        left_over = set(query) - {"api_key", "access_token", "uid", "user-agent", "version"}
        if left_over:
            violations.add(f"websocket: unknown parameters {sorted(left_over)}")
        try:
            self._session.admit(query.get("api_key", ""), query.get("access_token", ""))
        except KiteError:
            return False
        return True

    def _take(self, connection, text):
        """A subscription."""
        try:
            self._subscribe(connection, json.loads(text))
        except (ValueError, KeyError, TypeError, Misuse) as error:
            self._house.venue.violations.add(f"websocket: {text[:100]!r}: {error}")
            connection.send(json.dumps({"type": "error", "data": "Invalid message"}))

    def _subscribe(self, connection, asked):
        action, value = asked["a"], asked["v"]
        mode, tokens = value if action == "mode" else ("quote", value)
        if action not in {"subscribe", "unsubscribe", "mode"} or mode not in ticks.MODES:
            raise Misuse(f"unknown action {action!r} or mode {mode!r}")
        listings = [self._house.catalogue.by_token(token) for token in tokens]
        if None in listings:
            raise Misuse(f"unknown instrument token in {tokens}")
        if action == "unsubscribe":
            for listing in listings:
                connection.modes.pop(listing, None)
            return
        connection.modes |= dict.fromkeys(listings, mode)
        self._tell_prices([connection], listings)

    def _tell_prices(self, connections, listings):
        prices = self._house.exchange.prices()
        for connection in connections:
            packets = [
                ticks.packet(listing, prices[listing.instrument.key], mode)
                for listing, mode in tuple(connection.modes.items())
                if listing in listings and listing.instrument.key in prices
            ]
            if packets:
                connection.send(ticks.message(packets))

    def start_over(self):
        """The books begin anew, and their reports with them."""
        with self._lock:
            self._cursor, self._books = 0, self._books + 1

    def reveal(self):
        """Show every order as it stands, and tell of those that were not shown so."""
        hidden = self._house.reveal()
        for entry in self._book.entries():
            if entry.engine_id in hidden:
                self.tell(entry)

    def _follow(self):
        """Every report of the engine from now on, and every price that has changed."""
        prices = self._house.exchange.prices()
        while not self._ended.is_set():
            self._tell_reports()
            now = self._house.exchange.prices()
            moved = {key for key, price in now.items() if prices.get(key) != price}
            prices = now
            if moved:
                listed = self._house.catalogue.listings
                listings = [each for each in listed if each.instrument.key in moved]
                self._tell_prices(tuple(self._connections), listings)

    def _tell_reports(self):
        account, books = self._house.user.account_id, self._books
        found = self._house.exchange.reports(account, self._cursor, _LOOK_SECONDS)
        for number, body in found:
            with self._lock:
                if books != self._books:
                    return
                self._cursor = number
            self._tell(OrderReport.model_validate_json(body))

    def _tell(self, report):
        """One order update, unless the order book does not show what has happened."""
        entry = self._entry(report)
        if entry is None:
            return
        while self._house.interim(entry.engine_id) and not self._ended.is_set():
            time.sleep(_SETTLE_LOOK_SECONDS)
        if entry.report.status is OrderStatus.FILLED:
            self._orders.next_iceberg_leg(entry)
        if self._house.shown(entry.engine_id) is None:
            self.tell(entry)

    def _entry(self, report):
        """The order as it was when this was reported; None = the books begin anew."""
        stored = self._house.venue.journal.order(int(report.broker_order_id.partition("-")[2]))
        return self._book.entry(stored.order, report) if stored else None

    def tell(self, entry):
        """All who listen, as the fault of this update lets it through."""
        house = self._house
        told = self._update(entry)
        self._postbacks.send(told)
        update = json.dumps({"type": "order", "id": "", "data": told})
        fault = house.venue.faults.next_for(house.user.account_id, Step.STREAM)
        kind = fault.kind if fault else None
        if kind is _K.DELAY_ANSWER:
            time.sleep(fault.seconds)
        if kind in _GARBAGE:
            update = "<html>"
        elif kind in _ERRORS:
            update = json.dumps({"type": "error", "data": "Something went wrong"})
        for connection in tuple(self._connections):
            if kind not in _LOST and kind is not _K.DISCONNECT_BEFORE_ACCEPT:
                connection.send(update)
        if kind in {_K.DISCONNECT_BEFORE_ACCEPT, _K.DISCONNECT_AFTER_ACCEPT}:
            self.cut()

    def _update(self, entry):
        """Of what has filled in part, or was changed, Kite says UPDATE."""
        row = self._book.row(entry)
        changed = row["filled_quantity"] or entry.report.text == "changed by request"
        if row["status"] in {"OPEN", "TRIGGER PENDING"} and changed:
            row["status"] = "UPDATE"
        return {
            "user_id": self._house.user.user_id,
            "unfilled_quantity": row["pending_quantity"],
            "app_id": 1,
            "checksum": "",
            **row,
        }
