"""What the pages of the UI ask, another thing each time: from all over the past, of everything."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from scripts.bench.history import ACCOUNTS, INSTRUMENTS, STRATEGIES
from services.common.store import Store
from services.dashboard_creator.paging import Cursor

_CHANCE: Final = random.Random(8)  # noqa: S311 - the same questions every time
Question = Callable[[], str]


class Past(NamedTuple):
    """How much there is, and of which time."""

    signals: int
    first: datetime
    last: datetime


def questions(store: Store, past: Past) -> dict[str, Question]:
    """By name what is asked: path and query."""
    ids = _some(store, past)
    found = store["orders"].find({"signal_id": {"$in": ids}}, {"_id": 1})
    orders = [str(row["_id"]) for row in found]

    def deep() -> str:
        span = (past.last - past.first).total_seconds()
        at = past.first + timedelta(seconds=_CHANCE.random() * span)
        return Cursor(at, "~").text()

    return {
        **_lists(deep, ids),
        **_troubles(),
        **_things(ids, orders),
        **_pages(),
    }


def _lists(deep: Question, ids: list[str]) -> dict[str, Question]:
    return {
        "signals": _url("signals"),
        "signals, deep": _url("signals", before=deep),
        "signals, strategy, deep": _url("signals", strategy_id=_strategy, before=deep),
        "signals, DENIED, deep": _url("signals", status="DENIED", before=deep),
        "signals, REJECTED, deep": _url("signals", status="REJECTED", before=deep),
        "signals, EXIT": _url("signals", intent="EXIT"),
        "signals, account, deep": _url("signals", account_id=_account, before=deep),
        "signals, symbol, deep": _url("signals", q=_symbol, before=deep),
        "signals, id": _url("signals", q=lambda: _CHANCE.choice(ids)),
        "orders": _url("orders"),
        "orders, deep": _url("orders", before=deep),
        "orders, working": _url("orders", working="true"),
        "orders, strategy, deep": _url("orders", strategy_id=_strategy, before=deep),
        "orders, account, deep": _url("orders", account_id=_account, before=deep),
        "orders, symbol, deep": _url("orders", symbol=_symbol, before=deep),
        "orders, REJECTED, deep": _url("orders", status="REJECTED", before=deep),
        "fills": _url("fills"),
        "fills, deep": _url("fills", before=deep),
        "fills, strategy, deep": _url("fills", strategy_id=_strategy, before=deep),
        "fills, account, deep": _url("fills", account_id=_account, before=deep),
        "fills, symbol, deep": _url("fills", symbol=_symbol, before=deep),
        "decisions": _url("decisions"),
        "decisions, RESIZED, deep": _url("decisions", outcome="RESIZED", before=deep),
        "decisions, rare code": _url("decisions", code="DRAWDOWN_LIMIT", before=deep),
        "positions by strategy": _url("positions", by="strategy"),
        "positions by account": _url("positions", by="account"),
        "positions by instrument": _url("positions", by="instrument"),
        "positions of a strategy": _url("positions", strategy_id=_strategy),
        "a sender's signals": lambda: f"/api/v1/signal-senders/{_strategy()}/signals",
        "a sender's positions": lambda: f"/api/v1/signal-senders/{_strategy()}/positions",
    }


def _troubles() -> dict[str, Question]:
    return {
        "incidents": _url("incidents"),
        "incidents, CLEARED": _url("incidents", status="CLEARED"),
        "dead letters": _url("dead-letters"),
        "audit": _url("audit"),
        "audit, who": _url("audit", who="person-007"),
        "audit, what": _url("audit", what="KILL_PRESSED"),
        "audit, a word": _url("audit", q=_symbol),
        "audit, a rare word": _url("audit", q=lambda: f"number {_CHANCE.randrange(50_000)}"),
        "approvals": _url("approvals"),
        "approvals, WAITING": _url("approvals", status="WAITING"),
        "notifications": _url("me/notifications"),
        "notifications, unread": _url("me/notifications", unread="true"),
        "users": _url("users"),
    }


def _things(ids: list[str], orders: list[str]) -> dict[str, Question]:
    return {
        "one signal": lambda: f"/api/v1/signals/{_CHANCE.choice(ids)}",
        "one order": lambda: f"/api/v1/orders/{quote(_CHANCE.choice(orders))}",
        "search, id": _url("search", q=lambda: _CHANCE.choice(ids)),
        "search, beginning": _url("search", q=lambda: _CHANCE.choice(("Str", "AK", "Seed", "B"))),
    }


def _pages() -> dict[str, Question]:
    ranges = ("1D", "1W", "1M", "YTD", "ALL")
    return {
        "frame": _url("frame"),
        **{f"overview, {each}": _url("overview", range=each) for each in ranges},
        "dashboard": _url("dashboard"),
        "client dashboard": _url("dashboards/client"),
        "a sender's dashboard": lambda: f"/api/v1/dashboards/signal-sender/{_strategy()}",
        "daily report": _url("reports/daily"),
        "investor": _url("investor"),
        "system": _url("system"),
        "latency, 24 h": _url("latency", hours="24"),
        "latency, 30 days": _url("latency", hours="720"),
        "controls": _url("controls"),
        "limits": _url("limits"),
        "accounts": lambda: "/account-data/api/v1/accounts",
        "accounts, hierarchy": lambda: "/account-data/api/v1/hierarchy",
        "strategies": lambda: "/portfolio/api/v1/strategies",
        "proposals": lambda: "/portfolio/api/v1/allocations/proposals",
        "proposals, OPEN": lambda: "/portfolio/api/v1/allocations/proposals?status=OPEN",
        "allocations, history": lambda: "/portfolio/api/v1/allocations/history",
    }


def _url(path: str, **query: Question | str) -> Question:
    def made() -> str:
        said = {name: each() if callable(each) else each for name, each in query.items()}
        return f"/api/v1/{path}?{urlencode(said)}"

    return made


def _strategy() -> str:
    return _CHANCE.choice(STRATEGIES)


def _account() -> str:
    return _CHANCE.choice(ACCOUNTS)


def _symbol() -> str:
    return _CHANCE.choice(INSTRUMENTS).symbol


def _some(store: Store, past: Past) -> list[str]:
    """Signals from all over the past."""
    found: list[str] = []
    span = (past.last - past.first).total_seconds()
    for _ in range(200):
        at = past.first + timedelta(seconds=_CHANCE.random() * span)
        query = {"received_at": {"$gte": at, "$lt": at + timedelta(minutes=1)}}
        rows = store["signal_store"].find(query, {"_id": 1}).limit(5)
        found += [str(row["_id"]) for row in rows]
    return found
