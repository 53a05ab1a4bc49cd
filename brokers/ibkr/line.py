"""One socket to the gateway: opened, written to, asked, closed; no word of opening another."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

from brokers.errors import BrokerUnavailable
from brokers.ibkr import answers as of
from brokers.ibkr.answers import Answers, Key
from brokers.ibkr.api import Client
from brokers.ibkr.book import Book, Moment
from brokers.ibkr.link import IbkrLink
from brokers.ibkr.pacing import Pacer, Rank
from brokers.ibkr.pushed import Pushed
from brokers.ibkr.wire import Link, Wire

_OPENING: Final = "the connection"
_SKIPPED_IDS: Final = 1000


class Line:
    """At most one socket at a time; for one event loop."""

    def __init__(self, link: IbkrLink, book: Book, events: Link, *, timeout: float) -> None:
        self._link = link
        self._book = book
        self._events = events
        self._timeout = timeout
        self._answers = Answers()
        self._pacer = Pacer()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._client: Client | None = None
        self._wire: Wire | None = None
        self.pushed = Pushed()
        self._next_id = 1

    @property
    def is_open(self) -> bool:
        """Whether there is a socket, in use or on the way to it."""
        return self._client is not None

    @property
    def accounts(self) -> list[str]:
        """Accounts of the login."""
        return self._wire.accounts if self._wire else []

    async def open(self, patience: float) -> None:
        """Connect, and wait until the gateway takes orders.

        Raises: OSError, TimeoutError; BrokerUnavailable: the gateway does not take us.
        """
        self._answers = Answers()
        self._wire = Wire(self._book, self._answers, self._events, now, self.pushed)
        self._client = client = Client(self._wire)
        client.MaxRequests = 0  # what is written is sent: the library keeps nothing back
        opening = asyncio.create_task(
            client.connectAsync(self._link.host, self._link.port, self._link.client_id, patience)
        )
        over = self._answers.begin(_OPENING)
        try:
            await asyncio.wait({opening, over}, return_when=asyncio.FIRST_COMPLETED)
            if over.done():
                over.result()
            await opening
        finally:
            self._answers.give_up(_OPENING)
            opening.cancel()
            with suppress(asyncio.CancelledError, OSError, TimeoutError):
                await opening
            if over.done():
                over.exception()
        if client.serverVersion() > client.MaxClientVersion:
            raise BrokerUnavailable(
                f"the gateway speaks version {client.serverVersion()} of its protocol, and the "
                f"client library reads no more than {client.MaxClientVersion}"
            )
        self._next_id = max(self._next_id, self._wire.valid_id)

    def fail_opening(self, error: BrokerUnavailable) -> None:
        """The gateway does not take us."""
        self._answers.fail(_OPENING, error)

    def fail_questions(self, error: BrokerUnavailable) -> bool:
        """Nothing that is asked will be answered now; whether an answer might come all the same
        and be taken for that to a later question."""
        return any(isinstance(key, str) for key in self._answers.fail_all(error))

    def close(self, why: str) -> None:
        """Let go of the socket; harmless when there is none."""
        client, self._client = self._client, None
        self._answers.fail_all(BrokerUnavailable(why))
        if client is None:
            return
        transport = client.conn.transport
        client.conn.disconnected.clear()
        client.conn.hasData.clear()
        client.reset()
        if transport is not None:
            transport.abort()

    def next_id(self) -> int:
        """A number that no order and no question of ours has had."""
        number = max(self._next_id, self._book.highest_id + 1)
        self._next_id = number + 1
        return number

    def skip_ids(self) -> None:
        """Our numbers have been used by somebody: go well past them."""
        self._next_id += _SKIPPED_IDS

    async def turn(self, rank: Rank, size: int = 1) -> Client:
        """Wait for our turn to write so many messages; they are to be written at once then.

        Raises: BrokerUnavailable: nothing may be written.
        """
        try:
            await asyncio.wait_for(self._pacer.turn(rank, size), self._timeout)
        except TimeoutError as error:
            raise BrokerUnavailable("too much is to be sent at once: nothing was sent") from error
        client = self._client
        transport = client.conn.transport if client is not None else None
        if client is None or transport is None or transport.is_closing():
            raise BrokerUnavailable("the link was lost before it left")
        return client

    async def ask(
        self, key: Key, write: Callable[[Client], object], *, patience: float | None = None
    ) -> list[Any]:
        """One question and its whole answer.

        A question without a number that is not answered ends the connection: its answer might
        come later and be taken for that to the next one.

        Raises:
            RequestFailed: answered with an error.
            BrokerUnavailable: not answered.
        """
        patience = patience or self._timeout
        async with self._locks[key] if isinstance(key, str) else _nobody_else():
            client = await self.turn(Rank.QUESTION)
            answer = self._answers.begin(key)
            write(client)
            try:
                return await asyncio.wait_for(answer, patience)
            except TimeoutError as error:
                asked = f"about {key}" if isinstance(key, str) else "to a question"
                sentence = f"the gateway gave no answer {asked} within {patience:g} s"
                self._give_up(key, client, sentence)
                raise BrokerUnavailable(sentence) from error
            except asyncio.CancelledError:
                self._give_up(key, client, f"nobody waits for the answer about {key} any more")
                raise

    def _give_up(self, key: Key, client: Client, sentence: str) -> None:
        if self._client is not client:
            return
        self._answers.give_up(key)
        if isinstance(key, str):
            self._events.lost(sentence)

    async def ask_numbered(self, write: Callable[[Client, int], object]) -> list[Any]:
        """The same of what counts as an order: its number is given when it leaves.

        Raises: RequestFailed, BrokerUnavailable.
        """
        client = await self.turn(Rank.QUESTION)
        number = self.next_id()
        answer = self._answers.begin(number)
        write(client, number)
        try:
            return await asyncio.wait_for(answer, self._timeout)
        except TimeoutError as error:
            self._answers.give_up(number)
            sentence = f"the gateway gave no answer within {self._timeout:g} s"
            raise BrokerUnavailable(sentence) from error

    async def ask_until(
        self,
        number: int,
        write: Callable[[Client], object],
        enough: Callable[[list[Any]], bool],
    ) -> tuple[list[Any], bool]:
        """The same, waiting for no more than is enough; what has come, and whether that is all.

        Raises: RequestFailed, BrokerUnavailable.
        """
        client = await self.turn(Rank.QUESTION)
        answer = self._answers.begin(number)
        write(client)
        end = asyncio.get_running_loop().time() + self._timeout
        try:
            while not answer.done() and not enough(self._answers.rows(number)):
                left = end - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                await asyncio.wait({answer}, timeout=min(left, _LOOK_SECONDS))
            if answer.done():
                return answer.result(), True
            return list(self._answers.rows(number)), False
        finally:
            self._answers.give_up(number)

    async def server_time(self, patience: float | None = None) -> datetime:
        """The gateway's clock, in whole seconds. Raises: BrokerUnavailable."""
        rows = await self.ask(
            of.CURRENT_TIME, lambda client: client.reqCurrentTime(), patience=patience
        )
        return datetime.fromtimestamp(rows[-1], UTC)


_LOOK_SECONDS: Final = 0.01


def now() -> Moment:
    """On both clocks; in the loop only."""
    return Moment(datetime.now(UTC), asyncio.get_running_loop().time())


@asynccontextmanager
async def _nobody_else() -> AsyncIterator[None]:
    yield
