"""A Cerebro for tests: always fresh references, a silent bus, and as much patience as asked for."""

from __future__ import annotations

from decimal import Decimal

from services.cerebro.patience import Patience
from services.cerebro.service import Cerebro
from services.cerebro.store import CerebroStore
from tests.support.builders import make_limits
from tests.support.rows import SilentPublisher


def make_cerebro(store, publisher=None, *, limits=None, **seconds):
    """`seconds`: `exit`, `gap`, `price` and `reversal`, how long a signal waits."""
    waits = {"exit": 60, "gap": 60, "price": 10, "reversal": 60} | seconds
    return Cerebro(
        store,
        CerebroStore(store, reference_seconds=0),
        publisher or SilentPublisher(),
        limits=limits or make_limits(position="0.1"),
        patience=Patience(**{f"{name}_seconds": Decimal(value) for name, value in waits.items()}),
    )
