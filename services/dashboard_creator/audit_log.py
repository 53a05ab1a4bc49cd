"""Reads the audit log: newest first, page by page on an index."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pymongo import DESCENDING

from services.common.clock import utc_now
from services.common.problems import Refusal
from services.common.store import Document, Store
from services.dashboard_creator.paging import Activity, Cursor, Wanted, newest_first
from services.domain.values import Instant

#: After so long a page is handed out as full as it is.
_PATIENCE_SECONDS: Final = 0.03
_AHEAD: Final = timedelta(minutes=1)
_Word = Annotated[str, Field(max_length=100)]


class AuditFilter(BaseModel):
    """Which acts; `q` is a word anywhere in them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: _Word = ""
    what: _Word = ""
    since: Instant | None = None
    until: Instant | None = None
    q: _Word = ""


class AuditQuery(AuditFilter):
    """One page of them; `before` is `next` of the page before."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    before: Annotated[str | None, Field(max_length=200)] = None


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

    def __init__(self, store: Store, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._log = store["audit_log"]
        self._patience = patience_seconds

    def page(self, query: AuditQuery) -> Acts:
        """The newest that match, older than the cursor. Raises: Refusal (422)."""
        found = newest_first(
            self._read(query),
            Wanted(
                limit=query.limit,
                field="recorded_at",
                until=query.until or utc_now() + _AHEAD,
                since=query.since,
                before=_place(query.before),
                keep=(lambda row: _holds(row, query)) if query.q or query.what else None,
                patience_seconds=self._patience,
                clock=time.monotonic,
            ),
            Activity({}),
        )
        rows = [_act(row) for row in found.rows]
        return Acts(rows=rows, next=found.next.text() if found.next else None)

    def _read(self, query: AuditQuery) -> Any:  # noqa: ANN401 - a paging.Read
        # One of the two at most: an index is by who, or by what.
        prefix = {"by": query.who} if query.who else {"what": query.what} if query.what else {}

        def read(after: datetime, until: datetime, most: int | None) -> Sequence[Document]:
            span = {"recorded_at": {"$gt": after, "$lte": until}}
            rows = self._log.find({**prefix, **span}).sort("recorded_at", DESCENDING)
            return list(rows.limit(most or 0))

        return read


def _holds(row: Any, query: AuditQuery) -> bool:  # noqa: ANN401 - a stored row
    if query.what not in ("", row["what"]):
        return False
    if not query.q:
        return True
    told = [row.get(key) for key in ("by", "what", "address", "facts")]
    return query.q.casefold() in json.dumps(told, default=str, ensure_ascii=False).casefold()


def _place(cursor: str | None) -> Cursor | None:
    try:
        return Cursor.parse(cursor) if cursor else None
    except ValueError as error:
        raise Refusal(422, "BAD_CURSOR", "`before` is no cursor of ours", field="before") from error


def _act(row: Any) -> Act:  # noqa: ANN401 - a stored row
    facts = {str(key): _json(value) for key, value in (row.get("facts") or {}).items()}
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
