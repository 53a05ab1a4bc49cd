"""The fields of a signal as senders write them: names, other names in use, meaning.

Fills the tables of docs/signal-format.md, and tells the lint which names it knows.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class FieldMeaning(NamedTuple):
    """One field: its meaning, and other names under which it is read."""

    meaning: str
    other_names: tuple[str, ...] = ()


ENVELOPE_FIELDS: Final[dict[str, FieldMeaning]] = {
    "strategy_name": FieldMeaning(
        "the strategy the key belongs to; may be left out, because the key says it",
        ("strategy_id", "strategy"),
    ),
    "signalID": FieldMeaning(
        "your id, unique for each signal: a repeat with the same meaning is answered again and "
        "traded once, another meaning is refused"
    ),
    "idempotency_key": FieldMeaning("the same, where it must differ from your id; it goes first"),
    "signal_type": FieldMeaning(
        "ENTRY, EXIT, SCALE_IN, SCALE_OUT, CANCEL; when missing it follows from the positions in "
        "the message, else from what the strategy holds, and the decision says so"
    ),
    "signal_legs": FieldMeaning(
        "1 to 20 legs; one object instead of a list is read too, and so are the fields of a leg in "
        "the envelope",
        ("signal",),
    ),
    "account_equity": FieldMeaning(
        "equity of your own account, to which the quantities refer. We trade `quantity × allocated "
        "/ account_equity`, down to whole lots. 1 means that quantities are fractions of equity"
    ),
    "entry_signal_id": FieldMeaning(
        "for EXIT and CANCEL: our `signal_id` of the entry, your `signalID` of it, or `$PREVIOUS`. "
        "Without it an exit closes what the strategy holds of the instrument, the oldest first"
    ),
    "environment": FieldMeaning(
        "`staging` (default, never reaches a live account) or `production`", ("staging",)
    ),
    "valid_for_s": FieldMeaning(
        "seconds after which an entry is not traded any more, and its order not sent; a clock "
        "ahead of ours does not extend it. An older exit goes with a warning"
    ),
    "group_policy": FieldMeaning(
        "of an entry with several legs, where one of them cannot be had: HOLD keeps what has "
        "filled, UNWIND closes it again; either way the operator is told. Default: as your "
        "strategy is set, else HOLD"
    ),
    "timestamp": FieldMeaning(
        "when you sent it: ISO 8601 (UTC where it names no zone), or seconds or milliseconds since "
        "1970",
        ("timenow",),
    ),
    "signal_sent_EPOCH": FieldMeaning("the same, in seconds or milliseconds since 1970"),
    "bar_time": FieldMeaning(
        "time of the bar that led to the signal; part of what a repeat is recognised by", ("time",)
    ),
    "interval": FieldMeaning("length of a bar; kept with the signal, not used"),
    "order_id": FieldMeaning("your name of the order, e.g. `Long`; part of the same"),
    "sequence": FieldMeaning(
        "your own count of your signals, one up each time; 0 or 1 starts it anew. Entries above a "
        "missing number wait, then are denied; exits go"
    ),
    "prev_position": FieldMeaning(
        "what you held of the first instrument before: a signed number, or long, short, flat. "
        "Where that is not what your signals so far come to, entries wait, then are denied"
    ),
    "prev_market_position": FieldMeaning("the same as a word, as TradingView fills it in"),
    "prev_market_position_size": FieldMeaning("with it: how much, above 0"),
    "market_position": FieldMeaning(
        "what you hold afterwards: long, short, flat. With the fields above it says what the "
        "signal is for; long to short is read as an exit and an entry"
    ),
    "market_position_size": FieldMeaning("with it: how much, above 0"),
    "passphrase": FieldMeaning(
        "the key, where a header cannot be sent; it is removed before anything is stored",
        ("token", "secret"),
    ),
}

LEG_FIELDS: Final[dict[str, FieldMeaning]] = {
    "instrument": FieldMeaning(
        "symbol; `NASDAQ:AAPL`, `EUR/USD`, `BTCUSD` are read too", ("ticker", "symbol")
    ),
    "instrument_type": FieldMeaning(
        "STOCK, ETF, FOREX, FUTURE, OPTION, CRYPTO (plurals and common synonyms too); when missing "
        "it is inferred where only one reading makes sense",
        ("asset_class", "secType"),
    ),
    "action": FieldMeaning("BUY or SELL: what the order does"),
    "direction": FieldMeaning(
        "optional. For entries LONG goes with BUY and SHORT with SELL; for exits both conventions "
        "in use are accepted"
    ),
    "quantity": FieldMeaning(
        "above 0, in units of your own account; an exit without it closes all. An exit's is "
        "measured against what you have open: 5 of your 10 closes half of ours",
        ("qty", "contracts"),
    ),
    "quantity_percent": FieldMeaning(
        "instead of `quantity`, for EXIT and SCALE_OUT only: above 0 to 100, percent of what is "
        "held, or of what is open of the entry that `entry_signal_id` names"
    ),
    "order_type": FieldMeaning(
        "MARKET (default), LIMIT, STOP, STOP_LIMIT, TRAILING_STOP (or TRAIL, TRAILING); what a "
        "broker cannot do is denied, never changed"
    ),
    "price": FieldMeaning(
        "last price you saw; for LIMIT also the limit where `limit_price` is missing. Without it, "
        "or with 0, an entry is sized at the last price of the account's broker",
        ("close",),
    ),
    "limit_price": FieldMeaning("worst price"),
    "stop_price": FieldMeaning("price that sets off a STOP or STOP_LIMIT order"),
    "trail_amount": FieldMeaning(
        "for TRAILING_STOP: how far the stop stays behind the best price, in price units"
    ),
    "trail_percent": FieldMeaning("instead of it: the same in percent of that price, below 100"),
    "stop_loss": FieldMeaning(
        "price of a protective stop for what the entry fills; 0 = none. An order of its own that "
        "stays (GTC) until the position is closed; on exits it is left out"
    ),
    "take_profit": FieldMeaning(
        "price of a protective limit; the same. Of the two, what one fills is taken off the other"
    ),
    "time_in_force": FieldMeaning("DAY (default), GTC, IOC, FOK, OPG, CLS", ("tif",)),
    "cancel_after_s": FieldMeaning(
        "seconds after the decision at which what has not filled is canceled; 0 = never. May stand "
        "in the envelope for all legs, as `algo` may"
    ),
    "algo": FieldMeaning(
        "work the order in parts: an object with `name`, or the word with its fields beside it. "
        "TWAP, VWAP or ICEBERG; for MARKET and LIMIT, DAY and GTC"
    ),
    "duration_s": FieldMeaning(
        "of TWAP and VWAP: seconds from the first part to the end of the last one's interval; at "
        "least 5 for each part, at most 86400"
    ),
    "slices": FieldMeaning("of TWAP: how many equal parts, 1 to 1000"),
    "profile": FieldMeaning(
        "of VWAP: a list of volumes, one for each interval; only their ratio counts"
    ),
    "display_quantity": FieldMeaning(
        "of ICEBERG: how much is shown at a time, in units of your own account; scaled as "
        "`quantity`"
    ),
    "currency": FieldMeaning("ISO code; default USD, or what the pair is quoted in"),
    "exchange": FieldMeaning("e.g. SMART, COMEX"),
    "expiry": FieldMeaning(
        "YYYYMMDD; for futures and options", ("expiration", "lastTradeDateOrContractMonth")
    ),
    "strike": FieldMeaning("for options"),
    "right": FieldMeaning("for options: C or P (CALL, PUT)"),
    "multiplier": FieldMeaning("money per point of price; default 1, for options 100"),
    "underlying": FieldMeaning("for option packages: what all legs are on"),
    "legs": FieldMeaning(
        "for option packages: the legs; `quantity` and `price` beside it are the package's"
    ),
}

#: Every name that is read, in the envelope, in a leg (older formats mix the two) or in `algo`.
KNOWN_NAMES: Final = frozenset(
    name
    for table in (ENVELOPE_FIELDS, LEG_FIELDS)
    for own, field in table.items()
    for name in (own, *field.other_names)
) | {"type", "trigger", "name"}
