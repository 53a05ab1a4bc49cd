"""What a seed is about: which signals are sent when, and what goes wrong meanwhile. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from brokers.mock.faults import FaultKind, Step

SYMBOLS: Final = tuple(f"CH{number:02}" for number in range(12))
PRICE: Final = 100
#: Sized by: units for 500,000 of the sender's equity.
_SENDERS_EQUITY: Final = 500_000
#: How long the slowest fault lasts, seconds; shorter than a proof of absence takes.
MOST_SECONDS: Final = 4.0
#: Signals after which somebody sends one again, and one under a used id with another meaning.
_REPEATED, _REUSED = 0.08, 0.02


class Sending(NamedTuple):
    """One signal as its sender posts it.

    Attributes:
        at: seconds from the start.
        again: a copy of an earlier one, at the same moment or later.
        reused: its id is taken and its meaning another: it must be refused.
    """

    at: float
    strategy_id: str
    body: dict[str, Any]
    again: bool = False
    reused: bool = False


class Kind(StrEnum):
    """What is done to the system."""

    KILL = "KILL"  # SIGKILL; the supervisor starts it again
    FREEZE = "FREEZE"  # SIGSTOP, and SIGCONT after so many seconds
    BROKER = "BROKER"  # a command to the mock broker: the next calls go wrong
    RING = "RING"  # every doorbell of the last moments again, twice and in another order
    LOSE_BUS = "LOSE_BUS"  # the bus is killed and its journal is lost
    FULL_DISK = "FULL_DISK"  # no file of it may grow (RLIMIT_FSIZE) for so many seconds


class Fault(NamedTuple):
    """One fault; `detail` is the broker's command."""

    at: float
    kind: Kind
    target: str
    seconds: float = 0.0
    detail: dict[str, Any] | None = None

    def __str__(self) -> str:
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        asked = f" {self.detail['kind']} on {self.detail['on']}" if self.detail else ""
        return f"{self.at:6.1f} s  {self.kind} {self.target}{asked}{lasts}"


class Plan(NamedTuple):
    """Everything that is decided before the first step; the same for the same seed.

    Attributes:
        skews: service → seconds that its clock is wrong by, for the whole drill.
    """

    sendings: list[Sending]
    faults: list[Fault]
    skews: dict[str, float]


#: How often each is drawn, of all faults.
_KINDS: Final = {
    Kind.KILL: 30,
    Kind.FREEZE: 18,
    Kind.BROKER: 36,
    Kind.RING: 10,
    Kind.LOSE_BUS: 2,
    Kind.FULL_DISK: 4,
}
_PROCESSES: Final = (
    "signal_gateway",
    "signal_ingestion",
    "cerebro",
    "execution",
    "execution",
    "account_data",
    "dashboard_creator",
    "portfolio_builder",
    "telegram",
    "mock_broker",
    "pubsub_local",
    "mongodb",
)
_DISKS: Final = ("mock_broker", "pubsub_local", "execution", "cerebro", "mongodb")
_ON_ORDERS: Final = (
    FaultKind.DROP_BEFORE_ACCEPT,
    FaultKind.ACCEPT_THEN_SILENCE,
    FaultKind.DELAY_ANSWER,
    FaultKind.DISCONNECT_BEFORE_ACCEPT,
    FaultKind.DISCONNECT_AFTER_ACCEPT,
    FaultKind.ERROR_BEFORE_ACCEPT,
    FaultKind.ERROR_AFTER_ACCEPT,
    FaultKind.GARBAGE_ANSWER,
    FaultKind.THROTTLE,
    FaultKind.OUTAGE,
    FaultKind.REJECT_NEXT,
    FaultKind.ANSWER_TWICE,
    FaultKind.REORDER_REPORTS,
    FaultKind.HIDE_ORDER,
    FaultKind.FILL_AFTER_REJECT,
    FaultKind.OVERFILL,
    FaultKind.CORRECT_FILL,
)
_ON_CANCELS: Final = (
    FaultKind.FILL_AFTER_CANCEL,
    FaultKind.CANCEL_LATE,
    FaultKind.ACCEPT_THEN_SILENCE,
    FaultKind.DISCONNECT_AFTER_ACCEPT,
)
_ON_READS: Final = (
    FaultKind.DROP_BEFORE_ACCEPT,
    FaultKind.DELAY_ANSWER,
    FaultKind.DISCONNECT_AFTER_ACCEPT,
    FaultKind.ERROR_BEFORE_ACCEPT,
    FaultKind.GARBAGE_ANSWER,
)
#: Services whose clock may be wrong; the rest has the right time.
_SKEWED: Final = ("signal_gateway", "cerebro", "execution", "account_data")


