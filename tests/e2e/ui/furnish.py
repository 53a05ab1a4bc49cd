"""An instance that has lived: what every page needs to have something to show.

Everything goes the way that people, senders and brokers take, but for the past: days of equity that
no instance of a minute can have are written as account_data would have.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import sleep

import urllib3

from services.common.bus import Publisher, Ring
from services.common.clock import utc_now
from services.common.topology import TRADING_ORDERS
from tests.support.servers import ONCE

DEVELOPER, INVESTOR = "dora", "ivan"
#: Whose entries wait for a person.
ASKING = "Demo_Stocks"
#: The stocks that have a price at the broker, and it.
PRICES = {"AAPL": "150", "MSFT": "410.5", "NVDA": "500", "TSLA": "240", "SPY": "585.2"}
_RECORD_DAYS = 780
#: What Cerebro knows of strategies may be half a second old; twice that.
CEREBRO_KEEPS_SECONDS = 1.0


class Operator:
    """A person with a key: asks any service, through the web as everybody does.

    Attributes:
        base: of the web.
        key: of the person.
    """

    def __init__(self, base, key):
        self.base = base
        self.key = key
        self._http = urllib3.PoolManager(retries=False, timeout=60)

    def __call__(self, method, service, path, body=None, *, csv=None):
        """The answer, whatever it is."""
        headers = {**ONCE, "Authorization": f"Bearer {self.key}"}
        headers["Content-Type"] = "text/csv" if csv else "application/json"
        sent = csv or (None if body is None else json.dumps(body))
        url = f"{self.base}/api/{service}/v1/{path}"
        return self._http.request(method, url, headers=headers, body=sent)

    def good(self, method, service, path, body=None, **more):
        """The answer, which is no refusal."""
        answer = self(method, service, path, body, **more)
        assert answer.status < 300, (path, answer.data)
        return answer.json()


def furnish(instance, operator):
    """Everything; what was made, by name."""
    write_past(instance)
    made = {"passwords": add_people(operator)}
    for seed, name in enumerate(instance.keys):
        add_record(operator, name, daily_file(seed))
    made["study"] = ask_study(operator, list(instance.keys))
    made |= trade(instance)
    make_trouble(instance)
    set_rules(operator)
    shares = {"SPX_1-D_Opt": "0.4", "Forex": "0.25", "Demo_Stocks": "0.3"}
    made["proposal"] = propose(operator, shares, "calmer spring")
    sleep(CEREBRO_KEEPS_SECONDS)  # or the signal is decided by the rules of before
    made["waiting"] = instance.post(order("MSFT", name="may I"), ASKING)
    return made


def write_past(instance, days=120):
    """Days of equity of the fund and its accounts, of both signs."""
    store = instance.store()
    numbers = random.Random(7)  # noqa: S311 - a curve, no secret
    for collection, field, keys, equity in (
        ("equity_history", "account_id", ("Mock-1", "Mock-2"), 1_000_000),
        ("fund_history", "account_type", ("PAPER",), 2_000_000),
    ):
        for key in keys:
            rows = _days(field, key, Decimal(equity), numbers, days)
            store[collection].insert_many(rows, ordered=False)
    store.close()


def _days(field, key, close, numbers, count):
    rows, day = [], date.today() - timedelta(days=1)  # noqa: DTZ011 - days as account_data has them
    for _ in range(count):
        start = (close / Decimal(str(1 + numbers.gauss(0.0004, 0.006)))).quantize(Decimal("0.01"))
        row = {"_id": f"{key}|{day}", field: key, "date": day.isoformat(), "currency": "USD"}
        row["as_of"] = datetime.combine(day, time(21), UTC)
        row |= {"open": start, "start": start, "close": close, "flows": Decimal(0)}
        row |= {"low": min(start, close), "high": max(start, close)}
        rows.append(row)
        close, day = start, day - timedelta(days=1)
    return rows


def daily_file(seed):
    """Three years of a developer's days in percent."""
    numbers = random.Random(seed)  # noqa: S311 - a record, no secret
    day, lines = date(2026, 11, 20), []
    while len(lines) < _RECORD_DAYS:
        if day.isoweekday() < 6:
            lines.append(f"{day},{numbers.gauss(0.08, 0.9):.4f}%")
        day -= timedelta(days=1)
    return "\n".join(["Date,Return", *lines])


