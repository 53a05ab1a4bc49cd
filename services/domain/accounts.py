"""Accounts, strategies and allocations: what a decision has to know of the world."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pydantic import Field

from services.domain.approvals import Approval, ApprovalTerms
from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.orders import Reservation
from services.domain.risk import (
    Control,
    EquityJump,
    EquityMarks,
    Fund,
    FuturesMargin,
    LimitSet,
    RiskLock,
)
from services.domain.sizing import RatioSizing, SizingPolicy
from services.domain.square_off import SquareOff
from services.domain.values import ZERO, Exact, Frozen, Instant, NonNegative, Positive, Share
from services.domain.words import (
    AccountType,
    ActiveStatus,
    ContentionPolicy,
    EquityBase,
    GroupPolicy,
    InstrumentType,
    MarginModel,
    Side,
    SplitPolicy,
    StrategyMode,
)


class AccountSnapshot(Frozen):
    """An account as its broker last reported it; amounts in the account currency.

    Attributes:
        as_of: when the broker said so; None where it never has.
        fx_rates: by currency, units of the account currency that one unit of it is worth.
        marks: what its equity has been; None before the first poll.
        flow_total: what was paid in, less what was paid out, as far as its figures show it.
        jump: its equity is doubted, and marks have not followed it; None = it is not.
        instrument_types: what may be entered here; empty = everything.
        margin_model: whose rules the local margin formulas follow.
        previews_margin: whether its broker answers what an order would need.
    """

    account_id: str
    broker: str
    account_type: AccountType = AccountType.PAPER
    status: ActiveStatus = ActiveStatus.ACTIVE
    currency: str = "USD"
    equity: Exact | None = None
    cash: Exact | None = None
    initial_margin: NonNegative | None = None
    maintenance_margin: NonNegative | None = None
    available_funds: Exact | None = None
    buying_power: Exact | None = None
    as_of: Instant | None = None
    fx_rates: dict[str, Positive] = Field(default_factory=dict)
    marks: EquityMarks | None = None
    flow_total: Exact = ZERO
    jump: EquityJump | None = None
    instrument_types: tuple[InstrumentType, ...] = ()
    margin_model: MarginModel = MarginModel.REG_T
    previews_margin: bool = False


class MarketPrice(Frozen):
    """What an account's broker was asked and has said of the price of one instrument.

    Attributes:
        wanted_at: when a decision last asked for it.
        answered_at: when the broker last answered, or could not be asked; None = not yet.
        price: in the instrument's currency; None where the broker has never named one.
        as_of: when that was the price, by the broker's word.
        error: why the broker could not be asked the last time; `price` is then an older one.
    """

    wanted_at: Instant
    answered_at: Instant | None = None
    price: Positive | None = None
    as_of: Instant | None = None
    error: str | None = None


def market_price_id(instrument: Instrument, account_id: str) -> str:
    """Key of a stored price: opaque. By account, because each asks over its own connection."""
    return f"{instrument.key}|{account_id}"


class PreviewLeg(Frozen):
    """One leg of what a broker is asked about; all legs together are one question."""

    instrument: Instrument
    side: Side
    quantity: Positive


class MarginPreview(Frozen):
    """What an account's broker was asked, and has said, of the margin that legs would add.

    Attributes:
        legs: what was asked; other quantities in the same ratio need in proportion.
        wanted_at: when a decision last asked for it.
        answered_at: when the broker last answered, or could not be asked; None = not yet.
        initial_margin: change of initial margin for the asked quantities, account currency; may be
            negative where the legs hedge what is held. None where the broker has named none.
        maintenance_margin: the same of maintenance margin.
        as_of: when that was so, by the broker's word.
        error: why the broker could not be asked the last time; the amounts are then older ones.
    """

    legs: tuple[PreviewLeg, ...] = Field(min_length=1)
    wanted_at: Instant
    answered_at: Instant | None = None
    initial_margin: Exact | None = None
    maintenance_margin: Exact | None = None
    as_of: Instant | None = None
    error: str | None = None


def margin_preview_id(account_id: str, legs: Sequence[PreviewLeg]) -> str:
    """Key of a stored preview: opaque; the same for the same legs in the same ratio."""
    first = legs[0].quantity
    parts = [f"{leg.instrument.key} {leg.side} {leg.quantity / first:.6f}" for leg in legs]
    return "|".join((account_id, *parts))


class StrategyAccount(Frozen):
    """One account that a strategy trades in, and its share of the strategy's signals.

    Attributes:
        weight_ratio: share; of an allocation in FUND terms relative to the other accounts' weights.
        multiplier_ratio: what every size in this account is multiplied with.
    """

    account_id: str
    weight_ratio: Positive = Decimal(1)
    multiplier_ratio: Positive = Decimal(1)


class Strategy(Frozen):
    """A strategy as Cerebro needs it.

    Attributes:
        mode: PAPER never reaches a live account, whatever its accounts are; SHADOW orders nothing.
        sizing: how a signal's quantities become ours.
        equity_base: of what its allocation is a share.
        split: how its accounts share a signal.
        priority: 1 is served first where margin is short and the policy asks for it.
        min_size_ratio: an entry that limits would cut to less than this part of its size is denied.
        group_policy: what becomes of the legs of an entry that do not say, where one is not to be
            had.
        square_off: when its positions are closed each day; None = never.
        approval: whether its entries wait for a person; None = they do not.
    """

    strategy_id: str
    status: ActiveStatus = ActiveStatus.ACTIVE
    mode: StrategyMode = StrategyMode.PAPER
    accounts: tuple[StrategyAccount, ...] = ()
    instrument_types: tuple[InstrumentType, ...] = ()
    max_signal_age_seconds: Positive | None = None
    sizing: SizingPolicy = RatioSizing()
    equity_base: EquityBase = EquityBase.ACCOUNT
    split: SplitPolicy = SplitPolicy.BY_WEIGHT
    priority: int = Field(100, ge=1)
    min_size_ratio: Share = Decimal(0)
    group_policy: GroupPolicy = GroupPolicy.HOLD
    square_off: SquareOff | None = None
    approval: ApprovalTerms | None = None


class RiskLimits(Frozen):
    """Limits of the settings: they hold for every account that has none of its own stored.

    Attributes:
        max_clock_skew_seconds: a signal from further in the future is not believed.
    """

    max_position_ratio: Positive
    max_broker_allocation_ratio: Positive
    account_max_age_seconds: Positive
    price_max_age_seconds: Positive = Decimal(15)
    margin_max_age_seconds: Positive = Decimal(300)
    max_clock_skew_seconds: Positive = Decimal(60)


class Exposure(Frozen):
    """What a scope holds, orders under way included, in one currency.

    Attributes:
        capital: money tied up: notional of stocks, margin of what is traded on margin.
        gross: sum of absolute notionals.
        net: sum of signed notionals.
        margin: initial margin.
        instruments: how many are held or being entered.
    """

    capital: Exact = ZERO
    gross: NonNegative = ZERO
    net: Exact = ZERO
    margin: NonNegative = ZERO
    instruments: int = 0


class StrategyRecord(Frozen):
    """What a strategy has made in one account, as far as limits ask; None = nobody asked.

    Attributes:
        day_pnl: realized today less commissions, account currency.
        consecutive_losses: closing fills in a row, counted back from the last, that lost.
    """

    day_pnl: Exact | None = None
    consecutive_losses: int | None = None


class RecentEntry(Frozen):
    """An entry of the same strategy that was let through a short while ago."""

    signal_id: str
    instrument_key: str
    side: Side
    quantity: Positive
    price: Positive | None
    decided_at: Instant


class Contention(Frozen):
    """The part of an account's free margin that this signal may take, others wanting it too.

    Attributes:
        margin: account currency.
        sentence: who else, and by which policy.
    """

    policy: ContentionPolicy
    margin: NonNegative
    sentence: str


class AccountContext(Frozen):
    """What one account adds to a decision.

    Attributes:
        weight_ratio: how much of its allocation this account gives to each signal; 1 = all.
        multiplier_ratio: what every size in this account is multiplied with.
        allocation_ratio: approved share of equity for this strategy; None = none.
        positions: open positions of this strategy in this account.
        reservations: everything held for orders of this strategy in this account.
        exposures: by scope key, what the account, the strategy, and each instrument and asset class
            of the signal hold here, over all strategies where the scope has several.
        reserved_margin: initial margin held for orders of every strategy in this account.
        unknown: why `exposures` is not known, in words; "" where it is.
        cancelable: client_order_ids of working entry orders that a CANCEL would reach.
        prices: what the broker says of the signal's instruments, by instrument key.
        margin_preview: what the broker says of the signal's legs, where it was asked.
        unresolved: instrument keys with an order whose outcome nobody knows.
        orders_last_minute: orders that left for this account.
        record: what the strategy has made here.
        contention: this signal's share, where others want the same margin.
    """

    account: AccountSnapshot
    weight_ratio: Positive = Decimal(1)
    multiplier_ratio: Positive = Decimal(1)
    allocation_ratio: NonNegative | None = None
    positions: tuple[Position, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    exposures: dict[str, Exposure] = Field(default_factory=dict)
    reserved_margin: NonNegative = ZERO
    unknown: str = ""
    cancelable: tuple[str, ...] = ()
    prices: dict[str, MarketPrice] = Field(default_factory=dict)
    margin_preview: MarginPreview | None = None
    unresolved: tuple[str, ...] = ()
    orders_last_minute: int = 0
    record: StrategyRecord = StrategyRecord()
    contention: Contention | None = None


class Gap(Frozen):
    """Something that a strategy sent before a signal has not come; code and sentence say what."""

    code: str
    sentence: str


class DecisionContext(Frozen):
    """Everything a decision may look at; stored with it so that it can be replayed.

    Attributes:
        controls: switches and overrides of every scope the signal touches; GLOBAL is always there.
        limit_sets: stored limits of every scope the signal touches.
        locks: limits that were passed before, and stop entries until they end.
        fund: all accounts together; None where nothing asks for it.
        fund_exposures: what they hold, GLOBAL and each instrument of the signal, by scope key, in
            the fund's currency; None where it is not known, or nothing asks for it.
        orders_last_minute: orders that left, by scope key, for scopes with a limit on them.
        entries_in_window: entries of the strategy that went out within the window of its limit.
        recent: entries of the strategy that a duplicate rule has to look at.
        strategy_volatility_ratio: annual, of the strategy's own record; None = not known.
        futures_margins: per contract, by symbol, as stored; None = what is stored is unreadable.
        entry_signal_id: our id of the entry that an exit names.
        entry_found: whether the entry that an exit names is known; None where it names none.
        canceled_entries: entry orders that this exit has had canceled before it was decided.
        reversal_open: why the exit of a reversal is not done yet, in words; "" where it is.
        gap: what is missing before this signal; it stops entries, never exits.
        approval: what a person, or the clock, has said to it; None = nobody was asked.
    """

    now: Instant
    controls: tuple[Control, ...]
    strategy: Strategy | None
    accounts: tuple[AccountContext, ...]
    limits: RiskLimits
    limit_sets: tuple[LimitSet, ...] = ()
    locks: tuple[RiskLock, ...] = ()
    fund: Fund | None = None
    fund_exposures: dict[str, Exposure] | None = None
    orders_last_minute: dict[str, int] = Field(default_factory=dict)
    entries_in_window: int | None = None
    recent: tuple[RecentEntry, ...] = ()
    strategy_volatility_ratio: NonNegative | None = None
    futures_margins: dict[str, FuturesMargin | None] = Field(default_factory=dict)
    entry_signal_id: str | None = None
    entry_found: bool | None = None
    canceled_entries: tuple[str, ...] = ()
    reversal_open: str = ""
    gap: Gap | None = None
    approval: Approval | None = None
