"""Every change of an order, told in the broker's order by a thread of its own.

What comes in one burst is told once, as it stands afterwards. A stream that starts tells all orders
that the gateway still has: nothing is ever missed, and what was told before is told again.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from brokers.broker import ReportHandler
from brokers.complaints import Complaints
from brokers.errors import BrokerUnavailable
from brokers.ibkr.catalog import Catalog
from brokers.ibkr.line import now
from brokers.ibkr.placing import QUIET_SECONDS
from brokers.ibkr.reports import reports_of
from brokers.ibkr.session import Session
from brokers.ibkr.tracks import RIPE_SECONDS, Track
from services.domain.orders import OrderReport

_log = logging.getLogger(__name__)
#: An order of which something is said all the time is told all the same.
_LONGEST_SECONDS: Final = 0.25
#: A fill of an order that was never shown waits so long for the order itself, and an order of
#: which more must have filled than was told for the rest.
_UNSHOWN_SECONDS: Final = 4.0
_LOOK_SECONDS: Final = 0.02
#: The gateway does not push what other clients and people do: it is looked for.
_OTHERS_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.5


class _News(NamedTuple):
    """An order of which something was said, first and last at these moments."""

    track: Track
    first: float
    last: float


class Reader:
    """One handler and its thread; safe to use from the loop's thread."""

    def __init__(self, name: str, handler: ReportHandler) -> None:
        self._handler = handler
        self._queue: queue.Queue[tuple[OrderReport, str] | None] = queue.Queue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name=name, daemon=True)
        self.news: dict[int, _News] = {}
        #: Of each order that the book still has.
        self._told: WeakKeyDictionary[Track, dict[str, OrderReport]] = WeakKeyDictionary()
        self._complaints = Complaints(_log, name)

    def start(self) -> None:
        """Deliver from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Deliver nothing more, not even what waits."""
        self._ended.set()
        self._queue.put(None)

    def changed(self, track: Track, seconds: float) -> None:
        """Something was said of an order."""
        known = self.news.get(id(track))
        self.news[id(track)] = _News(track, known.first if known else seconds, seconds)

    def tell(self, track: Track, report: OrderReport) -> None:
        """Hand over a report, unless it is what was told of the order last."""
        told = self._told.setdefault(track, {})
        before = told.get(report.client_order_id)
        if before is not None and _same(before, report):
            return
        told[report.client_order_id] = report
        self._queue.put((report, report.occurred_at.isoformat()))

    def _deliver(self) -> None:
        while (told := self._queue.get()) is not None:
            while not self._ended.is_set():
                try:
                    self._handler(*told)
                    self._complaints.end()
                    break
                except Exception as error:  # noqa: BLE001 - no report may be skipped: it comes again
                    if not self._ended.is_set():
                        self._complaints.tell(error)
                    self._ended.wait(_PAUSE_SECONDS)


class Streams:
    """All readers of one session; for one event loop."""

    def __init__(self, session: Session, catalog: Catalog) -> None:
        self._session = session
        self._catalog = catalog
        self._readers: list[Reader] = []
        self._tasks: list[asyncio.Task[None]] = []
        session.on_change = self._changed

    async def add(self, reader: Reader) -> None:
        """Tell a reader of everything that is known, and of every change from now on."""
        seconds = now().seconds
        for track in sorted(self._session.book.shown(), key=_moved_at):
            reader.changed(track, seconds)
        self._readers.append(reader)
        reader.start()
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(_forever(self._tell, _LOOK_SECONDS)),
                asyncio.create_task(_forever(self._look_for_others, _OTHERS_SECONDS)),
            ]

    def stop(self) -> None:
        """Tell nobody anything any more."""
        for task in self._tasks:
            task.cancel()
        for reader in self._readers:
            reader.stop()

    def _changed(self, track: Track) -> None:
        seconds = now().seconds
        for reader in self._readers:
            reader.changed(track, seconds)

    async def _look_for_others(self) -> None:
        if self._session.is_up:
            await self._session.glance()

    async def _tell(self) -> None:
        trouble: Exception | None = None
        for reader in self._readers:
            for news in list(reader.news.values()):
                track, seconds = news.track, now().seconds
                if not track.shown:
                    continue
                if not track.sized and seconds - news.first < _UNSHOWN_SECONDS:
                    continue
                if not _has_said_all(news, seconds):
                    break  # what came after it is not told before it
                try:
                    await self._tell_of(reader, news)
                except BrokerUnavailable:
                    raise
                except Exception as error:  # noqa: BLE001 - one order does not silence the others
                    trouble = error
        if trouble is not None:
            raise trouble

    async def _tell_of(self, reader: Reader, news: _News) -> None:
        track = news.track
        await self._catalog.learn(
            [part.contract for part in track.parts()]
            + [fill.contract for told in track.fills.values() for fill in told]
        )
        reports = reports_of(track, self._catalog.name, now().seconds)
        if reader.news.get(id(track)) == news:
            del reader.news[id(track)]
        for report in reports:
            reader.tell(track, report)


def _has_said_all(news: _News, seconds: float) -> bool:
    """Whether its burst of messages is over, and its fills can be told with what they cost."""
    if seconds - news.last < QUIET_SECONDS and seconds - news.first < _LONGEST_SECONDS:
        return False
    return (
        news.track.settled(seconds)
        or seconds - news.last > RIPE_SECONDS
        or seconds - news.first > _UNSHOWN_SECONDS
    )


def _same(one: OrderReport, other: OrderReport) -> bool:
    return one.model_copy(update={"occurred_at": other.occurred_at}) == other


def _moved_at(track: Track) -> float:
    fills = [fill.occurred_at for told in track.fills.values() for fill in told]
    return max(fills, default=track.changed_at).timestamp()


async def _forever(work: Callable[[], Awaitable[None]], pause: float) -> None:
    """Again and again, whatever happens: a stream that has ended looks like one without news."""
    complaints = Complaints(_log, "something of the account's orders cannot be told")
    while True:
        await asyncio.sleep(pause)
        try:
            await work()
            complaints.end()
        except BrokerUnavailable as error:  # it is asked again
            _log.debug("not told yet: %s", error)
        except Exception as error:  # noqa: BLE001 - see above
            complaints.tell(error)
