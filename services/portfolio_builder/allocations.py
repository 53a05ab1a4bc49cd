"""What an allocation is, and what may become one. Pure.

An allocation gives each strategy a ratio of the equity that it trades: 0.5 is 50 %. A strategy that
is left out, or has 0, enters nothing; exits never ask for an allocation.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from services.domain.signals import plain
from services.domain.values import ZERO, Frozen, Instant

#: Strategies that one allocation may name.
MOST_STRATEGIES: Final = 1000
#: Steps that ratios of a study are cut to: rounding down keeps every cap.
_STEP: Final = Decimal("0.000001")
#: What solvers leave of a weight that is at a cap.
_ERROR: Final = Decimal("0.00000002")

StrategyId = Annotated[str, Field(min_length=1, max_length=200)]
#: 0 to 10,000 %, exact: the store keeps 34 digits, and no weight needs 12 of them.
Ratio = Annotated[Decimal, Field(ge=0, le=100, decimal_places=12, allow_inf_nan=False)]


class AllocationRow(Frozen):
    """What one strategy is given; `ratio` of the equity that it trades."""

    strategy_id: StrategyId
    ratio: Ratio


class Allocation(Frozen):
    """One version of what is approved; the newest is the one that trades.

    Attributes:
        version: grows by one with each approval; 0 = nothing was ever approved.
        allocations: strategies without a row have nothing.
        approved_by: the person whose key it was approved with.
        reason: why, in that person's words.
        proposal_id: what was approved; None of versions from before there were proposals.
        reverts_to: the version whose content it has again; None = it is no revert.
        override: why it was approved although a study spoke against it; "" where none did.
        warnings: what spoke against it then, and did not forbid it.
    """

    version: Annotated[int, Field(ge=0)] = 0
    allocations: tuple[AllocationRow, ...] = ()
    approved_by: str = ""
    approved_at: Instant | None = None
    reason: str = ""
    proposal_id: str | None = None
    reverts_to: int | None = None
    override: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def ratios(self) -> dict[str, Decimal]:
        """Ratio by strategy."""
        return {row.strategy_id: row.ratio for row in self.allocations}

    @property
    def total_ratio(self) -> Decimal:
        """Sum of all ratios."""
        return sum((row.ratio for row in self.allocations), ZERO)


class Origin(StrEnum):
    """Where a proposal comes from."""

    PERSON = "PERSON"  # somebody typed it
    STUDY = "STUDY"  # somebody took the result of a study
    SCHEDULE = "SCHEDULE"  # the scheduled re-optimization made it
    REVERT = "REVERT"  # the content of an earlier version


class ProposalStatus(StrEnum):
    """How far a proposal has come."""

    OPEN = "OPEN"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"


class Evidence(Frozen):
    """What a study found on days that its weights had not seen; None = not known.

    Attributes:
        test_id: the study.
        sharpe: of the method, out of sample, annual.
        equal_weight_sharpe: of equal weight on the same days.
        max_drawdown_ratio: of the method, out of sample, as a positive number.
        max_drawdown_limit_ratio: what the study was asked to keep; None = no limit.
    """

    test_id: str
    sharpe: float | None = None
    equal_weight_sharpe: float | None = None
    max_drawdown_ratio: float | None = None
    max_drawdown_limit_ratio: float | None = None


class Proposal(Frozen):
    """An allocation that waits for a person's word, or has had it.

    Attributes:
        base_version: the allocation that was current when it was proposed.
        objections: why it may be approved with a written override only.
        warnings: what else a person must know.
        decided_by: who approved or rejected it, and `decision` why.
        version: the allocation that it became.
    """

    proposal_id: str
    status: ProposalStatus = ProposalStatus.OPEN
    origin: Origin
    allocations: tuple[AllocationRow, ...]
    base_version: int
    proposed_by: str
    proposed_at: Instant
    reason: str
    evidence: Evidence | None = None
    reverts_to: int | None = None
    objections: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    decided_by: str = ""
    decided_at: Instant | None = None
    decision: str = ""
    version: int | None = None

    @property
    def ratios(self) -> dict[str, Decimal]:
        """Ratio by strategy."""
        return {row.strategy_id: row.ratio for row in self.allocations}


class Wish(Frozen):
    """What is to be proposed.

    Attributes:
        ratios: by strategy; who is not named gets nothing.
        by: who proposes it.
        reason: why.
        evidence: of the study that it comes from.
        proposal_id: deterministic where a repeat must not propose twice; None = a new one.
    """

    ratios: dict[str, Decimal]
    by: str
    reason: str
    origin: Origin = Origin.PERSON
    evidence: Evidence | None = None
    reverts_to: int | None = None
    proposal_id: str | None = None


class Approval(Frozen):
    """A person's word.

    Attributes:
        version: of the current allocation that it was compared with.
        override: why it is approved although a study speaks against it.
    """

    version: int
    by: str
    reason: str
    override: str = ""


def rows_of(ratios: Mapping[str, Decimal]) -> tuple[AllocationRow, ...]:
    """Ratios as rows, in the order of the ids."""
    return tuple(
        AllocationRow(strategy_id=each, ratio=ratio) for each, ratio in sorted(ratios.items())
    )


def ratios_of_weights(weights: Mapping[str, float]) -> dict[str, Decimal]:
    """Weights of a study as exact ratios: cut, so that every cap still holds.

    A weight that is short of a step by a rounding error of its solver is that step, 0.17499999 is
    0.175; the nearest ones first, and only while the total is not above that of the weights.

    Raises: ValueError: a weight is not finite, or negative by more than a rounding error.
    """
    exact = {}
    for strategy_id, weight in weights.items():
        if not -1e-6 <= weight <= 100:  # also where it is not a number
            raise ValueError(f"the weight of {strategy_id} must be 0 to 100, was {weight!r}")
        exact[strategy_id] = max(Decimal(repr(weight)), ZERO)
    found = {name: each.quantize(_STEP, rounding=ROUND_DOWN) for name, each in exact.items()}
    short = {name: found[name] + _STEP - each for name, each in exact.items()}
    total = sum(exact.values(), _ERROR).quantize(_STEP, rounding=ROUND_DOWN)
    room = int((total - sum(found.values(), ZERO)) / _STEP)
    nearest = sorted((gap, name) for name, gap in short.items() if gap <= _ERROR)
    return found | {name: found[name] + _STEP for _, name in nearest[:room]}


def in_percent(ratio: Decimal) -> str:
    """A ratio in words: `12.5 %`."""
    return f"{plain(ratio * 100)} %"