def make(  # noqa: PLR0913 - what a plan is made of, by name
    seed: int,
    *,
    signals: int,
    rate: float,
    faults: int,
    strategies: Sequence[str],
    accounts: Sequence[str],
    skew_seconds: float = 20.0,
    freeze_seconds: float = MOST_SECONDS,
) -> Plan:
    """The plan of a seed; a sender repeats some signals, which come on top of `signals`.

    Args:
        seed: decides all that is drawn.
        signals: how many are sent.
        rate: signals a second.
        faults: how many are done.
        strategies: whose signals.
        accounts: they trade in.
        skew_seconds: how wrong the worst clock may be.
        freeze_seconds: how long the longest freeze lasts.
    """
    chance = random.Random(f"drill {seed}")  # noqa: S311 - not a secret
    sendings = _Sender(chance, seed, strategies).all(signals, rate)
    seconds = signals / rate
    made = sorted(
        (_fault(chance, seconds * (0.05 + 0.9 * chance.random()), accounts) for _ in range(faults)),
        key=lambda fault: fault.at,
    )
    longer = freeze_seconds / MOST_SECONDS
    made = [
        fault._replace(seconds=round(fault.seconds * longer, 1))
        if fault.kind is Kind.FREEZE
        else fault
        for fault in made
    ]
    skewed = chance.sample(_SKEWED, min(faults, 2))
    skews = {name: round(chance.uniform(-skew_seconds, skew_seconds), 1) for name in skewed}
    return Plan(sendings, made, skews)


