"""Where an account is at Zerodha, and how it trades there."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from services.domain.values import Frozen


class ZerodhaLink(Frozen):
    """What an operator stores of an account; nothing of it is secret.

    Attributes:
        api_key: of the Kite Connect app.
        user_id: whose account it must be, e.g. AB1234; empty = whoever logs in.
        product_equity: CNC delivers and cannot be sold short; MIS is closed by Zerodha itself on
            the same day.
        product_derivative: NRML is carried over night; MIS as above.
        root: of the REST interface.
        ticker_url: of the order updates.
        freeze_quantities: by underlying, e.g. NIFTY, the most units that the exchange takes in one
            order; what is above is sliced by Kite. Kite does not publish them, the exchanges do
            (NSE: qtyfreeze). Where one is missing, what is above is refused by Kite.
    """

    api_key: str = Field(min_length=1, pattern="^[!-~]+$")
    user_id: str = ""
    product_equity: Literal["CNC", "MIS"] = "CNC"
    product_derivative: Literal["NRML", "MIS"] = "NRML"
    root: str = "https://api.kite.trade"
    ticker_url: str = "wss://ws.kite.trade"
    freeze_quantities: dict[str, PositiveInt] = Field(default_factory=dict)
