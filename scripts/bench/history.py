"""A made-up past of a trading system: days of signals, orders and fills as the services store them.

Rows are copies of a few templates with other ids, times and numbers: what a list costs depends on
how many they are and how large, not on their sense.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.common.store import Document
from services.domain.instruments import Instrument
from services.domain.orders import client_order_id_for
from services.domain.signals import signal_id_for
from services.domain.words import InstrumentType

STRATEGIES: Final = tuple(f"Strategy_{number:02}" for number in range(1, 41))
ACCOUNTS: Final = tuple(f"Seed-{number}" for number in range(1, 6))
_SYMBOLS: Final = tuple(
    f"{first}{second}{third}" for first in "ABCDE" for second in "KLM" for third in "XYZQ"
)
INSTRUMENTS: Final = tuple(
    Instrument(instrument_type=InstrumentType.STOCK, symbol=symbol) for symbol in _SYMBOLS
)
_CHECKS: Final = (
    "trading_state", "strategy_status", "account_status", "routing", "signal_age", "account_age",
    "allocation", "available", "ratio", "size", "price_collar", "max_position", "max_broker",
    "gross_exposure", "instrument_exposure", "daily_loss", "drawdown", "order_rate", "margin",
    "round_to_lot",
)  # fmt: skip
_DENIALS: Final = (
    ("MARGIN_INSUFFICIENT", "DENIED", 40),
    ("EXPOSURE_GROSS", "DENIED", 30),
    ("ALLOCATION_EXHAUSTED", "DENIED", 20),
    ("SIGNAL_EXPIRED", "EXPIRED", 9),
    ("DRAWDOWN_LIMIT", "DENIED", 1),
)
_CONTEXT: Final = '{"now":"2026-11-20T15:30:00Z","strategy":{' + '"a_field":"a value",' * 85 + "}}"
#: The New York session in UTC, of which the first minutes are the busiest.
_OPENS: Final = timedelta(hours=14, minutes=30)
_SESSION_SECONDS: Final = 6.5 * 3600


class Day(NamedTuple):
    """What one day has left behind."""

    signals: list[Document]
    orders: list[Document]
    fills: list[Document]

    @property
    def collections(self) -> tuple[tuple[str, list[Document]], ...]:
        """Where the rows belong, in the order in which they are stored."""
        return (
            ("signal_store", self.signals),
            ("orders", self.orders),
            ("execution_confirmations", self.fills),
        )

    @property
    def events(self) -> int:
        """Orders, changes of orders, and fills."""
        changes = sum(len(order["events"]) for order in self.orders)
        return len(self.orders) + changes + len(self.fills)


def trading_days(newest: datetime) -> Iterator[datetime]:
    """Midnights of the weekdays up to `newest`, the newest first."""
    day = newest.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        if day.weekday() < 5:
            yield day
        day -= timedelta(days=1)


def make_day(day: datetime, signals: int, *, traded_ratio: float) -> Day:
    """A day of so many signals, of which a share traded; the same day is always the same."""
    chance = random.Random(day.isoformat())  # noqa: S311 - a made-up past, no secret
    made = Day([], [], [])
    for number in range(signals):
        early = chance.random() ** 1.6 * _SESSION_SECONDS
        at = _to_ms(day + _OPENS + timedelta(seconds=early))
        _add_signal(made, at, f"{day:%y%m%d}-{number}", chance, traded_ratio)
    return made


def _add_signal(
    made: Day, at: datetime, external_id: str, chance: random.Random, traded_ratio: float
) -> None:
    strategy_id = STRATEGIES[int(chance.random() ** 2 * len(STRATEGIES))]
    instrument = chance.choice(INSTRUMENTS)
    side, intent = chance.choice((("BUY", "ENTRY"), ("SELL", "EXIT")))
    quantity = Decimal(chance.randrange(1, 200))
    signal_id = signal_id_for(strategy_id, external_id)
    at_price = Decimal(chance.randrange(2000, 40000)) / 100
    life: Document = {
        "_id": signal_id,
        "signal_id": signal_id,
        "strategy_id": strategy_id,
        "external_id": external_id,
        "raw_id": f"raw-{signal_id[4:]}",
        "received_at": at,
        "intent": intent,
        "signal": _signal(signal_id, strategy_id, external_id, at)
        | {"intent": intent, "legs": [_leg(instrument, side, quantity, at_price)]},
    }
    account_id = ACCOUNTS[hash_of(strategy_id) % len(ACCOUNTS)]
    if chance.random() < traded_ratio:
        trade = _Trade(account_id, instrument, side, quantity, at_price)
        ends = _add_order(made, life, trade, chance)
    else:
        code, status, _ = chance.choices(_DENIALS, weights=[row[2] for row in _DENIALS])[0]
        ends = {"status": status, "outcome": "DENIED", "code": code}
    decided = at + timedelta(milliseconds=chance.randrange(3, 12))
    life["status"] = ends.pop("status")
    life["stages"] = {
        "received_at": at,
        "standardized_at": at + timedelta(milliseconds=2),
        "decided_at": decided,
        **ends.pop("stages", {"completed_at": decided}),
    }
    life["decision"] = {
        "signal_id": signal_id,
        "intent": intent,
        "reason": "" if not ends["code"] else f"{ends['code']}: 118 % of the limit would be used",
        "steps": _steps(account_id, quantity),
        "decided_at": decided,
        "context": _CONTEXT,
        "engine_version": 3,
        **ends,
    }
    made.signals.append(life)


class _Trade(NamedTuple):
    """What a signal asks for."""

    account_id: str
    instrument: Instrument
    side: str
    quantity: Decimal
    price: Decimal


def _add_order(made: Day, life: Document, trade: _Trade, chance: random.Random) -> Document:
    sent = life["received_at"] + timedelta(milliseconds=chance.randrange(8, 25))
    filled = sent + timedelta(milliseconds=min(60_000, int(chance.expovariate(1 / 40)) + 2))
    rejected = chance.random() < 0.01
    row = _order_row(life, trade, sent=sent, ended=filled, rejected=rejected)
    made.orders.append(row)
    stages = {"submitted_at": sent, "completed_at": filled}
    if not rejected:
        stages["first_fill_at"] = filled
        parts = 2 if chance.random() < 0.1 and trade.quantity > 1 else 1
        made.fills.extend(_fills(row, trade.instrument, parts, chance))
    outcome, code = (
        ("RESIZED", "LIMIT_POSITION_SIZE") if chance.random() < 0.2 else ("APPROVED", "")
    )
    return {
        "status": "REJECTED" if rejected else "COMPLETED",
        "outcome": outcome,
        "code": code,
        "stages": stages,
    }


def _order_row(
    life: Document, trade: _Trade, *, sent: datetime, ended: datetime, rejected: bool
) -> Document:
    """A row of `orders` as execution leaves it."""
    account_id, instrument, side, quantity, price = trade
    at: datetime = life["received_at"]
    order_id = client_order_id_for(life["_id"], 0, account_id, 1)
    end = "REJECTED" if rejected else "FILLED"
    moments = (("PENDING", at), ("SUBMITTING", sent), ("SUBMITTED", sent), (end, ended))
    order = {
        "client_order_id": order_id,
        "signal_id": life["_id"],
        "strategy_id": life["strategy_id"],
        "account_id": account_id,
    }
    return {
        "_id": order_id,
        **order,
        "instrument_key": instrument.key,
        "sibling_count": 1,
        "status": end,
        "order": {
            **order,
            "leg_index": 0,
            "attempt": 1,
            "intent": life["intent"],
            "instrument": _instrument(instrument),
            "side": side,
            "quantity": quantity,
            "order_type": "MARKET",
            "time_in_force": "DAY",
            "reference_price": price,
            "environment": "staging",
            "role": "LEG",
        },
        "broker_order_id": f"B{order_id[2:10]}",
        "filled_quantity": Decimal(0) if rejected else quantity,
        "avg_fill_price": None if rejected else price,
        "text": "no shares to borrow" if rejected else "",
        "events": [
            {"status": status, "occurred_at": moment, "recorded_at": moment, "text": ""}
            for status, moment in moments
        ],
        "created_at": at,
        "updated_at": ended,
        "sent_at": sent,
    }


def _fills(
    row: Document, instrument: Instrument, parts: int, chance: random.Random
) -> Iterator[Document]:
    whole: Decimal = row["filled_quantity"]
    at: datetime = row["updated_at"]
    first = whole if parts == 1 else Decimal(int(whole) // 2 or 1)
    for number, quantity in enumerate((first, whole - first)[:parts]):
        execution_id = f"E{row['_id'][2:]}{number}"
        pnl = Decimal(chance.randrange(-20000, 21000)) / 100
        yield {
            "_id": f"{row['account_id']}|{execution_id}",
            "account_id": row["account_id"],
            "execution_id": execution_id,
            "revision": 0,
            "busted": False,
            "client_order_id": row["_id"],
            "signal_id": row["signal_id"],
            "strategy_id": row["strategy_id"],
            "origin": "ORDER",
            "instrument_key": instrument.key,
            "side": row["order"]["side"],
            "quantity": quantity,
            "price": row["avg_fill_price"],
            "commission": Decimal("1.00"),
            "commission_currency": "USD",
            "occurred_at": at,
            "recorded_at": at + timedelta(milliseconds=3),
            "realized_pnl": pnl if row["order"]["intent"] == "EXIT" else Decimal(0),
            "flat": False,
        }


def hash_of(text: str) -> int:
    """A small number of a text, the same in every process."""
    return sum(text.encode())


def _signal(signal_id: str, strategy_id: str, external_id: str, at: datetime) -> Document:
    return {
        "signal_id": signal_id,
        "strategy_id": strategy_id,
        "external_id": external_id,
        "environment": "staging",
        "sender_equity": Decimal(500_000),
        "received_at": at,
        "warnings": [],
    }


def _leg(instrument: Instrument, side: str, quantity: Decimal, price: Decimal) -> Document:
    return {
        "leg_index": 0,
        "instrument": _instrument(instrument),
        "side": side,
        "quantity": quantity,
        "quantity_unit": "UNITS",
        "order_type": "MARKET",
        "time_in_force": "DAY",
        "reference_price": price,
    }


def _instrument(instrument: Instrument) -> dict[str, Any]:
    return instrument.model_dump(exclude_none=True)


def _steps(account_id: str, quantity: Decimal) -> Sequence[Document]:
    return [
        {
            "name": name,
            "account_id": account_id,
            "leg_index": 0,
            "before": quantity,
            "after": quantity,
            "bound": False,
            "sentence": f"{name} of {account_id} lets {quantity} pass: 41.2 % of it are used",
        }
        for name in _CHECKS
    ]


def _to_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