def add_record(operator, strategy_id, csv, unit="PERCENT"):
    """A confirmed track record."""
    path = f"strategies/{strategy_id}/records"
    review = operator.good("POST", "portfolio_builder", path, csv=csv)
    confirm = f"{path}/{review['review_id']}/confirm"
    operator.good("POST", "portfolio_builder", confirm, {"unit": unit})


def ask_study(operator, names):
    """A study in the queue; its id."""
    body = {
        "strategy_ids": names,
        "method": "HYBRID",
        "constraints": {"max_total_ratio": 1.0, "max_drawdown_ratio": 0.15},
        "walk_forward": {"test_days": 126},
    }
    return operator.good("POST", "portfolio_builder", "portfolio-tests/run", body)["test_id"]


def add_people(operator):
    """A developer and an investor; the password that each was given."""
    given = {}
    for name, role, strategies in (
        (DEVELOPER, "DEVELOPER", ["SPX_1-D_Opt"]),
        (INVESTOR, "INVESTOR", []),
    ):
        person = {"name": name, "role": role, "strategies": strategies}
        given[name] = operator.good("POST", "dashboard_creator", "users", person)[
            "one_time_password"
        ]
    return given


def order(symbol, side="BUY", quantity=40, *, name=None, signal_type="ENTRY", **leg):
    """A signal of one leg, as developers post it."""
    leg = {
        "instrument": symbol,
        "instrument_type": "STOCK",
        "action": side,
        "quantity": quantity,
        "order_type": "MARKET",
        "price": float(PRICES[symbol]),
    } | leg
    return {
        "signalID": name or f"furnished-{symbol}-{signal_type}-{side}",
        "signal_type": signal_type,
        "account_equity": 500000,
        "signal_legs": [leg],
    }


def trade(instance):
    """Fills, a way out, a denial, and an order that works."""
    options, stocks = "SPX_1-D_Opt", "Demo_Stocks"
    made = {"filled": instance.post(order("AAPL", stop_loss=140, take_profit=170), options)}
    pair = order("MSFT")
    pair["signal_legs"] += order("NVDA", "SELL", 25)["signal_legs"]
    made["pair"] = instance.post(pair, options)
    made["entry"] = instance.post(order("TSLA", quantity=60), stocks)
    for name, strategy in (("filled", options), ("pair", options), ("entry", stocks)):
        instance.ended(made[name], strategy)
    leaving = order("TSLA", "SELL", 60, signal_type="EXIT", price=246.4)
    leaving["entry_signal_id"] = made["entry"]
    made["closed"] = instance.post(leaving, stocks)
    made["denied"] = instance.post(order("SPY", quantity=1, name="less than a share"), "Forex")
    resting = {"order_type": "LIMIT", "limit_price": 120.25}
    made["working"] = instance.post(order("AAPL", name="rests", **resting), stocks)
    return made


def make_trouble(instance):
    """A message that nobody can read: a dead letter and its incident."""
    Publisher(instance.settings).ring(TRADING_ORDERS, [Ring("nobody", {"order": "42"})])


def set_rules(operator):
    """Limits of the fund and of a strategy, an override, and entries that wait for a person."""
    for scope, limits in (
        ("GLOBAL/*", {"max_drawdown_ratio": "0.15", "max_open_positions": 20}),
        ("STRATEGY/SPX_1-D_Opt", {"max_position_ratio": "0.1", "max_orders_per_minute": 30}),
    ):
        body = {"limits": limits, "version": 0, "reason": "mandate of the board"}
        operator.good("PUT", "dashboard_creator", f"limits/{scope}", body)
    override = {"override": "REDUCE_ONLY", "reason": "earnings"}
    override["expires_at"] = (utc_now() + timedelta(hours=20)).isoformat()
    operator.good("PUT", "dashboard_creator", "controls/INSTRUMENT/NVDA", override)
    path = f"strategies/{ASKING}"
    known = operator.good("GET", "portfolio_builder", path)
    terms = {"required": True, "timeout_s": 3600, "on_timeout": "REJECT"}
    change = {"approval": terms, "version": known["version"], "reason": "until we know it better"}
    operator.good("PUT", "portfolio_builder", path, change)


def propose(operator, shares, reason):
    """A proposal of a person; its id."""
    body = {"allocations": shares, "reason": reason}
    answer = operator.good("POST", "portfolio_builder", "allocations/proposals", body)
    return answer["proposal_id"]
