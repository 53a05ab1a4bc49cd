"""Who is told of decisions: the desks, the log, the persons who must look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pymongo.client_session import ClientSession

from services.cerebro.gaps import Ledger
from services.cerebro.relations import left_open
from services.cerebro.store import CerebroStore
from services.common.bus import Publisher, Ring
from services.common.clock import utc_now
from services.common.incidents import clear_incident, raise_incident
from services.common.logs import road
from services.common.metrics import STAGE_LATENCY
from services.common.store import Store
from services.common.topology import TRADING_ORDERS
from services.decision.exits import NOTHING_OPEN, OPPOSITE
from services.domain.approvals import ApprovalRequest
from services.domain.decisions import Decision
from services.domain.orders import Order
from services.domain.signals import Signal
from services.domain.words import Intent, Outcome

_LEAVES: Final = frozenset({Intent.EXIT, Intent.SCALE_OUT})
#: Steps that keep an exit from a position that is there.
_KEEPS: Final = frozenset({"trading_state", OPPOSITE})


class Announcer:
    """Rings for orders and tells persons.

    What is told in the decisions' transaction is there with them. What is told after it and lost is
    told again: doorbells by the sweeper, gaps with the next signal of the strategy.
    """

    def __init__(self, store: Store, queries: CerebroStore, publisher: Publisher) -> None:
        self._store = store
        self._queries = queries
        self._publisher = publisher

    def decided(self, decided: Sequence[tuple[Signal, Decision]]) -> None:
        """Ring for the orders of these, and tell the log."""
        accounts = self._accounts([decision for _, decision in decided])
        self._publisher.ring(TRADING_ORDERS, _rings(accounts))
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

    def denied(self, decided: Sequence[tuple[Signal, Decision]], session: ClientSession) -> None:
        """An exit that is denied leaves a position; one that finds none is a word for its sender.

        The latter come by the hundred where entries expired, or guards closed what they guarded:
        one incident of a strategy, with a count, that wakes nobody. So does a part of one
        instrument that is less than a lot of ours; of several, others could have been reduced.

        Of several accounts one that is halted, or holds the other side, keeps its position whatever
        the others come to.
        """
        for signal, decision in decided:
            if decision.intent not in _LEAVES:
                continue
            kept = _kept(signal, decision)
            if not kept and decision.outcome is not Outcome.DENIED:
                continue
            less = len(signal.legs) == 1 and decision.code == "QUANTITY_BELOW_LOT"
            nothing = not kept and (less or decision.code in NOTHING_OPEN)
            told = f"not in {'; '.join(kept)}" if kept else f"denied: {decision.reason}"
            raise_incident(
                self._store,
                kind="EXIT_FOUND_NOTHING" if nothing else "EXIT_DENIED",
                key=signal.strategy_id if nothing else signal.signal_id,
                sentence=f"{signal.strategy_id}: {decision.intent} {told}",
                facts={"strategy_id": signal.strategy_id},
                session=session,
            )

    def gaps(self, ledger: Ledger) -> None:
        """Make the incidents say what is missing now; what they say already is not repeated."""
        known = self._queries.gaps.told(list(ledger.gaps)) if ledger.gaps else {}
        for name, sentence in ledger.gaps.items():
            if sentence == known.get(name):
                continue
            if sentence is None:
                clear_incident(self._store, kind="SIGNAL_GAP", key=name)
            else:
                raise_incident(self._store, kind="SIGNAL_GAP", key=name, sentence=sentence)
        for name, sentence in ledger.repeats.items():
            raise_incident(self._store, kind="SEQUENCE_REPEATED", key=name, sentence=sentence)

    def canceled(self, cancels: Mapping[str, Sequence[str]]) -> None:
        """Have unfilled entries canceled for the exits that wait.

        Args:
            cancels: by exit, its entry orders.
        """
        for signal_id, orders in cancels.items():
            accounts = self._queries.cancel_entries(signal_id, orders, at=utc_now())
            self._publisher.ring(TRADING_ORDERS, _rings(accounts))

    def unfilled(
        self,
        decided: Sequence[tuple[Signal, Decision]],
        unfilled: Mapping[str, Sequence[str]],
        session: ClientSession,
    ) -> None:
        """Tell of exits that were decided although entry orders would not end.

        Args:
            decided: in the same round.
            unfilled: by exit, its entry orders that still work.
            session: of the decisions.
        """
        senders = {signal.signal_id: signal.strategy_id for signal, _ in decided}
        for signal_id, orders in unfilled.items():
            raise_incident(
                self._store,
                kind="EXIT_ENTRY_WORKING",
                key=signal_id,
                sentence=(
                    f"exit {signal_id} was decided, but entry orders of it still work and may fill "
                    f"later: {', '.join(orders)}"
                ),
                facts={"strategy_id": senders[signal_id]} if signal_id in senders else {},
                session=session,
            )

    def asked(self, asked: Sequence[tuple[ApprovalRequest, Decision]]) -> None:
        """Tell the log what persons are asked."""
        for request, _ in asked:
            road(
                "APPROVAL_ASKED",
                request.signal_id,
                until=f"{request.expires_at:%H:%M:%S}",
                then=request.on_timeout,
                what=request.sentence,
            )

    def _accounts(self, decisions: Sequence[Decision]) -> dict[str, str]:
        """Orders that are to be looked at, with their accounts."""
        accounts = {
            order.client_order_id: order.account_id
            for decision in decisions
            for order in decision.orders
        }
        cancels = [order_id for decision in decisions for order_id in decision.cancels]
        return accounts | self._queries.accounts_of(cancels) if cancels else accounts


def _kept(signal: Signal, decision: Decision) -> list[str]:
    """Accounts in which this exit leaves a position as it is, and why."""
    keys = {leg.instrument.key for leg in signal.legs}
    return [
        f"{step.account_id}: {step.sentence}"
        for step in decision.steps
        if step.bound
        and step.name in _KEEPS
        and step.account_id is not None
        and any(left_open(decision.context, step.account_id, key) > 0 for key in keys)
    ]


def _rings(accounts: Mapping[str, str]) -> list[Ring]:
    return [
        Ring(account_id, {"client_order_id": order_id, "account_id": account_id})
        for order_id, account_id in accounts.items()
    ]


def _in_words(order: Order) -> str:
    return f"{order.side}:{order.quantity}:{order.instrument.symbol}@{order.account_id}"
