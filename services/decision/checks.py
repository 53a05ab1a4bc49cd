"""The yes-or-no rules of an entry: of the signal as a whole, then of each account."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from services.decision.limits import ScopedLimits
from services.decision.waterfall import Denied, Waterfall
from services.domain.accounts import AccountContext, DecisionContext
from services.domain.risk import (
    EquityMarks,
    LimitSet,
    RiskLock,
    TradingHours,
    scope_in_words,
    scopes_of,
)
from services.domain.signals import Leg, Signal
from services.domain.values import ZERO
from services.domain.words import (
    AccountType,
    ActiveStatus,
    Environment,
    LockRule,
    Scope,
    StrategyMode,
)


class Locks:
    """Limits that this decision has found passed: entries of their scope stop from now on."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.found: list[RiskLock] = []

    def add(
        self,
        limits: LimitSet | ScopedLimits,
        rule: LockRule,
        sentence: str,
        *,
        until: datetime | None,
    ) -> None:
        """Remember one."""
        scope, _, scope_id = limits.key.partition("|")
        self.found.append(
            RiskLock(
                scope=Scope(scope),
                scope_id=scope_id,
                rule=rule,
                sentence=sentence,
                locked_at=self._now,
                expires_at=until,
            )
        )


def check_locks(
    context: DecisionContext,
    keys: Collection[str],
    waterfall: Waterfall,
    *,
    account_id: str | None = None,
) -> None:
    """Deny where a limit was passed before and has not been reset. Raises: Denied.

    Args:
        context: with all locks.
        keys: of the scopes that are decided.
        waterfall: of the signal, or of the account.
        account_id: only locks within this account are looked at; None = only those of all.
    """
    for lock in context.locks:
        if lock.account_id != account_id or lock.scoped not in keys:
            continue
        if lock.expires_at is not None and lock.expires_at <= context.now:
            continue
        words = ("{}, {}", lock.sentence, lock.ends)
        if lock.rule is LockRule.POSITION_MISMATCH:
            waterfall.require("lock", False, "POSITION_MISMATCH", *words, rule=lock.key)
        if lock.rule is LockRule.EQUITY_JUMP:
            waterfall.require("lock", False, "EQUITY_JUMP", *words, rule=lock.key)
        waterfall.require("lock", False, "ENTRIES_LOCKED", *words, rule=lock.key)


def check_limits_of_signal(
    signal: Signal,
    context: DecisionContext,
    scoped: ScopedLimits,
    locks: Locks,
    waterfall: Waterfall,
) -> None:
    """Limits of one scope that look at the signal, not at what is held. Raises: Denied."""
    for limits in scoped.sets:
        if limits.restricted:
            reason = limits.reason or "no reason given"
            sentence = f"{scope_in_words(limits.scope, limits.scope_id)} is restricted: {reason}"
            raise waterfall.stop(
                "restricted", "RESTRICTED", sentence, rule=f"restricted of {limits.key}"
            )
    hours = scoped.first("trading_hours")
    if hours is not None and hours.trading_hours is not None:
        _check_hours(hours, hours.trading_hours, context.now, waterfall)
    duplicates = scoped.first("duplicate_window_seconds")
    if duplicates is not None and duplicates.duplicate_window_seconds:
        _check_duplicate(signal, context, duplicates, waterfall)
    first = scoped.sets[0]
    if first.scope is Scope.ACCOUNT:
        return
    if first.max_orders_per_minute is not None:
        orders = len(signal.legs) * len(context.accounts)
        sent = context.orders_last_minute.get(first.key)
        check_rate(first.key, sent, orders, first.max_orders_per_minute, waterfall)
    if first.max_entries is not None and first.scope is Scope.STRATEGY:
        _check_entries(context, first, locks, waterfall)


def _check_hours(
    limits: LimitSet, hours: TradingHours, now: datetime, waterfall: Waterfall
) -> None:
    waterfall.require(
        "trading_hours",
        is_open(hours, now),
        "OUTSIDE_TRADING_HOURS",
        "{} to {} {}, days {}",
        hours.opens,
        hours.closes,
        hours.timezone,
        " ".join(map(str, hours.days)),
        rule=f"trading_hours of {limits.key}",
    )


def is_open(hours: TradingHours, now: datetime) -> bool:
    """Whether `now` is in the session; one that closes at or before its open ends the next day."""
    local = now.astimezone(ZoneInfo(hours.timezone))
    minute = f"{local:%H:%M}"
    if hours.opens < hours.closes:
        return local.isoweekday() in hours.days and hours.opens <= minute < hours.closes
    if minute >= hours.opens:
        return local.isoweekday() in hours.days
    yesterday = (local - timedelta(days=1)).isoweekday()
    return minute < hours.closes and yesterday in hours.days


