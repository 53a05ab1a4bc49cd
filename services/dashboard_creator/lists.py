"""The lists that a person looks at, page by page, and only what is theirs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.common.callers import Caller
from services.common.clock import utc_now
from services.common.problems import Refusal
from services.dashboard_creator.activity import Activities
from services.dashboard_creator.documents import dead_letter, incident
from services.dashboard_creator.filters import (
    DeadLetterQuery,
    DecisionQuery,
    FillQuery,
    IncidentQuery,
    OrderQuery,
    PositionQuery,
    SignalQuery,
    Span,
)
from services.dashboard_creator.holdings import position_row, summed, told_of, without_totals
from services.dashboard_creator.list_models import (
    DeadLetterList,
    DecisionList,
    FillList,
    IncidentList,
    OrderList,
    PositionList,
    SignalList,
    SignalRow,
)
from services.dashboard_creator.list_rows import (
    decision_row,
    fill_row,
    intent_of,
    is_decided_in,
    order_line,
    signal_row,
    trades_in,
)
from services.dashboard_creator.lists_store import ListStore
from services.dashboard_creator.paging import Cursor, Read, Slice, Wanted, newest_first
from services.domain.words import OrderStatus

Document = dict[str, Any]
#: After so long a page is handed out as full as it is.
_PATIENCE_SECONDS: Final = 0.05
#: A broker's clock may be ahead of ours.
_AHEAD: Final = timedelta(minutes=5)
_STATES: Final = ("OPEN", "CLEARED")
_LETTERS: Final = ("DEAD", "FAILING", "REPLAYING", "RECOVERED", "DISCARDED")


class Lists:
    """Every list.

    Args:
        store: their queries.
        activities: how much there is in which hour.
        patience_seconds: after which a page is handed out as full as it is.
    """

    def __init__(
        self,
        store: ListStore,
        activities: Activities,
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._store = store
        self._activities = activities
        self._patience = patience_seconds

    def signals(self, query: SignalQuery, caller: Caller) -> SignalList:
        """Signals, the newest first."""
        check_own(caller, query.strategy_id)
        if query.q and query.before is None:
            called = self._store.signals_called(query.q, self._visible(caller, query.strategy_id))
            fitting = [row for row in called if caller.may_see(row["strategy_id"])]
            if fitting:
                return SignalList(rows=self._signal_rows(fitting), next=None)
        prefixes = own_prefixes(caller, query.strategy_id)
        if prefixes == [{}] and query.status:
            prefixes = [{"status": query.status}]
        read = self._store.signals(prefixes, with_accounts=query.account_id is not None)
        found = self._page(read, "received_at", query, lambda row: _is_wanted(row, query))
        return SignalList(rows=self._signal_rows(found.rows), next=_next(found))

    def decisions(self, query: DecisionQuery, caller: Caller) -> DecisionList:
        """Decisions, those on the newest signals first."""
        check_own(caller, query.strategy_id)
        prefixes = own_prefixes(caller, query.strategy_id)

        def keep(row: Document) -> bool:
            decision = row.get("decision") or {}
            return (
                "outcome" in decision
                and query.outcome in (None, decision["outcome"])
                and query.code in (None, decision.get("code"))
            )

        read = self._store.signals(prefixes, with_accounts=False)
        found = self._page(read, "received_at", query, keep)
        return DecisionList(rows=tuple(map(decision_row, found.rows)), next=_next(found))

    def orders(self, query: OrderQuery, caller: Caller) -> OrderList:
        """Orders: what nobody knows the outcome of first, then the newest."""
        check_own(caller, query.strategy_id)

        def keep(row: Document) -> bool:
            return caller.may_see(row["strategy_id"]) and _order_is_wanted(row, query)

        if query.working:
            found = _of_working(self._store.working_orders(), keep, query)
            return OrderList(rows=tuple(map(order_line, found.rows)), next=_next(found))
        unknown = [] if query.working is False else self._store.unknown_orders()
        on_top = {row["_id"]: row for row in unknown if keep(row)}
        read = self._store.orders(own_prefixes(caller, query.strategy_id))
        found = self._page(
            read, "created_at", query, lambda row: row["_id"] not in on_top and keep(row)
        )
        first = _newest(on_top.values(), "created_at") if query.before is None else []
        return OrderList(rows=tuple(map(order_line, [*first, *found.rows])), next=_next(found))

    def fills(self, query: FillQuery, caller: Caller) -> FillList:
        """Executions that count, the newest first."""
        check_own(caller, query.strategy_id)
        prefixes = own_prefixes(caller, query.strategy_id)
        if prefixes == [{}] and query.account_id:
            prefixes = [{"account_id": query.account_id}]
        symbol = query.symbol.upper() if query.symbol else None

        def keep(row: Document) -> bool:
            # The key is opaque, but it has the symbol in it: those it is not in are spared a look.
            return (
                not row.get("void")
                and query.account_id in (None, row["account_id"])
                and (symbol is None or symbol in row["instrument_key"])
            )

        found = self._page(self._store.fills(prefixes), "occurred_at", query, keep)
        keys = {row["_id"]: _position_key(row) for row in found.rows}
        instruments = self._store.instruments(sorted(set(keys.values())))
        rows = [fill_row(row, instruments.get(keys[row["_id"]])) for row in found.rows]
        fitting = [
            row
            for row in rows
            if symbol is None or row.instrument is None or row.instrument.symbol == symbol
        ]
        return FillList(rows=tuple(fitting), next=_next(found))

    def incidents(self, query: IncidentQuery) -> IncidentList:
        """What a person must see, last seen first."""
        prefixes = [{"status": each} for each in _STATES if query.status in (None, each)]
        found = self._page(
            self._store.incidents(prefixes),
            "last_seen_at",
            query,
            lambda row: query.kind in (None, row["kind"]),
        )
        return IncidentList(rows=tuple(map(incident, found.rows)), next=_next(found))

    def dead_letters(self, query: DeadLetterQuery) -> DeadLetterList:
        """Messages that could not be handled, last failed first."""
        prefixes = [{"status": each} for each in _LETTERS if query.status in (None, each)]
        found = self._page(
            self._store.dead_letters(prefixes), "last_failed_at", query, lambda _: True
        )
        return DeadLetterList(rows=tuple(map(dead_letter, found.rows)), next=_next(found))

    def positions(self, query: PositionQuery, caller: Caller) -> PositionList:
        """What is held, one by one or summed up."""
        check_own(caller, query.strategy_id)
        told = told_of(
            self._store.held(), self._store.reconciliations(), self._store.locked_instruments()
        )
        now = utc_now()
        rows = [
            position_row(row, told, now=now)
            for row in self._store.positions(open_only=query.open_only)
            if caller.may_see(row["strategy_id"])
            and query.strategy_id in (None, row["strategy_id"])
            and query.account_id in (None, row["account_id"])
        ]
        if caller.strategies is not None:
            rows = [without_totals(row) for row in rows]
        lines = summed(rows, query.by)
        skipped = _offset(query.before)
        page = lines[skipped : skipped + query.limit]
        more = skipped + query.limit < len(lines)
        after = Cursor(_ZERO_TIME, str(skipped + query.limit)).text() if more else None
        return PositionList(rows=tuple(page), next=after)

    def _visible(self, caller: Caller, strategy_id: str | None) -> Sequence[str]:
        if strategy_id is not None:
            return [strategy_id]
        if caller.strategies is not None:
            return sorted(caller.strategies)
        return sorted(self._activities.strategies())

    def _page(
        self,
        read: Read,
        field: str,
        query: SignalQuery
        | DecisionQuery
        | OrderQuery
        | FillQuery
        | IncidentQuery
        | DeadLetterQuery,
        keep: Callable[[Any], bool],
    ) -> Slice:
        began = time.monotonic()
        wanted = Wanted(
            limit=query.limit,
            field=field,
            until=_until(query),
            since=query.since,
            before=cursor_of(query.before),
            keep=keep,
            enough=lambda: time.monotonic() - began > self._patience,
        )
        return newest_first(read, wanted, self._activities.of_signals())

    def _signal_rows(self, documents: Sequence[Any]) -> tuple[SignalRow, ...]:
        fills: dict[str, list[Document]] = {}
        for row in self._store.fills_of([each["signal_id"] for each in documents]):
            fills.setdefault(row["signal_id"], []).append(row)
        return tuple(signal_row(each, fills.get(each["signal_id"], ())) for each in documents)


_ZERO_TIME: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def check_own(caller: Caller, strategy_id: str | None) -> None:
    """Raise Refusal (403) where a strategy is not the caller's to look at."""
    if strategy_id is not None and not caller.may_see(strategy_id):
        raise Refusal(
            403,
            "NOT_YOUR_STRATEGY",
            f"{strategy_id!r} is no strategy of yours",
            field="strategy_id",
        )