class _Sender:
    def __init__(self, chance: random.Random, seed: int, strategies: Sequence[str]) -> None:
        self._chance = chance
        self._seed = seed
        self._strategies = strategies
        self._count = 0
        #: Entries that filled at once, and those that rest until they are canceled.
        self._entered: list[Sending] = []
        self._resting: list[Sending] = []

    def all(self, signals: int, rate: float) -> list[Sending]:
        found = []
        for number in range(signals):
            made = self._next(number / rate)
            found.append(made)
            drawn = self._chance.random()
            if drawn < _REPEATED:
                later = self._chance.choice((0, 0, 0.5, 3))
                found.append(made._replace(at=made.at + later, again=True))
            elif drawn < _REPEATED + _REUSED:
                found.append(made._replace(at=made.at + 2, body=_other_meaning(made), reused=True))
        return sorted(found, key=lambda sending: sending.at)

    def _next(self, at: float) -> Sending:
        self._count += 1
        drawn = self._chance.random()
        # What rests is always canceled, and soon: it would hold money until the end.
        if self._resting and drawn < 0.3:
            return self._cancel(at, self._resting.pop(0))
        if self._entered and drawn < 0.6:
            return self._leave(at, self._chance.choice(self._entered))
        return self._enter(at)

    def _enter(self, at: float) -> Sending:
        chance = self._chance
        kind = chance.choices(("ENTRY", "PAIR", "LIMIT", "SCALE_IN"), (6, 2, 2, 1))[0]
        symbols = chance.sample(SYMBOLS, 2 if kind == "PAIR" else 1)
        side = "BUY" if kind in {"LIMIT", "SCALE_IN"} else chance.choice(("BUY", "BUY", "SELL"))
        legs = [_leg(symbol, side, chance.randint(4, 60)) for symbol in symbols]
        if kind == "PAIR":
            legs[1]["action"] = _other(side)
        if kind == "LIMIT":  # far from the market: it rests
            legs[0] |= {"order_type": "LIMIT", "limit_price": PRICE * 0.8}
        strategy_id = chance.choice(self._strategies)
        made = self._sending(at, strategy_id, "SCALE_IN" if kind == "SCALE_IN" else "ENTRY", legs)
        (self._resting if kind == "LIMIT" else self._entered).append(made)
        return made

    def _leave(self, at: float, entry: Sending) -> Sending:
        chance = self._chance
        kind = chance.choice(("EXIT", "EXIT", "SCALE_OUT"))
        legs = []
        for leg in entry.body["signal_legs"]:
            out = _leg(leg["instrument"], _other(leg["action"]), leg["quantity"])
            if kind == "SCALE_OUT":
                del out["quantity"]
                out["quantity_percent"] = chance.choice((25, 50))
            legs.append(out)
        if kind == "EXIT":
            self._entered.remove(entry)
        made = self._sending(at, entry.strategy_id, kind, legs)
        if chance.random() < 0.7:
            made.body["entry_signal_id"] = entry.body["signalID"]
        return made

    def _cancel(self, at: float, entry: Sending) -> Sending:
        legs = [_leg(leg["instrument"], _other(leg["action"]), 1) for leg in _legs(entry)]
        for leg in legs:
            del leg["quantity"]
        made = self._sending(at, entry.strategy_id, "CANCEL", legs)
        made.body["entry_signal_id"] = entry.body["signalID"]
        return made

    def _sending(self, at: float, strategy_id: str, kind: str, legs: list[Any]) -> Sending:
        body = {
            "strategy_name": strategy_id,
            "signalID": f"drill-{self._seed}-{self._count}",
            "signal_type": kind,
            "account_equity": _SENDERS_EQUITY,
            "signal_legs": legs,
        }
        return Sending(at, strategy_id, body)


def _leg(symbol: str, side: str, quantity: int) -> dict[str, Any]:
    return {
        "instrument": symbol,
        "instrument_type": "STOCK",
        "action": side,
        "quantity": quantity,
        "order_type": "MARKET",
        "price": PRICE,
    }


def _legs(sending: Sending) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sending.body["signal_legs"]
    return found


def _other(side: str) -> str:
    return "SELL" if side == "BUY" else "BUY"


def _other_meaning(sending: Sending) -> dict[str, Any]:
    legs = [leg | {"instrument": f"{leg['instrument']}X"} for leg in _legs(sending)]
    return sending.body | {"signal_legs": legs}


def _fault(chance: random.Random, at: float, accounts: Sequence[str]) -> Fault:
    kind = chance.choices(tuple(_KINDS), tuple(_KINDS.values()))[0]
    seconds = round(chance.uniform(0.3, MOST_SECONDS), 1)
    if kind is Kind.BROKER:
        return _broker_fault(chance, at, seconds, chance.choice(accounts))
    if kind is Kind.KILL:
        return Fault(at, kind, chance.choice(_PROCESSES))
    if kind is Kind.FREEZE:
        return Fault(at, kind, chance.choice(_PROCESSES), seconds)
    if kind is Kind.FULL_DISK:
        return Fault(at, kind, chance.choice(_DISKS), seconds)
    return Fault(at, kind, "pubsub_local")


def _broker_fault(chance: random.Random, at: float, seconds: float, account_id: str) -> Fault:
    step = chance.choices((Step.PLACE, Step.CANCEL, Step.QUERY, Step.STREAM), (8, 2, 1, 1))[0]
    kinds = {Step.PLACE: _ON_ORDERS, Step.CANCEL: _ON_CANCELS}.get(step, _ON_READS)
    detail = {
        "account_id": account_id,
        "kind": chance.choice(kinds),
        "on": step,
        "count": chance.choice((1, 1, 2, 3)),
        "seconds": seconds,
    }
    return Fault(at, Kind.BROKER, account_id, detail=detail)
