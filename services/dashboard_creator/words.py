"""Stored values in the words that lists use. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.dashboard_creator.road import grouped, instrument_in_words
from services.domain.instruments import Instrument

Document = Mapping[str, Any]


def leg_in_words(leg: Document) -> str:
    """`BUY 10 AAPL`; `close all AAPL` where the sender left it to the position."""
    quantity = leg.get("quantity")
    how_many = "all" if quantity is None else grouped(Decimal(quantity))
    instrument = Instrument.model_validate(leg["instrument"])
    return f"{leg.get('side') or 'close'} {how_many} {instrument_in_words(instrument)}"


def legs_in_words(legs: Iterable[Document]) -> str:
    """All legs of a signal in a line."""
    return ", ".join(leg_in_words(leg) for leg in legs)


def milliseconds(begin: datetime | None, end: datetime | None) -> float | None:
    """Milliseconds between two stages; None while one is missing."""
    if begin is None or end is None:
        return None
    return round((end - begin).total_seconds() * 1000, 3)
