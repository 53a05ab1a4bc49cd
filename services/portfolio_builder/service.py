"""What an admin asks of the portfolio builder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from services.common.clock import utc_now
from services.decision.whatif import Case, Change, Unanswered, WhatIf, case_of, what_if
from services.domain.errors import InvalidMessage
from services.portfolio_builder.store import PortfolioStore


class PortfolioBuilder:
    """Answers from what is stored."""

    def __init__(self, store: PortfolioStore, *, most_signals: int) -> None:
        self._store = store
        self._most_signals = most_signals

    def what_if(self, change: Change, *, days: float, strategy_id: str | None, most: int) -> WhatIf:
        """Decide the signals of the last `days` once more under `change`.

        Args:
            change: what is to be otherwise.
            days: how far back; the newest signals up to the configured number are looked at.
            strategy_id: only of this strategy.
            most: so many differences are told at most; totals are of all.
        """
        unreadable: list[Unanswered] = []
        since = utc_now() - timedelta(days=days)
        cases = self._cases(since, strategy_id, unreadable)
        answer = what_if(cases, change, most=most)
        return answer.model_copy(update={"unanswered": (*unreadable, *answer.unanswered)})

    def _cases(
        self, since: datetime, strategy_id: str | None, unreadable: list[Unanswered]
    ) -> Iterator[Case]:
        rows = self._store.decided_since(since, strategy_id=strategy_id, most=self._most_signals)
        for row in rows:
            try:
                yield case_of(row)
            except InvalidMessage as error:
                unreadable.append(Unanswered(signal_id=row["_id"], reason=str(error)))
