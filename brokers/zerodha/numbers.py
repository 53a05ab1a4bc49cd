"""Kite's numbers are JSON floats: the only place where they become decimals."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation


def exact(told: object) -> Decimal:
    """The decimal that Kite has written: the shortest that is this float, without an exponent.

    Raises:
        ValueError: that is no finite number.
    """
    try:
        number = Decimal(str(told))
    except InvalidOperation as error:
        raise ValueError(f"{told!r} is no number") from error
    if not number.is_finite():
        raise ValueError(f"{told!r} is not finite")
    return number.to_integral_value() if number == number.to_integral_value() else number


def wire(number: Decimal) -> float:
    """The number as JSON has it."""
    return float(number)
