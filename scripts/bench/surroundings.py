"""What there is beside trades: books, people, what they were told and asked, troubles, equity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from scripts.bench.history import ACCOUNTS, INSTRUMENTS, STRATEGIES, hash_of
from services.common.store import Document, to_document
from services.dashboard_creator.summary_days import StrategyTotal
from services.domain.books import Position, position_id
from services.domain.risk import EquityMarks

#: Who the benchmark asks as.
READER: Final = "bench"
_TROUBLES: Final = 2000
_ACTS: Final = 30_000
_TOLD: Final = 20_000
_ASKED: Final = 2000
_PEOPLE: Final = 200
_PROPOSALS: Final = 500
_YEARS_OF_DAYS: Final = 2500
_RECORD_DAYS: Final = 500
#: Equity by the minute is kept for two weeks.
_MINUTES: Final = 14 * 1440


def surroundings(now: datetime) -> Iterator[tuple[str, Iterable[Document]]]:
    """Rows by collection, as the services store them."""
    yield "trading_accounts", (_account(name, now) for name in ACCOUNTS)
    yield "strategies", (_strategy(name, now) for name in STRATEGIES)
    yield "controls", [{"_id": "global", "trading_state": "ACTIVE"}]
    yield "positions", (_position(name, at, now) for name in STRATEGIES for at in range(10))
    yield "market_prices", (_price(name, now) for name in ACCOUNTS)
    yield "strategy_totals", (_total(name, now) for name in STRATEGIES)
    yield "incidents", (_incident(number, now) for number in range(_TROUBLES))
    yield "dead_letters", (_dead_letter(number, now) for number in range(_TROUBLES))
    yield "users", (_user(number, now) for number in range(_PEOPLE))
    yield "audit_log", (_act(number, now) for number in reversed(range(_ACTS)))
    yield "notifications", (_told(number, now) for number in range(1, _TOLD + 1))
    yield "notification_counters", [{"_id": READER, "last": _TOLD, "read_up_to": _TOLD - 100}]
    yield "approvals", (_approval(number, now) for number in range(_ASKED))
    yield "allocation_proposals", (_proposal(number, now) for number in range(_PROPOSALS))
    yield "fund_history", (_fund_day(number, now) for number in range(_YEARS_OF_DAYS))
    yield "fund_points", (_fund_point(number, now) for number in range(_MINUTES))
    yield (
        "strategy_returns",
        (_return(name, day, now) for name in STRATEGIES for day in range(1, _RECORD_DAYS)),
    )


def account_of(strategy_id: str) -> str:
    """Where a strategy trades."""
    return ACCOUNTS[hash_of(strategy_id) % len(ACCOUNTS)]


def _account(account_id: str, now: datetime) -> Document:
    return {
        "_id": account_id,
        "account_id": account_id,
        "broker": "MOCK",
        "account_type": "PAPER",
        "status": "ACTIVE",
        "currency": "USD",
        "equity": Decimal(1_000_000),
        "cash": Decimal(600_000),
        "as_of": now,
        "seeded": True,
    }


def _strategy(strategy_id: str, now: datetime) -> Document:
    return {
        "_id": strategy_id,
        "strategy_id": strategy_id,
        "name": strategy_id.replace("_", " "),
        "status": "ACTIVE",
        "accounts": [{"account_id": account_of(strategy_id), "weight_ratio": Decimal(1)}],
        "credentials": [],
        "created_at": now,
    }


def _position(strategy_id: str, number: int, now: datetime) -> Document:
    instrument = INSTRUMENTS[(hash_of(strategy_id) + number * 7) % len(INSTRUMENTS)]
    position = Position(
        strategy_id=strategy_id,
        account_id=account_of(strategy_id),
        instrument=instrument,
        quantity=Decimal(number * 10 - 20),
        average_price=Decimal("150.02") if number != 2 else Decimal(0),
        realized_pnl=Decimal("12.50") * number,
        updated_at=now,
    )
    row = {
        "_id": position_id(strategy_id, position.account_id, instrument),
        "instrument_key": instrument.key,
        **to_document(position),
    }
    return row | ({"open": True} if position.quantity else {})


def _price(account_id: str, now: datetime) -> Document:
    return {
        "_id": f"{account_id}|{INSTRUMENTS[0].key}",
        "account_id": account_id,
        "instrument": to_document(INSTRUMENTS[0]),
        "price": Decimal("151.20"),
        "wanted_at": now,
        "answered_at": now,
        "as_of": now,
    }


def _incident(number: int, now: datetime) -> Document:
    at = now - timedelta(minutes=7 * number)
    return {
        "_id": f"SEEDED|{number}",
        "kind": "SEEDED",
        "key": str(number),
        "sentence": f"a made-up incident, number {number}",
        "facts": {},
        "status": "OPEN" if number < 5 else "CLEARED",
        "count": 1,
        "opened_at": at,
        "last_seen_at": at,
    }


def _dead_letter(number: int, now: datetime) -> Document:
    at = now - timedelta(minutes=11 * number)
    return {
        "_id": f"cerebro|{number}",
        "subscription": "cerebro",
        "topic": "standardized-signals",
        "payload": '{"signal_id": "sig_x"}',
        "error": "KeyError: 'x'",
        "traceback": "Traceback …",
        "failures": 5,
        "status": "DEAD" if number < 3 else "RECOVERED",
        "first_failed_at": at,
        "last_failed_at": at,
    }


def _total(strategy_id: str, now: datetime) -> Document:
    total = StrategyTotal(strategy_id=strategy_id, last_signal_at=now - timedelta(days=2))
    return {"_id": strategy_id, **to_document(total)}


def _user(number: int, now: datetime) -> Document:
    return {
        "_id": f"person-{number:03}",
        "role": ("ADMIN", "OPERATOR", "DEVELOPER", "INVESTOR")[number % 4],
        "status": "ACTIVE",
        "display_name": f"Person {number}",
        "email": f"person-{number}@example.com",
        "strategies": [STRATEGIES[number % len(STRATEGIES)]] if number % 4 == 2 else [],
        "credentials": [],
        "created_at": now,
        "version": 1,
    }


def _act(number: int, now: datetime) -> Document:
    what = ("LOGGED_IN", "LIMIT_CHANGED", "ORDER_CANCEL_ASKED", "STRATEGY_CHANGED")[number % 4]
    symbol = INSTRUMENTS[number % len(INSTRUMENTS)].symbol
    return {
        "_id": f"act-{number}",
        "recorded_at": now - timedelta(seconds=600 * number),
        "service": "dashboard_creator",
        "what": what if number % 1000 else "KILL_PRESSED",
        "by": f"person-{number % 40:03}",
        "address": "192.0.2.7",
        "facts": {
            "symbol": symbol,
            "reason": f"a made-up reason, number {number}",
            "before": {"max_order_notional": "100000"},
            "after": {"max_order_notional": "120000"},
        },
    }


def _told(number: int, now: datetime) -> Document:
    at = now - timedelta(minutes=5 * (_TOLD - number))
    row = {
        "_id": f"event-{number}|{READER}",
        "user": READER,
        "number": number,
        "event_id": f"event-{number}",
        "kind": "REJECTION",
        "at": at,
        "subject": "in Strategy_01",
        "title": f"a made-up event, number {number}",
        "text": "no shares to borrow",
        "results_text": "",
        "link": "/orders",
        "strategy_id": STRATEGIES[0],
        "critical": False,
        "silent": False,
        "created_at": at,
    }
    return row | ({"unread": True} if number > _TOLD - 100 else {})


def _approval(number: int, now: datetime) -> Document:
    at = now - timedelta(minutes=20 * number)
    strategy_id = STRATEGIES[number % len(STRATEGIES)]
    order = {
        "account_id": account_of(strategy_id),
        "leg_index": 0,
        "symbol": INSTRUMENTS[0].symbol,
        "side": "BUY",
        "quantity": Decimal(10),
        "order_type": "MARKET",
        "limit_price": None,
        "notional": Decimal(1500),
    }
    row = {
        "_id": f"approval-{number}",
        "signal_id": f"approval-{number}",
        "strategy_id": strategy_id,
        "sentence": "BUY 10 of it, 1,500 USD",
        "orders": [order],
        "asked_at": at,
        "expires_at": at + timedelta(minutes=5),
        "on_timeout": "REJECT",
        "preview": {"outcome": "APPROVED", "code": "", "reason": "", "steps": []},
    }
    if number < 3:
        return row | {"status": "WAITING", "open": True}
    answer = {"answered_by": READER, "answered_at": at, "reason": "agreed", "decided_at": at}
    return row | {"status": "APPROVED", **answer}


def _proposal(number: int, now: datetime) -> Document:
    rows = [{"strategy_id": name, "ratio": Decimal("0.02")} for name in STRATEGIES]
    at = now - timedelta(hours=number)
    row = {
        "_id": f"proposal-{number}",
        "proposal_id": f"proposal-{number}",
        "origin": "PERSON",
        "allocations": rows,
        "base_version": 0,
        "proposed_by": READER,
        "proposed_at": at,
        "reason": "a made-up reason",
    }
    if not number:
        return row | {"status": "OPEN"}
    return row | {"status": "REJECTED", "decided_by": READER, "decided_at": at, "decision": "no"}


def _fund_day(number: int, now: datetime) -> Document:
    on = (now - timedelta(days=number)).date().isoformat()
    close = Decimal(5_000_000 - 500 * number)
    return {
        "_id": f"PAPER|{on}",
        "account_type": "PAPER",
        "date": on,
        "currency": "USD",
        "start": close - 500,
        "high": close + 900,
        "low": close - 900,
        "close": close,
        "flows": Decimal(0),
        "as_of": now - timedelta(days=number),
    }


def _fund_point(number: int, now: datetime) -> Document:
    at = now.replace(second=0, microsecond=0) - timedelta(minutes=number)
    equity = Decimal(5_000_000 - number)
    marks = EquityMarks(
        day=at.date().isoformat(), day_start=equity, day_low=equity, last=equity, peak=equity
    )
    return {
        "_id": f"PAPER|{at:%Y%m%d%H%M}",
        "account_type": "PAPER",
        "at": at,
        "equity": equity,
        "currency": "USD",
        "marks": to_document(marks),
    }


def _return(strategy_id: str, day: int, now: datetime) -> Document:
    on = (now - timedelta(days=day)).date().isoformat()
    return {
        "_id": f"{strategy_id}|live|{on}",
        "strategy_id": strategy_id,
        "source": "live",
        "date": on,
        "return": Decimal("0.0003"),
        "pnl": Decimal("31.00"),
    }
