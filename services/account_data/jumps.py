"""Whether an equity is to be believed. Pure.

A change is doubted where payments, and the prices of what is held, leave more of it unexplained
than a limit: a wrong figure, a transfer that nobody has entered, a broker that answers 0 after a
restart. A loss that prices explain is no jump: marks follow it at once, and loss limits act on it.
An equity of 0 or less that was above, and that no price explains, is always doubted.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from services.domain.risk import EquityJump
from services.domain.values import ZERO


class Move(NamedTuple):
    """Equity at two looks, account currency.

    Attributes:
        paid: recorded payments between them.
        explained: what prices and fills explain.
    """

    before: Decimal
    before_at: datetime | None
    equity: Decimal
    at: datetime
    paid: Decimal = ZERO
    explained: Decimal = ZERO

    @property
    def unexplained(self) -> Decimal:
        """What is left."""
        return self.equity - self.before - self.paid - self.explained


def may_be_a_jump(move: Move, limit_ratio: Decimal) -> bool:
    """Whether it is worth to look what prices explain."""
    return _ends(move) or abs(move.unexplained + move.explained) > abs(move.before) * limit_ratio


def jump_of(account_id: str, move: Move, limit_ratio: Decimal) -> EquityJump | None:
    """The jump that a move is, or None.

    Args:
        account_id: whose.
        move: with everything that explains it.
        limit_ratio: how much may stay unexplained, a fraction of the equity before.
    """
    if not may_be_a_jump(move, limit_ratio):
        return None
    left = move.unexplained
    if not _ends(move) and abs(left) <= abs(move.before) * limit_ratio:
        return None
    share = f" ({left / move.before:+.1%})" if move.before else ""
    sentence = (
        f"equity of account {account_id} went from {move.before:f} to {move.equity:f}, and nothing "
        f"explains {left:+f} of it{share}: entries are held until a person says what it was"
    )
    return EquityJump(
        jump_id=f"{account_id}|{move.at:%Y-%m-%dT%H:%M:%S.%f}"[:-3],
        before=move.before,
        before_at=move.before_at,
        equity=move.equity,
        seen_at=move.at,
        explained=move.explained,
        unexplained=left,
        sentence=sentence,
    )


def _ends(move: Move) -> bool:
    """An account that had money has none; where it was paid out, it says so."""
    return move.equity <= 0 < move.before and move.before + move.paid > 0 and not move.explained