def _check_duplicate(
    signal: Signal, context: DecisionContext, limits: LimitSet, waterfall: Waterfall
) -> None:
    """A like entry of the strategy, let through a moment ago, is somebody's mistake."""
    seconds = limits.duplicate_window_seconds or ZERO
    since = context.now - timedelta(seconds=float(seconds))
    for leg in legs_in(limits.key, signal):
        like = next(
            (
                recent
                for recent in context.recent
                if recent.decided_at > since
                and recent.signal_id != signal.signal_id
                and (recent.instrument_key, recent.side, recent.quantity, recent.price)
                == (leg.instrument.key, leg.side, leg.quantity, price_sent(leg))
            ),
            None,
        )
        waterfall.require(
            "duplicate",
            like is None,
            "DUPLICATE_ORDER",
            "{} of {} in the last {} s: {}",
            "a like entry" if like else "no like entry",
            leg.instrument.symbol,
            seconds,
            like.signal_id if like else "none",
            rule=f"duplicate_window_seconds of {limits.key}",
        )


def legs_in(key: str, signal: Signal) -> list[Leg]:
    """The legs that a scope is about; all of them where it is no instrument or asset class."""
    if not key.startswith((Scope.INSTRUMENT, Scope.ASSET_CLASS)):
        return list(signal.legs)
    return [
        leg
        for leg in signal.legs
        if key
        in scopes_of(account_id=None, strategy_id=signal.strategy_id, instruments=(leg.instrument,))
    ]


def price_sent(leg: Leg) -> Decimal | None:
    """The price that came with the signal: the limit, the trigger, or what the sender saw."""
    return leg.limit_price or leg.stop_price or leg.reference_price


def check_rate(name: str, sent: int | None, orders: int, most: int, waterfall: Waterfall) -> None:
    """Orders in the last 60 seconds, these included. Raises: Denied, also where unknown."""
    waterfall.require(
        "order_rate",
        sent is not None and sent + orders <= most,
        "ORDER_RATE_EXCEEDED",
        "{} orders of {} in the last minute and {} more, {} allowed",
        "an unknown number of" if sent is None else sent,
        name,
        orders,
        most,
        rule=f"max_orders_per_minute of {name}",
    )


def _check_entries(
    context: DecisionContext, limits: LimitSet, locks: Locks, waterfall: Waterfall
) -> None:
    """RTS 6 art. 15(3): after so many executions a person has to say that it is meant."""
    most, sent = limits.max_entries or 0, context.entries_in_window
    sentence = f"{sent} entries in {limits.entries_window_seconds:f} s, {most} allowed"
    if sent is not None and sent >= most:
        locks.add(limits, LockRule.REPEATED_EXECUTION, sentence, until=None)
    waterfall.require(
        "repeated_execution",
        sent is not None and sent < most,
        "REPEATED_EXECUTION",
        sentence,
        rule=f"max_entries of {limits.key}",
    )


def check_account(
    signal: Signal, context: DecisionContext, account: AccountContext, waterfall: Waterfall
) -> Decimal:
    """Whether the account may be entered at all; its equity. Raises: Denied."""
    snapshot, name = account.account, account.account.account_id
    require = waterfall.require
    require(
        "account_status",
        snapshot.status is ActiveStatus.ACTIVE,
        "ACCOUNT_INACTIVE",
        "account {} is {}",
        name,
        snapshot.status,
    )
    live = snapshot.account_type is AccountType.LIVE
    require(
        "routing",
        not (live and signal.environment is Environment.STAGING),
        "ROUTING_STAGING_TO_LIVE",
        "{} signal to the {} account {}",
        signal.environment,
        snapshot.account_type,
        name,
    )
    strategy = context.strategy
    if live and (strategy is None or strategy.mode is StrategyMode.PAPER):
        sentence = f"{signal.strategy_id} is a paper strategy, {name} is a live account"
        raise waterfall.stop("strategy_mode", "ROUTING_PAPER_TO_LIVE", sentence)
    for leg in signal.legs:
        kind = leg.instrument.instrument_type
        if snapshot.instrument_types and kind not in snapshot.instrument_types:
            sentence = f"{name} takes no {kind} {leg.instrument.symbol}"
            raise waterfall.stop(
                "account_whitelist",
                "INSTRUMENT_TYPE_NOT_IN_ACCOUNT",
                sentence,
                leg_index=leg.leg_index,
            )
        if leg.instrument.key in account.unresolved:
            sentence = (
                f"an order for {leg.instrument.symbol} in {name} has no known outcome; what it "
                "did must be known first"
            )
            raise waterfall.stop(
                "unresolved_order", "ORDER_UNRESOLVED", sentence, leg_index=leg.leg_index
            )
    return _equity(context, account, waterfall)


