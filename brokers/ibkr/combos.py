"""Legs that fill all or none as IB's one order of a BAG, and each leg of it again; pure.

All ids of the legs are in the one `orderRef`, in the order of the contract's legs, so that each can
be told again under its own id after a restart.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import reduce
from math import gcd
from typing import Final, NamedTuple

from brokers.errors import UnsupportedOrder
from brokers.ibkr.api import ComboLeg, Contract
from brokers.ibkr.api import Order as IbOrder
from brokers.ibkr.contracts import Listing
from brokers.ibkr.exact import float_of
from brokers.ibkr.link import IbkrLink
from services.domain.orders import Order, has_our_form
from services.domain.values import ZERO
from services.domain.words import InstrumentType, OrderType, Side, TimeInForce

BAG: Final = "BAG"
_BETWEEN: Final = "."
_KINDS: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_NO_COMBOS: Final = frozenset({InstrumentType.FOREX, InstrumentType.CRYPTO})
#: Of one BAG at SMART.
_MOST_LEGS: Final = 6


class ComboPart(NamedTuple):
    """One leg: so many units for each unit of the BAG."""

    listing: Listing
    side: Side
    quantity: Decimal


def joined(client_order_ids: Sequence[str]) -> str:
    """The `orderRef` of a combo."""
    return _BETWEEN.join(client_order_ids)


def ids_of(order_ref: str, count: int) -> list[str]:
    """The ids of a combo's legs; none of ours where it was not made by us."""
    found = order_ref.split(_BETWEEN)
    ours = len(found) == count and all(has_our_form(each) for each in found)
    return found if ours else [""] * count


def bag_of(parts: Sequence[ComboPart]) -> tuple[Contract, int]:
    """The contract of a combo, and how many of it make the legs.

    Raises:
        UnsupportedOrder: IB has no such combo.
    """
    first = parts[0].listing
    currencies = {each.listing.contract.currency for each in parts}
    ids = {each.listing.contract.conId for each in parts}
    if len(parts) > _MOST_LEGS or len(ids) < len(parts) or len(currencies) > 1:
        raise UnsupportedOrder(
            f"IB takes combos of up to {_MOST_LEGS} different contracts of one currency"
        )
    if any(each.listing.instrument.instrument_type in _NO_COMBOS for each in parts):
        raise UnsupportedOrder("IB takes no combos with currencies or coins")
    if any(each.quantity != int(each.quantity) for each in parts):
        raise UnsupportedOrder("IB takes combos of whole units only")
    times = reduce(gcd, (int(each.quantity) for each in parts))
    symbols = dict.fromkeys(each.listing.contract.symbol for each in parts)
    return (
        Contract(
            secType=BAG,
            symbol=",".join(symbols),
            currency=first.contract.currency,
            exchange=_exchange(parts),
            comboLegs=[
                ComboLeg(
                    conId=each.listing.contract.conId,
                    ratio=int(each.quantity) // times,
                    action=str(each.side),
                    exchange=each.listing.contract.exchange,
                )
                for each in parts
            ],
        ),
        times,
    )


def _exchange(parts: Sequence[ComboPart]) -> str:
    found = {each.listing.contract.exchange for each in parts}
    return found.pop() if len(found) == 1 else "SMART"


def combo_order(legs: Sequence[Order], times: int, link: IbkrLink) -> IbOrder:
    """The one order of a combo; its limit is the legs' net price, of one unit of the BAG.

    Raises:
        UnsupportedOrder: the legs do not go together.
    """
    kinds = {each.order_type for each in legs}
    lives = {each.time_in_force for each in legs}
    if len(kinds) > 1 or not kinds <= _KINDS or len(lives) > 1:
        raise UnsupportedOrder("legs of a combo are all MARKET or all LIMIT, with one life")
    life = lives.pop()
    if life in {TimeInForce.OPG, TimeInForce.CLS}:
        raise UnsupportedOrder(f"IB takes no combos for an auction ({life})")
    made = IbOrder(
        action=str(Side.BUY),
        totalQuantity=float(times),
        orderType="LMT" if kinds == {OrderType.LIMIT} else "MKT",
        tif=str(life),
        orderRef=joined([each.client_order_id for each in legs]),
        account=link.broker_account,
        outsideRth=link.outside_rth,
    )
    if kinds == {OrderType.LIMIT}:
        if len({each.instrument.multiplier for each in legs}) > 1:
            # How IB quotes e.g. shares against an option is told nowhere that we could prove.
            raise UnsupportedOrder("a combo of different multipliers is taken at the market only")
        made.lmtPrice = float_of(_net_price(legs, times))
    return made


def _net_price(legs: Sequence[Order], times: int) -> Decimal:
    """What one unit of the BAG may cost; below 0: what it must bring."""
    paid = ZERO
    for leg in legs:
        if leg.limit_price is None:
            raise UnsupportedOrder(f"LIMIT orders need a limit price: {leg.client_order_id}")
        paid += leg.side.sign * leg.quantity * leg.limit_price
    return paid / times
