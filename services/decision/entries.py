"""How large an entry may be in one account (DESIGN §9): policy, limits, margin, whole lots."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.decision.checks import (
    check_account,
    check_limits_of_signal,
    check_locks,
    check_losses,
    check_rate,
    check_record,
    legs_in,
)
from services.decision.exposure import fx_rate
from services.decision.limits import Rule, ScopedLimits, Wanted, apply_limits
from services.decision.margin import Requirement
from services.decision.multipliers import multiplier
from services.decision.plans import Common, Plan
from services.decision.policies import PricedLeg, scale_of, shape
from services.decision.prices import fresh_price, own_price, price_of
from services.decision.requirements import free_margin, requirement_of
from services.decision.waterfall import ONE, Caps, Denied, Waterfall
from services.domain.accounts import AccountContext, DecisionContext, StrategyAccount
from services.domain.decisions import Question
from services.domain.risk import Control, scope_key, state_for
from services.domain.signals import Leg, plain, wrong_guard
from services.domain.values import ZERO
from services.domain.words import EquityBase, OrderType, Scope, SplitPolicy, TradingState


def plan_entry(common: Common, account: AccountContext, waterfall: Waterfall) -> Plan:
    """Everything about one account but the last rounding.

    Raises:
        Denied: with the rule that stopped it.
    """
    signal, context = common.signal, common.context
    name = account.account.account_id
    _check_switch(common, account, waterfall)
    equity = check_account(signal, context, account, waterfall)
    limits = common.of_accounts.of(name)
    _check_limits(common, account, limits, waterfall)
    allocated = _allocated(common, account, equity, waterfall)
    for scoped in common.limits:
        if scoped.key == scope_key(Scope.STRATEGY, signal.strategy_id):
            check_record(scoped, account, allocated, context.now, common.locks, waterfall)
    multiple = multiplier(
        context,
        account,
        scopes=(*common.limits, limits),
        controls=common.controls + _own_controls(context, name),
        waterfall=waterfall,
    )
    available = _available(common, account, allocated, waterfall)
    priced = [_priced(leg, account, context, limits, waterfall) for leg in signal.legs]
    policy = common.strategy.sizing
    scale = scale_of(
        policy,
        signal,
        priced,
        capital=allocated * multiple,
        multiple=multiple,
        volatility=context.strategy_volatility_ratio,
        waterfall=waterfall,
    )
    exact = [scale * units for units in shape(policy, priced)]
    for each, quantity in zip(priced, exact, strict=True):
        waterfall.note(
            "scaled",
            "{} {} × {:.6f}",
            each.leg.wanted,
            each.leg.instrument.symbol,
            scale,
            before=each.leg.wanted,
            after=quantity,
            leg_index=each.leg.leg_index,
        )
    caps = Caps(waterfall, pooled=common.strategy.split is SplitPolicy.BY_FREE_MARGIN)
    plan = Plan(account, waterfall, limits, priced, exact, scale, ONE, caps, [])
    return _capped(plan, common, available)


def _check_switch(common: Common, account: AccountContext, waterfall: Waterfall) -> None:
    context, name = common.context, account.account.account_id
    keys = {scope_key(Scope.ACCOUNT, name)}
    state, control = state_for(context.controls, keys)
    if control is not None and state is not TradingState.ACTIVE:
        raise waterfall.stop("trading_state", f"TRADING_{state}", switched(control))
    check_locks(context, keys, waterfall)
    within = {scope_key(Scope.INSTRUMENT, leg.instrument.key) for leg in common.signal.legs}
    check_locks(context, within, waterfall, account_id=name)


def switched(control: Control) -> str:
    """A control in words."""
    return f"trading is {control.state} for {control.in_words}"


def _own_controls(context: DecisionContext, account_id: str) -> list[Control]:
    key = scope_key(Scope.ACCOUNT, account_id)
    return [control for control in context.controls if control.key == key]


def _check_limits(
    common: Common, account: AccountContext, limits: ScopedLimits, waterfall: Waterfall
) -> None:
    """Yes-or-no limits of the account, and of the fund where it is measured with each account."""
    context = common.context
    check_limits_of_signal(common.signal, context, limits, common.locks, waterfall)
    rule = limits.rule("max_orders_per_minute")
    if rule is not None:
        sent, orders = account.orders_last_minute, len(common.signal.legs)
        check_rate(limits.key, sent, orders, int(rule.value), waterfall)
    check_losses(limits, account.account.marks, context.now, common.locks, waterfall)
    for scoped in common.limits:
        if scoped.key == scope_key(Scope.GLOBAL):
            marks = context.fund.marks if context.fund else None
            check_losses(scoped, marks, context.now, common.locks, waterfall)
    for scoped in (limits, *common.limits):
        pyramid = scoped.rule("max_pyramiding")
        if pyramid is not None:
            legs = legs_in(scoped.key, common.signal)
            _check_pyramiding(legs, account, pyramid, waterfall)


def _check_pyramiding(
    legs: Sequence[Leg], account: AccountContext, rule: Rule, waterfall: Waterfall
) -> None:
    for leg in legs:
        key, sign = leg.instrument.key, leg.side.sign if leg.side else 1
        filled = [
            max(1, len(position.lots))
            for position in account.positions
            if position.instrument.key == key and position.quantity * sign > 0
        ]
        working = [
            1 for x in account.reservations if x.instrument_key == key and not x.closing_quantity
        ]
        entries = sum(filled) + sum(working)
        waterfall.require(
            "pyramiding",
            entries <= rule.value,
            "PYRAMIDING_EXCEEDED",
            "{} entries into {} are open, {} may be added to the first",
            entries,
            leg.instrument.symbol,
            rule.value,
            rule=rule.words,
        )


def _allocated(
    common: Common, account: AccountContext, equity: Decimal, waterfall: Waterfall
) -> Decimal:
    """Capital of the strategy in this account, account currency."""
    ratio = account.allocation_ratio
    if not ratio:
        sentence = "no approved allocation for this strategy"
        waterfall.note("allocation", sentence, before=equity, after=ZERO, bound=True)
        raise Denied("ALLOCATION_MISSING", sentence)
    weight, of = account.weight_ratio, "equity"
    if common.strategy.equity_base is EquityBase.FUND:
        equity = _fund_equity(common.context, account, waterfall)
        weight, of = weight / _weights(common.strategy.accounts), "equity of the fund"
    times = account.multiplier_ratio
    allocated = equity * ratio * weight * times
    waterfall.note(
        "allocation",
        "{:,.2f} {} × {} × weight {}" + (" × {}" if times != 1 else ""),
        equity,
        of,
        ratio,
        weight,
        times,
        before=equity,
        after=allocated,
        limit=ratio,
    )
    return allocated


def _weights(accounts: Sequence[StrategyAccount]) -> Decimal:
    return sum((each.weight_ratio for each in accounts), ZERO)


def _fund_equity(
    context: DecisionContext, account: AccountContext, waterfall: Waterfall
) -> Decimal:
    """Equity of the fund in the account's currency. Raises: Denied where it is not known."""
    fund = context.fund
    if fund is None or fund.equity is None or fund.as_of is None:
        missing = fund.missing if fund else "it has not been summed up yet"
        raise waterfall.stop("fund", "FUND_UNKNOWN", f"the fund's equity is not known: {missing}")
    age, limit = (context.now - fund.as_of).total_seconds(), context.limits.account_max_age_seconds
    if age > limit:
        sentence = f"the fund's figures are {age:.1f} s old, entries need {plain(limit)} s"
        raise waterfall.stop("fund", "FUND_UNKNOWN", sentence)
    rate = fx_rate(account.account, fund.currency)
    if rate is None:
        sentence = f"no rate between {fund.currency} and {account.account.currency} is known"
        raise waterfall.stop("fund", "FX_RATE_MISSING", sentence)
    return fund.equity * rate


