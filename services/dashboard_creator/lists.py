"""The lists that a person looks at, page by page, and only what is theirs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

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
from services.dashboard_creator.paging import Activity, Cursor, Read, Slice, Wanted, newest_first
from services.dashboard_creator.position_list import position_list
from services.domain.words import OrderStatus

Document = dict[str, Any]
#: After so long a page is handed out as full as it is.
_PATIENCE_SECONDS: Final = 0.03
_SYMBOL: Final = "signal.legs.instrument.symbol"
#: A broker's clock may be ahead of ours.
_AHEAD: Final = timedelta(minutes=5)


class _Source(NamedTuple):
    """Rows of a list in the order of `field`; of what comes seldom nobody counts the hours."""

    read: Read
    field: str
    activity: Activity = Activity({})
    hidden: bool = False


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
        symbol = query.q.upper() if query.q else None
        also = self._also(
            prefixes,
            {
                "decision.steps.account_id": query.account_id,
                "signal.legs.instrument.symbol": symbol,
            },
        )
        read = self._store.signals(prefixes, also, with_accounts=query.account_id is not None)
        asked = (query.status, query.intent, query.environment, query.q, query.account_id)
        keep = (lambda row: _is_wanted(row, query)) if any(asked) else None
        found = self._page(self._counted(read, "received_at", also), query, keep)
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

        filters = {"decision.outcome": query.outcome, "decision.code": query.code}
        also = self._also(prefixes, filters)
        read = self._store.signals(prefixes, also, with_accounts=False)
        found = self._page(self._counted(read, "received_at", also), query, keep)
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
        prefixes = own_prefixes(caller, query.strategy_id)
        symbol = query.symbol.upper() if query.symbol else None
        filters = {"account_id": query.account_id, "status": query.status}
        also = self._also(prefixes, {**filters, "order.instrument.symbol": symbol})
        found = self._page(
            self._counted(self._store.orders(prefixes, also), "created_at", also),
            query,
            lambda row: row["_id"] not in on_top and keep(row),
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

        read = self._store.fills(prefixes)
        found = self._page(self._counted(read, "occurred_at"), query, keep)
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
        read = self._store.incidents(_said({"status": query.status}))
        keep = (lambda row: row["kind"] == query.kind) if query.kind else None
        found = self._page(_Source(read, "last_seen_at"), query, keep)
        return IncidentList(rows=tuple(map(incident, found.rows)), next=_next(found))

    def dead_letters(self, query: DeadLetterQuery) -> DeadLetterList:
        """Messages that could not be handled, last failed first."""
        read = self._store.dead_letters(_said({"status": query.status}))
        found = self._page(_Source(read, "last_failed_at"), query, None)
        return DeadLetterList(rows=tuple(map(dead_letter, found.rows)), next=_next(found))

    def positions(self, query: PositionQuery, caller: Caller) -> PositionList:
        """What is held, one by one or summed up."""
        check_own(caller, query.strategy_id)
        return position_list(self._store, query, caller)

    def _visible(self, caller: Caller, strategy_id: str | None) -> Sequence[str]:
        if strategy_id is not None:
            return [strategy_id]
        if caller.strategies is not None:
            return sorted(caller.strategies)
        return sorted(self._activities.strategies())

    def _also(self, prefixes: Sequence[Document], filters: Document) -> Document:
        """Filters that the store takes: of a list by time alone, where all hours are counted.

        Elsewhere nobody could tell that much was read of which nothing belongs to the page.
        """
        if prefixes != [{}] or not self._activities.of_signals().complete:
            return {}
        return _said(filters)

    def _counted(self, read: Read, field: str, also: Document | None = None) -> _Source:
        return _Source(read, field, self._activities.of_signals(), hidden=bool(also))

    def _page(
        self,
        source: _Source,
        query: SignalQuery
        | DecisionQuery
        | OrderQuery
        | FillQuery
        | IncidentQuery
        | DeadLetterQuery,
        keep: Callable[[Any], bool] | None,
    ) -> Slice:
        wanted = Wanted(
            limit=query.limit,
            field=source.field,
            until=_until(query),
            since=query.since,
            before=cursor_of(query.before),
            keep=keep,
            hidden=source.hidden,
            patience_seconds=self._patience,
            clock=time.monotonic,
        )
        return newest_first(source.read, wanted, source.activity)

    def _signal_rows(self, documents: Sequence[Any]) -> tuple[SignalRow, ...]:
        fills: dict[str, list[Document]] = {}
        for row in self._store.fills_of([each["signal_id"] for each in documents]):
            fills.setdefault(row["signal_id"], []).append(row)
        return tuple(signal_row(each, fills.get(each["signal_id"], ())) for each in documents)


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


def _said(filters: Document) -> Document:
    """What of some filters was asked for."""
    return {field: value for field, value in filters.items() if value is not None}


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