def own_prefixes(caller: Caller, strategy_id: str | None) -> list[Document]:
    """What of a list is the caller's, as equal values that an index begins with."""
    if strategy_id is not None:
        return [{"strategy_id": strategy_id}]
    if caller.strategies is not None:
        return [{"strategy_id": each} for each in sorted(caller.strategies)]
    return [{}]


def cursor_of(text: str | None) -> Cursor | None:
    """The cursor that a client sent back. Raises: Refusal (422): it is none of ours."""
    try:
        return None if text is None else Cursor.parse(text)
    except ValueError as error:
        sentence = "before must be `next` of an earlier page, unchanged"
        raise Refusal(422, "WRONG_CURSOR", sentence, field="before") from error


def _offset(before: str | None) -> int:
    cursor = cursor_of(before)
    if cursor is None:
        return 0
    if not cursor.row_id.isdecimal() or len(cursor.row_id) > 9:
        sentence = "before must be `next` of an earlier page of positions"
        raise Refusal(422, "WRONG_CURSOR", sentence, field="before")
    return int(cursor.row_id)


def _until(query: Span) -> datetime:
    return query.until or utc_now() + _AHEAD


def _next(found: Slice) -> str | None:
    return found.next.text() if found.next else None


def _newest(rows: Any, field: str) -> list[Document]:  # noqa: ANN401 - any iterable of rows
    return sorted(rows, key=lambda row: (row[field], row["_id"]), reverse=True)


