"""Doorbells in, decisions out: load, decide, save, publish; all that wait at once in one go."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.cerebro.contention import (
    Squeezed,
    enters,
    must_gather,
    pro_rata,
    squeezed,
    terms_of,
)
from services.cerebro.contexts import Books, Contexts, EntryFills
from services.cerebro.gaps import Ledger
from services.cerebro.store import CerebroStore
from services.common.bus import Publisher, Ring
from services.common.clock import utc_now
from services.common.incidents import clear_incident, raise_incident
from services.common.logs import road
from services.common.ops import STAGE_LATENCY
from services.common.store import Document, Store, from_document
from services.common.topology import TRADING_ORDERS
from services.decision.decide import decide
from services.domain.accounts import Contention, Gap, RiskLimits, Strategy
from services.domain.decisions import Decision
from services.domain.errors import InvalidMessage, PartlyDone
from services.domain.orders import Order
from services.domain.signals import Signal
from services.domain.values import ZERO
from services.domain.words import ContentionPolicy, Intent, Outcome

_log = logging.getLogger(__name__)

#: Denials of an exit that may only mean that its entry is still on the road.
_MAY_COME = frozenset({"ENTRY_NOT_FOUND", "NO_POSITION", "NOTHING_TO_CANCEL"})


class Patience(NamedTuple):
    """How long a signal waits for one before it, seconds since it was received.

    Attributes:
        exit_seconds: an exit for its entry.
        gap_seconds: an entry for whatever is missing before it.
        price_seconds: a signal without a price for the one of its broker.
    """

    exit_seconds: Decimal
    gap_seconds: Decimal
    price_seconds: Decimal


class _Entry(NamedTuple):
    """What an exit's reference leads to."""

    found: bool | None
    signal_id: str | None
    undecided: bool
    orders: list[Document]
    exits: list[Document]


class _Round(NamedTuple):
    """Which signals are decided now, in this order; who waits for others; who shares margin."""

    signals: list[Signal]
    strategies: dict[str, Strategy | None]
    held_back: list[tuple[Signal, str]]
    shares: dict[str, dict[str, Contention]]


