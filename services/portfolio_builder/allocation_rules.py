"""Which allocations a person may approve, and what speaks against them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Annotated, NamedTuple

from pydantic import Field

from services.domain.values import ZERO, Frozen
from services.portfolio_builder.allocations import (
    MOST_STRATEGIES,
    Evidence,
    Ratio,
    StrategyId,
    in_percent,
)


class StrategyCap(Frozen):
    """The most that one strategy may be given."""

    strategy_id: StrategyId
    max_ratio: Ratio


class Group(Frozen):
    """The most that several strategies may be given together."""

    name: str = Field(min_length=1, max_length=60)
    strategy_ids: tuple[StrategyId, ...] = Field(min_length=1, max_length=MOST_STRATEGIES)
    max_ratio: Ratio


class Caps(Frozen):
    """What every allocation keeps beside the total, whoever approves it.

    Attributes:
        max_ratio: of each strategy that has no cap of its own; None = the total is the only cap.
        strategies: caps of single strategies.
        groups: caps of several together.
    """

    max_ratio: Ratio | None = None
    strategies: Annotated[tuple[StrategyCap, ...], Field(max_length=MOST_STRATEGIES)] = ()
    groups: Annotated[tuple[Group, ...], Field(max_length=100)] = ()


class Known(NamedTuple):
    """What an allocation has to know of a strategy.

    Attributes:
        status: as it is stored, e.g. `ACTIVE`; `ARCHIVED` where it is kept for its history only.
        weights: its accounts, and how much of the allocation goes to each.
    """

    status: str
    weights: Mapping[str, Decimal]


class Verdict(NamedTuple):
    """What forbids an allocation, and what does not but must be known; in sentences."""

    faults: tuple[str, ...]
    warnings: tuple[str, ...]


def judge(
    ratios: Mapping[str, Decimal],
    *,
    strategies: Mapping[str, Known],
    accounts: Collection[str],
    caps: Caps,
    max_total_ratio: Decimal,
) -> Verdict:
    """Whether an allocation may become the current one.

    Args:
        ratios: by strategy_id.
        strategies: every stored strategy that it or a cap names.
        accounts: ids of all stored accounts.
        caps: of single strategies and groups.
        max_total_ratio: of all ratios together.
    """
    faults = [_unusable(name, ratio, strategies.get(name)) for name, ratio in ratios.items()]
    faults += [
        f"{name} is given {in_percent(ratio)}, but trades in account {account_id!r}, "
        "which does not exist"
        for name, ratio in ratios.items()
        if ratio and name in strategies
        for account_id in strategies[name].weights
        if account_id not in accounts
    ]
    faults += _above_caps(ratios, caps)
    total = sum(ratios.values(), ZERO)
    if total > max_total_ratio:
        faults.append(
            f"all strategies together may be given {in_percent(max_total_ratio)} "
            f"(MAX_TOTAL_ALLOCATION_PCT), were given {in_percent(total)}"
        )
    return Verdict(tuple(filter(None, faults)), tuple(_warnings(ratios, strategies)))


def _unusable(name: str, ratio: Decimal, known: Known | None) -> str:
    if known is None:
        return f"there is no strategy named {name!r}"
    if known.status == "ARCHIVED" and ratio:
        return f"{name} is archived: it can be given nothing, was given {in_percent(ratio)}"
    return ""


def _above_caps(ratios: Mapping[str, Decimal], caps: Caps) -> list[str]:
    own = {each.strategy_id: each.max_ratio for each in caps.strategies}
    faults = []
    for name, ratio in ratios.items():
        cap = own.get(name, caps.max_ratio)
        if cap is not None and ratio > cap:
            faults.append(
                f"{name} may be given {in_percent(cap)} at most, was given {in_percent(ratio)}"
            )
    for group in caps.groups:
        together = sum((ratios.get(name, ZERO) for name in set(group.strategy_ids)), ZERO)
        if together > group.max_ratio:
            faults.append(
                f"the group {group.name} may be given {in_percent(group.max_ratio)} at most, "
                f"was given {in_percent(together)}"
            )
    return faults


def shares_of_accounts(
    ratios: Mapping[str, Decimal], strategies: Mapping[str, Known]
) -> dict[str, Decimal]:
    """How much of each account's equity its strategies are given together."""
    shares: dict[str, Decimal] = {}
    for name, ratio in ratios.items():
        weights = strategies[name].weights if name in strategies else {}
        for account_id, weight in weights.items():
            shares[account_id] = shares.get(account_id, ZERO) + ratio * weight
    return dict(sorted(shares.items()))


def _warnings(ratios: Mapping[str, Decimal], strategies: Mapping[str, Known]) -> list[str]:
    if not any(ratios.values()):
        return ["no strategy is given anything: nothing will be entered, exits go on"]
    given = {name: ratio for name, ratio in ratios.items() if ratio and name in strategies}
    found = [
        f"{name} is given {in_percent(ratio)}, but has no account to trade in"
        for name, ratio in given.items()
        if not strategies[name].weights
    ]
    found += [
        f"{name} is given {in_percent(ratio)}, but is {strategies[name].status}: "
        "it enters nothing until it is switched on"
        for name, ratio in given.items()
        if strategies[name].status != "ACTIVE"
    ]
    found += [
        f"the strategies of account {account_id} are given {in_percent(share)} of its equity: "
        "above 100 % they need margin"
        for account_id, share in shares_of_accounts(given, strategies).items()
        if share > 1
    ]
    return found


def left_out(before: Mapping[str, Decimal], after: Mapping[str, Decimal]) -> tuple[str, ...]:
    """Who has something and is not even named: it may have been forgotten."""
    return tuple(
        f"{name} has {in_percent(ratio)} now, is not named, and gets nothing"
        for name, ratio in sorted(before.items())
        if ratio and name not in after
    )


def objections_to(evidence: Evidence | None) -> tuple[str, ...]:
    """Why a proposal of a study may be approved with a written override only.

    It must have beaten equal weight on days that it had not seen, and kept its own drawdown limit
    there; what was not measured did not.
    """
    if evidence is None:
        return ()
    found = []
    if evidence.sharpe is None or evidence.equal_weight_sharpe is None:
        found.append(
            f"the study {evidence.test_id} did not compare it with equal weight on days that it "
            "had not seen"
        )
    elif evidence.sharpe < evidence.equal_weight_sharpe:
        found.append(
            f"on days that it had not seen its Sharpe ratio was {evidence.sharpe:.2f}, "
            f"that of equal weight {evidence.equal_weight_sharpe:.2f}"
        )
    limit, drawdown = evidence.max_drawdown_limit_ratio, evidence.max_drawdown_ratio
    if limit is not None and drawdown is not None and drawdown > limit:
        found.append(
            f"on days that it had not seen it lost {drawdown:.2%} from its peak, "
            f"and was to lose {limit:.2%} at most"
        )
    return tuple(found)
