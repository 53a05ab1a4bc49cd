"""Closed sets of words (DESIGN §4): one thing, one name, in code, store, API and pages."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """What an order does (FIX 54)."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """Direction of the position change: +1 for BUY, -1 for SELL."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The side that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Intent(StrEnum):
    """Why a strategy sends a signal."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"
    SCALE_IN = "SCALE_IN"
    SCALE_OUT = "SCALE_OUT"
    CANCEL = "CANCEL"

    @property
    def reduces_risk(self) -> bool:
        """True where nothing but an explicit HALT by a person may stop it (DESIGN rule 4)."""
        return self in {Intent.EXIT, Intent.SCALE_OUT, Intent.CANCEL}


class QuantityUnit(StrEnum):
    """What a leg's quantity counts."""

    UNITS = "UNITS"  # shares, contracts, units of base currency
    EQUITY_FRACTION = "EQUITY_FRACTION"  # share of the sender's equity, 1 = all of it
    POSITION_FRACTION = "POSITION_FRACTION"  # on the way out: share of what is held, 1 = all of it


class InstrumentType(StrEnum):
    """Asset class of an instrument."""

    STOCK = "STOCK"
    ETF = "ETF"
    FOREX = "FOREX"
    FUTURE = "FUTURE"
    OPTION = "OPTION"
    CRYPTO = "CRYPTO"


class OrderType(StrEnum):
    """How an order is to be filled (FIX 40)."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"  # a stop that follows the price at a distance, never back


class OrderRole(StrEnum):
    """Who made an order, and what for."""

    LEG = "LEG"  # Cerebro, for a leg of a signal
    STOP_LOSS = "STOP_LOSS"  # guards what an entry has filled
    TAKE_PROFIT = "TAKE_PROFIT"  # the same
    SLICE = "SLICE"  # a part of an order that an algo works
    UNWIND = "UNWIND"  # undoes what a broken group of legs has filled
    SQUARE_OFF = "SQUARE_OFF"  # closes a strategy's position at its time of the day
    FLATTEN = "FLATTEN"  # closes a position because a person said so


class AlgoName(StrEnum):
    """How an order is worked as child orders."""

    TWAP = "TWAP"  # equal parts over a time
    VWAP = "VWAP"  # parts by a volume profile over a time
    ICEBERG = "ICEBERG"  # one part shown at a time


class GroupPolicy(StrEnum):
    """What becomes of the other legs of a signal when one of them cannot be had."""

    HOLD = "HOLD"  # what has filled stays, and a person is told
    UNWIND = "UNWIND"  # what has filled is closed again, and a person is told


class TimeInForce(StrEnum):
    """How long an order lives (FIX 59)."""

    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    OPG = "OPG"
    CLS = "CLS"


class OrderStatus(StrEnum):
    """Where an order is in its life (FIX 39); legal moves are in `orders.TRANSITIONS`."""

    PENDING = "PENDING"  # decided, not yet taken up by execution
    SUBMITTING = "SUBMITTING"  # intent stored, the broker is being called
    SUBMITTED = "SUBMITTED"  # the broker has it
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    DENIED = "DENIED"  # refused by us, before sending
    REJECTED = "REJECTED"  # refused by the broker
    CANCEL_PENDING = "CANCEL_PENDING"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"  # no answer: the broker must be asked, nobody may guess


class FillOrigin(StrEnum):
    """Why the books have a fill."""

    ORDER = "ORDER"  # of an order of ours
    FOREIGN = "FOREIGN"  # the broker has it, and it is of no order of ours
    ADOPTED = "ADOPTED"  # a person entered it for a position that no execution explains


class SignalStatus(StrEnum):
    """Where a signal is on its road."""

    RECEIVED = "RECEIVED"
    STANDARDIZED = "STANDARDIZED"
    DECIDED = "DECIDED"
    WORKING = "WORKING"
    COMPLETED = "COMPLETED"
    DENIED = "DENIED"
    REJECTED = "REJECTED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    QUARANTINED = "QUARANTINED"


class Outcome(StrEnum):
    """Cerebro's answer to a signal."""

    APPROVED = "APPROVED"
    RESIZED = "RESIZED"
    DENIED = "DENIED"


