"""Every code with which a signal or an order is refused: what it means, and what its sender does.

The sentence that comes with a refusal has the values; this table has the rule behind it. It fills
the tables of docs/signal-format.md, and a test compares it with the codes in use.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Stage(StrEnum):
    """Where on the road a code appears."""

    ACCESS = "access"  # who is sending
    INTAKE = "intake"  # what was sent
    DECISION = "decision"  # whether and how much of it is traded


class Meaning(NamedTuple):
    """A code in words.

    Attributes:
        where: the stage that answers with it.
        sentence: what it means.
        fix: what the sender, or else the operator, does about it.
    """

    where: Stage
    sentence: str
    fix: str


def _access(sentence: str, fix: str) -> Meaning:
    return Meaning(Stage.ACCESS, sentence, fix)


def _intake(sentence: str, fix: str) -> Meaning:
    return Meaning(Stage.INTAKE, sentence, fix)


def _decision(sentence: str, fix: str) -> Meaning:
    return Meaning(Stage.DECISION, sentence, fix)


_OTHER_STRATEGY = "use the key of the strategy that `strategy_name` names"
_SMALLER = "nothing to do, or send less; the decision's steps have the figures"
_OPERATOR_SETS_UP = "ask the operator to set it up"

CODES: Final[dict[str, Meaning]] = {
    # Who is sending
    "MISSING_KEY": _access(
        "nothing says whose signal this is",
        "send `Authorization: Bearer <key>`, a signature, a webhook token or `passphrase`",
    ),
    "WRONG_KEY": _access(
        "the key is unknown or revoked", "copy it again, or ask the operator for a new one"
    ),
    "STRATEGY_MISMATCH": _access("the key belongs to another strategy", _OTHER_STRATEGY),
    "UNKNOWN_STRATEGY": _access(
        "there is no strategy of that name", "mind the spelling, or ask the operator to create it"
    ),
    "BAD_SIGNATURE": _access(
        "the signature does not belong to this body and time",
        "sign `timestamp + '.' + body` byte for byte as it is sent, HMAC-SHA256 in hex",
    ),
    "SIGNATURE_EXPIRED": _access(
        "the signed time is too far from ours", "set the clock, and sign when you send"
    ),
    "SENDER_NOT_ALLOWED": _access(
        "this address may not send for the strategy",
        "send from an allowed address, or ask the operator to add this one",
    ),
    "SECRET_KEY_UNUSABLE": _access(
        "this server has not the key that opens stored signing keys",
        "send it again; the operator mends `MT_SECRET_KEY`",
    ),
    "SECRET_SHOWN": _access(
        "this request has made its credential already, and its secret is kept nowhere",
        "revoke that one, and ask for another with a new `Idempotency-Key`",
    ),
    "UNKNOWN_CREDENTIAL": _access(
        "the strategy has no valid credential of that id", "list them: one may have ended"
    ),
    "CONFIRMATION_MISSING": _access(
        "an operator asked for what closes or releases a lot",
        "send `confirm: true`, if it is meant",
    ),
    "KILL_REFUSED": _access(
        "an operator named a scope that is none, or no reason", "mind the spelling of the scope"
    ),
    "UNKNOWN_KILL": _access("there is no kill run of that id", "list them"),
    "UNKNOWN_ACCOUNT": _access(
        "a postback names an account that is not at this broker",
        "mend the postback address in the app's settings at the broker",
    ),
    "INVALID_POSTBACK": _access("it is no postback of this broker", "nothing: it is not used"),
    "WRONG_CHECKSUM": _access(
        "the checksum of a postback does not prove it",
        "store the secret of the app that posts: scripts/accounts.py secret",
    ),
    "NO_SECRET": _access(
        "the secret that would prove a postback is not stored",
        "store it: scripts/accounts.py secret",
    ),
    "RATE_LIMITED": _access(
        "too many requests in a short time", "wait as long as `Retry-After` says, then send again"
    ),
    # What was sent
    "BROKEN_JSON": _intake(
        "the body is not JSON", "repair it where the message says, or ask the lint"
    ),
    "NOT_AN_OBJECT": _intake("the JSON is not one object", "send `{…}` with named fields"),
    "TOO_DEEP": _intake("brackets are nested too deep", "no signal needs more than a few levels"),
    "BODY_TOO_LARGE": _intake("the body is larger than allowed", "send fewer signals at once"),
    "UNREADABLE_TEXT": _intake(
        "the text is neither JSON nor lines of `key: value`",
        "send JSON, or lines such as `ticker: AAPL` and `action: BUY`",
    ),
    "UNREADABLE": _intake(
        "the signal cannot be read, for a reason without a name of its own",
        "compare it with the examples, and tell the operator: this is our fault",
    ),
    "BAD_MAIL": _intake(
        "the e-mail holds no readable text", "send plain text with one signal in it"
    ),
    "EMPTY_BATCH": _intake("the list has no signals", "send at least one"),
    "TOO_MANY_SIGNALS": _intake("the list has too many signals", "send several lists"),
    "MISSING_FIELD": _intake("a field that has to be there is not", "add `field`"),
    "UNKNOWN_VALUE": _intake(
        "a field has a word that is not one of its words", "use a word that the message lists"
    ),
    "BAD_TEXT": _intake(
        "a text is too long, empty or not printable", "send 1 to 200 printable characters"
    ),
    "BAD_NUMBER": _intake(
        "a number is negative, not finite, too long or no number",
        "send a positive number of at most 30 digits, without thousands separators",
    ),
    "BAD_EXPIRY": _intake("the expiry is no date", "send YYYYMMDD, e.g. 20261218"),
    "BAD_TIME": _intake(
        "a time cannot be read", "send ISO 8601, or seconds or milliseconds since 1970"
    ),
    "BAD_PAIR": _intake(
        "the symbol is not a pair of two currencies", "send six letters, e.g. EURUSD"
    ),
    "BAD_PLACEHOLDER": _intake(
        "a placeholder such as `{{ticker}}` was not filled in",
        "`{{strategy.…}}` works in alerts of strategies only; mind the spelling",
    ),
    "UNKNOWN_INSTRUMENT_TYPE": _intake(
        "the instrument type is unknown", "send STOCK, ETF, FOREX, FUTURE, OPTION or CRYPTO"
    ),
    "CONDITION_UNSUPPORTED": _intake(
        "the signal holds a condition to be watched", "send the signal when the condition is true"
    ),
    "GUARD_WRONG_SIDE": _intake(
        "a `stop_loss` or `take_profit` would close the position at once",
        "for BUY the stop is below the price and the profit above it, for SELL the other way round",
    ),
    "BAD_PROFILE": _intake(
        "the `profile` of a VWAP is not a list of volumes", "send one number for each interval"
    ),
    "ALGO_UNSUPPORTED": _intake(
        "an algo does not go with this kind of order",
        "work MARKET and LIMIT orders, DAY or GTC, of one instrument each",
    ),
    "TOO_MANY_LEGS": _intake("the signal has too many legs", "send at most 20"),
    "CONTRADICTION": _intake(
        "two fields say different things, e.g. `action` and `direction` of an entry",
        "for entries BUY goes with LONG and SELL with SHORT; say each thing once",
    ),
    "KEY_REUSED": _intake(
        "another signal with the same id was received before", "a new signal needs a new `signalID`"
    ),
    "DUPLICATE": _intake(
        "not an error: a repeat is answered 200 with the `signal_id` of the first time",
        "nothing to do: it is traded once",
    ),
    "ALREADY_TRADED": _intake(
        "a signal that has led to orders cannot be replayed", "send a new signal"
    ),
    "SIGNAL_ON_ITS_WAY": _intake(
        "the signal is still being worked on", "wait for its end before replaying it"
    ),
    "UNKNOWN_SIGNAL": _intake(
        "this strategy has no signal of that id", "use the `signal_id` of the answer"
    ),
    "NOT_STORED": _intake("the signal was not stored", "send it again"),
    # Whether and how much of it is traded
    "TRADING_REDUCING": _decision(
        "the kill switch allows exits only", "wait: the operator decides when entries go again"
    ),
    "TRADING_HALTED": _decision(
        "the kill switch stops all orders", "wait: the operator decides when trading goes on"
    ),
    "STRATEGY_UNKNOWN": _decision("the strategy does not exist any more", _OPERATOR_SETS_UP),
    "STRATEGY_INACTIVE": _decision(
        "the strategy is switched off for entries", "ask the operator to switch it on"
    ),
    "ACCOUNTS_MISSING": _decision("the strategy has no account to trade in", _OPERATOR_SETS_UP),
    "ACCOUNT_INACTIVE": _decision("the account is switched off", "ask the operator"),
    "ALLOCATION_MISSING": _decision(
        "no approved allocation gives the strategy money", _OPERATOR_SETS_UP
    ),
    "INSTRUMENT_TYPE_NOT_ALLOWED": _decision(
        "the strategy may not trade this type of instrument", "ask the operator to allow it"
    ),
    "ROUTING_STAGING_TO_LIVE": _decision(
        "a staging signal never reaches a live account", "send `environment: production`"
    ),
    "SIGNAL_EXPIRED": _decision(
        "the entry is older than `valid_for_s` or the strategy's maximum age",
        "send sooner, set the clock, or send a larger `valid_for_s`; exits never expire",
    ),
    "SEQUENCE_GAP": _decision(
        "numbers of `sequence` are missing before this signal",
        "send what is missing, or ask the operator to go on without it",
    ),
    "POSITION_GAP": _decision(
        "you held something else before this signal than our books say",
        "compare your position with ours; a signal of yours may be missing",
    ),
    "SIGNAL_FROM_FUTURE": _decision(
        "the time in the signal is further ahead of ours than a clock may be wrong",
        "set the clock",
    ),
    "ROUTING_PAPER_TO_LIVE": _decision(
        "a strategy in paper mode never reaches a live account", "ask the operator"
    ),
    "STRATEGY_SHADOW": _decision(
        "the strategy is in shadow mode: its entries are decided and recorded, never ordered",
        "nothing to do: the message says what would have been ordered",
    ),
    "INSTRUMENT_TYPE_NOT_IN_ACCOUNT": _decision(
        "the account does not take this type of instrument", "ask the operator"
    ),
    "INSTRUMENT_EXPIRED": _decision("the contract has expired", "send one that is still traded"),
    "ENTRIES_LOCKED": _decision(
        "a loss or repetition limit was passed, and entries stop until it is reset or ends",
        "wait: the operator decides when entries go again",
    ),
    "POSITION_MISMATCH": _decision(
        "the broker holds another quantity of the instrument than our books say",
        "wait: entries go again when the operator has cleared it up",
    ),
    "EQUITY_JUMP": _decision(
        "the account's equity moved, and nothing that is known explains it",
        "wait: entries go again when the operator has said what it was",
    ),
    "RESTRICTED": _decision("nothing of this scope may be entered", "ask the operator"),
    "OUTSIDE_TRADING_HOURS": _decision(
        "entries go in the hours that the operator has set only", "send in these hours"
    ),
    "DUPLICATE_ORDER": _decision(
        "a like entry (instrument, side, quantity, price) went out a moment ago",
        "wait, or ask the operator to allow it",
    ),
    "ORDER_RATE_EXCEEDED": _decision("too many orders in the last minute", "send less often"),
    "REPEATED_EXECUTION": _decision(
        "the strategy has entered more often than it may, and is stopped", "ask the operator"
    ),
    "OPEN_POSITIONS_EXCEEDED": _decision("as many positions are open as may be", _SMALLER),
    "PYRAMIDING_EXCEEDED": _decision(
        "the position was added to as often as it may be", "wait until it is closed"
    ),
    "ORDER_UNRESOLVED": _decision(
        "an order for the instrument has no known outcome yet", "wait: the operator sees it"
    ),
    "PRICE_COLLAR_UNKNOWN": _decision(
        "the broker names no price to compare the order's with", "wait, or ask the operator"
    ),
    "PRICE_OUTSIDE_COLLAR": _decision(
        "the price is further from the market than it may be", "send a price of the market"
    ),
    "ORDER_TOO_LARGE": _decision(
        "an order would be larger than any may be", "send less; the message names how much"
    ),
    "DAILY_LOSS_EXCEEDED": _decision(
        "too much was lost today", "wait: entries go again the next day, or after a reset"
    ),
    "DAILY_LOSS_UNKNOWN": _decision("what was lost today is not known", "ask the operator"),
    "DRAWDOWN_EXCEEDED": _decision("too much was lost since the peak", "ask the operator"),
    "DRAWDOWN_UNKNOWN": _decision("the drawdown is not known", "ask the operator"),
    "CONSECUTIVE_LOSSES": _decision("too many losses in a row", "ask the operator"),
    "OVERRIDE_ZERO": _decision("the operator lets no entries go", "ask the operator"),
    "APPROVAL_REJECTED": _decision(
        "a person was asked to approve the entry, and said no; or its own exit came first",
        "nothing to do; the reason has what they said",
    ),
    "APPROVAL_EXPIRED": _decision(
        "a person was asked to approve the entry, and nobody answered in time",
        "ask the operator, or send it again",
    ),
    "APPROVAL_MISSING": _decision(
        "the entry was approved, but not in this account, where it could not go when it was asked",
        "nothing to do",
    ),
    "APPROVAL_BOUND": _decision("a person has approved a smaller size", _SMALLER),
    "FUND_UNKNOWN": _decision(
        "the equity of all accounts together is not known", "wait for the accounts' figures"
    ),
    "STOP_LOSS_MISSING": _decision(
        "sizing by risk needs a stop_loss on every leg", "send `stop_loss`"
    ),
    "STOP_LOSS_WRONG_SIDE": _decision(
        "the stop_loss would gain, not lose", "below the price for BUY, above it for SELL"
    ),
    "TAKE_PROFIT_WRONG_SIDE": _decision(
        "the take_profit would lose, not gain", "above the price for BUY, below it for SELL"
    ),
    "VOLATILITY_UNKNOWN": _decision(
        "the strategy has no record to size by", "ask the operator to upload one"
    ),
    "GROSS_EXPOSURE_EXCEEDED": _decision("gross exposure is as large as it may be", _SMALLER),
    "NET_EXPOSURE_EXCEEDED": _decision("net exposure is as large as it may be", _SMALLER),
    "MARGIN_USE_EXCEEDED": _decision("as much margin is in use as may be", _SMALLER),
    "CONTENTION_EXCEEDED": _decision("others have the margin", _SMALLER),
    "GROSS_EXPOSURE_BOUND": _decision("resized to the gross exposure allowed", _SMALLER),
    "NET_EXPOSURE_BOUND": _decision("resized to the net exposure allowed", _SMALLER),
    "MARGIN_USE_BOUND": _decision("resized to the margin that may be in use", _SMALLER),
    "CONTENTION_BOUND": _decision("resized: others want the same margin", _SMALLER),
    "SPLIT_BOUND": _decision("the accounts have no room for all of it", _SMALLER),
    "OVERRIDE_BOUND": _decision("resized by an override of the operator", _SMALLER),
    "VOLATILITY_BOUND": _decision("resized by the volatility target", _SMALLER),
    "DRAWDOWN_GOVERNOR_BOUND": _decision("resized by the drawdown governor", _SMALLER),
    "ACCOUNT_DATA_STALE": _decision(
        "the account's equity is not known well enough to enter", "wait: the broker does not answer"
    ),
    "EQUITY_NOT_POSITIVE": _decision("the account has no equity", "ask the operator"),
    "SENDER_EQUITY_MISSING": _decision(
        "without `account_equity` the quantities cannot be scaled", "send `account_equity`"
    ),
    "SIDE_MISSING": _decision(
        "neither the signal nor the position says whether to buy or to sell", "send `action`"
    ),
    "PRICE_MISSING": _decision(
        "the signal names no price, and the broker named none in time", "send `price`"
    ),
    "FX_RATE_MISSING": _decision(
        "no exchange rate to the account's currency is known", "ask the operator"
    ),
    "MARGIN_UNKNOWN": _decision(
        "the margin of the instrument, or the account's free margin, is not known",
        "trade what is supported, or wait for the account's figures",
    ),
    "AVAILABLE_CAPITAL_EXCEEDED": _decision("nothing of the allocation is left", _SMALLER),
    "POSITION_SIZE_EXCEEDED": _decision("the position is as large as it may be", _SMALLER),
    "BROKER_SHARE_EXCEEDED": _decision("the account is used as far as it may be", _SMALLER),
    "MARGIN_EXCEEDED": _decision("no margin is left", _SMALLER),
    "AVAILABLE_CAPITAL_BOUND": _decision("resized to what is left of the allocation", _SMALLER),
    "POSITION_SIZE_BOUND": _decision("resized to the largest position allowed", _SMALLER),
    "BROKER_SHARE_BOUND": _decision("resized to the account's limit", _SMALLER),
    "MARGIN_BOUND": _decision("resized to the margin that is left", _SMALLER),
    "ENTRY_BOUND": _decision(
        "resized to what is still open of the entry that the exit names", "nothing to do"
    ),
    "QUANTITY_BELOW_LOT": _decision(
        "less than one lot is left after sizing",
        "send more, or ask the operator for a larger allocation",
    ),
    "NO_POSITION": _decision("the strategy holds nothing to close", "nothing to do"),
    "ALREADY_CLOSED": _decision("all of it is closed or being closed", "nothing to do"),
    "POSITION_OPPOSITE": _decision(
        "the order would enlarge the position, not close it",
        "an exit of a long position is SELL, of a short one BUY",
    ),
    "ENTRY_CANCELED": _decision(
        "not an error: the entry was canceled before it filled, so nothing was left to close",
        "nothing to do",
    ),
    "REVERSAL_EXIT_OPEN": _decision(
        "the position was not closed in time, so the other side was not entered",
        "see what became of the exit; send an entry when the position is closed",
    ),
    "ENTRY_NOT_FOUND": _decision(
        "the entry that `entry_signal_id` names is not known",
        "send our `signal_id` or your `signalID` of it, or leave the field out",
    ),
    "NOTHING_TO_CANCEL": _decision(
        "no entry order of that signal is working any more", "nothing to do, or send an EXIT"
    ),
}
