#!/usr/bin/env python3
"""How long one decision takes where 50 strategies hold positions in 20 accounts.

    python3 scripts/bench_decide.py [--decisions 3000]

`decide` alone, no database: the same signal for a strategy that trades in 1, 5 and 20 accounts,
without stored limits and with a set of them in every scope. Each round takes one of every kind in
turn, so that a noisy machine disturbs all alike. The time to sum up what the accounts hold, which
Cerebro does once for a batch, is beside it.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from services.decision.decide import decide
from services.decision.exposure import Holding, exposures, holdings_of
from services.decision.margin import MarginRules
from services.domain.accounts import (
    AccountContext,
    AccountSnapshot,
    DecisionContext,
    RiskLimits,
    Strategy,
    StrategyAccount,
)
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.risk import Control, EquityMarks, LimitSet, scopes_of
from services.domain.signals import Leg, Signal
from services.domain.words import InstrumentType, Intent, Scope, Side

STRATEGIES, ACCOUNTS = 50, 20
NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
STRATEGY = "S-0"


def instrument(number: int) -> Instrument:
    """A stock of its own for each strategy."""
    return Instrument(instrument_type=InstrumentType.STOCK, symbol=f"STK{number}")


def positions(account_id: str) -> list[Position]:
    """What every strategy holds in one account."""
    return [
        Position(
            strategy_id=f"S-{number}",
            account_id=account_id,
            instrument=instrument(number),
            quantity=Decimal(10),
            average_price=Decimal(100),
        )
        for number in range(STRATEGIES)
    ]


def snapshot(account_id: str) -> AccountSnapshot:
    """An account that has just been read."""
    equity = Decimal(10_000_000)
    return AccountSnapshot(
        account_id=account_id,
        broker="MOCK",
        equity=equity,
        available_funds=equity,
        as_of=NOW - timedelta(seconds=1),
        marks=EquityMarks(
            day="2026-11-20", day_start=equity, day_low=equity, last=equity, peak=equity
        ),
    )


def signal() -> Signal:
    """An entry of one leg."""
    leg = Leg(
        leg_index=0,
        instrument=instrument(0),
        side=Side.BUY,
        quantity=Decimal(10),
        reference_price=Decimal(150),
    )
    return Signal(
        signal_id="sig_1",
        strategy_id=STRATEGY,
        intent=Intent.ENTRY,
        legs=(leg,),
        sender_equity=Decimal(500_000),
        received_at=NOW,
    )


def limit_sets() -> tuple[LimitSet, ...]:
    """Several limits in every scope."""
    ratios = {
        "max_position_ratio": Decimal("0.5"),
        "max_gross_exposure_ratio": Decimal(3),
        "max_net_exposure_ratio": Decimal(2),
        "max_margin_ratio": Decimal("0.9"),
    }
    return (
        LimitSet(scope=Scope.ACCOUNT, scope_id="*", max_daily_loss_ratio=Decimal("0.05"), **ratios),
        LimitSet(scope=Scope.STRATEGY, scope_id=STRATEGY, max_open_positions=50, **ratios),
        LimitSet(scope=Scope.ASSET_CLASS, scope_id="STOCK", max_order_quantity=10_000, **ratios),
        LimitSet(scope=Scope.INSTRUMENT, scope_id="STK0", max_pyramiding=5, **ratios),
    )


def context(accounts: int, limits: tuple[LimitSet, ...]) -> DecisionContext:
    """A strategy in so many of the accounts."""
    names = [f"A-{number}" for number in range(accounts)]
    strategy = Strategy(
        strategy_id=STRATEGY, accounts=tuple(StrategyAccount(account_id=name) for name in names)
    )
    return DecisionContext(
        now=NOW,
        controls=(Control(scope=Scope.GLOBAL),),
        strategy=strategy,
        accounts=tuple(account_context(name) for name in names),
        limits=RiskLimits(
            max_position_ratio=Decimal("0.5"),
            max_broker_allocation_ratio=Decimal(1),
            account_max_age_seconds=Decimal(60),
        ),
        limit_sets=limits,
    )


def account_context(name: str) -> AccountContext:
    """One account with what all strategies hold in it."""
    account, held = snapshot(name), positions(name)
    keys = scopes_of(account_id=name, strategy_id=STRATEGY, instruments=[instrument(0)])
    return AccountContext(
        account=account,
        allocation_ratio=Decimal("0.02"),
        positions=tuple(each for each in held if each.strategy_id == STRATEGY),
        exposures=exposures(holdings_of(account, held, MarginRules()), keys),
    )


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def percentile(times: Sequence[float], part: float) -> float:
    """The value that `part` of the times are at most."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decisions", type=int, default=3000, help="of each kind")
    arguments = parser.parse_args()
    sent = signal()
    cases: dict[str, Callable[[], object]] = {}
    for count in (1, 5, ACCOUNTS):
        for words, limits in (("settings only", ()), ("limits in 4 scopes", limit_sets())):
            seen = context(count, limits)
            made = decide(sent, seen)
            if len(made.orders) != count:
                raise SystemExit(f"expected {count} orders: {made.reason}")
            name = f"{count:2} accounts, {words} ({len(made.steps)} steps)"
            cases[name] = lambda seen=seen: decide(sent, seen)
    account, held = snapshot("A-0"), positions("A-0")
    cases["sum up what one account holds"] = lambda: summed(account, held)
    times: dict[str, list[float]] = {name: [] for name in cases}
    gc.freeze()
    for _ in range(arguments.decisions):
        for name, work in cases.items():
            times[name].append(timed(work))
    print(f"{arguments.decisions} of each, milliseconds; {STRATEGIES} strategies hold positions")
    print(f"{'':46} {'p50':>7} {'p95':>7} {'p99':>7} {'worst':>7}")
    for name, taken in times.items():
        shown = [percentile(taken, part) for part in (0.5, 0.95, 0.99)] + [max(taken)]
        print(f"{name:46} " + " ".join(f"{each:7.3f}" for each in shown))
    return 0


def summed(account: AccountSnapshot, held: list[Position]) -> list[Holding]:
    """What Cerebro does once for an account and batch."""
    return holdings_of(account, held, MarginRules())


if __name__ == "__main__":
    sys.exit(main())
