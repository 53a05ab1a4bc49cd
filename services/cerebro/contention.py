"""Who gets the margin of an account that is not enough for all who want it; and who got less.

Pure. FIRST_COME is the order of arrival and needs nothing of this; the others gather what arrives
within a window, and then either serve by priority or give each the same part of what it asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from services.domain.accounts import Contention
from services.domain.decisions import Decision, Step
from services.domain.orders import Reservation
from services.domain.risk import EVERY_ACCOUNT, LimitSet
from services.domain.signals import Signal
from services.domain.values import ZERO, Exact, Frozen, Instant, NonNegative
from services.domain.words import ContentionPolicy, Intent, Scope, StrategyMode

_ENTERS: Final = frozenset({Intent.ENTRY, Intent.SCALE_IN})
#: Caps that are about margin others may have taken.
_SQUEEZES: Final = frozenset({"margin", "contention", "margin_use"})


class Terms(NamedTuple):
    """How the margin of some accounts is shared."""

    policy: ContentionPolicy
    window: timedelta


class Squeezed(Frozen):
    """An entry that got less margin in an account than it asked for, and why.

    Attributes:
        asked_margin: account currency, after all other limits.
        got_margin: what was reserved.
        rivals: margin that other strategies held for orders under way there, by strategy.
    """

    signal_id: str
    strategy_id: str
    account_id: str
    policy: ContentionPolicy
    rule: str
    asked_margin: NonNegative
    got_margin: NonNegative
    sentence: str
    rivals: dict[str, Exact]
    decided_at: Instant


def terms_of(limit_sets: Iterable[LimitSet], account_id: str) -> Terms:
    """The account's own terms, else those of every account, else first come."""
    found = {each.scope_id: each for each in limit_sets if each.scope is Scope.ACCOUNT}
    policy, window = ContentionPolicy.FIRST_COME, ZERO
    for name in (EVERY_ACCOUNT, account_id):
        limits = found.get(name)
        if limits is not None:
            policy = limits.contention_policy or policy
            if limits.contention_window_seconds is not None:
                window = limits.contention_window_seconds
    return Terms(policy, timedelta(seconds=float(window)))


def enters(signal: Signal) -> bool:
    """Whether a signal asks for margin; one whose intent is not said may."""
    return signal.intent is None or signal.intent in _ENTERS


def must_gather(rivals: Sequence[Signal], terms: Terms, now: datetime) -> bool:
    """Whether more may still come before these are decided."""
    if terms.policy is ContentionPolicy.FIRST_COME or not rivals:
        return False
    return now - min(signal.received_at for signal in rivals) < terms.window


def demand_of(decision: Decision) -> dict[str, tuple[Decimal, Decimal]]:
    """By account: margin asked for after all other limits, and margin that was free."""
    return {
        step.account_id: (_asked(step), step.limit)
        for step in decision.steps
        if step.name == "margin" and step.account_id is not None and step.limit is not None
    }


def _asked(step: Step) -> Decimal:
    """The first value of a cap's sentence is what was asked."""
    asked = step.values[0]
    return asked if isinstance(asked, Decimal) else ZERO


def shares(demands: Mapping[str, Decimal], free: Decimal) -> dict[str, Decimal]:
    """Each one's part of `free`, in the ratio of what they ask; all of it where it is enough."""
    total = sum(demands.values(), ZERO)
    if total <= free:
        return dict(demands)
    return {name: max(free, ZERO) * asked / total for name, asked in demands.items()}


def pro_rata(decisions: Mapping[str, Decision]) -> dict[str, dict[str, Contention]]:
    """Shares by signal and account, from what each would get if it were alone."""
    found: dict[str, dict[str, Contention]] = {signal_id: {} for signal_id in decisions}
    demands = {
        signal_id: demand_of(decision)
        for signal_id, decision in decisions.items()
        if not _is_shadow(decision)
    }
    for account_id in {name for asked in demands.values() for name in asked}:
        asked = {
            signal_id: each[account_id][0]
            for signal_id, each in demands.items()
            if account_id in each
        }
        free = min(each[account_id][1] for each in demands.values() if account_id in each)
        if len(asked) < 2 or sum(asked.values(), ZERO) <= free:
            continue
        for signal_id, share in shares(asked, free).items():
            found[signal_id][account_id] = Contention(
                policy=ContentionPolicy.PRO_RATA,
                margin=share,
                sentence=(
                    f"{len(asked)} entries want {sum(asked.values(), ZERO):,.2f} of "
                    f"{free:,.2f} free: {share:,.2f} for {asked[signal_id]:,.2f} asked"
                ),
            )
    return found


def _is_shadow(decision: Decision) -> bool:
    """Whether it takes margin from nobody, because nothing of it is ordered."""
    strategy = decision.context.strategy
    return strategy is not None and strategy.mode is StrategyMode.SHADOW


def squeezed(
    signal: Signal,
    decision: Decision,
    reservations: Sequence[Reservation],
    limit_sets: Sequence[LimitSet],
) -> list[Squeezed]:
    """Rows for the ledger: accounts in which margin made this entry smaller, or stopped it.

    Args:
        signal: the entry.
        decision: what became of it.
        reservations: what was held before it in its accounts.
        limit_sets: for the policies of the accounts.
    """
    found: dict[str, list[Step]] = {}
    for step in () if _is_shadow(decision) else decision.steps:
        if step.bound and step.name in _SQUEEZES and step.account_id is not None:
            found.setdefault(step.account_id, []).append(step)
    return [
        Squeezed(
            signal_id=signal.signal_id,
            strategy_id=signal.strategy_id,
            account_id=account_id,
            policy=terms_of(limit_sets, account_id).policy,
            rule=steps[-1].rule or steps[-1].name,
            asked_margin=_asked(steps[0]),
            got_margin=sum(
                (r.margin for r in decision.reservations if r.account_id == account_id), ZERO
            ),
            sentence="; ".join(step.sentence for step in steps),
            rivals=_rivals(signal, account_id, reservations),
            decided_at=decision.decided_at,
        )
        for account_id, steps in found.items()
    ]


def _rivals(
    signal: Signal, account_id: str, reservations: Sequence[Reservation]
) -> dict[str, Decimal]:
    held: dict[str, Decimal] = {}
    for each in reservations:
        if each.account_id == account_id and each.strategy_id != signal.strategy_id and each.margin:
            held[each.strategy_id] = held.get(each.strategy_id, ZERO) + each.margin
    return held
