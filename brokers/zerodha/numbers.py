"""Kite's numbers are JSON floats: the only place where they become decimals."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

#: No price, quantity or amount of an account is as large, and what is cannot be multiplied.
_TOO_LARGE: Final = Decimal("1e18")


def exact(told: object) -> Decimal:
    """The decimal that Kite has written: the shortest that is this float, without an exponent.

    Raises:
        ValueError: that is no number, not finite, or 1e18 or more.
    """
    try:
        number = Decimal(str(told))
    except InvalidOperation as error:
        raise ValueError(f"{told!r} is no number") from error
    if not number.is_finite():
        raise ValueError(f"{told!r} is not finite")
    if abs(number) >= _TOO_LARGE:
        raise ValueError(f"{told!r} is too large to be meant")
    return number.to_integral_value() if number == number.to_integral_value() else number


def wire(number: Decimal) -> float:
    """The number as JSON has it."""
    return float(number)
