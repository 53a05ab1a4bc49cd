"""The limits of a decision: which apply, and how much of an entry each of them leaves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from copy import copy
from decimal import Decimal
from typing import Final, NamedTuple

from services.decision.exposure import fx_rate
from services.decision.waterfall import Caps, Denied, Waterfall
from services.domain.accounts import AccountContext, DecisionContext, Exposure
from services.domain.instruments import Instrument
from services.domain.risk import EVERY_ACCOUNT, LimitSet, scope_key
from services.domain.values import ZERO
from services.domain.words import Scope

_NOTHING: Final = Exposure()
#: Limits that are one number.
_RULES: Final = (
    *(
        name
        for name in LimitSet.model_fields
        if name.startswith("max_") and name != "max_volatility_multiple"
    ),
    "price_collar_ratio",
)


class Wanted(NamedTuple):
    """What one leg would add at scale 1, account currency; `notional` is signed."""

    instrument: Instrument
    scopes: frozenset[str]
    capital: Decimal
    notional: Decimal
    margin: Decimal


class Rule(NamedTuple):
    """One limit: its value, and whose it is in words."""

    value: Decimal
    words: str


class ScopedLimits:
    """Limit sets of one scope, the most special first: the first that says something counts."""

    def __init__(self, key: str, sets: Sequence[LimitSet]) -> None:
        self.key = key
        self.sets = tuple(sets)
        self._rules: dict[str, Rule] = {}
        for limits in reversed(self.sets):
            for name in _RULES:
                value = getattr(limits, name)
                if value is not None:
                    self._rules[name] = Rule(value, f"{name} of {limits.key}")

    def of(self, key: str) -> ScopedLimits:
        """The same limits, of another account."""
        other = copy(self)
        other.key = key
        return other

    def first(self, name: str) -> LimitSet | None:
        """The set that says something of that name; None where none does."""
        return next((each for each in self.sets if getattr(each, name) is not None), None)

    def rule(self, name: str) -> Rule | None:
        """The limit of that name; None where no set has one."""
        return self._rules.get(name)


class LimitsOfAccounts:
    """The limits of each account: its own, those of every account, those of the settings."""

    def __init__(self, context: DecisionContext) -> None:
        self._by_id = {
            limits.scope_id: limits
            for limits in context.limit_sets
            if limits.scope is Scope.ACCOUNT
        }
        settings = LimitSet(
            scope=Scope.ACCOUNT,
            scope_id="settings",
            max_position_ratio=context.limits.max_position_ratio,
            max_broker_allocation_ratio=context.limits.max_broker_allocation_ratio,
        )
        every = self._by_id.get(EVERY_ACCOUNT)
        self._shared = ScopedLimits("", (every, settings) if every else (settings,))

    def of(self, account_id: str) -> ScopedLimits:
        """Those of one account."""
        key, own = scope_key(Scope.ACCOUNT, account_id), self._by_id.get(account_id)
        return ScopedLimits(key, (own, *self._shared.sets)) if own else self._shared.of(key)


def other_limits(context: DecisionContext, keys: Collection[str]) -> list[ScopedLimits]:
    """The limits of every other scope that the signal touches."""
    return [
        ScopedLimits(limits.key, (limits,))
        for limits in context.limit_sets
        if limits.scope is not Scope.ACCOUNT and limits.key in keys
    ]


def apply_limits(
    scopes: Iterable[ScopedLimits],
    wanted: Sequence[Wanted],
    context: DecisionContext,
    account: AccountContext,
    caps: Caps,
    waterfall: Waterfall,
) -> None:
    """Cap the group by every limit of every scope.

    Raises:
        Denied: nothing is left, or what a limit is measured on is not known.
    """
    for scoped in scopes:
        if scoped.key == scope_key(Scope.GLOBAL):
            _apply(scoped, _in_fund(scoped, wanted, context, account), caps, waterfall)
        else:
            _apply(scoped, _in_account(scoped, wanted, account), caps, waterfall)


class _Measured(NamedTuple):
    """What a scope holds, and what would be added to it, in one currency."""

    equity: Decimal
    held: Exposure
    wanted: Sequence[Wanted]
    of_instrument: dict[str, Exposure]


def _in_account(
    scoped: ScopedLimits, wanted: Sequence[Wanted], account: AccountContext
) -> _Measured:
    return _Measured(
        account.account.equity or ZERO,
        account.exposures.get(scoped.key, _NOTHING),
        [each for each in wanted if scoped.key in each.scopes],
        account.exposures,
    )


_FUND_MEASURED: Final = (
    "max_position_ratio",
    "max_broker_allocation_ratio",
    "max_gross_exposure_ratio",
    "max_net_exposure_ratio",
    "max_margin_ratio",
    "max_open_positions",
)


def _in_fund(
    scoped: ScopedLimits,
    wanted: Sequence[Wanted],
    context: DecisionContext,
    account: AccountContext,
) -> _Measured | None:
    """The same in the fund's currency; None where none of its limits needs it."""
    if not any(scoped.rule(name) for name in _FUND_MEASURED):
        return None
    fund, held = context.fund, context.fund_exposures
    if fund is None or fund.equity is None or held is None:
        missing = fund.missing if fund else "it has not been summed up yet"
        raise Denied("FUND_UNKNOWN", f"what the fund holds is not known: {missing}")
    into_account = fx_rate(account.account, fund.currency)
    if into_account is None:
        raise Denied(
            "FX_RATE_MISSING",
            f"no rate between {fund.currency} and {account.account.currency} is known",
        )
    converted = [
        each._replace(
            capital=each.capital / into_account,
            notional=each.notional / into_account,
            margin=each.margin / into_account,
        )
        for each in wanted
    ]
    return _Measured(fund.equity, held.get(scoped.key, _NOTHING), converted, held)


