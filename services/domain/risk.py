"""Limits, overrides and locks as they are stored: what may stop an entry, and who said so."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from pydantic import Field

from services.domain.instruments import Instrument
from services.domain.values import Exact, Frozen, Instant, NonNegative, Positive, Share
from services.domain.words import ContentionPolicy, LockRule, Override, Scope, TradingState

#: `scope_id` of the limits that hold for every account which has none of its own.
EVERY_ACCOUNT = "*"


@lru_cache(maxsize=4096)
def scope_key(scope: Scope, scope_id: str = "") -> str:
    """Key of a stored limit set, control or lock, and of the exposure it is measured on: opaque."""
    return f"{scope}|{scope_id}" if scope_id else str(scope)


def scope_in_words(scope: Scope, scope_id: str = "") -> str:
    """A scope as sentences name it: `everything`, `account Mock-1`, `asset class FUTURE`."""
    if scope is Scope.GLOBAL:
        return "everything"
    if scope is Scope.ACCOUNT and scope_id == EVERY_ACCOUNT:
        return "every account without limits of its own"
    return f"{scope.lower().replace('_', ' ')} {scope_id}".rstrip()


class TradingHours(Frozen):
    """When entries may go, in an exchange's own time; a close before the open is the next day's.

    Attributes:
        timezone: IANA name, e.g. `America/New_York`.
        opens: `HH:MM`, the first minute.
        closes: `HH:MM`, the first minute that is too late.
        days: days of the week of the opening, 1 = Monday to 7 = Sunday (ISO 8601).
    """

    timezone: str
    opens: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    closes: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    days: tuple[int, ...] = (1, 2, 3, 4, 5)


class LimitSet(Frozen):
    """The limits of one scope; None = this scope says nothing.

    Every limit is measured on what its scope covers: GLOBAL on the fund (in its base currency),
    ACCOUNT on one account, STRATEGY, INSTRUMENT and ASSET_CLASS on their part of one account.
    Ratios are of the account's equity, for GLOBAL of the fund's. Only risk-increasing orders are
    limited; exits never are.

    Attributes:
        max_position_ratio: capital tied up in one instrument.
        max_broker_allocation_ratio: capital tied up by all strategies.
        max_gross_exposure_ratio: sum of absolute notionals.
        max_net_exposure_ratio: absolute sum of signed notionals.
        max_margin_ratio: initial margin in use, reserved margin included.
        max_orders_per_minute: orders that left in the last 60 seconds, this signal's included.
        max_order_notional: of one order, account currency; above it is an error of somebody's.
        max_order_quantity: of one order, units.
        price_collar_ratio: how far an order's price may be from the broker's last one, a fraction.
        max_daily_loss_ratio: loss since the start of the day (UTC); stops entries until the next.
        max_drawdown_ratio: loss since the highest equity; stops entries until a person resets it.
        max_consecutive_losses: closing trades in a row that lost; of a strategy only.
        max_open_positions: instruments held or being entered.
        max_pyramiding: entries into an instrument that the strategy holds on the same side.
        duplicate_window_seconds: a like entry (instrument, side, quantity, price) within it is
            refused.
        max_entries: of a strategy within `entries_window_seconds`; more stop it until a person
            resets it.
        restricted: nothing of this scope may be entered.
        trading_hours: when entries may go.
        target_volatility_ratio: annual; entries shrink (or grow up to `max_volatility_multiple`)
            by target / observed.
        drawdown_governor_start_ratio: drawdown from which entries shrink.
        drawdown_governor_end_ratio: drawdown at which only `drawdown_governor_floor_ratio` of the
            size is left.
        contention_policy: of an account: who gets its margin where it is not enough for all.
        contention_window_seconds: how long an entry waits for others that may want the same margin;
            nobody waits under FIRST_COME.
        version: grows by one with each change.
    """

    scope: Scope
    scope_id: str = ""
    max_position_ratio: Positive | None = None
    max_broker_allocation_ratio: Positive | None = None
    max_gross_exposure_ratio: Positive | None = None
    max_net_exposure_ratio: Positive | None = None
    max_margin_ratio: Positive | None = None
    max_orders_per_minute: int | None = Field(None, ge=0)
    max_order_notional: Positive | None = None
    max_order_quantity: Positive | None = None
    price_collar_ratio: Positive | None = None
    max_daily_loss_ratio: Positive | None = None
    max_drawdown_ratio: Positive | None = None
    max_consecutive_losses: int | None = Field(None, ge=1)
    max_open_positions: int | None = Field(None, ge=0)
    max_pyramiding: int | None = Field(None, ge=0)
    duplicate_window_seconds: NonNegative | None = None
    max_entries: int | None = Field(None, ge=0)
    entries_window_seconds: Positive = Decimal(86400)
    restricted: bool = False
    trading_hours: TradingHours | None = None
    target_volatility_ratio: Positive | None = None
    max_volatility_multiple: Positive = Decimal(1)
    drawdown_governor_start_ratio: Share = Decimal("0.05")
    drawdown_governor_end_ratio: Positive | None = None
    drawdown_governor_floor_ratio: Share = Decimal("0.1")
    contention_policy: ContentionPolicy | None = None
    contention_window_seconds: NonNegative | None = None
    version: int = 1
    reason: str = ""
    set_by: str = ""
    set_at: Instant | None = None

    @property
    def key(self) -> str:
        """Key of the row."""
        return scope_key(self.scope, self.scope_id)


class Control(Frozen):
    """What a person has set for one scope: its kill switch and its override.

    Attributes:
        scale_ratio: entries of this scope are made this much smaller; 0 = none go.
        expires_at: when override and scale end by themselves, the switch never does; None = when a
            person ends them.
    """

    scope: Scope
    scope_id: str = ""
    trading_state: TradingState = TradingState.ACTIVE
    override: Override = Override.NONE
    scale_ratio: Share = Decimal(1)
    reason: str = ""
    set_by: str = ""
    set_at: Instant | None = None
    expires_at: Instant | None = None

    def at(self, now: datetime) -> Control:
        """The control as it holds at `now`; what has expired holds nothing back."""
        if self.expires_at is None or now < self.expires_at:
            return self
        ended = {"override": Override.NONE, "scale_ratio": Decimal(1), "expires_at": None}
        return self.model_copy(update=ended)

    @property
    def key(self) -> str:
        """Key of the row."""
        return scope_key(self.scope, self.scope_id)

    @property
    def state(self) -> TradingState:
        """The stricter of switch and override."""
        by_override = {
            Override.NONE: TradingState.ACTIVE,
            Override.REDUCE_ONLY: TradingState.REDUCING,
            Override.NO_TRADE: TradingState.HALTED,
        }[self.override]
        return stricter(self.trading_state, by_override)

    @property
    def in_words(self) -> str:
        """Scope, who set it and why, to end a sentence with: `account A, set by olga: typo`."""
        set_by = f", set by {self.set_by}" if self.set_by else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{scope_in_words(self.scope, self.scope_id)}{set_by}{reason}"


_STRICTNESS = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)


def stricter(one: TradingState, other: TradingState) -> TradingState:
    """Whichever of two states lets less through."""
    return max(one, other, key=_STRICTNESS.index)


def scopes_of(
    *, account_id: str | None, strategy_id: str, instruments: Iterable[Instrument]
) -> dict[str, Scope]:
    """Every scope that an order is in, by key; an instrument is in its own by key and by symbol."""
    found = {
        scope_key(Scope.GLOBAL): Scope.GLOBAL,
        scope_key(Scope.STRATEGY, strategy_id): Scope.STRATEGY,
    }
    if account_id is not None:
        found[scope_key(Scope.ACCOUNT, account_id)] = Scope.ACCOUNT
    for instrument in instruments:
        found[scope_key(Scope.INSTRUMENT, instrument.key)] = Scope.INSTRUMENT
        found[scope_key(Scope.INSTRUMENT, instrument.symbol)] = Scope.INSTRUMENT
        found[scope_key(Scope.ASSET_CLASS, instrument.instrument_type)] = Scope.ASSET_CLASS
    return found


def state_for(
    controls: Iterable[Control], keys: Collection[str]
) -> tuple[TradingState, Control | None]:
    """The strictest state over the scopes in `keys`, and the first control that says so.

    No control is named where the state is ACTIVE. That nothing is said of a scope counts as ACTIVE:
    whoever reads the stored controls adds a HALTED one where the kill switch is missing.
    """
    state, by = TradingState.ACTIVE, None
    for control in controls:
        if control.key in keys and stricter(state, control.state) is not state:
            state, by = control.state, control
    return state, by


def scale_for(
    controls: Iterable[Control], keys: Collection[str]
) -> tuple[Decimal, tuple[Control, ...]]:
    """What entries in the scopes in `keys` are multiplied with, and the controls that say so."""
    scaling = tuple(each for each in controls if each.key in keys and each.scale_ratio != 1)
    return math.prod((each.scale_ratio for each in scaling), start=Decimal(1)), scaling


class RiskLock(Frozen):
    """Entries of a scope are stopped because a limit was passed, or books and broker differ.

    Attributes:
        account_id: it stops them in this account only; None = in every one.
        expires_at: when it ends by itself; None = a person resets it, or what set it.
    """

    scope: Scope
    scope_id: str = ""
    account_id: str | None = None
    rule: LockRule
    sentence: str
    locked_at: Instant
    expires_at: Instant | None = None

    @property
    def key(self) -> str:
        """Key of the row: one lock for each rule of a scope, and account where it has one."""
        within = f"|{self.account_id}" if self.account_id else ""
        return f"{self.rule}|{self.scoped}{within}"

    @property
    def ends(self) -> str:
        """When entries go again, to end a sentence with."""
        if self.rule is LockRule.POSITION_MISMATCH:
            return "until books and broker agree"
        if self.rule is LockRule.EQUITY_JUMP:
            return "until a person confirms what it was"
        return f"until {self.expires_at:%Y-%m-%d %H:%M} UTC" if self.expires_at else "until reset"

    @property
    def scoped(self) -> str:
        """Key of the scope that it is about."""
        return scope_key(self.scope, self.scope_id)


class EquityMarks(Frozen):
    """What equity has been, as far as limits need it; kept by account data with each poll.

    Attributes:
        day: ISO date (UTC) that the day's figures are of.
        day_start: last equity of the day before, or the first one ever seen.
        day_low: lowest equity seen today.
        day_base: what today's gain in money is counted from: the day's start, and what was paid in
            less what was paid out since; None = `day_start`, which keeps ratios instead.
        day_open: what the day began with, as `day_start`, where a reset has moved that.
        last: equity as of the last poll.
        peak: highest equity since the last reset.
        max_drawdown_ratio: largest loss from the peak since the last reset.
        return_base: equity at the end of the last working day (Monday to Friday), which the next
            return is measured on; None before there is one. A reset leaves it.
        days: daily returns that the volatility is of.
        variance: exponentially weighted, of daily returns, decay 0.94 (RiskMetrics 1996).
        volatility_ratio: annual, kept until the new estimate differs by more than a tenth; None
            before there are enough days.
    """

    day: str
    day_start: Exact
    day_low: Exact
    last: Exact
    peak: Exact
    day_base: Exact | None = None
    day_open: Exact | None = None
    max_drawdown_ratio: NonNegative = Decimal(0)
    return_base: Exact | None = None
    days: int = 0
    variance: NonNegative = Decimal(0)
    volatility_ratio: NonNegative | None = None


class EquityJump(Frozen):
    """An equity that neither payments nor prices explain, until a person says what it was.

    Attributes:
        jump_id: what a person confirms; another figure is another jump.
        before: the last equity that nobody doubts, in the account's currency.
        equity: what the broker said at `seen_at`.
        explained: the part that prices and fills of what was held explain.
        unexplained: the rest, payments considered.
    """

    jump_id: str
    before: Exact
    before_at: Instant | None
    equity: Exact
    seen_at: Instant
    explained: Exact
    unexplained: Exact
    sentence: str


class FuturesMargin(Frozen):
    """What one contract of a future needs, in the contract's currency, where no broker is asked.

    Attributes:
        price: of the future when the figures were published; margins grow with it.
        as_on: the day of the figures.
        source: who published them.
        set_by: who entered them; "" where they came with the program.
    """

    symbol: str = Field(pattern=r"^[A-Z0-9._-]+$")
    initial: Positive
    maintenance: Positive
    price: Positive | None = None
    as_on: date
    source: str = Field(min_length=1)
    set_by: str = ""
    set_at: Instant | None = None

    @property
    def in_words(self) -> str:
        """The figures and where they are from, on one line."""
        price = f" at a price of {self.price:f}" if self.price is not None else ""
        by = f" (by {self.set_by})" if self.set_by else ""
        return (
            f"initial {self.initial:f}, maintenance {self.maintenance:f}{price}, "
            f"as on {self.as_on}, {self.source}{by}"
        )


class Fund(Frozen):
    """All active accounts of one type together, in the fund's base currency.

    Attributes:
        equity: None where one account's equity or its exchange rate is not known.
        missing: which accounts are not known, in words.
        as_of: of the oldest account in it.
        flow_totals: what had been paid into each account, less what was paid out, when the marks
            were last moved; account currency.
    """

    currency: str
    equity: Exact | None = None
    missing: str = ""
    as_of: Instant | None = None
    account_ids: tuple[str, ...] = ()
    marks: EquityMarks | None = None
    flow_totals: dict[str, Exact] = Field(default_factory=dict)
