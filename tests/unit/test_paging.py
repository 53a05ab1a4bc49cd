"""Pages by keys: their union is everything once, whatever comes in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dashboard_creator.paging import Activity, Cursor, Wanted, newest_first

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)
EMPTY = Activity({})
#: Bursts within a millisecond, quiet days, and everything between.
STEPS = st.lists(st.sampled_from([0, 0, 1, 7, 900, 60_000, 3_600_000, 90_000_000]), max_size=80)


class Rows:
    """A stored list; counts what it was asked for."""

    def __init__(self, steps):
        self.rows = []
        at = NOW
        for number, milliseconds in enumerate(steps):
            at -= timedelta(milliseconds=milliseconds)
            self.add(f"r{number:03}", at)
        self.reads = []

    def add(self, row_id, at, kind=None):
        kind = kind if kind is not None else len(self.rows) % 3
        self.rows.append({"_id": row_id, "at": at, "kind": kind})

    def read(self, after, until, most):
        found = [row for row in self.rows if after < row["at"] <= until]
        found.sort(key=lambda row: row["at"], reverse=True)  # within a time in any order
        self.reads.append(len(found[:most]))
        return found[:most]

    def in_order(self):
        return sorted(self.rows, key=lambda row: (row["at"], row["_id"]), reverse=True)


def all_pages(rows, *, limit, between=lambda: None, activity=EMPTY, **wanted):
    found, before = [], None
    for _ in range(1000):
        asked = Wanted(limit=limit, field="at", until=NOW, before=before, **wanted)
        page = newest_first(rows.read, asked, activity)
        assert len(page.rows) <= limit
        found += [row["_id"] for row in page.rows]
        if page.next is None:
            return found
        before = Cursor.parse(page.next.text())
        between()
    raise AssertionError("the list has no end")


@settings(deadline=None, max_examples=40)
@given(STEPS, st.integers(1, 20), st.integers(0, 400))
def test_pages_together_are_everything_once_in_order(steps, limit, an_hour):
    rows = Rows(steps)
    hours = {int(row["at"].timestamp() // 3600): an_hour for row in rows.rows}
    for activity in (Activity({}), Activity(hours, (0, 10**9))):
        found = all_pages(rows, limit=limit, activity=activity)
        assert found == [row["_id"] for row in rows.in_order()]


@settings(deadline=None, max_examples=40)
@given(STEPS, st.integers(1, 10))
def test_rows_that_come_in_meanwhile_move_nothing(steps, limit):
    rows = Rows(steps)
    before = [row["_id"] for row in rows.in_order()]
    arrivals = iter(range(1000))

    def arrive():
        rows.add(f"new{next(arrivals):03}", NOW)

    found = all_pages(rows, limit=limit, between=arrive)
    assert [row_id for row_id in found if not row_id.startswith("new")] == before
    assert len(found) == len(set(found))


@settings(deadline=None, max_examples=40)
@given(STEPS, st.integers(1, 10), st.integers(0, 2))
def test_a_filter_and_impatience_lose_nothing(steps, limit, kind):
    rows = Rows(steps)
    wanted = {"keep": lambda row: row["kind"] == kind, "patience_seconds": 0.0}
    found = all_pages(rows, limit=limit, **wanted)
    assert found == [row["_id"] for row in rows.in_order() if row["kind"] == kind]


def test_what_is_sought_for_long_takes_no_longer_than_a_page_may():
    # One of 300 belongs into the list; each row takes 0.2 ms, each window 1 ms more.
    rows = Rows([18_000] * 6000)
    hours = {}
    for number, row in enumerate(rows.rows):
        row["kind"] = number % 300
        hour = int(row["at"].timestamp() // 3600)
        hours[hour] = hours.get(hour, 0) + 1
    clock = [0.0]

    def read(after, until, most):
        whole = rows.read(after, until, None)
        clock[0] += 0.001 + 0.0002 * len(whole)
        return [row for row in whole if row["kind"] == 7][:most]

    before, took, found = None, [], []
    for _ in range(1000):
        began = clock[0]
        asked = Wanted(
            limit=50,
            field="at",
            until=NOW,
            before=before,
            hidden=True,
            patience_seconds=0.05,
            clock=lambda: clock[0],
        )
        page = newest_first(read, asked, Activity(hours, (0, 10**9)))
        took.append(clock[0] - began)
        found += page.rows
        before = page.next
        if before is None:
            break
    assert max(took) < 0.06
    assert len(found) == 20
    assert len(took) < 45  # each of them reads what its time is enough for


def test_more_rows_in_a_millisecond_than_are_read_at_once():
    rows = Rows([])
    for number in range(1200):
        rows.add(f"r{number:04}", NOW)
    rows.add("older", NOW - timedelta(days=3))
    found = all_pages(rows, limit=500)
    assert len(found) == len(set(found)) == 1201
    assert found[-1] == "older"


def test_since_and_until_belong_to_the_span():
    rows = Rows([0, 1000, 1000, 1000])
    first, last = NOW - timedelta(seconds=2), NOW - timedelta(seconds=1)
    asked = Wanted(limit=10, field="at", until=last, since=first)
    page = newest_first(rows.read, asked, Activity({}))
    assert [row["_id"] for row in page.rows] == ["r001", "r002"]
    assert page.next is None


def test_a_page_reads_about_a_page_however_much_there_is():
    # 200 an hour over 100 hours, then a silent month, then as much again.
    rows = Rows([18_000] * 20_000 + [30 * 86_400_000] + [18_000] * 20_000)
    hours = {}
    for row in rows.rows:
        hour = int(row["at"].timestamp() // 3600)
        hours[hour] = hours.get(hour, 0) + 1
    activity = Activity(hours, (0, 10**9))
    for before in (
        None,
        Cursor(rows.rows[10_000]["at"], "~"),
        Cursor(rows.rows[20_001]["at"], "~"),
    ):
        rows.reads.clear()
        asked = Wanted(limit=50, field="at", until=NOW, before=before)
        assert len(newest_first(rows.read, asked, activity).rows) == 50
        assert sum(rows.reads) < 400
        assert len(rows.reads) < 6


def test_a_floor_lies_so_many_rows_back():
    hour = int(NOW.timestamp() // 3600)
    activity = Activity({hour - 1: 60, hour - 3: 120}, (0, hour))
    # 60 in the hour before, next to none in the silent one; 60 of the 120 are half of that hour.
    floor, counted = activity.floor(NOW, 120.02, 1)
    assert abs(floor - (NOW - timedelta(minutes=150))) < timedelta(seconds=1)
    assert counted
    # What nobody has counted goes by time, and ends where counting begins.
    assert activity.floor(NOW + timedelta(days=9), 10**9, 60)[1] is False
    unknown = activity.floor(NOW + timedelta(days=9), 1, 30 * 86400)
    assert unknown == (NOW + timedelta(hours=1), False)


@pytest.mark.parametrize(
    "text", ["", "x", "e30", "WzEsMl0", "WyJhIiwiYiJd", "[1,2]", "é", "A" * 300]
)
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(ValueError, match="not a cursor"):
        Cursor.parse(text)
