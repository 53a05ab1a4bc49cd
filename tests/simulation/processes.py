"""The services as they are wired in their `__main__`, with steps in the place of threads.

Every step here is what one of their threads does in one round. A process that dies is forgotten
with all it had in memory, and made anew.
"""

from __future__ import annotations

import contextlib
import time
from decimal import Decimal

from pymongo.errors import PyMongoError

from services.cerebro.__main__ import UNTAKEN
from services.cerebro.approvals import Watch
from services.cerebro.patience import Patience
from services.cerebro.service import Cerebro
from services.cerebro.store import CerebroStore
from services.common.broker_accounts import BrokerAccounts
from services.common.budget import Budget
from services.common.leases import Lease
from services.common.store import Store
from services.common.subscriber import Subscriber
from services.common.sweeper import Sweeper
from services.common.topology import CEREBRO_CONFIRMATIONS, CEREBRO_SIGNALS, EXECUTION_ORDERS
from services.domain.accounts import RiskLimits
from services.domain.errors import TransientError
from services.execution.bookkeeper import Bookkeeper
from services.execution.counter import Counter
from services.execution.desk import Desk, Pace
from services.execution.service import Execution
from services.execution.store import ExecutionStore
from services.execution.throttle import Throttle
from services.signal_gateway.authentication import Authenticator
from services.signal_gateway.limits import RateLimits
from services.signal_gateway.service import GatewayService
from services.signal_gateway.store import GatewayStore
from services.signal_ingestion.__main__ import UNDECIDED
from services.signal_ingestion.service import Ingestion
from tests.simulation.broker import SimulatedBroker

LEASE_SECONDS = 2.0
PROOF_SECONDS = 3.0
PATIENCE_SECONDS = 4.0
_SWEEP_SECONDS = 2.0
_LIMITS = RiskLimits(
    max_position_ratio=Decimal(1),
    max_broker_allocation_ratio=Decimal(10),
    account_max_age_seconds=Decimal(600),
)
_PATIENCE = Patience(Decimal(PATIENCE_SECONDS), Decimal(4), Decimal(2), Decimal(6))


class Process:
    """One process: what it listens to, and what its threads do.

    Attributes:
        subscribers: by subscription.
        rounds: of each thread: its name, a step that returns seconds until the next, and when the
            first is due.
        skew: how wrong its clock is, in seconds.
    """

    skew = 0.0

    def __init__(self, name, world):
        self.name = name
        self.store = Store(world.memory, "simulation")
        self.publisher = world.bus.publisher()
        self.subscribers = {}
        self.desks = {}
        self.rounds = []

    def listen(self, subscription, handler):
        """Handle the messages of a subscription."""
        self.subscribers[subscription.name] = Subscriber(
            None, self.store, subscription, handler, on_death=lambda _why: None
        )

    def sweep(self, pending):
        """A sweeper's thread."""
        sweeper = Sweeper(self.store, self.publisher, pending, patience_seconds=2.0)

        def step():
            with contextlib.suppress(PyMongoError):
                sweeper.sweep()
            return _SWEEP_SECONDS

        self.rounds.append(("sweeper", step))

    def keep(self, lease):
        """A lease's thread."""

        def step():
            with contextlib.suppress(PyMongoError):
                lease.try_acquire()
            return LEASE_SECONDS / 3 if lease.held() else 0.5

        self.rounds.append(("lease", step))


class Gateway(Process):
    """The door for signals."""

    def __init__(self, name, world):
        super().__init__(name, world)
        limits = RateLimits(self.store, {})
        authenticator = Authenticator(
            self.store, limits, None, cache_seconds=1, signature_window_seconds=300
        )
        self.service = GatewayService(
            GatewayStore(self.store), authenticator, limits, answer_seconds=10
        )


class Ingesting(Process):
    """Raw signals to standardised ones."""

    def __init__(self, name, world):
        super().__init__(name, world)
        lease = Lease(self.store, "signal_ingestion", ttl_seconds=LEASE_SECONDS)
        ingestion = Ingestion(
            self.store, self.publisher, lease, overlap_seconds=120, catch_up_seconds=5
        )
        self.keep(lease)
        self._reading = iter(())

        def read():
            if next(self._reading, self) is not self:
                return 0.25
            self._reading = ingestion.reading()
            return 0.3

        self.rounds.append(("stream", read))
        self.sweep(UNDECIDED)


class Deciding(Process):
    """Cerebro."""

    def __init__(self, name, world):
        super().__init__(name, world)
        queries = CerebroStore(self.store, reference_seconds=0.5)
        cerebro = Cerebro(self.store, queries, self.publisher, limits=_LIMITS, patience=_PATIENCE)
        self.listen(CEREBRO_SIGNALS, cerebro.on_signals)
        self.listen(CEREBRO_CONFIRMATIONS, cerebro.on_confirmations)
        self.sweep(UNTAKEN)
        watch = Watch(self.store, queries, cerebro.on_signals)

        def look():
            with contextlib.suppress(PyMongoError, TransientError):
                watch.look()
            return 1.0

        self.rounds.append(("watch", look))


class _SteppedDesk(Desk):
    """Without threads of its own; `on_start` has it stepped."""

    def start(self):
        self.on_start()

    def stop(self):
        pass


class _SteppedBooks(Bookkeeper):
    """The stream's thread has waited for the answer of the worker long enough, at once."""

    def let_answer(self, client_order_id):
        pass

    def is_busy(self):
        """Whether a thread of the process is booking now."""
        return self._turns._is_owned()


class Executing(Process):
    """Execution: a desk for each account."""

    def __init__(self, name, world):
        super().__init__(name, world)
        self._world = world
        queries = ExecutionStore(self.store)

        def open_desk(account, _others):
            broker = SimulatedBroker(
                account.account_id,
                world.exchange,
                world.touch,
                world.script.capabilities,
                world.surprised,
            )
            books = _SteppedBooks(account.account_id, self.store, self.publisher)
            counter = Counter(
                account_id=account.account_id,
                broker=broker,
                store=self.store,
                queries=queries,
                books=books,
                lease=Lease(self.store, f"account|{account.account_id}", ttl_seconds=LEASE_SECONDS),
                budget=Budget(broker.capabilities, time.monotonic),
            )
            desk = _SteppedDesk(counter, Pace(2.0, PROOF_SECONDS, 15.0), Throttle(60, 60))
            desk.on_start = lambda: self._run_desk(desk, counter, broker, books)
            return desk

        accounts = BrokerAccounts(self.store, None, use_mock_broker=True)
        self.execution = Execution(self.store, accounts, open_desk, live=False)
        self.listen(EXECUTION_ORDERS, self.execution.on_orders)

        def look():
            self.execution.look()
            return 3.0

        self.rounds.append(("accounts", look))

    def _run_desk(self, desk, counter, broker, books):
        self.keep(counter.lease)
        now = self._world.clock.seconds

        def work():
            desk._bell.clear()
            return 0.0 if desk.step() else 0.5

        def stream():
            return 0.05 if broker.stream() else 0.5

        def between():
            # The thread of the stream may book while the worker waits for an answer.
            if not books.is_busy() and self._world.lets_stream_cross():
                broker.stream()

        broker.on_answer = between
        self.desks[desk.account_id] = desk
        hand = f"{self.name} {desk.account_id}"
        self._world.add_round(self, "desk", work, now, bell=desk._bell, hand=hand)
        self._world.add_round(self, "stream", stream, now, hand=hand)
        lease_round = self.rounds.pop()
        self._world.add_round(self, *lease_round, now)
