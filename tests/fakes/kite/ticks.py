"""Kite's binary price packets."""

from __future__ import annotations

import struct
from decimal import Decimal

_DIVISORS = {"CDS": 10_000_000}
_QUOTE_ZEROS = 44 - 8
_FULL_ZEROS = 184 - 8
MODES = {"ltp": 0, "quote": _QUOTE_ZEROS, "full": _FULL_ZEROS}
HEARTBEAT = b"\x00"


def packet(listing, price, mode):
    """One price; all that the fake does not know of a quote is 0."""
    paise = int(price * Decimal(_DIVISORS.get(listing.exchange, 100)))
    return struct.pack(">II", listing.token, paise) + bytes(MODES[mode])


def message(packets):
    """Packets that are sent together."""
    framed = (struct.pack(">H", len(each)) + each for each in packets)
    return struct.pack(">H", len(packets)) + b"".join(framed)
