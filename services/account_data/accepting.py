"""What becomes of an account when its broker has answered: marks, payments, doubts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from services.account_data.held import HeldPosition, gain
from services.account_data.jumps import Move, jump_of, may_be_a_jump
from services.account_data.payments import Evidence, seen, settled, shifted
from services.domain.capital import CapitalFlow
from services.domain.marks import marked
from services.domain.orders import Execution
from services.domain.risk import EquityJump, EquityMarks
from services.domain.values import ZERO


class Known(NamedTuple):
    """What is stored of an account.

    Attributes:
        marks: None where equity was never seen, or in another currency.
        equity: as last reported, doubted or not.
        pending: payments that the figures do not show yet, oldest first.
        cash: that fills do not explain; None = not known.
    """

    account_id: str
    marks: EquityMarks | None = None
    equity: Decimal | None = None
    as_of: datetime | None = None
    jump: EquityJump | None = None
    flow_total: Decimal = ZERO
    positions: Sequence[HeldPosition] = ()
    pending: Sequence[CapitalFlow] = ()
    cash: Decimal | None = None


class Answer(NamedTuple):
    """What the broker says now.

    Attributes:
        positions: None where it did not tell them.
        cash: that fills do not explain; None = not known.
    """

    equity: Decimal
    at: datetime
    positions: Sequence[HeldPosition] | None = None
    cash: Decimal | None = None


class Accepted(NamedTuple):
    """What is to be stored.

    Attributes:
        flows: payments that have changed: come, or waiting from another figure on.
        flow: what has come of them together.
        began: a doubt is new, or of another figure than before.
    """

    marks: EquityMarks | None
    jump: EquityJump | None
    flows: tuple[CapitalFlow, ...] = ()
    flow: Decimal = ZERO
    began: bool = False


def needs_fills(known: Known, answer: Answer, limit_ratio: Decimal) -> bool:
    """Whether what prices and fills explain makes a difference to `accept`."""
    if known.marks is None:
        return False
    return bool(known.pending) or may_be_a_jump(_move(known, answer), limit_ratio)


def accept(
    known: Known, answer: Answer, fills: Sequence[Execution], limit_ratio: Decimal
) -> Accepted:
    """Judge an answer.

    Args:
        known: what is stored.
        answer: what the broker says.
        fills: between the two, oldest first.
        limit_ratio: how much of a change may stay unexplained, a fraction of the equity before.
    """
    if known.marks is None:
        marks = marked(None, answer.equity, answer.at)
        return Accepted(marks, None, _from_now_on(known.pending, known.pending, answer.cash))
    explained = ZERO
    if answer.positions is not None:
        explained = gain(known.positions, answer.positions, fills)
    if known.jump is not None:
        return _still_doubted(known, known.jump, answer, explained, limit_ratio)
    move = _move(known, answer)._replace(explained=explained)
    step = None if answer.cash is None or known.cash is None else answer.cash - known.cash
    evidence = Evidence(answer.cash, moved=move.unexplained, equity=move.before, step=step)
    come = seen(known.pending, evidence)
    paid = sum((each.account_amount for each in come), ZERO)
    jump = jump_of(known.account_id, move._replace(paid=paid), limit_ratio)
    if jump is not None:
        return Accepted(known.marks, jump, began=True)
    waiting = [shifted(each, come) for each in known.pending if each not in come]
    changed = _from_now_on(waiting, known.pending, answer.cash)
    return Accepted(
        marked(known.marks, answer.equity, answer.at, flow=paid),
        None,
        (*(settled(each, answer.at) for each in come), *changed),
        paid,
    )


def _move(known: Known, answer: Answer) -> Move:
    """From the equity that nobody doubts."""
    last = known.marks.last if known.marks else ZERO
    return Move(last, known.as_of, answer.equity, answer.at)


def _still_doubted(
    known: Known, jump: EquityJump, answer: Answer, explained: Decimal, limit_ratio: Decimal
) -> Accepted:
    """Marks wait for a person; another jump on top of the first is another to confirm.

    What prices do meanwhile is explained: a payment that a person names later need not.
    """
    before = jump.equity if known.equity is None else known.equity
    move = Move(before, known.as_of, answer.equity, answer.at, explained=explained)
    explained += jump.explained
    jump = jump.model_copy(update={"explained": explained})
    if jump_of(known.account_id, move, limit_ratio) is None:
        return Accepted(known.marks, jump)
    whole = Move(jump.before, jump.before_at, answer.equity, answer.at, explained=explained)
    again = jump_of(known.account_id, whole, ZERO)
    return Accepted(known.marks, again or jump, began=again is not None)


def _from_now_on(
    waiting: Sequence[CapitalFlow], before: Sequence[CapitalFlow], cash: Decimal | None
) -> tuple[CapitalFlow, ...]:
    """Payments that wait on, where they have changed: from this figure on, if none was known."""
    after = (
        each if each.cash_before is not None else each.model_copy(update={"cash_before": cash})
        for each in waiting
    )
    return tuple(each for each in after if each not in before)
