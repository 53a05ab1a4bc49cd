"""Pages of lists that grow for ever, newest first, by keys instead of offsets. Pure.

A page is read in *windows* of time. MongoDB would stop at the limit of a query; the embedded
database reads all that a query matches before it sorts and cuts (docs/performance.md), so that
"the newest 50" would cost as much as all there ever was. A window is chosen to hold about one page,
by how much was going on in each hour (`Activity`), and is made larger until the page is full. What
no index is for is filtered, here or by the store, as long as the page's time lasts: no window is
larger than what is left of it, by what those before have taken. Then the page is handed out as full
as it is, with the cursor to go on from: a page may have fewer rows than was asked for, even none;
the list ends where `next` is null.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

Document = Mapping[str, Any]
#: Nothing here is older.
BEGINNING: Final = datetime(2015, 1, 1, tzinfo=UTC)
_HOUR: Final = 3600.0
#: Rows of an hour without any: so little that silence is no reason for a large window behind it.
_SILENT: Final = 0.02
#: A window holds at most so many rows of all kinds, however rare what is looked for.
_MOST_HELD: Final = 8000.0
_MILLISECOND: Final = timedelta(milliseconds=1)
#: Rows of one window that are worth reading at once.
_MOST_ROWS: Final = 400
_LARGEST_STEP: Final = 8.0
#: Read beyond what is missing: rows of the millisecond at which the page before ended, and equals.
_SPARE_ROWS: Final = 20
#: Rows from which on their time can be told from that of the question.
_FEW_ROWS: Final = 20
#: Of its time; what is left is too little for another window.
_SPENT_RATIO: Final = 0.85
_LAST_ID: Final = "\U0010ffff"


class Cursor(NamedTuple):
    """Where a page ended: time and id of its last row."""

    at: datetime
    row_id: str

    def text(self) -> str:
        """As it goes to the client, who is not to read it."""
        milliseconds = (self.at - datetime.fromtimestamp(0, UTC)) // _MILLISECOND
        raw = json.dumps([milliseconds, self.row_id]).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """A cursor back. Raises: ValueError: it is none of ours."""
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            milliseconds, row_id = json.loads(raw)
            at = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(milliseconds))
        except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError("not a cursor") from error
        if not isinstance(row_id, str):
            raise ValueError("not a cursor")
        return cls(at, row_id)


class Activity:
    """How many rows there are in each hour, as far as that was counted.

    Args:
        hours: rows by hour since 1970.
        counted: first and last hour that were counted; between them, what is not named is empty.
    """

    def __init__(self, hours: Mapping[int, int], counted: tuple[int, int] = (0, -1)) -> None:
        self._hours = hours
        self._known = sorted(hours)
        self._first, self._last = counted

    @property
    def complete(self) -> bool:
        """Whether all of the past was counted; what is going on now never is."""
        return self._first == 0 and self._last > 0

    def floor(self, upper: datetime, rows: float, seconds: float) -> tuple[datetime, bool]:
        """A time before `upper`, so that about so many rows lie between, and whether that is known.

        Where nobody has counted it is `seconds` before: what was empty there says nothing of how
        much there is in hours that were counted, so no window has both.
        """
        at = upper.timestamp()
        begins, an_hour = self._stretch(math.ceil(at / _HOUR) - 1)
        if an_hour is None:
            return datetime.fromtimestamp(max(begins, at - seconds), UTC), False
        left = rows
        while an_hour is not None and at > BEGINNING.timestamp():
            held = an_hour * (at - begins) / _HOUR
            if held >= left:
                return datetime.fromtimestamp(at - left * _HOUR / an_hour, UTC), True
            at, left = begins, left - held
            begins, an_hour = self._stretch(math.ceil(at / _HOUR) - 1)
        return datetime.fromtimestamp(at, UTC), True

    def _stretch(self, hour: int) -> tuple[float, float | None]:
        """Where the stretch of equal hours begins that an hour is the last of; rows of each."""
        if self._first <= hour <= self._last:
            if hour in self._hours:
                return hour * _HOUR, max(_SILENT, self._hours[hour])
            place = bisect_left(self._known, hour)
            first = self._known[place - 1] + 1 if place else 0
            return max(first, self._first) * _HOUR, _SILENT
        return (self._last + 1 if hour > self._last else 0) * _HOUR, None


class Read(Protocol):
    """Reads rows of one window, the newest first, `most` of them at most; None = all."""

    def __call__(self, after: datetime, until: datetime, most: int | None) -> Sequence[Document]:
        """Rows with `after` < time <= `until`."""


class Wanted(NamedTuple):
    """One page.

    Attributes:
        field: of the rows that the list is in the order of.
        keep: whether a row belongs into the list; None = each does.
        hidden: whether `read` keeps back what does not belong: an empty window is no silence then.
        patience_seconds: after which the page is handed out, by `clock`.
    """

    limit: int
    field: str
    until: datetime
    since: datetime | None = None
    before: Cursor | None = None
    keep: Callable[[Document], bool] | None = None
    hidden: bool = False
    patience_seconds: float = math.inf
    clock: Callable[[], float] = lambda: 0.0


class Slice(NamedTuple):
    """Rows of a page, and where the next one begins; None = there is none."""

    rows: list[Document]
    next: Cursor | None


def newest_first(read: Read, wanted: Wanted, activity: Activity) -> Slice:
    """One page of a list."""
    field, before = wanted.field, wanted.before
    upper = wanted.until if before is None else min(before.at, wanted.until)
    lowest = max(wanted.since - _MILLISECOND, BEGINNING) if wanted.since else BEGINNING
    found: list[Document] = []
    rows = seconds = wanted.limit * 1.3
    time = _Time(wanted)
    while upper > lowest:
        floor, counted = activity.floor(upper, rows, seconds)
        lower = max(lowest, floor)
        size = rows if counted else seconds
        window, cut = _window(read, lower, upper, field, most=_most(wanted, len(found)))
        fitting = 0
        for row in window:
            key = Cursor(row[field], str(row["_id"]))
            if (before is not None and key >= before) or not _is_kept(row, wanted):
                continue
            fitting += 1
            found.append(row)
            if len(found) == wanted.limit:
                return Slice(found, key)
        upper = window[-1][field] - _MILLISECOND if cut else lower
        if (window or counted or wanted.hidden) and upper > lowest and time.is_up():
            return Slice(found, Cursor(upper, _LAST_ID))
        step = _step(len(window), fitting, wanted.limit - len(found))
        size = min(size * step, time.bearable(size, len(window), counted=counted))
        if counted:
            rows = min(size, _MOST_HELD)
        else:
            seconds = size
    return Slice(found, None)


class _Time:
    """What a page has left of its time, by the windows that it has read.

    What they are measured by, rows of all kinds or seconds, is what the next one is chosen by, so
    that it does not matter how much of a window comes back.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._began = wanted.clock()
        self._sizes = {True: 0.0, False: 0.0}
        self._read = 0

    def is_up(self) -> bool:
        """Whether it is time to hand out the page."""
        return self._spent() >= self._wanted.patience_seconds * _SPENT_RATIO

    def bearable(self, size: float, rows: int, *, counted: bool) -> float:
        """How large the next window may be, after one of this size that held so many rows."""
        self._sizes[counted] += size
        self._read += rows
        if self._read < _FEW_ROWS and not self._wanted.hidden:
            return math.inf  # what so few rows took says how long it takes to ask, not to read
        spent = self._spent()
        left = self._wanted.patience_seconds - spent
        return left * self._sizes[counted] / spent if spent and not self.is_up() else math.inf

    def _spent(self) -> float:
        return self._wanted.clock() - self._began


