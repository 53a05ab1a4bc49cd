"""What all parts of one desk share."""

from __future__ import annotations

from dataclasses import dataclass

from brokers.broker import Broker
from services.common.budget import Budget
from services.common.leases import Lease
from services.common.store import Store
from services.execution.bookkeeper import Bookkeeper
from services.execution.store import ExecutionStore


@dataclass(frozen=True, slots=True)
class Counter:
    """One account at one broker, and everything that is needed to act on it."""

    account_id: str
    broker: Broker
    store: Store
    queries: ExecutionStore
    books: Bookkeeper
    lease: Lease
    budget: Budget
