"""What kind of order a leg asks for: type, prices, guards, how long it lives, how it is worked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from services.domain.errors import InvalidSignal
from services.domain.fields import Fields, shown
from services.domain.orders import Algo
from services.domain.values import ZERO
from services.domain.words import AlgoName, OrderType, TimeInForce

ORDER_TYPES: Final = {
    "MKT": "MARKET",
    "LMT": "LIMIT",
    "STP": "STOP",
    "STP_LMT": "STOP_LIMIT",
    "TRAIL": "TRAILING_STOP",
    "TRAILING": "TRAILING_STOP",
}
_LIMITED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPPED: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_WORKED_TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_WORKED_TIMES: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC})
#: Fields of each algo beside its name; what another algo has is a contradiction.
_ALGO_FIELDS: Final = {
    AlgoName.TWAP: ("duration_s", "slices"),
    AlgoName.VWAP: ("duration_s", "profile"),
    AlgoName.ICEBERG: ("display_quantity",),
}
_ALL_ALGO_FIELDS: Final = ("duration_s", "slices", "profile", "display_quantity")
_MOST_SLICES: Final = 1000
#: Less than that is no schedule: what a slice waits for takes longer.
_LEAST_SECONDS_A_SLICE: Final = Decimal(5)
_DAY_SECONDS: Final = Decimal(86400)
_WHOLE_PERCENT: Final = Decimal(100)


class LegOrder(NamedTuple):
    """The order of a leg; fields as in `signals.Leg`, and under the same names."""

    order_type: OrderType
    time_in_force: TimeInForce
    reference_price: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_amount: Decimal | None
    trail_ratio: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    cancel_after_seconds: Decimal | None
    algo: Algo | None


def order_of(
    leg: Fields, outer: Sequence[Fields], warnings: list[str], *, in_package: bool
) -> LegOrder:
    """Read it.

    Args:
        leg: the leg's fields.
        outer: what the leg stands in, package and envelope: `cancel_after_s` and `algo` may be
            said there for all legs.
        warnings: where is told what is not read.
        in_package: the package has the price, and its legs have none of their own.

    Raises:
        InvalidSignal: with code, sentence and field.
    """
    order_type = leg.choice("order_type", OrderType, ORDER_TYPES) or OrderType.MARKET
    time_in_force = leg.choice("time_in_force", TimeInForce) or TimeInForce.DAY
    price, limit_price = (
        (None, None) if in_package else (leg.number("price"), leg.number("limit_price"))
    )
    if order_type in _LIMITED and not in_package:
        limit_price = limit_price or price
        if limit_price is None:
            raise leg.missing("limit_price", f"is missing: a {order_type} order needs it")
    stop_price = leg.number("stop_price")
    if order_type in _STOPPED and stop_price is None:
        raise leg.missing("stop_price", f"is missing: a {order_type} order needs it")
    trail_amount, trail_ratio = _trail(leg, order_type, price)
    places = (leg, *outer)
    after = next((each for each in places if each.raw("cancel_after_s") is not None), leg)
    algo = _algo(places, warnings)
    if algo is not None:
        _check_algo(algo, leg, order_type, time_in_force, in_package=in_package)
    return LegOrder(
        order_type=order_type,
        time_in_force=time_in_force,
        reference_price=price,
        limit_price=limit_price,
        stop_price=stop_price,
        trail_amount=trail_amount,
        trail_ratio=trail_ratio,
        stop_loss=leg.number("stop_loss"),
        take_profit=leg.number("take_profit"),
        cancel_after_seconds=after.number("cancel_after_s"),
        algo=algo,
    )


def _trail(
    leg: Fields, order_type: OrderType, price: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    """Distance of a trailing stop: an amount, or a share of the price; one of the two."""
    amount, percent = leg.number("trail_amount"), leg.number("trail_percent")
    if order_type is not OrderType.TRAILING_STOP:
        name = "trail_amount" if amount else "trail_percent"
        if amount or percent:
            raise leg.error("CONTRADICTION", name, f"is for TRAILING_STOP, not for {order_type}")
        return None, None
    for name in ("stop_price", "limit_price"):
        if leg.number(name) is not None:
            sentence = "is not for TRAILING_STOP, whose stop follows the market"
            raise leg.error("CONTRADICTION", name, sentence)
    if amount and percent:
        raise leg.error("CONTRADICTION", "trail_percent", "and trail_amount are sent: send one")
    if amount is None and percent is None:
        raise leg.missing(
            "trail_amount", "is missing: a TRAILING_STOP order needs it, or trail_percent"
        )
    if percent is not None and percent >= _WHOLE_PERCENT:
        raise leg.error("BAD_NUMBER", "trail_percent", f"must be below 100, was {percent}")
    if amount is not None and price is not None and amount >= price:
        sentence = f"must be below the price, was {amount} at a price of {price}"
        raise leg.error("BAD_NUMBER", "trail_amount", sentence)
    return amount, None if percent is None else percent / _WHOLE_PERCENT


def _algo(places: Sequence[Fields], warnings: list[str]) -> Algo | None:
    """An object with `name`, or a word with the other fields beside it; the nearest one said."""
    place = next((each for each in places if each.raw("algo") is not None), None)
    if place is None:
        leg = places[0]
        lost = [name for name in _ALL_ALGO_FIELDS if leg.raw(name) is not None]
        warnings.extend(f"{leg.at}{name} is not read without algo" for name in lost)
        return None
    given = place.raw("algo")
    fields, name = place, "algo"
    if isinstance(given, dict):
        fields, name = Fields(given, at=f"{place.at}algo."), "name"
    algo = fields.choice(name, AlgoName)
    if algo is None:
        raise fields.missing(name, f"is missing: send one of {', '.join(AlgoName)}")
    for other in _ALL_ALGO_FIELDS:
        if other not in _ALGO_FIELDS[algo] and fields.raw(other) is not None:
            raise fields.error("CONTRADICTION", other, f"is not a field of {algo}")
    if algo is AlgoName.ICEBERG:
        display = fields.number("display_quantity")
        if display is None:
            raise fields.missing("display_quantity", "is missing: ICEBERG needs it")
        return Algo(name=algo, display_quantity=display)
    slices = _slices(fields) if algo is AlgoName.TWAP else None
    profile = () if slices else _profile(fields)
    duration = _duration(fields, slices or len(profile))
    return Algo(name=algo, duration_seconds=duration, slices=slices, profile=profile)


def _slices(fields: Fields) -> int:
    slices = fields.whole("slices")
    if slices is None:
        raise fields.missing("slices", "is missing: TWAP needs it")
    if not 1 <= slices <= _MOST_SLICES:
        raise fields.error("BAD_NUMBER", "slices", f"must be 1 to {_MOST_SLICES}, was {slices}")
    return slices


def _duration(fields: Fields, slices: int) -> Decimal:
    duration = fields.number("duration_s")
    if duration is None:
        raise fields.missing("duration_s", "is missing: TWAP and VWAP need it")
    least = slices * _LEAST_SECONDS_A_SLICE
    if not least <= duration <= _DAY_SECONDS:
        raise fields.error(
            "BAD_NUMBER",
            "duration_s",
            f"must be {least} to {_DAY_SECONDS}, {_LEAST_SECONDS_A_SLICE} s for each of {slices} "
            f"slices, was {duration}",
        )
    return duration


def _profile(fields: Fields) -> tuple[Decimal, ...]:
    """Shares of volume, one an interval: a list, or numbers with commas between them."""
    given: Any = fields.raw("profile")
    if given is None:
        raise fields.missing("profile", "is missing: VWAP needs it")
    if isinstance(given, str):
        given = [each for each in re.split(r"[\s,|]+", given) if each]
    if not isinstance(given, list) or not 1 <= len(given) <= _MOST_SLICES:
        raise _bad_profile(fields, f"must be a list of 1 to {_MOST_SLICES} numbers", given)
    numbers = Fields({f"profile[{place}]": each for place, each in enumerate(given)}, at=fields.at)
    shares = [numbers.signed(f"profile[{place}]") for place in range(len(given))]
    found = tuple(share for share in shares if share is not None and share >= 0)
    if len(found) < len(shares) or not sum(found, ZERO):
        raise _bad_profile(fields, "must have no number below 0, and one above", given)
    return found


def _bad_profile(fields: Fields, rule: str, given: object) -> InvalidSignal:
    values = [str(each) for each in given] if isinstance(given, list) else given
    return fields.error("BAD_PROFILE", "profile", f"{rule}, was {shown(values)}")


def _check_algo(
    algo: Algo, leg: Fields, order_type: OrderType, time_in_force: TimeInForce, *, in_package: bool
) -> None:
    """Parts of an order cannot wait for a price, for an auction, or for all of it."""
    if in_package:
        sentence = f"{algo.name} works one instrument, and the legs of a package go together"
        raise leg.error("ALGO_UNSUPPORTED", "algo", sentence)
    if order_type not in _WORKED_TYPES:
        sentence = f"{algo.name} works MARKET and LIMIT orders, not {order_type}"
        raise leg.error("ALGO_UNSUPPORTED", "algo", sentence)
    if time_in_force not in _WORKED_TIMES:
        sentence = f"{algo.name} works DAY and GTC orders, not {time_in_force}"
        raise leg.error("ALGO_UNSUPPORTED", "algo", sentence)