def _available(
    common: Common, account: AccountContext, allocated: Decimal, waterfall: Waterfall
) -> Decimal:
    """What is left of the allocation, with what is at work and reserved taken off."""
    held = account.exposures.get(scope_key(Scope.STRATEGY, common.strategy.strategy_id))
    used = held.capital if held else ZERO
    available = allocated - used
    waterfall.note(
        "available",
        "{:,.2f} allocated − {:,.2f} deployed and reserved",
        allocated,
        used,
        before=allocated,
        after=available,
    )
    return available


def _priced(
    leg: Leg,
    account: AccountContext,
    context: DecisionContext,
    limits: ScopedLimits,
    waterfall: Waterfall,
) -> PricedLeg:
    instrument, snapshot = leg.instrument, account.account
    symbol, index = instrument.symbol, leg.leg_index
    if instrument.expiry is not None and instrument.expiry < context.now.date():
        sentence = f"{symbol} expired on {instrument.expiry}"
        raise waterfall.stop("expiry", "INSTRUMENT_EXPIRED", sentence, leg_index=index)
    rate = fx_rate(snapshot, instrument.currency)
    if rate is None:
        sentence = (
            f"{symbol} trades in {instrument.currency}, the account is in "
            f"{snapshot.currency}, and no rate between them is known"
        )
        raise waterfall.stop("fx_rate", "FX_RATE_MISSING", sentence, leg_index=index)
    if instrument.currency != snapshot.currency:
        words = "one {} is {} {}"
        values = (instrument.currency, rate, snapshot.currency)
        waterfall.note("fx_rate", words, *values, after=rate, leg_index=index)
    price, sentence = price_of(leg, account, context)
    if price is None:
        waterfall.questions.append(Question(account_id=snapshot.account_id, instrument=instrument))
        raise waterfall.stop("price", "PRICE_MISSING", sentence, leg_index=index)
    waterfall.note("price", sentence, after=price, leg_index=index)
    rule = limits.rule("price_collar_ratio")
    if rule is not None:
        _check_collar(leg, price, rule, account, context, waterfall)
    if own_price(leg) is None:
        leg = leg.model_copy(update={"reference_price": price})
    _check_guards(leg, waterfall)
    return PricedLeg(leg, price, rate, price * instrument.multiplier * rate)


