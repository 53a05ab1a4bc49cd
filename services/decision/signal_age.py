"""How old a signal is, how old it may become, and when what it ordered expires."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from services.domain.accounts import DecisionContext
from services.domain.signals import Signal
from services.domain.values import ZERO

#: 30 years: a date that is further away is more than a `datetime` can hold.
_FOREVER_SECONDS = Decimal(10**9)


def sent_at(signal: Signal) -> datetime:
    """When the age begins: a sender's clock that is ahead of ours makes nothing younger."""
    return min(signal.occurred_at or signal.received_at, signal.received_at)


def age_of(signal: Signal, context: DecisionContext) -> Decimal:
    """Seconds, without those that it stood still for a person."""
    age = Decimal(str((context.now - sent_at(signal)).total_seconds()))
    return age - stood_still(context)


def stood_still(context: DecisionContext) -> Decimal:
    """Seconds that it has waited for the answer of a person."""
    answer = context.approval
    return ZERO if answer is None else answer.waited_seconds(context.now)


def age_limit(signal: Signal, context: DecisionContext) -> Decimal | None:
    """Seconds that the sender or the operator lets it live, the fewer of both."""
    strategy = context.strategy
    limits = (signal.valid_for_seconds, strategy.max_signal_age_seconds if strategy else None)
    return min((limit for limit in limits if limit is not None), default=None)


def expires_at(signal: Signal, context: DecisionContext) -> datetime | None:
    """When an entry may no longer be sent; None = never."""
    limit = age_limit(signal, context)
    return later(sent_at(signal), None if limit is None else limit + stood_still(context))


def later(moment: datetime, seconds: Decimal | None) -> datetime | None:
    """So many seconds after `moment`; None stays None."""
    if seconds is None:
        return None
    return moment + timedelta(seconds=float(min(seconds, _FOREVER_SECONDS)))
