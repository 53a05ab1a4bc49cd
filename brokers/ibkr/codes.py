"""What the numbers in IB's error messages mean for an order, a question or the link.

By allow-list: a number that is not here says nothing about an order's end, so the broker is asked.
Numbers: https://ibkrcampus.com/campus/ibkr-api-page/twsapi-doc/#error-codes
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Meaning(StrEnum):
    """What a number means."""

    NOTE = "NOTE"  # information: what it is about lives on
    REFUSED = "REFUSED"  # what was asked for is not done; an order that worked before lives on
    REFUSED_UNLESS_SHOWN = "REFUSED_UNLESS_SHOWN"  # the same, once the broker shows no such order
    CHANGE_REFUSED = "CHANGE_REFUSED"  # of a change only
    CANCELED = "CANCELED"
    CANCEL_REFUSED = "CANCEL_REFUSED"  # the broker is asked how the order stands
    TOO_FAST = "TOO_FAST"
    DUPLICATE_ID = "DUPLICATE_ID"  # the number of an order was used before
    LINK_DOWN = "LINK_DOWN"  # the gateway has lost IB; orders live on there
    LINK_UP = "LINK_UP"
    GATEWAY_MOVES = "GATEWAY_MOVES"  # this socket is of no use any more
    ID_IN_USE = "ID_IN_USE"  # another connection has our client id
    UNKNOWN = "UNKNOWN"


_M = Meaning
_TABLE: Final[dict[int, Meaning]] = {
    **dict.fromkeys((201, 203, 388, 434, 10289, 10293), _M.REFUSED),
    **dict.fromkeys((110, 200, 321), _M.REFUSED_UNLESS_SHOWN),
    **dict.fromkeys((104, 105, 106), _M.CHANGE_REFUSED),
    202: _M.CANCELED,
    **dict.fromkeys((135, 161, 10147, 10148), _M.CANCEL_REFUSED),
    100: _M.TOO_FAST,
    103: _M.DUPLICATE_ID,
    **dict.fromkeys((165, 329, 399, 404, 492, 10167, 10311, 10349), _M.NOTE),
    **dict.fromkeys((1100, 2110), _M.LINK_DOWN),
    **dict.fromkeys((1101, 1102), _M.LINK_UP),
    1300: _M.GATEWAY_MOVES,
    326: _M.ID_IN_USE,
}
_FARM_NOTES: Final = range(2100, 2200)


def meaning_of(code: int) -> Meaning:
    """What a number means; UNKNOWN for what nobody has looked up."""
    found = _TABLE.get(code)
    if found is None:
        return Meaning.NOTE if code in _FARM_NOTES else Meaning.UNKNOWN
    return found
