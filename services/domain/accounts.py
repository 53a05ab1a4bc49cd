"""Accounts, strategies and allocations: what a decision has to know of the world."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from pydantic import Field

from services.domain.books import Position
from services.domain.instruments import Instrument
from services.domain.orders import Reservation
from services.domain.risk import EquityMarks
from services.domain.values import Exact, Frozen, Instant, NonNegative, Positive
from services.domain.words import (
    AccountType,
    ActiveStatus,
    InstrumentType,
    MarginModel,
    Side,
    TradingState,
)


class AccountSnapshot(Frozen):
    """An account as its broker last reported it; amounts in the account currency.

    Attributes:
        as_of: when the broker said so; None where it never has.
        fx_rates: by currency, units of the account currency that one unit of it is worth.
        marks: what its equity has been; None before the first poll.
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
    """A strategy as Cerebro needs it."""

    strategy_id: str
    status: ActiveStatus = ActiveStatus.ACTIVE
    accounts: tuple[StrategyAccount, ...] = ()
    instrument_types: tuple[InstrumentType, ...] = ()
    max_signal_age_seconds: Positive | None = None


class RiskLimits(Frozen):
    """Limits that hold for every account; fractions of account equity."""

    max_position_ratio: Positive
    max_broker_allocation_ratio: Positive
    account_max_age_seconds: Positive
    price_max_age_seconds: Positive = Decimal(15)


class AccountContext(Frozen):
    """What one account adds to a decision.

    Attributes:
        weight_ratio: how much of its allocation this account gives to each signal; 1 = all.
        allocation_ratio: approved share of the account's equity for this strategy; None = none.
        positions: open positions of every strategy in this account.
        reservations: everything held for orders of any strategy in this account.
        entry_filled: what the referenced entry has filled here, by instrument key (exits only).
        entry_closed: what earlier exits of that entry closed or are closing here (exits only).
        cancelable: client_order_ids of working entry orders that a CANCEL would reach.
        prices: what the broker says of instruments whose leg has no price, by instrument key.
    """

    account: AccountSnapshot
    weight_ratio: Positive = Decimal(1)
    allocation_ratio: NonNegative | None = None
    positions: tuple[Position, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    entry_filled: dict[str, NonNegative] = Field(default_factory=dict)
    entry_closed: dict[str, NonNegative] = Field(default_factory=dict)
    cancelable: tuple[str, ...] = ()
    prices: dict[str, MarketPrice] = Field(default_factory=dict)


class Gap(Frozen):
    """Something that a strategy sent before a signal has not come; code and sentence say what."""

    code: str
    sentence: str


class DecisionContext(Frozen):
    """Everything a decision may look at; stored with it so that it can be replayed.

    Attributes:
        entry_found: whether the entry that an exit names is known; None where it names none.
        gap: what is missing before this signal; it stops entries, never exits.
    """

    now: Instant
    trading_state: TradingState
    strategy: Strategy | None
    accounts: tuple[AccountContext, ...]
    limits: RiskLimits
    entry_found: bool | None = None
    gap: Gap | None = None