class _Done(NamedTuple):
    """What one transaction has decided, who waits and why, and what is missing before them."""

    decided: list[tuple[Signal, Decision]]
    waiting: list[tuple[Signal, str]]
    ledger: Ledger
    squeezed: list[Squeezed]


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
        self._contexts = Contexts(queries, limits)
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
        signals = [from_document(Signal, life["signal"]) for life in lives if life.get("undecided")]
        if not signals:
            return
        done = self._store.transaction(lambda session: self._decide_and_save(signals, session))
        self._announce(done.decided)
        self._tell_gaps(done.ledger)
        if done.waiting:
            waiting = {signal.signal_id for signal, _ in done.waiting}
            raise PartlyDone(
                "; ".join(f"{s.signal_id} waits: {why}" for s, why in done.waiting),
                waiting=frozenset(
                    place for place, each in enumerate(batch) if each["signal_id"] in waiting
                ),
            )

    def _decide_and_save(self, signals: Sequence[Signal], session: ClientSession) -> _Done:
        """Each decision sees what those before it have reserved; one that waits leaves nothing."""
        strategies = {
            each: self._queries.strategy(each) for each in {s.strategy_id for s in signals}
        }
        books = self._contexts.open_books(strategies.values(), session)
        round_ = self._round(signals, strategies, books, session)
        done = _Done([], list(round_.held_back), self._queries.ledger(round_.signals, session), [])
        for signal in round_.signals:
            flat = signal.previous_position is not None and books.flat(signal)
            gap = done.ledger.gap(signal, flat=flat)
            entry = self._entry(signal, session)
            shares = round_.shares.get(signal.signal_id, {})
            decision = self._decide(signal, entry, books, round_, gap, shares, session)
            if self._should_wait(signal, decision, entry, books, session) or self._asks(
                decision, signal
            ):
                done.waiting.append((signal, decision.reason))
                continue
            if enters(signal):
                limit_sets = decision.context.limit_sets
                done.squeezed.extend(squeezed(signal, decision, books.reservations, limit_sets))
            done.ledger.take(signal, decision.intent, flat=flat)
            books.take(decision.orders, decision.reservations)
            done.decided.append((signal, decision))
        self._queries.save([decision for _, decision in done.decided], session)
        self._queries.save_squeezed(done.squeezed, session)
        self._queries.save_ledger(done.ledger, session)
        return done

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
        alone = _Round(rivals, strategies, [], {})
        nothing = _Entry(None, None, undecided=False, orders=[], exits=[])
        decisions = {
            signal.signal_id: self._decide(signal, nothing, books, alone, None, {}, session)
            for signal in rivals
        }
        return _Round(others + rivals, strategies, [], pro_rata(decisions))

    def _decide(  # noqa: PLR0913, PLR0917 - what is known of one signal
        self,
        signal: Signal,
        entry: _Entry,
        books: Books,
        round_: _Round,
        gap: Gap | None,
        shares: dict[str, Contention],
        session: ClientSession,
    ) -> Decision:
        strategy = round_.strategies.get(signal.strategy_id)
        fills = self._fills(signal, strategy, entry, books, session)
        context = self._contexts.context(
            signal, strategy, fills, books, gap=gap, contention=shares, session=session
        )
        return decide(signal, context)

    def _asks(self, decision: Decision, signal: Signal) -> bool:
        """Whether a broker may still say what was missing; if so, ask it.

        Written outside of the transaction, which the wait may undo.
        """
        waited = (decision.decided_at - signal.received_at).total_seconds()
        if not decision.questions or waited > self._patience.price_seconds:
            return False
        for question in decision.questions:
            self._queries.ask(question, at=decision.decided_at)
        return True

    def _entry(self, signal: Signal, session: ClientSession) -> _Entry:
        if signal.entry_reference is None:
            return _Entry(None, None, undecided=False, orders=[], exits=[])
        found = self._queries.find_entry(signal, session)
        if found is None:
            return _Entry(found=False, signal_id=None, undecided=False, orders=[], exits=[])
        signal_id = found["signal_id"]
        return _Entry(
            found=True,
            signal_id=signal_id,
            undecided=bool(found.get("undecided")),
            orders=self._queries.orders_of(signal_id, session),
            exits=self._queries.exits_of(signal_id, session),
        )

    def _fills(
        self,
        signal: Signal,
        strategy: Strategy | None,
        entry: _Entry,
        books: Books,
        session: ClientSession,
    ) -> EntryFills:
        """What the entry has come to in each account, for exits and cancels."""
        working: list[Document] = []
        if signal.intent is Intent.CANCEL:
            working = entry.orders or self._queries.working_orders(signal.strategy_id, session)
        keys = {leg.instrument.key for leg in signal.legs}
        fills = EntryFills(entry.found, entry.signal_id, {}, {}, {})
        for account_id in [each.account_id for each in strategy.accounts] if strategy else []:
            mine = [
                (from_document(Order, row["order"]), row)
                for row in entry.orders
                if row["account_id"] == account_id
            ]
            fills.filled[account_id] = _sums(
                (order.instrument.key, row["filled_quantity"]) for order, row in mine
            )
            fills.closed[account_id] = _sums(
                (order.instrument.key, order.quantity if works else filled)
                for order, works, filled in _exits(entry, books, account_id)
            )
            fills.cancelable[account_id] = _cancelable(working, account_id, keys)
        return fills

    def _should_wait(
        self,
        signal: Signal,
        decision: Decision,
        entry: _Entry,
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
        if (decision.decided_at - signal.received_at).total_seconds() > longest:
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
            STAGE_LATENCY.labels("decided").observe(waited)
            road(
                "DECISION",
                signal.signal_id,
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


def _priority(strategy: Strategy | None) -> int:
    return strategy.priority if strategy else 0


def _exits(entry: _Entry, books: Books, account_id: str) -> list[tuple[Order, bool, Decimal]]:
    """Orders that close this entry here, in the store and in this batch: order, works, filled."""
    stored = [
        (from_document(Order, row["order"]), bool(row.get("working")), row["filled_quantity"])
        for row in entry.exits
    ]
    of_batch = [
        (order, True, ZERO)
        for order in books.orders
        if entry.signal_id is not None and order.entry_signal_id == entry.signal_id
    ]
    return [each for each in stored + of_batch if each[0].account_id == account_id]


def _sums(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for key, amount in amounts:
        sums[key] = sums.get(key, ZERO) + amount
    return sums


def _cancelable(orders: list[Document], account_id: str, keys: set[str]) -> tuple[str, ...]:
    found = []
    for stored in orders:
        if not stored.get("working") or stored["account_id"] != account_id:
            continue
        order = from_document(Order, stored["order"])
        if not order.intent.reduces_risk and order.instrument.key in keys:
            found.append(order.client_order_id)
    return tuple(found)


def _in_words(order: Order) -> str:
    return f"{order.side}:{order.quantity}:{order.instrument.symbol}@{order.account_id}"
