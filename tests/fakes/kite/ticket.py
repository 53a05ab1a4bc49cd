"""What Kite knows of an order that the engine does not; kept with the order in its books."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from services.domain.words import OrderType, TimeInForce
from tests.fakes.kite.catalogue import EQUITY_EXCHANGES

ORDER_TYPES = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "SL": OrderType.STOP_LIMIT,
    "SL-M": OrderType.STOP,
}
_KITE_TYPES = {engine: kite for kite, engine in ORDER_TYPES.items()}


@dataclass(frozen=True)
class Ticket:
    """The part of a Kite order that does not change, but for what `State.amend` keeps.

    Attributes:
        placed_at: ISO time, UTC.
        market_protection: percent; -1 = as Kite sees fit, 0 = none.
    """

    variety: str
    exchange: str
    tradingsymbol: str
    product: str
    order_type: str
    placed_at: str
    placed_by: str
    validity: str = "DAY"
    validity_ttl: int = 0
    disclosed_quantity: int = 0
    market_protection: float = 0
    tag: str | None = None
    parent_order_id: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def note(self):
        """As the engine keeps it."""
        return json.dumps(asdict(self))

    @property
    def at(self):
        """When it was placed."""
        return datetime.fromisoformat(self.placed_at)


def ticket_of(order, report, listing):
    """Of an order in the engine's books; one that was given by hand has the usual terms."""
    if order.signal_id:
        return Ticket(**json.loads(order.signal_id))
    return Ticket(
        variety="regular",
        exchange=listing.exchange,
        tradingsymbol=listing.tradingsymbol,
        product="MIS" if listing.exchange in EQUITY_EXCHANGES else "NRML",
        order_type=_KITE_TYPES.get(order.order_type, "LIMIT"),
        placed_at=report.occurred_at.isoformat(),
        placed_by="DEALER",
        validity="IOC" if order.time_in_force is TimeInForce.IOC else "DAY",
    )
