"""Cerebro's answer to a signal: the steps that led from what was asked to what goes out."""

from __future__ import annotations

from services.domain.accounts import DecisionContext
from services.domain.orders import Order, Reservation
from services.domain.values import Exact, Frozen, Instant
from services.domain.words import Intent, Outcome


class Step(Frozen):
    """One named step of the waterfall.

    Attributes:
        before: the number that came in (a quantity or a factor, see `sentence`).
        after: the number that went on; None where the step is a yes/no check.
        limit: what the rule allows, where it has one number.
        bound: whether this step made the result smaller or stopped it.
    """

    name: str
    account_id: str | None = None
    leg_index: int | None = None
    before: Exact | None = None
    after: Exact | None = None
    limit: Exact | None = None
    bound: bool = False
    sentence: str = ""


class Decision(Frozen):
    """What goes out for one signal, and why.

    Attributes:
        code: machine reason, `CATEGORY_CONDITION`; "" when everything asked for was approved.
        reason: the same in words, with numbers.
        intent: what the signal was taken to mean, said or inferred.
        cancels: client_order_ids that a CANCEL reaches.
        context: everything the decision saw; `decide(signal, context)` gives it again.
    """

    signal_id: str
    outcome: Outcome
    intent: Intent | None = None
    code: str = ""
    reason: str = ""
    steps: tuple[Step, ...] = ()
    orders: tuple[Order, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    cancels: tuple[str, ...] = ()
    context: DecisionContext
    decided_at: Instant
