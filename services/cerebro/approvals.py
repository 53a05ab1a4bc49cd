"""Signals that wait for a person: what was answered, what is withdrawn, whose time is up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pymongo.client_session import ClientSession
from pymongo.errors import ConnectionFailure, PyMongoError

from services.cerebro.store import CerebroStore
from services.common.approvals import expire_approval, withdraw_approval
from services.common.clock import utc_now
from services.common.controls import end_expired
from services.common.failpoints import FailPoint, failpoint
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Store
from services.domain.accounts import Strategy
from services.domain.approvals import ApprovalRequest, ApprovalStatus
from services.domain.errors import TransientError
from services.domain.signals import PREVIOUS, Signal, signal_id_for
from services.domain.words import Intent

_log = logging.getLogger(__name__)
_LEAVES: Final = frozenset({Intent.EXIT, Intent.CANCEL})
_STUCK: Final = "APPROVAL_STUCK"
#: Between two tries of a request that breaks: doubled each time, up to a minute.
_FIRST_PAUSE: Final = timedelta(seconds=1)
_LONGEST_PAUSE: Final = timedelta(minutes=1)


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
        return self._queries.approvals.of(asking, session) if asking else {}

    def withdraw_for(self, signals: Sequence[Signal]) -> None:
        """Reject what waits for a person where its strategy sends the exit, or cancels it.

        A yes after that would open a position that the strategy believes closed.
        """
        leaving = [
            signal
            for signal in signals
            if signal.intent in _LEAVES
            and _asks(self._queries.reference.strategy(signal.strategy_id))
        ]
        if not leaving:
            return
        waiting = [
            each for each in self._queries.approvals.open() if each.status is ApprovalStatus.WAITING
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


class _Setback(NamedTuple):
    """A request that broke when it was decided.

    Attributes:
        pause: between the last try and the next.
        next_at: not tried before.
    """

    pause: timedelta
    next_at: datetime

    @classmethod
    def after(cls, last: _Setback | None, now: datetime) -> _Setback:
        """One more failure."""
        pause = min(last.pause * 2, _LONGEST_PAUSE) if last else _FIRST_PAUSE
        return cls(pause, now + pause)


class Watch:
    """Looks at what is due by the time, or was answered, a few times a second.

    Everything it does is compare-and-set, so any number of replicas may watch, and one that is
    started anew goes on where the last one was. A request that breaks is told once, as an incident,
    and tried ever more seldom, while the others are decided as before.
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
        # None until the incidents are read that an earlier process has left open.
        self._setbacks: dict[str, _Setback] | None = None
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
        requests = self._queries.approvals.open()
        setbacks = self._settled({each.signal_id for each in requests}, now)
        for request in requests:
            if request.status is ApprovalStatus.WAITING and now < request.expires_at:
                continue
            last = setbacks.get(request.signal_id)
            if last is None or last.next_at <= now:
                self._take_on(request, setbacks, now)

    def _settled(self, still_open: Collection[str], now: datetime) -> dict[str, _Setback]:
        """What broke before and is still to be done; incidents of what is done are closed."""
        if self._setbacks is None:
            left = self._queries.open_incidents(_STUCK)
            self._setbacks = {name: _Setback(_FIRST_PAUSE, now) for name in left}
        for name in set(self._setbacks) - set(still_open):
            clear_incident(self._store, kind=_STUCK, key=name)
            del self._setbacks[name]
        return self._setbacks

    def _take_on(
        self, request: ApprovalRequest, setbacks: dict[str, _Setback], now: datetime
    ) -> None:
        signal_id = request.signal_id
        failpoint(FailPoint.APPROVAL_READ)
        try:
            if request.status is ApprovalStatus.WAITING:
                expire_approval(self._store, signal_id, now)
            self._decide([{"signal_id": signal_id}])
        except (TransientError, ConnectionFailure) as error:
            _log.debug("not now: %s", error)
        except Exception as error:  # noqa: BLE001 - it must not keep the others waiting
            setback = setbacks[signal_id] = _Setback.after(setbacks.get(signal_id), now)
            _log.exception("watch: %s, again in %s", signal_id, setback.pause)
            raise_incident(self._store, kind=_STUCK, key=signal_id, sentence=_stuck(request, error))

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except (PyMongoError, TransientError) as error:
                _log.warning("watch: %s", type(error).__name__)
            except Exception:  # noqa: BLE001 - the watch must not end
                _log.exception("watch")
            self._stop.wait(self._every)


def _stuck(request: ApprovalRequest, error: Exception) -> str:
    # The class of what went wrong only: its text may hold what a strategy has sent.
    return (
        f"{request.strategy_id}: the answer to {request.signal_id} cannot be carried out, nothing "
        f"was ordered ({type(error).__name__} in Cerebro, see its log); it is tried again every "
        f"minute"
    )
