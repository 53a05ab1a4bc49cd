"""Doorbells in, decisions out: load, decide, save, publish; all that wait at once in one go."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.cerebro.announcing import Announcer
from services.cerebro.approvals import Approvals
from services.cerebro.books import Books
from services.cerebro.contention import (
    Squeezed,
    enters,
    squeezed,
)
from services.cerebro.contexts import Contexts
from services.cerebro.facts import Facts
from services.cerebro.gaps import Ledger
from services.cerebro.patience import Before, Patience, Standing, Waiting
from services.cerebro.relations import Relations
from services.cerebro.rounds import Round, Rounds
from services.cerebro.store import CerebroStore
from services.common.bus import Publisher
from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.store import Store, from_document
from services.decision.approvals import asked_for
from services.decision.decide import decide
from services.domain.accounts import RiskLimits
from services.domain.approvals import ApprovalRequest, ApprovalStatus
from services.domain.decisions import Decision
from services.domain.errors import InvalidMessage, PartlyDone
from services.domain.signals import Signal

_log = logging.getLogger(__name__)


class _Scene(NamedTuple):
    """What the decisions of one transaction share.

    Attributes:
        requests: what persons were asked of some of its signals.
    """

    round_: Round
    books: Books
    before: Mapping[str, Before]
    requests: Mapping[str, ApprovalRequest]


class _Done(NamedTuple):
    """What one transaction has decided, who waits and why, and what is missing before them.

    Attributes:
        cancels: by exit that waits, entry orders to be canceled for it.
        unfilled: by exit that has waited long enough, entry orders that still work.
        asked: what persons are asked, with the decision that they are shown.
    """

    decided: list[tuple[Signal, Decision]]
    waiting: list[tuple[Signal, str]]
    ledger: Ledger
    squeezed: list[Squeezed]
    cancels: dict[str, list[str]]
    unfilled: dict[str, list[str]]
    asked: list[tuple[ApprovalRequest, Decision]]


class Cerebro:
    """Decides signals; safe to run in any number of threads and replicas."""

    def __init__(
        self,
        store: Store,
        queries: CerebroStore,
        publisher: Publisher,
        *,
        limits: RiskLimits,
        patience: Patience,
    ) -> None:
        self._store = store
        self._queries = queries
        self._contexts = Contexts(queries, Facts(store), limits)
        self._relations = Relations(queries)
        self._approvals = Approvals(store, queries)
        self._rounds = Rounds(queries, self._contexts)
        self._patience = Waiting(queries, patience)
        self._announcer = Announcer(store, queries, publisher)
        self._waiting: set[str] = set()

    def on_signals(self, batch: Sequence[dict[str, str]]) -> None:
        """Decide the signals that these doorbells name, in one transaction; decided ones stay.

        Raises:
            InvalidMessage: there is no such signal.
            TransientError: not now.
            PartlyDone: some wait, e.g. for the entry that they close; the others are decided.
        """
        named = list(dict.fromkeys(fields.get("signal_id", "") for fields in batch))
        lives = self._queries.signals(named)
        missing = set(named) - {life["signal_id"] for life in lives}
        if missing:
            raise InvalidMessage(f"there is no signal {', '.join(sorted(missing))}")
        lives = [life for life in lives if life.get("undecided")]
        signals = [from_document(Signal, life["signal"]) for life in lives]
        if not signals:
            return
        self._queries.reference.read_ahead({signal.strategy_id for signal in signals})
        self._approvals.withdraw_for(signals)
        before = {life["_id"]: Before.of(life) for life in lives}
        done = self._store.transaction(
            lambda session: self._decide_and_save(signals, before, session)
        )
        failpoint(FailPoint.DECIDED)
        self._announcer.decided(done.decided)
        self._announcer.asked(done.asked)
        self._announcer.gaps(done.ledger)
        self._announcer.canceled(done.cancels)
        waiting = {signal.signal_id for signal, _ in done.waiting}
        # Only to know when to look: what waits is in the store, and the bus rings again anyway.
        self._queries.note_waiting(sorted(waiting - self._waiting), at=utc_now())
        self._waiting = (self._waiting | waiting) - {s.signal_id for s, _ in done.decided}
        if done.waiting:
            raise PartlyDone(
                "; ".join(f"{s.signal_id} waits: {why}" for s, why in done.waiting),
                waiting=frozenset(
                    place for place, each in enumerate(batch) if each["signal_id"] in waiting
                ),
            )

    def on_confirmations(self, batch: Sequence[dict[str, str]]) -> None:
        """Orders have moved: look again at the signals that were waiting for something.

        Raises: TransientError: not now.
        """
        waiting = sorted(self._waiting)
        if not waiting:
            return
        moved = {fields.get("account_id") for fields in batch}
        lives = self._queries.signals(waiting)
        self._waiting -= {each["_id"] for each in lives if not each.get("undecided")}
        named = [each["_id"] for each in lives if self._trades_in(each["strategy_id"], moved)]
        if not named:
            return
        try:
            self.on_signals([{"signal_id": name} for name in named])
        except PartlyDone as error:
            _log.debug("still waiting: %s", error)

    def _trades_in(self, strategy_id: str, accounts: Collection[str | None]) -> bool:
        strategy = self._queries.reference.strategy(strategy_id)
        return strategy is not None and any(
            each.account_id in accounts for each in strategy.accounts
        )

    def _decide_and_save(
        self,
        signals: Sequence[Signal],
        before: Mapping[str, Before],
        session: ClientSession,
    ) -> _Done:
        """Each decision sees what those before it have reserved; one that waits leaves nothing."""
        strategies = {
            each: self._queries.reference.strategy(each)
            for each in {s.strategy_id for s in signals}
        }
        books = self._contexts.open_books(strategies.values(), session)
        round_ = self._rounds.of(signals, strategies, books, session)
        ledger = self._queries.gaps.ledger(round_.signals, session)
        asked_before = {name for name, each in before.items() if each.is_asked}
        requests = self._approvals.of(round_.signals, round_.strategies, asked_before, session)
        done = _Done([], list(round_.held_back), ledger, [], {}, {}, [])
        scene = _Scene(round_, books, before, requests)
        for signal in round_.signals:
            self._decide_one(signal, scene, done, session)
        decisions = [decision for _, decision in done.decided]
        self._queries.save(decisions, session)
        self._queries.approvals.close(decisions, session)
        self._queries.approvals.save(done.asked, session)
        self._queries.save_squeezed(done.squeezed, session)
        self._queries.gaps.save(done.ledger, session)
        self._announcer.denied(done.decided, session)
        self._announcer.unfilled(done.decided, done.unfilled, session)
        failpoint(FailPoint.BEFORE_DECISION)
        return done

    def _decide_one(
        self, signal: Signal, scene: _Scene, done: _Done, session: ClientSession
    ) -> None:
        """Decide one signal of a round, or find what it waits for."""
        request = scene.requests.get(signal.signal_id)
        if request is not None and request.status is ApprovalStatus.WAITING:
            return  # looked at again when there is an answer
        books, looked = scene.books, scene.before.get(signal.signal_id, Before())
        flat = signal.previous_position is not None and books.flat(signal)
        entry = self._relations.entry(signal, session)
        strategy = scene.round_.strategies.get(signal.strategy_id)
        found = self._relations.found(signal, strategy, entry, books, looked.canceled, session)
        context = self._contexts.context(
            signal,
            strategy,
            found,
            books,
            # What was missing before it was said when the person was asked.
            gap=None if request else done.ledger.gap(signal, flat=flat),
            contention=scene.round_.shares.get(signal.signal_id, {}),
            session=session,
            approval=request.answer() if request else None,
        )
        decision = decide(signal, context)
        unfilled = self._relations.unfilled_entries(signal, decision, entry, books, session)
        if unfilled and self._patience.for_cancel(decision, looked):
            done.cancels[signal.signal_id] = unfilled
            done.waiting.append((signal, "its entry is being canceled"))
            return
        stands = Standing(looked, entry, found, books)
        if self._patience.has_to_wait(signal, decision, stands, session):
            done.waiting.append((signal, decision.reason))
            return
        if unfilled:
            done.unfilled[signal.signal_id] = unfilled
        if request is None:
            done.ledger.take(signal, decision.intent, flat=flat)
        asked = asked_for(signal, decision)
        if asked is not None:
            done.asked.append((asked, decision))
            return
        if enters(signal):
            limit_sets = decision.context.limit_sets
            done.squeezed.extend(squeezed(signal, decision, books.reservations, limit_sets))
        books.take(decision.orders, decision.reservations)
        done.decided.append((signal, decision))
