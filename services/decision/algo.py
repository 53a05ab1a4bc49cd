"""An algo as it came, in our quantities."""

from __future__ import annotations

from services.decision.plans import SizedLeg
from services.domain.instruments import round_down_to_lot
from services.domain.orders import Algo
from services.domain.words import QuantityUnit


def scaled_algo(sized: SizedLeg, *, reduces_risk: bool) -> Algo | None:
    """The algo of a leg; what an iceberg shows is scaled as the quantity was, down to lots.

    At least one lot is shown. Of an exit whose part in the sender's own account is not known, as
    many units as they said are shown: an exit goes, and never shows more than it is.
    """
    leg = sized.leg
    algo = leg.algo
    if algo is None or algo.display_quantity is None:
        return algo
    shown, theirs = algo.display_quantity, leg.quantity
    if reduces_risk:
        in_units = leg.quantity_unit is not QuantityUnit.POSITION_FRACTION
        theirs = sized.sender_quantity or (leg.quantity if in_units else None)
    if theirs is not None:
        shown = shown * sized.quantity / theirs
    lot = leg.instrument.lot
    shown = min(max(round_down_to_lot(shown, lot), lot), sized.quantity)
    return algo.model_copy(update={"display_quantity": shown})
