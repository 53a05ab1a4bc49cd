"""IB's floats as decimals and back: by their shortest writing, never with binary noise."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

#: IB writes "unset" as the largest double.
_UNSET: Final = Decimal("1e300")


def decimal_of(number: float | Decimal | str | None) -> Decimal | None:
    """The number that was meant; None where IB says nothing: empty, unset or not finite."""
    if number is None or number == "":
        return None
    try:
        value = Decimal(repr(number) if isinstance(number, float) else number)
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value) >= _UNSET:
        return None
    whole = value.to_integral_value()
    return Decimal(int(whole)) if value == whole else Decimal(f"{value:f}")


def positive_of(number: float | Decimal | str | None) -> Decimal | None:
    """The same, None also for 0 and less: what cannot be a price or a size."""
    value = decimal_of(number)
    return value if value is not None and value > 0 else None


def float_of(number: Decimal) -> float:
    """The only way from our decimals to IB's floats; they are written out as they were meant."""
    return float(number)
