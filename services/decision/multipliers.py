"""Portfolio-wide multipliers: what volatility, drawdown and a person's override leave of a size."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.decision.limits import ScopedLimits
from services.decision.waterfall import ONE, Denied, Waterfall
from services.domain.accounts import AccountContext, DecisionContext
from services.domain.risk import Control, EquityMarks, LimitSet
from services.domain.values import ZERO
from services.domain.words import Scope


def multiplier(
    context: DecisionContext,
    account: AccountContext,
    *,
    scopes: Sequence[ScopedLimits],
    controls: list[Control],
    waterfall: Waterfall,
) -> Decimal:
    """The product of all that apply to this account, each a step.

    Raises:
        Denied: a scale of 0, or a record that a set multiplier needs is missing.
    """
    product = ONE
    for control in controls:
        scale = control.scale_ratio
        if scale == 1:
            continue
        product *= scale
        waterfall.note(
            "override",
            "entries × {} for {}",
            scale,
            control.in_words,
            after=scale,
            limit=scale,
            bound=True,
            rule=f"scale_ratio of {control.key}",
        )
        if not scale:
            raise Denied("OVERRIDE_ZERO", waterfall.steps[-1].sentence)
    for scoped in scopes:
        target = scoped.first("target_volatility_ratio")
        if target is not None:
            product *= _volatility(target, context, account, waterfall)
        governor = scoped.first("drawdown_governor_end_ratio")
        if governor is not None:
            product *= _governor(governor, context, account, waterfall)
    return product


def _marks(
    limits: LimitSet, context: DecisionContext, account: AccountContext
) -> EquityMarks | None:
    if limits.scope is Scope.GLOBAL:
        return context.fund.marks if context.fund else None
    return account.account.marks


def _volatility(
    limits: LimitSet, context: DecisionContext, account: AccountContext, waterfall: Waterfall
) -> Decimal:
    """k = min(k_max, target / observed); RiskMetrics' estimate, decay 0.94, kept in buffers.

    A record that is still too short scales nothing: it will never grow without trading.
    """
    target = limits.target_volatility_ratio or ZERO
    rule = f"target_volatility_ratio of {limits.key}"
    if limits.scope is Scope.STRATEGY:
        observed, days = context.strategy_volatility_ratio, 0
    else:
        marks = _marks(limits, context, account)
        observed, days = (marks.volatility_ratio, marks.days) if marks else (None, 0)
    if observed is None:
        waterfall.note(
            "volatility",
            "{} days of record are too few to scale by",
            days,
            after=ONE,
            limit=target,
            rule=rule,
        )
        return ONE
    most = limits.max_volatility_multiple
    factor = most if observed * most <= target else target / observed
    waterfall.note(
        "volatility",
        "{} a year wanted, {:.4f} observed, at most {} times",
        target,
        observed,
        most,
        after=factor,
        limit=target,
        bound=factor < 1,
        rule=rule,
    )
    return factor


def _governor(
    limits: LimitSet, context: DecisionContext, account: AccountContext, waterfall: Waterfall
) -> Decimal:
    """k = clip((D − d) / (D − d0), floor, 1): never 0, so that there is a way back.

    Raises: Denied where the drawdown is not known.
    """
    start, floor = limits.drawdown_governor_start_ratio, limits.drawdown_governor_floor_ratio
    end = limits.drawdown_governor_end_ratio or ZERO
    rule = f"drawdown_governor_end_ratio of {limits.key}"
    marks = _marks(limits, context, account)
    if marks is None or marks.peak <= 0:
        sentence = f"the drawdown of {limits.key} is not known"
        raise waterfall.stop("drawdown_governor", "DRAWDOWN_UNKNOWN", sentence, rule=rule)
    drawdown = drawdown_of(marks)
    if drawdown <= start:
        factor = ONE
    elif end <= start:
        factor = floor
    else:
        factor = max(floor, min(ONE, (end - drawdown) / (end - start)))
    waterfall.note(
        "drawdown_governor",
        "{:.4f} below the peak; full size up to {}, {} of it from {} on",
        drawdown,
        start,
        floor,
        end,
        after=factor,
        limit=end,
        bound=factor < 1,
        rule=rule,
    )
    return factor


def drawdown_of(marks: EquityMarks) -> Decimal:
    """How far equity is below its peak now, a ratio."""
    return max(ZERO, ONE - marks.last / marks.peak)