def _most(wanted: Wanted, found: int) -> int:
    """Rows of one window that are worth having: of those that all belong into the list, few."""
    if wanted.keep is None:
        return wanted.limit - found + _SPARE_ROWS
    return max(_MOST_ROWS, wanted.limit * 2)


def _is_kept(row: Document, wanted: Wanted) -> bool:
    return wanted.keep is None or wanted.keep(row)


def _window(
    read: Read, lower: datetime, upper: datetime, field: str, *, most: int
) -> tuple[list[Document], bool]:
    """Rows of a window in their order; cut off behind a whole millisecond where they are many."""
    rows = sorted(read(lower, upper, most), key=lambda row: _key(row, field), reverse=True)
    if len(rows) < most:
        return rows, False
    last = rows[-1][field]
    whole = [row for row in rows if row[field] > last]
    if not whole:  # all of one millisecond: it is taken as a whole, however much it is
        every = read(last - _MILLISECOND, last, None)
        whole = sorted(every, key=lambda row: _key(row, field), reverse=True)
    return whole, True


def _key(row: Document, field: str) -> tuple[datetime, str]:
    return row[field], str(row["_id"])


def _step(read: int, fitting: int, missing: int) -> float:
    """How much larger the next window is: for what is missing, and never for too much to read."""
    wished = 1.3 * missing / fitting if fitting else _LARGEST_STEP
    bearable = _MOST_ROWS * 0.75 / read if read else _LARGEST_STEP
    return min(_LARGEST_STEP, max(0.25, min(wished, bearable)))
