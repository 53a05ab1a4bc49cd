"""The gateway: who is connected, what all of them share, and the clock that moves news along."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from services.domain.instruments import Instrument
from tests.fakes.tws import answers
from tests.fakes.tws.book import Book, Placed
from tests.fakes.tws.contracts import Table
from tests.fakes.tws.desk import Desk
from tests.fakes.tws.memory import Memory
from tests.fakes.tws.news import News
from tests.fakes.tws.queries import Queries
from tests.fakes.tws.quotes import Quotes
from tests.fakes.tws.requests import Request
from tests.fakes.tws.session import Session
from tests.fakes.tws.tricks import Tricks
from tests.fakes.tws.trouble import Trouble

_TICK_SECONDS = 0.02
#: A tick that comes so late was held up: what arrived meanwhile was not sent all at once.
_STALL_SECONDS = 0.05
_ACCOUNT_SECONDS = 0.2
_LOST = (1100, "Connectivity between IB and Trader Workstation has been lost.")
_RESTORED = "Connectivity between IB and Trader Workstation has been restored - "
_FARMS = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefil"),
)
_RULES = {26: ((Decimal(0), Decimal("0.01")),), 67: ((Decimal(0), Decimal("0.05")),)}


class Stats:
    """How much each client has sent: for assertions on budgets."""

    def __init__(self):
        self.messages: dict[int, int] = {}
        self.most_in_a_second: dict[int, int] = {}

    def count(self, client_id: int, in_a_second: int) -> None:
        """One more message."""
        self.messages[client_id] = self.messages.get(client_id, 0) + 1
        most = self.most_in_a_second.get(client_id, 0)
        self.most_in_a_second[client_id] = max(most, in_a_second)


class Gateway:
    """One login with its accounts, in front of a venue.

    Args:
        venue: the engine and its faults.
        memory: what the gateway keeps itself.
        accounts: of the login, as IBKR calls them.
        server_version: the highest it speaks, 176 to 178.
        zone: of its login: what midnight is, and in what times are told.
        master: the client that hears of everybody's orders; None = none does.
    """

    def __init__(
        self,
        venue,
        memory: Memory,
        *,
        accounts: Sequence[str],
        server_version: int = 178,
        zone: str = "US/Eastern",
        master: int | None = None,
    ):
        self._venue = venue
        self.memory = memory
        self.accounts = tuple(accounts)
        self.server_version = server_version
        self.zone = zone
        self.master = master
        self.violations = venue.violations
        self.tricks = Tricks()
        self.stats = Stats()
        self.table = Table()
        self.book = Book(venue.exchange, self.table)
        self.news = News(venue, self.book, self)
        self.trouble = Trouble(venue.faults, self)
        self.desk = Desk(venue, self, memory)
        self.queries = Queries(venue, self)
        self.quotes = Quotes(venue, self)
        self._sessions: dict[int, Session] = {}
        self._dirty: dict[str, float] = {}
        self._stalls: deque[tuple[float, float]] = deque()
        #: IBKR cannot be reached: by command, or while an account is out.
        self._lost_by_command = False
        self._lost = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timers: list[asyncio.TimerHandle] = []

    async def serve(self, host: str, port: int, begun: Callable[[], None]) -> None:
        """Take connections until cancelled; `begun` is called once they are taken."""
        self._loop = asyncio.get_running_loop()
        self.book.restore(self.accounts)
        self.desk.combos.restore()
        self.news.begin()
        server = await asyncio.start_server(self._connected, host, port)
        async with server:
            begun()
            await self._tick()

    async def _connected(self, reader, writer) -> None:
        session = Session(self, reader, writer)
        asyncio.current_task().add_done_callback(self._ended)
        try:
            await session.run()
        finally:
            self.leave(session)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What the fake itself does wrong fails the test too."""
        if not task.cancelled() and (error := task.exception()) is not None:
            words = "".join(traceback.format_exception(error))
            self.violations.add(f"the fake gateway failed: {words}")

    async def _tick(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            if now - last > _TICK_SECONDS + _STALL_SECONDS:
                self._stalls.append((now, now - last))
            last = now
            self._move()

    def _move(self) -> None:
        self._look_at_the_link()
        self.desk.combos.work()
        self.news.drain()
        self.quotes.push()
        now = time.monotonic()
        for account, since in list(self._dirty.items()):
            if since + _ACCOUNT_SECONDS <= now:
                del self._dirty[account]
                self._tell_account(account)
        for session in self.sessions():
            session.flush()

    def _tell_account(self, account: str) -> None:
        for session in self.sessions():
            if session.account_window == account:
                self.queries.account_window(session, account)
            for asked in list(session.multi.values()):
                if asked["account"] in {"", account}:
                    self.queries.account_multi(session, asked)

    def stalled_seconds(self) -> float:
        """For how long of the last seconds this process was held up by the machine."""
        now = time.monotonic()
        while self._stalls and self._stalls[0][0] < now - 2:
            self._stalls.popleft()
        return sum(each for _, each in self._stalls)

    def call(self, act: Callable[[], object]) -> object:
        """Do something in the gateway's loop, from another thread."""

        async def done() -> object:
            return act()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(timeout=30)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something in a while, unless everything is forgotten before."""
        self._timers = [each for each in self._timers if each.when() > self._loop.time()]
        self._timers.append(self._loop.call_later(seconds, act))

    def sessions(self) -> list[Session]:
        """Of all clients."""
        return list(self._sessions.values())

    def session(self, client_id: int) -> Session | None:
        """Of one client."""
        return self._sessions.get(client_id)

    def admit(self, session: Session, client_id: int) -> bool:
        """Let a client in, unless its id is in use."""
        return self._sessions.setdefault(client_id, session) is session

    def leave(self, session: Session) -> None:
        """A connection has ended."""
        if self._sessions.get(session.client_id) is session:
            del self._sessions[session.client_id]
            self.desk.leave(session.client_id)
            self.quotes.leave(session)

    def hearers(self, placed: Placed) -> list[Session]:
        """Who is told what happens to an order."""
        ids = {placed.client_id, self.master}
        return [each for client, each in self._sessions.items() if client in ids]

    def ask(self, session: Session, request: Request, answer: Callable[[], None]) -> None:
        """A question, answered as its fault lets it, behind the news of what has happened."""
        self.desk.combos.work()
        self.news.drain()
        told = request.fields.get("account")
        accounts = [told] if told in self.accounts else self.accounts
        self.trouble.ask(session, accounts, request.number, answer)

    def is_out(self) -> bool:
        """Whether IBKR cannot be reached now; who is connected hears of a change first."""
        self._look_at_the_link()
        return self._lost

    def _look_at_the_link(self) -> None:
        out = any(self._venue.faults.is_out(each) for each in self.accounts)
        self._set_lost(out or self._lost_by_command, data_kept=True)

    def set_broker_link(self, *, up: bool, data_kept: bool) -> None:
        """Lose IBKR, or find it again: 1100, and 1102 or 1101."""
        self._lost_by_command = not up
        self._set_lost(not up, data_kept=data_kept)

    def _set_lost(self, lost: bool, *, data_kept: bool) -> None:
        if lost == self._lost:
            return
        self._lost = lost
        words = "data maintained." if data_kept else "data lost."
        told = _LOST if lost else (1102 if data_kept else 1101, _RESTORED + words)
        for session in self.sessions():
            session.say(answers.error(*told))
            if not lost and not data_kept:
                session.watched.clear()

    def farms(self) -> tuple[tuple[int, str], ...]:
        """What a client is told when it has connected."""
        return (_LOST,) if self._lost else _FARMS

    def tell_market_rule(self, session: Session, rule: int) -> None:
        """In which steps prices move."""
        if rule in _RULES:
            session.say(answers.market_rule(rule, _RULES[rule]))

    def positions_changed(self, account: str, instrument: Instrument) -> None:
        """Tell who has asked for positions at once, and for accounts soon."""
        self._dirty.setdefault(account, time.monotonic())
        for session in self.sessions():
            if session.wants_positions:
                self.queries.position_changed(session, account, instrument.key)

    def remembers_since(self) -> datetime:
        """Midnight of the gateway's zone, or later where that was commanded."""
        now = answers.utc_now().astimezone(ZoneInfo(self.zone))
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return max(midnight, self.tricks.forgets_before or midnight)

    def fee(self, quantity: Decimal) -> Decimal:
        """Commission of one execution."""
        return self._venue.books.fee(quantity)

    def forget(self) -> None:
        """As on the first day; who is connected stays so."""
        self.memory.forget()
        self.book.forget()
        self.news.forget()
        self.desk.forget()
        self.tricks.forget()
        self._lost_by_command = False
        for timer in self._timers:
            timer.cancel()
        self.stats.messages.clear()
        self.stats.most_in_a_second.clear()
