"""What a change of limits would have made of real signals: looked at before it is saved."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from services.common.clock import utc_now
from services.common.limits import changed_limits
from services.common.scopes import check_is_limitable, plain_scope_id
from services.common.store import Document, Store
from services.decision.whatif import Case, Change, Difference, Unanswered, case_of, what_if
from services.domain.errors import InvalidMessage
from services.domain.risk import scope_key
from services.domain.values import Frozen, Instant
from services.domain.words import Scope

#: Signals that are looked at, and seconds that it may take: a page is waiting.
MOST_SIGNALS: Final = 2000
MOST_SECONDS: Final = 8.0
_MOST_TOLD: Final = 200
_FIRST_WINDOW: Final = timedelta(minutes=15)
_LARGEST_WINDOW: Final = timedelta(days=4)
#: Rows of a window that make the next one larger, or smaller.
_SPARSE: Final = 50
_DENSE: Final = 400
_FIELDS: Final = {
    "signal": 1,
    "received_at": 1,
    "decision.context": 1,
    "decision.outcome": 1,
    "decision.code": 1,
    "decision.engine_version": 1,
}


class LimitPreview(Frozen):
    """What would have been decided otherwise.

    Attributes:
        considered: decided signals that were decided again, the newest first.
        since: of the oldest of them; None = there were none.
        complete: whether that is all there are in the days asked for.
        unanswered: of the considered, those that cannot be decided again, e.g. because what a new
            limit is measured on was not recorded then.
    """

    sentence: str
    days: float
    considered: int
    changed: int
    differences: tuple[Difference, ...]
    unanswered: tuple[Unanswered, ...]
    since: Instant | None
    complete: bool


class _Look:
    """One bounded walk over decided signals, the newest first."""

    def __init__(self, store: Store, query: Document, since: datetime) -> None:
        self._store, self._query, self._since = store, query, since
        self._until = time.monotonic() + MOST_SECONDS
        self.unreadable: list[Unanswered] = []
        self.oldest: Document | None = None
        self.complete = True

    def cases(self) -> Iterator[Case]:
        looked_at = 0
        for row in self._rows():
            if looked_at == MOST_SIGNALS or time.monotonic() > self._until:
                self.complete = False
                return
            if not row.get("decision"):
                continue
            looked_at += 1
            self.oldest = row
            try:
                yield case_of(row)
            except InvalidMessage as error:
                self.unreadable.append(Unanswered(signal_id=row["_id"], reason=str(error)))

    def _rows(self) -> Iterator[Document]:
        """Window by window: the embedded database reads all that a query matches first."""
        upper, step = utc_now(), _FIRST_WINDOW
        while upper > self._since:
            lower = max(upper - step, self._since)
            window = {"received_at": {"$gt": lower, "$lte": upper}}
            found = list(self._store["signal_store"].find({**self._query, **window}, _FIELDS))
            yield from sorted(found, key=lambda row: row["received_at"], reverse=True)
            if len(found) < _SPARSE:
                step = min(step * 4, _LARGEST_WINDOW)
            elif len(found) > _DENSE:
                step /= 2
            upper = lower


def preview(
    store: Store, place: tuple[Scope, str], changes: Mapping[str, object], *, days: float
) -> LimitPreview:
    """Decide the signals of the last days with the limits of a scope as they would be.

    Raises: ConfigurationError: no such scope or limit, or a wrong value.
    """
    scope = place[0]
    scope_id = plain_scope_id(scope, "" if scope is Scope.GLOBAL else place[1])
    row = store["risk_limits"].find_one({"_id": scope_key(scope, scope_id)})
    if row is None:
        check_is_limitable(store, scope, scope_id)
    held = {name: value for name, value in (row or {}).items() if name != "_id"}
    limits = changed_limits(held, changes, {"scope": scope, "scope_id": scope_id})
    query: Document = {"strategy_id": scope_id} if scope is Scope.STRATEGY else {}
    look = _Look(store, query, utc_now() - timedelta(days=days))
    answer = what_if(look.cases(), Change(limits=(limits,)), most=_MOST_TOLD)
    unanswered = (*look.unreadable, *answer.unanswered)
    considered = answer.considered + len(unanswered)
    words = f"{answer.changed} of {considered} signals of the last {days:g} days"
    return LimitPreview(
        sentence=f"{words} would have been decided differently",
        days=days,
        considered=considered,
        changed=answer.changed,
        differences=answer.differences,
        unanswered=unanswered[:_MOST_TOLD],
        since=look.oldest["received_at"] if look.oldest else None,
        complete=look.complete,
    )
