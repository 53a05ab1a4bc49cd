"""The list of positions: all that is open is read, and only the lines of one page are made.

What is open is some hundreds of rows, and no index is in the order of the list.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from services.common.callers import Caller
from services.common.clock import utc_now
from services.common.problems import Refusal
from services.dashboard_creator.filters import PositionQuery
from services.dashboard_creator.holdings import (
    Document,
    grouped,
    line_of,
    position_row,
    told_of,
    without_totals,
)
from services.dashboard_creator.list_models import PositionList, PositionRow
from services.dashboard_creator.lists_store import ListStore
from services.dashboard_creator.paging import Cursor

_ZERO_TIME: Final = datetime.fromtimestamp(0, UTC)
_LONGEST_OFFSET: Final = 9


def position_list(store: ListStore, query: PositionQuery, caller: Caller) -> PositionList:
    """One page. Raises: Refusal (422): a cursor of something else."""
    skipped = _offset(query.before)
    groups = grouped(
        [
            row
            for row in store.positions(open_only=query.open_only)
            if caller.may_see(row["strategy_id"])
            and query.strategy_id in (None, row["strategy_id"])
            and query.account_id in (None, row["account_id"])
            and _is_of(row, query.instrument)
        ],
        query.by,
    )
    until = skipped + query.limit
    rows = _lines(store, groups[skipped:until], query.by, caller)
    after = Cursor(_ZERO_TIME, str(until)).text() if until < len(groups) else None
    return PositionList(rows=rows, next=after)


def _lines(
    store: ListStore, groups: Sequence[Sequence[Document]], by: str, caller: Caller
) -> tuple[PositionRow, ...]:
    told = told_of(store.held(), store.reconciliations(), store.locked_instruments())
    now, lines = utc_now(), []
    for group in groups:
        rows = [position_row(row, told, now=now) for row in group]
        if caller.strategies is not None:
            rows = [without_totals(row) for row in rows]
        lines.append(line_of(rows, by))
    return tuple(lines)


def _offset(before: str | None) -> int:
    if before is None:
        return 0
    try:
        offset = Cursor.parse(before).row_id
    except ValueError:
        offset = ""
    if not offset.isdecimal() or len(offset) > _LONGEST_OFFSET:
        sentence = "before must be `next` of an earlier page of positions, unchanged"
        raise Refusal(422, "WRONG_CURSOR", sentence, field="before")
    return int(offset)


def _is_of(row: Document, instrument: str | None) -> bool:
    """Whether a position is in this instrument, which is named by its key or symbol."""
    names = {row["instrument_key"].upper(), str(row["instrument"]["symbol"]).upper()}
    return instrument is None or instrument.upper() in names
