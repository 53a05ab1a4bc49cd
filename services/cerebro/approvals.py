"""Signals that wait for a person: what was answered, what is withdrawn, whose time is up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from services.cerebro.store import CerebroStore
from services.common.approvals import expire_approval, withdraw_approval
from services.common.clock import utc_now
from services.common.controls import end_expired
from services.common.store import Store
from services.domain.accounts import Strategy
from services.domain.approvals import ApprovalRequest, ApprovalStatus
from services.domain.errors import TransientError
from services.domain.signals import PREVIOUS, Signal, signal_id_for
from services.domain.words import Intent

_log = logging.getLogger(__name__)
_LEAVES: Final = frozenset({Intent.EXIT, Intent.CANCEL})


class Approvals:
    """Reads what persons were asked, and withdraws what the strategy itself wants out of."""

    def __init__(self, store: Store, queries: CerebroStore) -> None:
        self._store = store
        self._queries = queries

    def of(
        self,
        signals: Sequence[Signal],
        strategies: Mapping[str, Strategy | None],
        asked_before: Collection[str],
        session: ClientSession,
    ) -> dict[str, ApprovalRequest]:
        """What was asked of these signals; one query, and none where no strategy asks."""
        asking = [
            signal.signal_id
            for signal in signals
            if signal.signal_id in asked_before or _asks(strategies.get(signal.strategy_id))
        ]
        return self._queries.requests(asking, session) if asking else {}

    def withdraw_for(self, signals: Sequence[Signal]) -> None:
        """Reject what waits for a person where its strategy sends the exit, or cancels it.

        A yes after that would open a position that the strategy believes closed.
        """
        leaving = [
            signal
            for signal in signals
            if signal.intent in _LEAVES and _asks(self._queries.strategy(signal.strategy_id))
        ]
        if not leaving:
            return
        waiting = [
            each for each in self._queries.open_requests() if each.status is ApprovalStatus.WAITING
        ]
        instruments = self._queries.instruments_of([each.signal_id for each in waiting])
        for signal in leaving:
            for each in waiting:
                if _leaves(signal, each, instruments.get(each.signal_id, set())):
                    reason = f"the strategy sent {signal.intent} {signal.signal_id} meanwhile"
                    withdraw_approval(
                        self._store, each.signal_id, by=signal.strategy_id, reason=reason
                    )


def _asks(strategy: Strategy | None) -> bool:
    """Terms that are switched off still count: a request may be from before."""
    return strategy is not None and strategy.approval is not None


def _leaves(signal: Signal, request: ApprovalRequest, instruments: set[str]) -> bool:
    if signal.strategy_id != request.strategy_id:
        return False
    reference = signal.entry_reference
    if reference is not None and reference != PREVIOUS:
        return request.signal_id in {reference, signal_id_for(signal.strategy_id, reference)}
    return bool(instruments & {leg.instrument.key for leg in signal.legs})


class Watch:
    """Looks at what is due by the time, or was answered, a few times a second.

    Everything it does is compare-and-set, so any number of replicas may watch, and one that is
    started anew goes on where the last one was.
    """

    def __init__(
        self,
        store: Store,
        queries: CerebroStore,
        decide: Callable[[Sequence[dict[str, str]]], None],
        *,
        every_seconds: float = 0.5,
    ) -> None:
        self._store = store
        self._queries = queries
        self._decide = decide
        self._every = every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Watch in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the look that is under way."""
        self._stop.set()
        self._thread.join(timeout=10)

    def look(self) -> None:
        """Let the clock answer what is due, and have what is answered decided.

        Raises: PyMongoError, TransientError: the next look goes on.
        """
        now = utc_now()
        for control in end_expired(self._store, now):
            _log.info("the override has ended of %s", control.in_words)
        for request in self._queries.open_requests():
            if request.status is ApprovalStatus.WAITING:
                if now < request.expires_at:
                    continue
                expire_approval(self._store, request.signal_id, now)
            self._decide_one(request.signal_id)

    def _decide_one(self, signal_id: str) -> None:
        try:
            self._decide([{"signal_id": signal_id}])
        except TransientError as error:
            _log.debug("not now: %s", error)
        except Exception:  # noqa: BLE001 - one broken signal must not keep the others waiting
            _log.exception("watch: %s", signal_id)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except (PyMongoError, TransientError) as error:
                _log.warning("watch: %s", type(error).__name__)
            except Exception:  # noqa: BLE001 - the watch must not end
                _log.exception("watch")
            self._stop.wait(self._every)
