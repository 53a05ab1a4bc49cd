"""Money that is paid into an account or out of it: never a gain, never a loss."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from services.domain.values import Exact, Frozen, Instant
from services.domain.words import FlowStatus

#: What an id of a payment may be.
FLOW_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$"


class CapitalFlow(Frozen):
    """One deposit (above 0) or withdrawal (below 0), as a person has entered it.

    Attributes:
        flow_id: given by whoever records it: the same again is the same flow.
        amount: in `currency`.
        account_amount: the same in the account's currency, at the rate of when it was recorded.
        effective_at: when it was paid, by the person's word.
        settled_at: when the broker's figures first had it; None as long as they do not.
        cash_before: cash that fills do not explain, before the money came; account currency. None
            where it is not known.
        reverses: the flow that this one takes back.
        reversed_by: the flow that takes this one back.
    """

    flow_id: str = Field(pattern=FLOW_ID)
    account_id: str
    amount: Exact
    currency: str
    account_amount: Exact
    effective_at: Instant
    recorded_at: Instant
    by: str
    reason: str
    status: FlowStatus = FlowStatus.PENDING
    settled_at: Instant | None = None
    cash_before: Exact | None = None
    reverses: str = ""
    reversed_by: str = ""