def _apply(
    scoped: ScopedLimits, measured: _Measured | None, caps: Caps, waterfall: Waterfall
) -> None:
    if measured is None or not measured.wanted:
        return
    equity, held, wanted, of_instrument = measured
    most = scoped.rule("max_open_positions")
    if most is not None:
        _check_count(scoped, most, measured, waterfall)
    rule = scoped.rule("max_position_ratio")
    if rule is not None:
        for key in {each.instrument.key: None for each in wanted}:
            asked = sum((x.capital for x in wanted if x.instrument.key == key), ZERO)
            there = of_instrument.get(scope_key(Scope.INSTRUMENT, key), _NOTHING)
            room = equity * rule.value - there.capital
            caps.cap("position_size", wanted=asked, limit=room, rule=rule.words)
    rule = scoped.rule("max_broker_allocation_ratio")
    if rule is not None:
        asked = sum((each.capital for each in wanted), ZERO)
        room = equity * rule.value - held.capital
        caps.cap("broker_share", wanted=asked, limit=room, rule=rule.words)
    rule = scoped.rule("max_gross_exposure_ratio")
    if rule is not None:
        asked = sum((abs(each.notional) for each in wanted), ZERO)
        room = equity * rule.value - held.gross
        caps.cap("gross_exposure", wanted=asked, limit=room, rule=rule.words)
    rule = scoped.rule("max_net_exposure_ratio")
    if rule is not None:
        signed = sum((each.notional for each in wanted), ZERO)
        net = held.net if signed > 0 else -held.net
        room = equity * rule.value - net
        caps.cap("net_exposure", wanted=abs(signed), limit=room, rule=rule.words)
    rule = scoped.rule("max_margin_ratio")
    if rule is not None:
        asked = sum((each.margin for each in wanted), ZERO)
        room = equity * rule.value - held.margin
        caps.cap("margin_use", wanted=asked, limit=room, rule=rule.words)


def _check_count(
    scoped: ScopedLimits, most: Rule, measured: _Measured, waterfall: Waterfall
) -> None:
    held = measured.held.instruments
    more = sum(
        not measured.of_instrument.get(scope_key(Scope.INSTRUMENT, key), _NOTHING).instruments
        for key in {each.instrument.key for each in measured.wanted}
    )
    waterfall.require(
        "open_positions",
        held + more <= most.value or not more,
        "OPEN_POSITIONS_EXCEEDED",
        "{} held or being entered in {} and {} more, {} allowed",
        held,
        scoped.key,
        more,
        most.value,
        rule=most.words,
    )
