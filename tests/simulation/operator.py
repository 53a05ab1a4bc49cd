"""The person who decides what the system leaves to persons, by what they see at the broker."""

from __future__ import annotations

from services.common.order_requests import Resolution, request_cancel, resolve
from services.common.signed import Signed
from services.domain.errors import ConfigurationError, TransientError
from tests.simulation.script import STORM_SECONDS

_AT_BROKER = ("SUBMITTED", "PARTIALLY_FILLED")
_SIGNED = Signed(by="olga", reason="it is not at the broker")
#: What rests so long after the storm is canceled: not every market fills every order.
_RESTING_SECONDS = 5.0
_ASKED = ("ORDER_UNKNOWN", "ORDER_MISSING_AT_BROKER")


class Operator:
    """Looks at open incidents once the storm is over."""

    def __init__(self, world):
        self._world = world
        self._calm_at = STORM_SECONDS

    def look(self):
        """Give up orders that the broker certainly does not have."""
        world = self._world
        for incident in world.store["incidents"].find({"status": "OPEN"}):
            if incident["kind"] in _ASKED and "scripts/orders.py" in incident["sentence"]:
                self._decide(incident["key"])
        if world.clock.seconds > self._calm_at + _RESTING_SECONDS:
            for row in world.store["orders"].find({"working": True, "order.role": "LEG"}):
                self._cancel(row)
        return 1.5

    def _cancel(self, row):
        if row["status"] in _AT_BROKER and not row.get("cancel_requested_at"):
            try:
                request_cancel(self._world.store, row["_id"], _SIGNED)
            except TransientError:  # somebody moves it just now: at the next look
                return
            self._world.note(f"operator cancels {row['_id']}")

    def _decide(self, order_id):
        world = self._world
        row = world.store["orders"].find_one({"_id": order_id})
        if row is None or world.exchange.orders(row["account_id"], client_order_ids=[order_id]):
            return
        try:
            resolve(world.store, order_id, Resolution.ABSENT, _SIGNED)
        except (ConfigurationError, TransientError) as error:
            world.note(f"operator: {error}")
        else:
            world.note(f"operator gives up {order_id}")
