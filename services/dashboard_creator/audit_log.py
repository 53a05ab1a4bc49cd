"""Reads the audit log: newest first, page by page on an index, or all of it as CSV."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from bson import ObjectId
from bson.errors import InvalidId
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pymongo import DESCENDING

from services.common.problems import Refusal
from services.common.store import Document, Store
from services.domain.values import Instant

#: Rows that one page looks through for a word; the next page goes on from there.
MOST_SEARCHED: Final = 2000
_BATCH: Final = 500
_COLUMNS: Final = ("recorded_at", "who", "what", "service", "address", "before", "after", "facts")


class Filters(BaseModel):
    """Which acts; `q` is a word anywhere in them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: str = Field("", max_length=100)
    what: str = Field("", max_length=100)
    since: Instant | None = None
    until: Instant | None = None
    q: str = Field("", max_length=100)


class Act(BaseModel):
    """Who did what, from where; of a change what was before and what is after.

    Attributes:
        who: a person, or the address of somebody who is none.
        address: where it came from; null = a script or the system itself.
    """

    recorded_at: Instant
    who: str
    what: str
    service: str
    address: str | None
    before: JsonValue = None
    after: JsonValue = None
    facts: dict[str, JsonValue]


class Acts(BaseModel):
    """A page; `next` goes into `before` of the next one, null = there is none."""

    rows: list[Act]
    next: str | None


class AuditLog:
    """What was done; nothing here changes it."""

    def __init__(self, store: Store) -> None:
        self._log = store["audit_log"]

    def page(self, filters: Filters, *, before: str | None, limit: int) -> Acts:
        """The newest that match, older than the cursor. Raises: Refusal (422)."""
        most = max(limit, MOST_SEARCHED) if filters.q else limit
        found: list[Document] = []
        last, looked = None, 0
        for row in self._rows(filters, before):
            if looked == most or len(found) == limit:
                return Acts(rows=[_act(each) for each in found], next=_cursor(last))
            looked, last = looked + 1, row
            if _holds(row, filters.q):
                found.append(row)
        return Acts(rows=[_act(each) for each in found], next=None)

    def csv(self, filters: Filters) -> Iterator[str]:
        """Everything that matches, newest first, as it is read."""
        yield _line(_COLUMNS)
        for row in self._rows(filters, None):
            if _holds(row, filters.q):
                act = _act(row).model_dump(mode="json")
                yield _line([_cell(act[name]) for name in _COLUMNS])

    def _rows(self, filters: Filters, before: str | None) -> Iterator[Document]:
        at, last = _place(before) if before else (None, None)
        times = {"$gte": filters.since, "$lt": filters.until, "$lte": at}
        query: Document = {"by": filters.who, "what": filters.what}
        query = {key: value for key, value in query.items() if value}
        bounds = {key: value for key, value in times.items() if value is not None}
        if bounds:
            query["recorded_at"] = bounds
        order = [("recorded_at", DESCENDING), ("_id", DESCENDING)]
        for row in self._log.find(query).sort(order).batch_size(_BATCH):
            # Of the same millisecond as the cursor, those that were on the page before.
            if last is None or row["recorded_at"] != at or row["_id"] < last:
                yield row


def _holds(row: Document, word: str) -> bool:
    if not word:
        return True
    text = json.dumps([row[key] for key in ("by", "what", "facts")], default=str) + str(
        row.get("address")
    )
    return word.casefold() in text.casefold()


def _act(row: Document) -> Act:
    facts = _json(row.get("facts") or {})
    assert isinstance(facts, dict)  # noqa: S101 - audit() stores nothing else
    before, after = facts.pop("before", None), facts.pop("after", None)
    return Act(
        recorded_at=row["recorded_at"],
        who=row["by"],
        what=row["what"],
        service=row["service"],
        address=row.get("address"),
        before=before,
        after=after,
        facts=facts,
    )


def _json(value: Any) -> JsonValue:  # noqa: ANN401 - whatever was stored
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): _json(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _cursor(row: Document | None) -> str | None:
    if row is None:
        return None
    text = f"{row['recorded_at'].isoformat()}|{row['_id']}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _place(cursor: str) -> tuple[datetime, ObjectId]:
    try:
        at, _, name = base64.urlsafe_b64decode(cursor).decode().partition("|")
        moment, last = datetime.fromisoformat(at), ObjectId(name)
        return moment.astimezone(UTC), last
    except (ValueError, OverflowError, InvalidId) as error:
        raise Refusal(422, "BAD_CURSOR", "`before` is no cursor of ours", field="before") from error


def _cell(value: JsonValue) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    # A spreadsheet would run it as a formula.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _line(cells: tuple[str, ...] | list[str]) -> str:
    kept = io.StringIO()
    csv.writer(kept, lineterminator="\n").writerow(cells)
    return kept.getvalue()
