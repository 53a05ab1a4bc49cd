"""What every domain value is made of: frozen models, exact decimals, aware UTC times."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """A value: never changes once made, and knows every one of its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _utc_milliseconds(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as error:  # the first or the last hours that a calendar has
        raise ValueError("must be within the years 1 to 9999 in UTC") from error
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


#: An aware instant in UTC, cut to milliseconds because BSON keeps no more.
Instant = Annotated[AwareDatetime, AfterValidator(_utc_milliseconds)]
#: A finite decimal of any sign: money, P&L, signed quantity.
Exact = Annotated[Decimal, Field(allow_inf_nan=False)]
#: A finite decimal above 0: prices, order quantities, multipliers.
Positive = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]
#: A finite decimal of 0 or more.
NonNegative = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
#: A finite decimal from 0 to 1: a scale that only makes smaller.
Share = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False)]

#: A version, or a place in a list: no larger than JSON and the store keep exactly.
Count = Annotated[int, Field(ge=0, le=2**53)]

ZERO = Decimal(0)