def _check_guards(leg: Leg, waterfall: Waterfall) -> None:
    """A guard that would close the position at once is somebody's mistake. Raises: Denied."""
    wrong = wrong_guard(leg)
    if wrong is not None:
        raise waterfall.stop(
            "guards",
            "STOP_LOSS_WRONG_SIDE" if wrong.field == "stop_loss" else "TAKE_PROFIT_WRONG_SIDE",
            f"{wrong.field} {wrong.sentence}",
            leg_index=leg.leg_index,
        )


def _check_collar(
    leg: Leg,
    price: Decimal,
    rule: Rule,
    account: AccountContext,
    context: DecisionContext,
    waterfall: Waterfall,
) -> None:
    """RTS 6 art. 15(1)(a): an order's price may not be far from the market's. Raises: Denied."""
    symbol, index, name = leg.instrument.symbol, leg.leg_index, account.account.account_id
    market, answer = fresh_price(leg.instrument, account, context)
    if market is None:
        waterfall.questions.append(Question(account_id=name, instrument=leg.instrument))
        sentence = f"{symbol} cannot be compared with the market: the broker of {name} {answer}"
        raise waterfall.stop(
            "price_collar", "PRICE_COLLAR_UNKNOWN", sentence, leg_index=index, rule=rule.words
        )
    away = abs(price - market) / market
    waterfall.note(
        "price_collar",
        "{} at {} is {:.4f} from the broker's {}, {} allowed",
        symbol,
        price,
        away,
        market,
        rule.value,
        before=away,
        limit=rule.value,
        bound=away > rule.value,
        leg_index=index,
        rule=rule.words,
    )
    if away > rule.value:
        raise Denied("PRICE_OUTSIDE_COLLAR", waterfall.steps[-1].sentence)
    away = _trigger_away(leg, market)
    if away > rule.value:
        sentence = (
            f"the stop of {symbol} would be {away:.4f} from the broker's {plain(market)}, "
            f"{plain(rule.value)} allowed"
        )
        raise waterfall.stop(
            "price_collar", "PRICE_OUTSIDE_COLLAR", sentence, leg_index=index, rule=rule.words
        )


def _trigger_away(leg: Leg, market: Decimal) -> Decimal:
    """How far from the market what sets the order off is, as a share of the price."""
    if leg.order_type is OrderType.TRAILING_STOP:
        return leg.trail_ratio or (leg.trail_amount or ZERO) / market
    if leg.order_type is OrderType.STOP_LIMIT and leg.stop_price is not None:
        return abs(leg.stop_price - market) / market
    return ZERO


def _capped(plan: Plan, common: Common, available: Decimal) -> Plan:
    """What all legs need together, held against everything that limits it. Raises: Denied."""
    account, caps, waterfall = plan.account, plan.caps, plan.waterfall
    needed = requirement_of(common, account, plan.priced, plan.exact, waterfall)
    plan.per_leg = _per_leg(plan, common, needed)
    if needed.capital > 0:
        plan.available = available / needed.capital
    if common.strategy.split is SplitPolicy.BY_WEIGHT:
        caps.cap("available_capital", wanted=needed.capital, limit=available)
    every = (plan.limits, *common.limits)
    apply_limits(every, plan.per_leg, common.context, account, caps, waterfall)
    caps.cap("margin", wanted=needed.initial, limit=free_margin(account))
    share = account.contention
    if share is not None:
        waterfall.note("contention_policy", share.sentence)
        caps.cap("contention", wanted=needed.initial, limit=share.margin)
    return plan


def _per_leg(plan: Plan, common: Common, needed: Requirement) -> list[Wanted]:
    """Each leg's part of what all need together, in the ratio of their notionals."""
    notionals = [
        each.unit_value * quantity * (each.leg.side.sign if each.leg.side else 1)
        for each, quantity in zip(plan.priced, plan.exact, strict=True)
    ]
    gross = sum(map(abs, notionals), ZERO)
    own = {scope_key(Scope.ACCOUNT, plan.account.account.account_id)}
    return [
        Wanted(
            each.leg.instrument,
            common.scopes[each.leg.leg_index] | own,
            needed.capital * abs(notional) / gross,
            notional,
            needed.initial * abs(notional) / gross,
        )
        for each, notional in zip(plan.priced, notionals, strict=True)
    ]
