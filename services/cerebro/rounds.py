"""Who is decided together, in which order, where entries may want the same margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.cerebro.books import Books, EntryFound
from services.cerebro.contention import enters, must_gather, pro_rata, terms_of
from services.cerebro.contexts import Contexts
from services.cerebro.store import CerebroStore
from services.common.clock import utc_now
from services.common.store import from_document
from services.decision.decide import decide
from services.domain.accounts import Contention, Strategy
from services.domain.signals import Signal
from services.domain.words import ContentionPolicy


class Round(NamedTuple):
    """Which signals are decided now, in this order; who waits for others; who shares margin."""

    signals: list[Signal]
    strategies: dict[str, Strategy | None]
    held_back: list[tuple[Signal, str]]
    shares: dict[str, dict[str, Contention]]


class Rounds:
    """Puts signals in the order that the accounts of their strategies ask for."""

    def __init__(self, queries: CerebroStore, contexts: Contexts) -> None:
        self._queries = queries
        self._contexts = contexts

    def of(
        self,
        signals: Sequence[Signal],
        strategies: dict[str, Strategy | None],
        books: Books,
        session: ClientSession,
    ) -> Round:
        """Who is decided now, and in which order, where entries may want the same margin."""
        accounts = {
            account.account_id: terms_of(self._queries.reference.limit_sets(), account.account_id)
            for strategy in strategies.values()
            if strategy
            for account in strategy.accounts
        }
        shared = {
            name: terms
            for name, terms in accounts.items()
            if terms.policy is not ContentionPolicy.FIRST_COME
        }
        entering = [signal for signal in signals if enters(signal)]
        if not shared or not entering:
            return Round(list(signals), strategies, [], {})
        terms = max(shared.values(), key=lambda each: each.window)
        lives = self._queries.undecided_of(shared, session)
        rivals = [from_document(Signal, life["signal"]) for life in lives]
        rivals = [signal for signal in rivals if enters(signal)]
        others = [signal for signal in signals if not enters(signal)]
        if must_gather(rivals, terms, utc_now()):
            waiting = [(each, f"entries gather for {terms.window}") for each in entering]
            return Round(others, strategies, waiting, {})
        strategies |= {
            each.strategy_id: self._queries.reference.strategy(each.strategy_id)
            for each in rivals
            if each.strategy_id not in strategies
        }
        named = {signal.signal_id for signal in rivals}
        rivals += [signal for signal in entering if signal.signal_id not in named]
        if terms.policy is ContentionPolicy.PRIORITY:
            rivals.sort(key=lambda each: _priority(strategies[each.strategy_id]))
            return Round(others + rivals, strategies, [], {})
        decisions = {
            each.signal_id: decide(
                each,
                self._contexts.context(
                    each,
                    strategies[each.strategy_id],
                    EntryFound(None, None, {}),
                    books,
                    gap=None,
                    contention={},
                    session=session,
                ),
            )
            for each in rivals
        }
        return Round(others + rivals, strategies, [], pro_rata(decisions))


def _priority(strategy: Strategy | None) -> int:
    return strategy.priority if strategy else 0