def _equity(context: DecisionContext, account: AccountContext, waterfall: Waterfall) -> Decimal:
    snapshot, name = account.account, account.account.account_id
    limit = context.limits.account_max_age_seconds
    age = age_seconds(snapshot.as_of, context.now)
    fresh = age is not None and age <= limit and snapshot.equity is not None
    words = "data of {} is {} s old, entries need it younger than {} s"
    shown = "never read: unknown" if age is None else f"{age:.1f}"
    waterfall.require("account_age", fresh, "ACCOUNT_DATA_STALE", words, name, shown, limit)
    equity = snapshot.equity or ZERO
    waterfall.require(
        "equity", equity > 0, "EQUITY_NOT_POSITIVE", "equity of {} is {:,.2f}", name, equity
    )
    if account.unknown:
        raise waterfall.stop("exposure", "FX_RATE_MISSING", account.unknown)
    return equity


def age_seconds(moment: datetime | None, now: datetime) -> Decimal | None:
    """Seconds since `moment`; None where there is none."""
    return None if moment is None else Decimal(str((now - moment).total_seconds()))


def check_losses(
    scoped: ScopedLimits,
    marks: EquityMarks | None,
    now: datetime,
    locks: Locks,
    waterfall: Waterfall,
) -> None:
    """Daily loss and drawdown of an account or of the fund, by its equity. Raises: Denied."""
    rule = scoped.rule("max_daily_loss_ratio")
    if rule is not None:
        known = marks is not None and marks.day == f"{now:%Y-%m-%d}" and marks.day_start > 0
        loss = 1 - marks.day_low / marks.day_start if known and marks else None
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
        _check_loss(scoped, LockRule.DAILY_LOSS, loss, rule, locks, waterfall, until=midnight)
    rule = scoped.rule("max_drawdown_ratio")
    if rule is not None:
        loss = marks.max_drawdown_ratio if marks else None
        _check_loss(scoped, LockRule.DRAWDOWN, loss, rule, locks, waterfall, until=None)


def _check_loss(  # noqa: PLR0913 - one rule of two, by name
    scoped: ScopedLimits,
    rule: LockRule,
    loss: Decimal | None,
    limit: tuple[Decimal, str],
    locks: Locks,
    waterfall: Waterfall,
    *,
    until: datetime | None,
) -> None:
    name, (most, words) = rule.lower(), limit
    if loss is None:
        sentence = f"the {name.replace('_', ' ')} of {scoped.key} is not known"
        raise waterfall.stop(name, f"{rule}_UNKNOWN", sentence, rule=words)
    sentence = f"{scoped.key} has lost {max(loss, ZERO):.4f}, {most:f} allowed"
    waterfall.note(name, sentence, before=loss, limit=most, bound=loss >= most, rule=words)
    if loss >= most:
        locks.add(scoped, rule, sentence, until=until)
        raise Denied(f"{rule}_EXCEEDED", sentence)


def check_record(
    scoped: ScopedLimits,
    account: AccountContext,
    allocated: Decimal,
    now: datetime,
    locks: Locks,
    waterfall: Waterfall,
) -> None:
    """Daily loss and losses in a row of a strategy, by its own fills. Raises: Denied."""
    rule = scoped.rule("max_daily_loss_ratio")
    if rule is not None:
        pnl = account.record.day_pnl
        loss = None if pnl is None or not allocated else -pnl / allocated
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
        _check_loss(scoped, LockRule.DAILY_LOSS, loss, rule, locks, waterfall, until=midnight)
    if scoped.rule("max_drawdown_ratio") is not None:
        sentence = f"the drawdown of {scoped.key} is not kept: limit its account or the fund"
        raise waterfall.stop("drawdown", "DRAWDOWN_UNKNOWN", sentence)
    rule = scoped.rule("max_consecutive_losses")
    if rule is not None:
        losses = account.record.consecutive_losses
        sentence = f"{losses} losses in a row, {rule.value:f} allowed"
        if losses is not None and losses >= rule.value:
            locks.add(scoped, LockRule.CONSECUTIVE_LOSSES, sentence, until=None)
        waterfall.require(
            "consecutive_losses",
            losses is not None and losses < rule.value,
            "CONSECUTIVE_LOSSES",
            sentence,
            rule=rule.words,
        )
