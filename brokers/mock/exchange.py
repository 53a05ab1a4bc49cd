"""The simulated broker itself: one door for all threads to the books, the orders and the stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal

from prometheus_client import Counter, Gauge

from brokers.broker import AccountState, BrokerPosition, Capabilities, MarginQuote
from brokers.mock import abilities, brackets, combos, revisions
from brokers.mock.books import Books
from brokers.mock.engine import Engine
from brokers.mock.journal import Journal
from brokers.mock.margin import Refusal
from brokers.mock.market import Market
from brokers.mock.matching import Take
from brokers.mock.messages import LastPrice
from brokers.mock.stored import StoredOrder
from brokers.mock.twists import PLAIN, Twist
from services.domain.accounts import PreviewLeg
from services.domain.orders import Order, OrderReport, OrderTerms

_REPORTS_AT_ONCE = 500
_CLOCK_SECONDS = 0.1
#: Looking at the sessions of all orders is not free.
_LOOKS_AT_HOURS = 10
_ORDERS = Counter("mock_broker_orders", "Orders taken, by their first status", ["status"])
_OPEN_ORDERS = Gauge("mock_broker_open_orders", "Orders that rest")


class Exchange:
    """All accounts of the mock broker; safe to call from any thread."""

    def __init__(
        self,
        journal: Journal,
        books: Books,
        *,
        market: Market | None = None,
        capabilities: Capabilities = abilities.EVERYTHING,
    ) -> None:
        self._journal = journal
        self._books = books
        self._usual = capabilities
        self._given: dict[str, Capabilities] = {}
        kept = journal.setting("market")
        self._first_market = market or Market()
        market = Market.model_validate_json(kept) if kept else self._first_market
        self._engine = Engine(journal, books, capabilities=self.capabilities, market=market)
        self._lock = threading.RLock()
        # One for each account: news of one do not wake the readers of all others.
        self._news: dict[str, threading.Condition] = {}
        #: By number of the order: until when (monotonic) questions and the stream do not show it.
        self._hidden: dict[int, float] = {}
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick_tock, name="clock", daemon=True)
        self._closed = market.closed(datetime.now(UTC))
        _OPEN_ORDERS.set_function(self._open_orders)

    def _open_orders(self) -> int:
        with self._lock:
            return self._journal.count_open_orders()

    def start(self) -> None:
        """Part of a process: let time pass."""
        self._clock.start()

    def stop(self) -> None:
        """Let go of readers that wait for reports, so that the server above can drain."""
        self._ended.set()
        with self._lock:
            for account_id in self._news:
                self._wake(account_id)
        if self._clock.is_alive():
            self._clock.join(timeout=5)

    def close(self) -> None:
        """Close the books."""
        with self._lock:
            self._journal.close()

    @contextmanager
    def _turn(self, twist: Twist = PLAIN, now: datetime | None = None) -> Iterator[Engine]:
        """One thing that happens: all of it or nothing, and then its readers are woken."""
        engine = self._engine
        with self._lock:
            engine.now, engine.said = now or datetime.now(UTC), []
            with self._journal.transaction():
                yield engine
                told = twist.tells(engine.said)
                for stored, report in told:
                    self._journal.add_report(stored, report)
            for account_id in {stored.account_id for stored, _ in told}:
                self._wake(account_id)

    def _wake(self, account_id: str) -> None:
        if account_id in self._news:
            self._news[account_id].notify_all()

    def open_account(self, account_id: str, cash: Decimal | None = None) -> None:
        """Open an account where there is none; an account that exists is left as it is."""
        with self._turn():
            self._books.cash(account_id, cash)

    def place(self, account_id: str, order: Order, *, twist: Twist = PLAIN) -> OrderReport:
        """Take an order; the report says whether it was rejected, filled, canceled or rests."""
        with self._turn(twist) as engine:
            stored = engine.place(account_id, order, twist.refusal)
            (answer,) = self._placed([stored], twist)
        return answer

    def place_bracket(
        self, account_id: str, entry: Order, guards: Sequence[Order], *, twist: Twist = PLAIN
    ) -> list[OrderReport]:
        """Take an entry and its guards; rejected where one of them is."""
        with self._turn(twist) as engine:
            taken = brackets.place(engine, account_id, entry, guards, refusal=twist.refusal)
            return self._placed(taken, twist)

    def place_combo(
        self, account_id: str, legs: Sequence[Order], *, twist: Twist = PLAIN
    ) -> list[OrderReport]:
        """Take legs that fill all or none; rejected where one of them is."""
        with self._turn(twist) as engine:
            taken = combos.place(engine, account_id, legs, refusal=twist.refusal)
            return self._placed(taken, twist)

    def _placed(self, taken: Sequence[StoredOrder], twist: Twist) -> list[OrderReport]:
        engine = self._engine
        answer = [engine.report(stored, engine.now) for stored in taken]
        if twist.hide_seconds:
            for stored in taken:
                self._hidden[stored.number] = time.monotonic() + twist.hide_seconds
        if twist.after is not None:
            twist.after(engine, self._journal, taken[0])
        for report in answer:
            _ORDERS.labels(report.status).inc()
        return answer

    def cancel(
        self, account_id: str, client_order_id: str, *, twist: Twist = PLAIN
    ) -> list[OrderReport]:
        """Cancel what still works of these orders; how each of them stands afterwards."""
        with self._turn(twist) as engine:
            found = self._journal.orders(account_id, client_order_ids=[client_order_id])
            return [self._cancel(engine, stored, twist) for stored in found]

    def _cancel(self, engine: Engine, stored: StoredOrder, twist: Twist) -> OrderReport:
        if not stored.works:
            return engine.report(stored)
        if twist.only_says is not None:
            if (after := twist.done_after_seconds) is not None:
                ids = stored.account_id, stored.order.client_order_id
                self.later(after, lambda: self.cancel(*ids))
            said = {"status": twist.only_says, "text": "cancel requested"}
            return engine.report(stored, engine.now).model_copy(update=said)
        engine.cancel(stored)
        answer = engine.report(stored, engine.now)
        if twist.after is not None:
            twist.after(engine, self._journal, stored)
        return answer

    def modify(
        self, account_id: str, client_order_id: str, terms: OrderTerms, *, twist: Twist = PLAIN
    ) -> OrderReport | Refusal:
        """Change an order; a refused change leaves it as it was."""
        with self._turn(twist) as engine:
            found = self._journal.orders(account_id, client_order_ids=[client_order_id])
            if len(found) != 1:
                text = f"there are {len(found)} orders {client_order_id}"
                return Refusal("UNKNOWN_ORDER" if not found else "DOUBLED_ORDER", text)
            refusal = twist.refusal or engine.modify(found[0], terms)
            return refusal or engine.report(found[0], engine.now)

    def set_price(self, instrument_key: str, price: Decimal) -> int:
        """Move the market; how many resting orders it filled."""
        with self._turn() as engine:
            return engine.tick(instrument_key, price)

    def fill(self, account_id: str, client_order_id: str, take: Take) -> OrderReport | Refusal:
        """Fill an order as a person says, whatever its state and its size."""
        with self._turn() as engine:
            found = self._journal.orders(account_id, client_order_ids=[client_order_id])
            if not found:
                return Refusal("UNKNOWN_ORDER", f"there is no order {client_order_id}")
            engine.fill(found[0], [take])
            return engine.report(found[0], engine.now)

    def revise(self, account_id: str, wanted: revisions.Revision) -> OrderReport | Refusal:
        """Correct a fill, or take it back."""
        with self._turn() as engine:
            stored = revisions.revise(engine, self._journal, account_id, wanted)
            if stored is None:
                return Refusal("UNKNOWN_EXECUTION", f"there is no fill {wanted.execution_id}")
            return engine.report(stored, engine.now)

    def cancel_by_hand(self, account_id: str, broker_order_id: str) -> OrderReport | Refusal:
        """Cancel an order by the broker's own number."""
        with self._turn() as engine:
            for stored in self._journal.working(account_id):
                if stored.broker_order_id == broker_order_id:
                    engine.cancel(stored)
                    return engine.report(stored, engine.now)
        return Refusal("UNKNOWN_ORDER", f"no order {broker_order_id} works")

    def prices(self) -> dict[str, Decimal]:
        """All prices that were set."""
        with self._lock:
            return self._journal.prices()

    def last_price(self, instrument_key: str) -> LastPrice | None:
        """Where the market stands now, if somebody has set it; else the last fill and its time."""
        with self._lock:
            return self._books.last_price(instrument_key)

    def orders(
        self,
        account_id: str,
        *,
        client_order_ids: Sequence[str] | None = None,
        open_only: bool = False,
    ) -> list[tuple[Order, OrderReport]]:
        """Orders of an account with how each stands; none that is hidden."""
        with self._lock:
            if open_only:
                found = self._journal.working(account_id)
            else:
                found = self._journal.orders(account_id, client_order_ids=client_order_ids)
            return [
                (stored.order, self._engine.report(stored))
                for stored in found
                if not self._hides(stored.number)
            ]

    def executions(self, account_id: str, since: datetime | None = None) -> list[str]:
        """JSON of every fill of an account and of every revision, oldest first."""
        with self._lock:
            found = self._journal.executions(account_id, since)
            return [body for number, body in found if not self._hides(number)]

    def positions(self, account_id: str) -> list[BrokerPosition]:
        """Open positions of an account."""
        with self._lock:
            return self._books.positions(account_id)

    def state(self, account_id: str) -> AccountState:
        """Equity and margin of an account; opens it where it is new."""
        with self._turn():
            return self._books.state(account_id)

    def preview(self, account_id: str, legs: Sequence[PreviewLeg]) -> MarginQuote | Refusal:
        """How all legs together would change the margin of an account; changes nothing."""
        with self._lock:
            return self._books.preview(account_id, legs)

    def capabilities(self, account_id: str) -> Capabilities:
        """What this account can do."""
        if (given := self._given.get(account_id)) is not None:
            return given
        with self._lock:
            kept = self._journal.setting(_capabilities_of(account_id))
            given = self._usual if kept is None else Capabilities.model_validate_json(kept)
            self._given[account_id] = given
        return given

    def set_capabilities(self, account_id: str, wanted: Mapping[str, object]) -> Capabilities:
        """Take something from an account, or give it back. Raises: ValueError."""
        with self._turn():
            given = abilities.changed(self.capabilities(account_id), wanted)
            self._journal.set_setting(_capabilities_of(account_id), given.model_dump_json())
            self._given[account_id] = given
            return given

    @property
    def market(self) -> Market:
        """How the market is."""
        return self._engine.market

    def set_market(self, market: Market) -> None:
        """Another market, also after a restart."""
        with self._turn() as engine:
            self._journal.set_setting("market", market.model_dump_json())
            engine.market = market
        self.pass_time()

    def pass_time(self, now: datetime | None = None) -> None:
        """What the clock alone brings: sessions that end and that begin."""
        with self._turn(now=now) as engine:
            closed = engine.market.closed(engine.now)
            opened, self._closed = self._closed - closed, closed
            engine.expire()
            engine.open(opened)

    def start_over(self) -> None:
        """Forget everything: empty books, no market, as on the first day."""
        with self._lock:
            self._journal.wipe()
            self._given, self._hidden, self._later = {}, {}, []
            self._engine.market = self._first_market
            self._closed = self._first_market.closed(datetime.now(UTC))

    def later(self, seconds: float, happens: Callable[[], object]) -> None:
        """Something that happens by itself after a while, unless the process ends before."""
        with self._lock:
            self._later.append((time.monotonic() + seconds, happens))

    def _tick_tock(self) -> None:
        looks = 0
        while not self._ended.wait(_CLOCK_SECONDS):
            looks += 1
            self.catch_up()
            if self.market.hours and looks % _LOOKS_AT_HOURS == 0:
                self.pass_time()

    def catch_up(self) -> None:
        """Have happen what was to happen by itself by now."""
        with self._lock:
            now = time.monotonic()
            due = [happens for at, happens in self._later if at <= now]
            self._later = [each for each in self._later if each[0] > now]
        for happens in due:
            happens()

    def _hides(self, number: int | None) -> bool:
        if number is None or number not in self._hidden:
            return False
        if time.monotonic() < self._hidden[number]:
            return True
        del self._hidden[number]
        return False

    def reports(self, account_id: str, after: int, wait_seconds: float) -> list[tuple[int, str]]:
        """Reports after a cursor, up to one of a hidden order; waits where there is none yet."""
        until = time.monotonic() + wait_seconds
        with self._lock:
            news = self._news.setdefault(account_id, threading.Condition(self._lock))
            if after > self._journal.last_report_number():
                after = 0  # a cursor of books that are gone: tell all again rather than nothing
            while not self._ended.is_set():
                found = []
                for number, body, order in self._journal.reports(
                    account_id, after, _REPORTS_AT_ONCE
                ):
                    if self._hides(order):
                        break
                    found.append((number, body))
                left = until - time.monotonic()
                if found or left <= 0:
                    return found
                news.wait(min(left, _CLOCK_SECONDS) if self._hidden else left)
        return []


def _capabilities_of(account_id: str) -> str:
    return f"capabilities of {account_id}"
