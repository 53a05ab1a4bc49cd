"""Doorbells in, decisions out: load, decide, save, publish; all that wait at once in one go."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.cerebro.approvals import Approvals
from services.cerebro.contention import (
    Squeezed,
    enters,
    must_gather,
    pro_rata,
    squeezed,
    terms_of,
)
from services.cerebro.contexts import Books, Contexts, EntryFound
from services.cerebro.facts import Facts
from services.cerebro.gaps import Ledger
from services.cerebro.relations import Entry, Relations
from services.cerebro.store import CerebroStore
from services.common.bus import Publisher, Ring
from services.common.clock import utc_now
from services.common.failpoints import FailPoint, failpoint
from services.common.incidents import clear_incident, raise_incident
from services.common.logs import road
from services.common.metrics import STAGE_LATENCY
from services.common.store import Document, Store, from_document
from services.common.topology import TRADING_ORDERS
from services.decision.approvals import asked_for
from services.decision.decide import decide
from services.domain.accounts import Contention, RiskLimits, Strategy
from services.domain.approvals import AWAITS_APPROVAL, ApprovalRequest, ApprovalStatus
from services.domain.decisions import Decision
from services.domain.errors import InvalidMessage, PartlyDone
from services.domain.orders import Order
from services.domain.signals import Signal
from services.domain.words import ContentionPolicy, Intent, Outcome

_log = logging.getLogger(__name__)

#: Denials of an exit that may only mean that its entry is still on the road.
_MAY_COME = frozenset({"ENTRY_NOT_FOUND", "NO_POSITION", "NOTHING_TO_CANCEL"})


class Patience(NamedTuple):
    """How long a signal waits for one before it, seconds since it was received.

    Attributes:
        exit_seconds: an exit for its entry.
        gap_seconds: an entry for whatever is missing before it.
        price_seconds: a signal for the price or the margin that its broker names.
        reversal_seconds: the entry of a reversal for the fill of its exit.
    """

    exit_seconds: Decimal
    gap_seconds: Decimal
    price_seconds: Decimal
    reversal_seconds: Decimal = Decimal(60)


class _Before(NamedTuple):
    """What earlier looks at a signal have left.

    Attributes:
        canceled: entry orders that were canceled for it.
        waiting_since: when it was first looked at; a standstill of ours uses up no patience.
        is_asked: whether a person was asked.
    """

    canceled: tuple[str, ...] = ()
    waiting_since: datetime | None = None
    is_asked: bool = False

    @classmethod
    def of(cls, life: Document) -> _Before:
        """From what is stored of the signal."""
        return cls(
            tuple(life.get("canceled_entries", ())),
            life.get("waiting_since"),
            life.get("undecided") == AWAITS_APPROVAL,
        )

    def may_wait(self, decision: Decision, seconds: Decimal) -> bool:
        """Whether it has not waited for so long yet."""
        since = self.waiting_since or decision.decided_at
        return (decision.decided_at - since).total_seconds() < seconds


class _Round(NamedTuple):
    """Which signals are decided now, in this order; who waits for others; who shares margin."""

    signals: list[Signal]
    strategies: dict[str, Strategy | None]
    held_back: list[tuple[Signal, str]]
    shares: dict[str, dict[str, Contention]]


class _Scene(NamedTuple):
    """What the decisions of one transaction share.

    Attributes:
        requests: what persons were asked of some of its signals.
    """

    round_: _Round
    books: Books
    before: Mapping[str, _Before]
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
        self._publisher = publisher
        self._contexts = Contexts(queries, Facts(store), limits)
        self._relations = Relations(queries)
        self._approvals = Approvals(store, queries)
        self._waiting: set[str] = set()
        self._patience = patience

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
        self._approvals.withdraw_for(signals)
        before = {life["_id"]: _Before.of(life) for life in lives}
        done = self._store.transaction(
            lambda session: self._decide_and_save(signals, before, session)
        )
        failpoint(FailPoint.DECIDED)
        self._announce(done.decided)
        _tell_asked(done.asked)
        self._tell_gaps(done.ledger)
        self._end_entries(done)
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
        strategy = self._queries.strategy(strategy_id)
        return strategy is not None and any(
            each.account_id in accounts for each in strategy.accounts
        )

    def _decide_and_save(
        self,
        signals: Sequence[Signal],
        before: Mapping[str, _Before],
        session: ClientSession,
    ) -> _Done:
        """Each decision sees what those before it have reserved; one that waits leaves nothing."""
        strategies = {
            each: self._queries.strategy(each) for each in {s.strategy_id for s in signals}
        }
        books = self._contexts.open_books(strategies.values(), session)
        round_ = self._round(signals, strategies, books, session)
        ledger = self._queries.ledger(round_.signals, session)
        asked_before = {name for name, each in before.items() if each.is_asked}
        requests = self._approvals.of(round_.signals, round_.strategies, asked_before, session)
        done = _Done([], list(round_.held_back), ledger, [], {}, {}, [])
        scene = _Scene(round_, books, before, requests)
        for signal in round_.signals:
            self._decide_one(signal, scene, done, session)
        decisions = [decision for _, decision in done.decided]
        self._queries.save(decisions, session)
        self._queries.close_requests(decisions, session)
        self._queries.save_asked(done.asked, session)
        self._queries.save_squeezed(done.squeezed, session)
        self._queries.save_ledger(done.ledger, session)
        failpoint(FailPoint.BEFORE_DECISION)
        return done

    def _decide_one(
        self, signal: Signal, scene: _Scene, done: _Done, session: ClientSession
    ) -> None:
        """Decide one signal of a round, or find what it waits for."""
        request = scene.requests.get(signal.signal_id)
        if request is not None and request.status is ApprovalStatus.WAITING:
            return  # looked at again when there is an answer
        books, looked = scene.books, scene.before.get(signal.signal_id, _Before())
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
        if unfilled and looked.may_wait(decision, self._patience.exit_seconds):
            done.cancels[signal.signal_id] = unfilled
            done.waiting.append((signal, "its entry is being canceled"))
            return
        waits = self._should_wait(signal, decision, entry, books, session)
        if decision.code == "REVERSAL_EXIT_OPEN" and found.reversal_under_way:
            waits = looked.may_wait(decision, self._patience.reversal_seconds)
        if waits or self._asks(decision, signal):
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

    def _round(
        self,
        signals: Sequence[Signal],
        strategies: dict[str, Strategy | None],
        books: Books,
        session: ClientSession,
    ) -> _Round:
        """Who is decided now, and in which order, where entries may want the same margin."""
        accounts = {
            account.account_id: terms_of(self._queries.limit_sets(), account.account_id)
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
            return _Round(list(signals), strategies, [], {})
        terms = max(shared.values(), key=lambda each: each.window)
        lives = self._queries.undecided_of(shared, session)
        rivals = [from_document(Signal, life["signal"]) for life in lives]
        rivals = [signal for signal in rivals if enters(signal)]
        others = [signal for signal in signals if not enters(signal)]
        if must_gather(rivals, terms, utc_now()):
            waiting = [(each, f"entries gather for {terms.window}") for each in entering]
            return _Round(others, strategies, waiting, {})
        strategies |= {
            each.strategy_id: self._queries.strategy(each.strategy_id)
            for each in rivals
            if each.strategy_id not in strategies
        }
        named = {signal.signal_id for signal in rivals}
        rivals += [signal for signal in entering if signal.signal_id not in named]
        if terms.policy is ContentionPolicy.PRIORITY:
            rivals.sort(key=lambda each: _priority(strategies[each.strategy_id]))
            return _Round(others + rivals, strategies, [], {})
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
        return _Round(others + rivals, strategies, [], pro_rata(decisions))

    def _asks(self, decision: Decision, signal: Signal) -> bool:
        """Whether a broker may still say what was missing; if so, ask it.

        Written outside of the transaction, which the wait may undo.
        """
        if not decision.questions:
            return False
        if not self._waits_on(signal, decision, self._patience.price_seconds):
            return False
        for question in decision.questions:
            self._queries.ask(question, at=decision.decided_at)
        return True

    @staticmethod
    def _waits_on(signal: Signal, decision: Decision, seconds: Decimal) -> bool:
        answer = decision.context.approval
        since = answer.answered_at if answer else signal.received_at
        return (decision.decided_at - since).total_seconds() <= seconds

    def _end_entries(self, done: _Done) -> None:
        """Have unfilled entries canceled for the exits that wait; tell of those that would not."""
        for signal_id, orders in done.cancels.items():
            accounts = self._queries.cancel_entries(signal_id, orders, at=utc_now())
            rings = [
                Ring(account_id, {"client_order_id": name, "account_id": account_id})
                for name, account_id in accounts.items()
            ]
            self._publisher.ring(TRADING_ORDERS, rings)
        senders = {signal.signal_id: signal.strategy_id for signal, _ in done.decided}
        for signal_id, orders in done.unfilled.items():
            raise_incident(
                self._store,
                kind="EXIT_ENTRY_WORKING",
                key=signal_id,
                sentence=(
                    f"exit {signal_id} was decided, but entry orders of it still work and may fill "
                    f"later: {', '.join(orders)}"
                ),
                facts={"strategy_id": senders[signal_id]} if signal_id in senders else {},
            )

    def _should_wait(
        self,
        signal: Signal,
        decision: Decision,
        entry: Entry,
        books: Books,
        session: ClientSession,
    ) -> bool:
        """Whether what this signal builds on may still come: an exit's entry, or what fills a gap.

        It waits on the bus and in the store, not in a thread, and not for ever.
        """
        gap = decision.context.gap
        held = gap is not None and decision.code == gap.code
        if not held and decision.code not in _MAY_COME:
            return False
        longest = self._patience.gap_seconds if held else self._patience.exit_seconds
        if not self._waits_on(signal, decision, longest):
            return False
        if gap is not None or entry.found is False or entry.undecided:
            return True
        if entry.found:
            return any(order.get("working") for order in entry.orders)
        if self._queries.has_undecided_before(signal, session):
            return True
        keys = {leg.instrument.key for leg in signal.legs}
        return any(
            held.instrument_key in keys
            and held.strategy_id == signal.strategy_id
            and not held.closing_quantity
            for held in books.reservations
        )

    def _tell_gaps(self, ledger: Ledger) -> None:
        """Make the incidents say what is missing now; what they say already is not repeated."""
        known = self._queries.open_gaps(list(ledger.gaps)) if ledger.gaps else {}
        for name, sentence in ledger.gaps.items():
            if sentence == known.get(name):
                continue
            if sentence is None:
                clear_incident(self._store, kind="SIGNAL_GAP", key=name)
            else:
                raise_incident(self._store, kind="SIGNAL_GAP", key=name, sentence=sentence)
        for name, sentence in ledger.repeats.items():
            raise_incident(self._store, kind="SEQUENCE_REPEATED", key=name, sentence=sentence)

    def _announce(self, decided: Sequence[tuple[Signal, Decision]]) -> None:
        self._publisher.ring(TRADING_ORDERS, self._rings([decision for _, decision in decided]))
        now = utc_now()
        for signal, decision in decided:
            waited = (now - signal.received_at).total_seconds() * 1000
            if decision.context.approval is None:  # else it is a person's time
                STAGE_LATENCY.labels("decided").observe(waited)
            road(
                "DECISION",
                signal.signal_id,
                began_at=signal.received_at,
                outcome=decision.outcome,
                code=decision.code or "-",
                orders=" ".join(_in_words(order) for order in decision.orders) or "-",
                ms=f"{waited:.0f}",
                reason=decision.reason or "-",
            )
            leaves = decision.intent in {Intent.EXIT, Intent.SCALE_OUT}
            if decision.outcome is Outcome.DENIED and leaves:
                raise_incident(
                    self._store,
                    kind="EXIT_DENIED",
                    key=signal.signal_id,
                    sentence=f"{signal.strategy_id}: {decision.intent} denied: {decision.reason}",
                    facts={"strategy_id": signal.strategy_id},
                )

    def _rings(self, decisions: Sequence[Decision]) -> list[Ring]:
        accounts = {
            order.client_order_id: order.account_id
            for decision in decisions
            for order in decision.orders
        }
        cancels = [order_id for decision in decisions for order_id in decision.cancels]
        if cancels:
            accounts |= self._queries.accounts_of(cancels)
        return [
            Ring(account_id, {"client_order_id": order_id, "account_id": account_id})
            for order_id, account_id in accounts.items()
        ]


def _tell_asked(asked: Sequence[tuple[ApprovalRequest, Decision]]) -> None:
    for request, _ in asked:
        road(
            "APPROVAL_ASKED",
            request.signal_id,
            until=f"{request.expires_at:%H:%M:%S}",
            then=request.on_timeout,
            what=request.sentence,
        )


def _priority(strategy: Strategy | None) -> int:
    return strategy.priority if strategy else 0


def _in_words(order: Order) -> str:
    return f"{order.side}:{order.quantity}:{order.instrument.symbol}@{order.account_id}"