class TradingState(StrEnum):
    """The kill switch: all, risk-reducing only, nothing."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class Environment(StrEnum):
    """What the sender meant a signal for; staging never reaches a live account."""

    STAGING = "staging"
    PRODUCTION = "production"


class AccountType(StrEnum):
    """Whether real money is behind an account."""

    PAPER = "PAPER"
    LIVE = "LIVE"


class ActiveStatus(StrEnum):
    """Whether an account or a strategy takes part."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class Scope(StrEnum):
    """What a limit, an override or a kill switch is about."""

    GLOBAL = "GLOBAL"
    ACCOUNT = "ACCOUNT"
    STRATEGY = "STRATEGY"
    INSTRUMENT = "INSTRUMENT"  # by `Instrument.key`, or by its symbol
    ASSET_CLASS = "ASSET_CLASS"  # by `InstrumentType`


class Override(StrEnum):
    """What a person has set beside the kill switch; stays when the switch is released."""

    NONE = "NONE"
    REDUCE_ONLY = "REDUCE_ONLY"
    NO_TRADE = "NO_TRADE"


class StrategyMode(StrEnum):
    """How far a strategy's orders may go."""

    SHADOW = "SHADOW"  # decided and recorded, never ordered; what it holds it may close
    PAPER = "PAPER"
    LIVE = "LIVE"


class EquityBase(StrEnum):
    """Of what an allocation is a share."""

    ACCOUNT = "ACCOUNT"  # of each account's own equity
    FUND = "FUND"  # of the equity of all accounts together, shared out by weight


class SplitPolicy(StrEnum):
    """How the accounts of a strategy share a signal."""

    BY_WEIGHT = "BY_WEIGHT"
    BY_FREE_MARGIN = "BY_FREE_MARGIN"  # what one account has no margin for goes to the others


class ContentionPolicy(StrEnum):
    """Who gets the margin of an account that is not enough for all who want it at once."""

    FIRST_COME = "FIRST_COME"
    PRO_RATA = "PRO_RATA"
    PRIORITY = "PRIORITY"


class MarginModel(StrEnum):
    """Whose margin rules an account is under."""

    REG_T = "REG_T"  # United States, Regulation T
    PORTFOLIO = "PORTFOLIO"  # by risk: only the broker knows; Regulation T is the upper bound
    INDIA = "INDIA"  # NSE/BSE: SPAN and exposure; only the broker knows derivatives


class LockRule(StrEnum):
    """What has stopped the entries of a scope until it is reset."""

    DAILY_LOSS = "DAILY_LOSS"
    DRAWDOWN = "DRAWDOWN"
    CONSECUTIVE_LOSSES = "CONSECUTIVE_LOSSES"
    REPEATED_EXECUTION = "REPEATED_EXECUTION"
    POSITION_MISMATCH = "POSITION_MISMATCH"  # books and broker differ; ends when they agree
    EQUITY_JUMP = "EQUITY_JUMP"  # equity moved and nothing explains it; ends when a person says why


class FlowStatus(StrEnum):
    """Whether the broker's figures have money that was paid in or out."""

    PENDING = "PENDING"  # recorded, and not seen in the account yet
    SETTLED = "SETTLED"  # seen: marks and books count it
    REVERSED = "REVERSED"  # it was never paid: it counts nowhere


class JumpMeaning(StrEnum):
    """What a person says of an equity that nothing explains."""

    GAIN_OR_LOSS = "GAIN_OR_LOSS"  # it is real: marks follow it
    FLOW = "FLOW"  # money was paid in or out: no gain and no loss
