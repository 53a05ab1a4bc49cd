"""Loads the page of the system; kept for two seconds, however many look at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from services.common.clock import utc_now
from services.common.kept import Kept
from services.common.locks import locks
from services.common.settings import CommonSettings
from services.common.store import Document, Store
from services.dashboard_creator.latency import LatencyAnswer
from services.dashboard_creator.latency_keeper import read_latency
from services.dashboard_creator.log_tail import log_tail
from services.dashboard_creator.market_days import closed_today, expiring, token_ended
from services.dashboard_creator.processes import Processes
from services.dashboard_creator.readiness import (
    AccountReadiness,
    Calendar,
    account_readiness,
    clock_check,
)
from services.dashboard_creator.system_models import LogTail, Queue, System
from services.dashboard_creator.versions import version_check
from services.domain.words import OrderStatus

_SECONDS: Final = 2.0
_LATENCY_SECONDS: Final = 5.0
#: As the sweeper's patience: after this it rings again.
_OVERDUE: Final = timedelta(seconds=3)
_MOST: Final = 1000


class Systems:
    """How everything is."""

    def __init__(self, store: Store, settings: CommonSettings) -> None:
        self._store = store
        self._settings = settings
        self._processes = Processes(settings)
        self._kept = Kept(self._load, seconds=_SECONDS)
        self._latency = Kept(self._load_latency, seconds=_LATENCY_SECONDS)

    def system(self) -> System:
        """The page, at most two seconds old."""
        return self._kept("all")

    def latency(self, hours: float) -> LatencyAnswer:
        """Stages of the last hours, at most five seconds old."""
        return self._latency(hours)

    def log(self, service: str, lines: int) -> LogTail:
        """The end of a log."""
        return log_tail(self._settings.mt_home / "logs", service, lines)

    def _load_latency(self, hours: float) -> LatencyAnswer:
        return read_latency(self._store, now=utc_now(), hours=hours)

    def _load(self, _which: str) -> System:
        now = utc_now()
        supervised = self._processes.supervised()
        services = tuple(self._processes.rows())
        return System(
            generated_at=now,
            started_at=supervised.started_at,
            services=services,
            queues=self._queues(now),
            dead_letters=self._count("dead_letters", "DEAD"),
            failing_letters=self._count("dead_letters", "FAILING"),
            incidents=self._count("incidents", "OPEN"),
            checks=(clock_check(self._skew()), version_check(services)),
            accounts=self._accounts(now),
        )

    def _queues(self, now: datetime) -> tuple[Queue, ...]:
        undecided = self._store["signal_store"].find({"undecided": True}, {"received_at": 1})
        orders = self._store["orders"].find(
            {"working": True}, {"status": 1, "created_at": 1, "updated_at": 1}
        )
        working = list(orders)
        by_status = {
            "orders not sent": (OrderStatus.PENDING, "created_at"),
            "orders being sent": (OrderStatus.SUBMITTING, "updated_at"),
            "orders without a known outcome": (OrderStatus.UNKNOWN, "updated_at"),
        }
        waiting = {"signals not decided": [row["received_at"] for row in undecided]} | {
            name: [row[field] for row in working if row["status"] == status]
            for name, (status, field) in by_status.items()
        }
        return tuple(_queue(name, times, now) for name, times in waiting.items())

    def _accounts(self, now: datetime) -> tuple[AccountReadiness, ...]:
        fields = {
            **dict.fromkeys(("as_of", "poll_error", "broker", "equity", "initial_margin"), 1),
            "secrets.access_token.stored_at": 1,
        }
        held_by: dict[str, list[Document]] = {}
        for row in self._store["positions"].find(
            {"open": True}, {"account_id": 1, "instrument.symbol": 1, "instrument.expiry": 1}
        ):
            held_by.setdefault(row["account_id"], []).append(row)
        accounts = self._store["trading_accounts"].find({"status": "ACTIVE"}, fields)
        found = self._store["reconciliations"].find({}, {"looked_at": 1, "differences": 1})
        looks: dict[str, Document] = {row["_id"]: row for row in found}
        held = locks(self._store, now)
        return tuple(
            account_readiness(
                row,
                looks.get(row["_id"]),
                held,
                now=now,
                max_age_seconds=float(self._settings.account_max_age_s),
                calendar=_calendar(row, held_by.get(row["_id"], []), now),
            )
            for row in sorted(accounts, key=lambda row: str(row["_id"]))
        )

    def _skew(self) -> timedelta:
        """How far our clock is ahead of the store's, the way there and back left out."""
        before = utc_now()
        theirs: datetime = self._store.client.admin.command("hello")["localTime"]
        after = utc_now()
        # The admin database is read with other options than ours: its times may be without a zone.
        return before + (after - before) / 2 - theirs.replace(tzinfo=UTC)

    def _count(self, collection: str, status: str) -> int:
        found = self._store[collection].find({"status": status}, {"_id": 1}).limit(_MOST)
        return sum(1 for _ in found)


def _calendar(account: Document, positions: list[Document], now: datetime) -> Calendar:
    stored = (account.get("secrets") or {}).get("access_token", {}).get("stored_at")
    kite = account.get("broker") == "ZERODHA"
    return Calendar(
        closed=closed_today(str(account.get("broker")), now),
        token_ended=token_ended(stored, now) if kite and stored else (True if kite else None),
        expiring=expiring(positions, now.date()),
    )


def _queue(name: str, times: list[datetime], now: datetime) -> Queue:
    oldest = min(times, default=None)
    return Queue(
        name=name,
        waiting=len(times),
        overdue=sum(now - at > _OVERDUE for at in times),
        oldest_at=oldest,
        oldest_age_s=None if oldest is None else max(0.0, (now - oldest).total_seconds()),
    )
