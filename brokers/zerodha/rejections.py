"""Why Kite's risk management has rejected an order that had an id already: pure."""

from __future__ import annotations

import re
from typing import Final

from brokers.errors import OrderRejected

#: By its sentence: Kite has no codes for it.
_CODES: Final = (
    ("INSUFFICIENT_FUNDS", re.compile(r"insufficient funds|margin exceeds|required margin", re.I)),
    ("INSUFFICIENT_HOLDINGS", re.compile(r"insufficient (stock )?holding", re.I)),
    ("FREEZE_QUANTITY", re.compile(r"freeze", re.I)),
    ("MARKET_CLOSED", re.compile(r"market.{0,20}closed|after market", re.I)),
)


def rejection(message: str) -> OrderRejected:
    """The broker's refusal with its own sentence."""
    code = next((code for code, words in _CODES if words.search(message)), "REJECTED")
    return OrderRejected(code, message or "Kite has rejected it and does not say why")