def _is_wanted(row: Document, query: SignalQuery) -> bool:
    environment = (row.get("signal") or {}).get("environment")
    return (
        query.status in (None, row["status"])
        and query.intent in (None, intent_of(row))
        and query.environment in (None, environment)
        and (query.q is None or trades_in(row, query.q.upper()))
        and (query.account_id is None or is_decided_in(row, query.account_id))
    )


def _order_is_wanted(row: Document, query: OrderQuery) -> bool:
    symbol = row["order"]["instrument"]["symbol"]
    return (
        query.strategy_id in (None, row["strategy_id"])
        and query.account_id in (None, row["account_id"])
        and query.status in (None, row["status"])
        and (query.symbol is None or query.symbol.upper() == symbol)
        and (query.working is not False or not row.get("working"))
    )


def _of_working(
    rows: Sequence[Document], keep: Callable[[Document], bool], query: OrderQuery
) -> Slice:
    """Of orders that work all are read: they are few. UNKNOWN ones stand on top."""
    until, before = _until(query), cursor_of(query.before)
    fitting = [
        row
        for row in rows
        if keep(row)
        and row["created_at"] <= until
        and (query.since is None or row["created_at"] >= query.since)
    ]
    known = [row for row in fitting if row["status"] != OrderStatus.UNKNOWN]
    on_top = [row for row in fitting if row["status"] == OrderStatus.UNKNOWN]
    behind = [
        row
        for row in _newest(known, "created_at")
        if before is None or Cursor(row["created_at"], row["_id"]) < before
    ]
    page = behind[: query.limit]
    last = Cursor(page[-1]["created_at"], page[-1]["_id"]) if len(behind) > len(page) else None
    first = _newest(on_top, "created_at") if before is None else []
    return Slice([*first, *page], last)


def _position_key(row: Mapping[str, Any]) -> str:
    return "|".join((row["strategy_id"], row["account_id"], row["instrument_key"]))
