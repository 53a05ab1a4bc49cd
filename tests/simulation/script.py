"""What a seed is about: who sends which signals and when, how the market is, what goes wrong."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import NamedTuple

from brokers.mock.abilities import EVERYTHING
from brokers.mock.market import Market

STRATEGIES = ("alpha", "beta")
RATIO = Decimal("0.4")
PRICES = {"AAPL": Decimal(150), "MSFT": Decimal(400), "NVDA": Decimal(90)}
STORM_SECONDS = 6.0


class Sending(NamedTuple):
    """One signal as its sender posts it."""

    at: float
    strategy_id: str
    body: dict


class Script:
    """Everything that is decided before the first step; the same for the same seed."""

    def __init__(self, seed, signals):
        chance = random.Random(f"script {seed}")  # noqa: S311
        self.accounts = ("Sim-1", "Sim-2")[: chance.choice((1, 1, 2))]
        self.deciders = chance.choice((1, 2, 2))
        self.executors = chance.choice((1, 1, 2))
        combos, modify = chance.random() < 0.5, chance.random() < 0.5
        self.capabilities = EVERYTHING.model_copy(
            update={"combos": combos, "modify": modify, "brackets": chance.random() < 0.5}
        )
        depth = chance.choice((None, None, Decimal(200), Decimal(60)))
        self.market = Market(depth=depth, levels=2, spread_bps=Decimal(2))
        self.sendings = sorted(_Sender(chance).all(signals), key=lambda each: each.at)
        self.rates = _rates(chance)
        self._clocks = random.Random(f"clocks {seed}")  # noqa: S311
        self._skews = self._clocks.choice(_SKEWS)

    def skew_of(self, _name):
        """How wrong the clock of the next process to start is, in seconds."""
        return self._clocks.choice(self._skews)


class _Sender:
    def __init__(self, chance):
        self._chance = chance
        #: Now and then they come all at once.
        self._within = chance.choice((0.7, 0.7, 0.1)) * STORM_SECONDS
        self._entries = []
        self._count = 0

    def all(self, signals):
        """So many of them, and some a second time."""
        chance, found = self._chance, []
        while len(found) < signals:
            found.append(self._next())
            if chance.random() < 0.1:
                first = found[-1]
                found.append(first._replace(at=first.at + chance.random() * 4))
        return found

    def _next(self):
        chance = self._chance
        self._count += 1
        if self._entries and chance.random() < 0.55:
            return self._after(chance.choice(self._entries))
        return self._entry()

    def _entry(self):
        chance = self._chance
        strategy_id = chance.choice(STRATEGIES)
        side = chance.choice(("BUY", "BUY", "SELL"))
        symbols = chance.sample(sorted(PRICES), chance.choice((1, 1, 1, 2)))
        legs = [
            self._leg(symbol, side if not place else _other(side), chance.randint(20, 2500))
            for place, symbol in enumerate(symbols)
        ]
        if len(legs) == 1 and chance.random() < 0.2:
            legs[0] |= _guards(legs[0], chance)
        kind = chance.choice(("ENTRY", "ENTRY", "ENTRY", "SCALE_IN"))
        body = self._body(strategy_id, kind, legs)
        if len(legs) > 1:
            body["group_policy"] = chance.choice(("HOLD", "UNWIND"))
        if chance.random() < 0.1:
            body["valid_for_s"] = chance.choice((1, 3))
        sending = Sending(chance.random() * self._within, strategy_id, body)
        self._entries.append(sending)
        return sending

    def _leg(self, symbol, side, quantity):
        chance, price = self._chance, PRICES[symbol]
        leg = {
            "instrument": symbol,
            "instrument_type": "STOCK",
            "action": side,
            "quantity": quantity,
            "order_type": "MARKET",
            "price": float(price),
        }
        if chance.random() < 0.3:
            away = chance.choice((Decimal("0.99"), Decimal("1.01")))
            leg |= {"order_type": "LIMIT", "limit_price": float(price * away)}
            leg["time_in_force"] = chance.choice(("DAY", "GTC", "IOC"))
        return leg

    def _after(self, entry):
        """What is sent for an entry later: out of it, a part of it, or never mind."""
        chance = self._chance
        rests = any(leg["order_type"] == "LIMIT" for leg in entry.body["signal_legs"])
        kinds = ("EXIT", "SCALE_OUT", "CANCEL") if rests else ("EXIT", "EXIT", "EXIT", "SCALE_OUT")
        kind = chance.choice((*kinds, "CANCEL"))
        legs = []
        for leg in entry.body["signal_legs"]:
            out = {name: leg[name] for name in ("instrument", "instrument_type", "price")}
            out |= {"action": _other(leg["action"]), "order_type": "MARKET"}
            if kind == "SCALE_OUT":
                out["quantity_percent"] = chance.choice((25, 50))
            elif kind == "EXIT" and chance.random() < 0.5:
                out["quantity"] = leg["quantity"]
            legs.append(out)
        body = self._body(entry.strategy_id, kind, legs)
        if kind == "CANCEL" or chance.random() < 0.6:
            body["entry_signal_id"] = chance.choice((entry.body["signalID"], "$PREVIOUS"))
        return Sending(entry.at + chance.random() ** 2 * 6, entry.strategy_id, body)

    def _body(self, strategy_id, kind, legs):
        return {
            "strategy_name": strategy_id,
            "signalID": f"s{self._count}",
            "signal_type": kind,
            "account_equity": 500000,
            "signal_legs": legs,
        }


def _other(side):
    return "SELL" if side == "BUY" else "BUY"


def _guards(leg, chance):
    price = float(PRICES[leg["instrument"]])
    sign = 1 if leg["action"] == "BUY" else -1
    guards = {"stop_loss": round(price * (1 - 0.05 * sign), 2)}
    if chance.random() < 0.5:
        guards["take_profit"] = round(price * (1 + 0.05 * sign), 2)
    return guards


#: How wrong the clocks of processes are, in seconds; a seed takes one of these groups.
_SKEWS = ((0.0,), (0.0,), (0.0,), (0.0, -1.5, 1.5), (0.0, -20.0, 20.0))
#: What may go wrong with each kind of call, and how often of a thousand where a seed is hard on it.
_FAULTS = {
    "bus": {
        "publish": {"fail": 80, "lost": 40, "die": 10},
        "message": {"drop": 150, "double": 150, "delay": 150},
        "ack": {"drop": 100},
    },
    "store": {
        "read": {"fail": 4},
        "write": {"fail": 8, "lost": 12},
        "inside": {"conflict": 8, "fail": 4, "lost": 4},
        "commit": {"conflict": 40, "fail": 15, "lost": 25},
        "command": {"fail": 50},
        "order": {"reverse": 300},
    },
    "death": {
        "read": {"die": 2},
        "write": {"die": 6},
        "inside": {"die": 4},
        "commit": {"die": 15},
        "failpoint": {"die": 30},
        "send": {"die": 40},
        "query": {"die": 5},
        "ack": {"die": 20},
    },
    "broker": {
        "send": {
            "refuse": 30,
            "drop": 40,
            "silence": 40,
            "reject": 30,
            "tell_twice": 60,
            "reorder": 60,
            "hide": 30,
            "correct": 25,
            "bust": 15,
        },
        "cancel": {"fill_after_cancel": 150, "cancel_late": 150},
        "query": {"fail": 30},
    },
    "surprise": {
        "send": {"fill_after_reject": 30, "overfill": 30},
        "cancel": {"cancel_ignored": 200, "cancel_unheard": 200},
    },
    "changes": {
        "change": {"skip": 150, "history": 30},
        "resume": {"history": 200},
    },
    "crossing": {
        "read": {"cross": 20},
        "write": {"cross": 30},
        "inside": {"cross": 60},
        "commit": {"cross": 200},
        "send": {"cross": 60},
        "query": {"cross": 40},
        "failpoint": {"cross": 40},
        "publish": {"cross": 60},
    },
    "freeze": {
        "write": {"freeze": 2},
        "commit": {"freeze": 6},
        "send": {"freeze": 20},
        "failpoint": {"freeze": 10},
    },
}


def _rates(chance):
    """By kind of call: faults with their chances; each seed is hard on some things only."""
    rates = {}
    for kinds in _FAULTS.values():
        hardness = chance.choice((0, 0, 1, 1, 3)) / 1000
        for kind, faults in kinds.items():
            for name, count in faults.items():
                if hardness:
                    rates.setdefault(kind, []).append((name, count * hardness))
    return rates
