"""The account's connection: made, watched, and made again when it is lost.

Everything here runs in the adapter's own event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from brokers.errors import BrokerError, BrokerUnavailable, OrderStateUnknown
from brokers.ibkr import answers as of
from brokers.ibkr.answers import RequestFailed
from brokers.ibkr.api import Client, ExecutionFilter
from brokers.ibkr.book import Book
from brokers.ibkr.codes import Meaning
from brokers.ibkr.hours import in_nightly_reset
from brokers.ibkr.line import Line, now
from brokers.ibkr.link import IbkrLink, missing_account, mixture
from brokers.ibkr.pacing import Rank
from brokers.ibkr.tracks import Refusal, Track
from brokers.ibkr.watches import Watch
from services.domain.words import AccountType

_log = logging.getLogger(__name__)
_BACK_OFF_SECONDS: Final = (0.25, 2.0)
_HEARTBEAT_SECONDS: Final = 10.0
_HEARTBEAT_PATIENCE_SECONDS: Final = 5.0
#: To connect takes several questions: none gives up on it earlier.
_CONNECT_SECONDS: Final = 3.0
#: Fills are asked for again so far back: the gateway's clock.
_OVERLAP: Final = timedelta(minutes=2)


class Session:
    """Keeps one connection; for one event loop."""

    def __init__(self, link: IbkrLink, account_type: AccountType, timeout_seconds: float) -> None:
        self.link = link
        self.timeout = timeout_seconds
        self.book = Book(link.broker_account, link.client_id)
        self.line = Line(link, self.book, self, timeout=timeout_seconds)
        #: Called with each order of which something was said.
        self.on_change: Callable[[Track], None] = lambda _track: None
        #: Done anew with each connection, as long as it lives.
        self.on_up: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._account_type = account_type
        self._watches: set[Watch[Any]] = set()
        #: All who need the connection wait for the same attempt.
        self._attempt: asyncio.Task[None] | None = None
        #: One look at a time: each ends with what it has not been shown.
        self._looking = asyncio.Lock()
        self._up = False
        self._link_down = ""
        #: A question of before the link was down might be answered late.
        self._ask_anew = False
        self._refused = ""
        self._trouble = "not connected yet"
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._asked_at: datetime | None = None

    @property
    def is_up(self) -> bool:
        """Whether orders can leave and questions are answered."""
        return self._up and not self._link_down

    async def connect(self) -> None:
        """Be connected, with everything known that the gateway has of the account; and stay so.

        Raises: BrokerUnavailable.
        """
        self._refused = ""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        await self.ready()

    async def ready(self) -> None:
        """Return at once where connected, else try it once. Raises: BrokerUnavailable."""
        if self.is_up:
            return
        if self._refused:
            raise BrokerUnavailable(self._refused)
        if self._up:
            raise self.unavailable()
        if self._attempt is None:
            self._attempt = asyncio.create_task(self._connect_once())
            self._attempt.add_done_callback(self._attempted)
        await asyncio.shield(self._attempt)
        if not self.is_up:
            raise self.unavailable()

    def _attempted(self, attempt: asyncio.Task[None]) -> None:
        self._attempt = None
        if not attempt.cancelled():
            attempt.exception()  # whoever waits for it has it

    async def order_turn(self, size: int = 1) -> Client:
        """Wait for the turn to write so many orders; they are to be written at once then.

        A link that is lost before that is made again once: nothing has left yet.

        Raises: BrokerUnavailable: nothing may be written.
        """
        for _ in range(2):
            await self.ready()
            try:
                client = await self.line.turn(Rank.ORDER, size)
            except BrokerUnavailable:
                if self.is_up:
                    raise
                continue
            if self.is_up:
                return client
        raise self.unavailable()

    def unavailable(self) -> BrokerUnavailable:
        """Why nothing can be asked now."""
        why = self._refused or self._link_down or self._trouble
        sentence = f"the gateway {self.link.host}:{self.link.port}: {why}"
        if in_nightly_reset(now().at):
            sentence += " (it is IB's nightly reset, 23:45 to 00:45 in New York)"
        return BrokerUnavailable(sentence)

    async def _connect_once(self) -> None:
        patience = max(self.timeout, _CONNECT_SECONDS)
        self.book.reset_words()
        try:
            async with asyncio.timeout(patience):
                await self.line.open(patience)
                self._check_account()
                await self.look()
        except TimeoutError as error:
            self._drop(f"it did not answer within {patience:g} s")
            raise self.unavailable() from error
        except (OSError, BrokerError) as error:
            self._drop(str(error) or type(error).__name__)
            raise self.unavailable() from error
        except Exception as error:  # whatever it is, it must be tried again
            self._drop(repr(error))
            _log.exception("connecting to the gateway failed")
            raise self.unavailable() from error
        if not self.line.is_open:
            raise self.unavailable()
        self._up = True
        _log.info(
            "connected to %s:%s as client %s: account %s",
            self.link.host,
            self.link.port,
            self.link.client_id,
            self.link.broker_account,
        )
        self.start(self._heartbeat())
        if self.on_up is not None:
            self.start(self.on_up())

    def _check_account(self) -> None:
        self._refused = missing_account(self.link, self.line.accounts) or mixture(
            self.link, self._account_type
        )
        if self._refused:
            raise BrokerUnavailable(self._refused)

    def _drop(self, why: str) -> None:
        """Let go of the connection; whoever waits for it is told."""
        if self._up:
            _log.warning("the link of %s is lost: %s", self.link.broker_account, why)
        self._up, self._link_down, self._trouble = False, "", why
        self._ask_anew = False
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        self.line.close(why)
        for watch in list(self._watches):
            watch.fail(OrderStateUnknown(f"the link was lost after it was sent: {why}"))

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something as long as this connection lives."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the link of %s", self.link.broker_account, exc_info=error)
            self.lost(f"nobody watches it any more: {error!r}")

    def close(self) -> None:
        """For good."""
        for task in (self._keeper, self._attempt):
            if task is not None:
                task.cancel()
        self._refused = "the adapter was closed"
        if self._up:
            _log.info("%s: the link is closed", self.link.broker_account)
        self._up = False
        self._drop(self._refused)

    async def _keep(self) -> None:
        """Connect again whenever the link is lost, unless that cannot help."""
        delay, said = _BACK_OFF_SECONDS[0], ""
        while True:
            await asyncio.sleep(delay)
            if self._up or self._refused:
                delay, said = _BACK_OFF_SECONDS[0], ""
                continue
            try:
                await self.ready()
            except BrokerUnavailable as error:
                delay = min(delay * 2, _BACK_OFF_SECONDS[1])
                before, said = said, str(error)
                if before != said:  # a gateway may be away for a night
                    _log.info("%s; it is tried again and again", said)

    async def _heartbeat(self) -> None:
        """A link that neither answers nor ends is noticed."""
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            try:
                await self.line.server_time(_HEARTBEAT_PATIENCE_SECONDS)
            except BrokerUnavailable as error:
                self.lost(str(error))
                return

    def heard(self, track: Track, error: tuple[Meaning, Refusal] | None = None) -> None:
        """Something was said of an order."""
        if error is not None and error[0] is Meaning.UNKNOWN:
            code, text = error[1]
            _log.warning("order %s is asked about, because of %s: %s", track.ref, code, text)
        seconds = now().seconds
        for watch in list(self._watches):
            if any(each is track for each in watch.tracks):
                watch.hear(seconds, error)
        self.on_change(track)

    def said_of_link(self, meaning: Meaning, sentence: str) -> None:
        """Something was said of the link itself."""
        if meaning is Meaning.LINK_DOWN:
            _log.warning("%s: %s", self.link.broker_account, sentence)
            self._link_down = sentence
            self._ask_anew = self.line.fail_questions(BrokerUnavailable(sentence)) or self._ask_anew
        elif meaning is Meaning.LINK_UP and self._link_down:
            _log.info("%s: %s", self.link.broker_account, sentence)
            self.start(self._come_back())
        elif meaning is Meaning.ID_IN_USE:
            self._refused = (
                f"client id {self.link.client_id} is in use at {self.link.host}:{self.link.port}: "
                "another process trades this account, or another account was given the same id"
            )
            self.lost(self._refused)
        elif meaning is Meaning.GATEWAY_MOVES:
            self.lost(sentence)
        elif meaning is not Meaning.NOTE:
            _log.warning("%s: %s", self.link.broker_account, sentence)

    async def _come_back(self) -> None:
        """IB is there again: first of all it is asked what has happened meanwhile."""
        down = self._link_down
        if self._ask_anew:
            self.lost("IB is back; what was asked meanwhile is asked in a new connection")
            return
        try:
            await self.look()
        except BrokerUnavailable as error:
            self.lost(f"{down}; after it came back: {error}")
            return
        if self._link_down == down:
            self._link_down = ""

    def lost(self, sentence: str) -> None:
        """The connection is of no use any more."""
        if self.line.is_open:
            self.line.fail_opening(BrokerUnavailable(sentence))
            self._drop(sentence)

    @contextmanager
    def watching(self, watch: Watch[Any]) -> Iterator[None]:
        """While it is told of events."""
        self._watches.add(watch)
        try:
            yield
        finally:
            self._watches.discard(watch)

    async def glance(self, *, since: datetime | None = None) -> None:
        """What is open and what has filled lately; all else only where that leaves a doubt.

        Args:
            since: fills from then on at least.

        Raises: BrokerUnavailable.
        """
        async with self._looking:
            began = now()
            known = self._asked_at
            since = None if known is None else min(since or began.at, known - _OVERLAP)
            self.book.begin_look()
            await self._ask_open()
            await self._ask_executions(since)
            if self.book.doubtful():
                await self._look()
            else:
                self._asked_at = began.at

    async def look(self) -> None:
        """Everything the gateway has: open and ended orders, and fills.

        What ends while it asks is in one of the answers at least, because they come in this order.

        Raises: BrokerUnavailable.
        """
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        began = now()
        self.book.begin_look()
        await self._ask_open()
        await self.line.ask(of.COMPLETED_ORDERS, lambda client: client.reqCompletedOrders(False))
        await self._ask_executions(None)
        self.book.end_look(began)
        self._asked_at = began.at

    async def _ask_open(self) -> None:
        await self.line.ask(of.OPEN_ORDERS, lambda client: client.reqAllOpenOrders())

    async def _ask_executions(self, since: datetime | None) -> None:
        number = self.line.next_id()
        wanted = ExecutionFilter(acctCode=self.link.broker_account)
        if since is not None:
            wanted.time = f"{since:%Y%m%d-%H:%M:%S}"
        try:
            await self.line.ask(number, lambda client: client.reqExecutions(number, wanted))
        except RequestFailed as error:
            raise BrokerUnavailable(f"executions: {error}") from error
