"""What an entry would be in one account, before its accounts share it and lots are rounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from services.decision.checks import Locks
from services.decision.limits import LimitsOfAccounts, ScopedLimits, Wanted
from services.decision.margin import MarginRules
from services.decision.policies import PricedLeg
from services.decision.waterfall import Caps, Waterfall
from services.domain.accounts import AccountContext, DecisionContext, Strategy
from services.domain.risk import Control
from services.domain.signals import Leg, Signal
from services.domain.values import ZERO
from services.domain.words import MarginModel, Side


class SizedLeg(NamedTuple):
    """A leg with its final quantity, and what has to be held for it in account currency.

    Attributes:
        sender_quantity: of exits: what is closed in the sender's own account; None = not known.
    """

    leg: Leg
    side: Side
    quantity: Decimal
    capital: Decimal
    margin: Decimal
    notional: Decimal = ZERO
    sender_quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Common:
    """What is the same for all accounts of one decision.

    Attributes:
        controls: those of the scopes that are no account.
        limits: those of the scopes that are no account, GLOBAL and STRATEGY among them.
        locks: where passed limits are collected.
        of_accounts: the limits of each account.
        scopes: by leg index, the scopes that it is in, but for accounts.
        rules: margin rules that need no price of an account, made once.
    """

    signal: Signal
    context: DecisionContext
    strategy: Strategy
    controls: list[Control]
    limits: list[ScopedLimits]
    locks: Locks
    of_accounts: LimitsOfAccounts
    scopes: dict[int, frozenset[str]]
    rules: dict[MarginModel, MarginRules] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """What one account would take of a signal, before its accounts share it.

    Attributes:
        exact: units of each leg at scale 1: what the policy wants.
        unit: what scale 1 is of the signal's own quantities, comparable between accounts.
        available: how much of `exact` the strategy's own capital here pays for, a factor.
        caps: what the limits of the account leave.
        per_leg: capital, margin and notional of each leg at scale 1.
    """

    account: AccountContext
    waterfall: Waterfall
    limits: ScopedLimits
    priced: list[PricedLeg]
    exact: list[Decimal]
    unit: Decimal
    available: Decimal
    caps: Caps
    per_leg: list[Wanted]
