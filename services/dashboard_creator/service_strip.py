"""How the processes are, for the strip of the overview: the last answers, never waited for.

A process that hangs would hold up the page that says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from services.dashboard_creator.overview_models import ServiceState
from services.dashboard_creator.system_models import ServiceRow

_SECONDS: Final = 5.0
#: The first one who asks waits for so long, so that the strip is seldom empty.
_FIRST_SECONDS: Final = 0.4


class ServiceStrip:
    """Asks in a thread, when somebody looks and the answers are old.

    Args:
        ask: every process.
        seconds: how old answers may be.
    """

    def __init__(
        self, ask: Callable[[], Sequence[ServiceRow]], *, seconds: float = _SECONDS
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._known: tuple[ServiceState, ...] = ()
        self._asked_at: float | None = None
        self._asking = threading.Lock()
        self._answered = threading.Event()

    def __call__(self) -> tuple[ServiceState, ...]:
        """The last answers; none before the first."""
        old = self._asked_at is None or time.monotonic() - self._asked_at > self._seconds
        if old and self._asking.acquire(blocking=False):
            threading.Thread(target=self._refresh, name="service-strip", daemon=True).start()
        self._answered.wait(_FIRST_SECONDS)
        return self._known

    def _refresh(self) -> None:
        try:
            self._known = tuple(
                ServiceState(name=row.name, state=row.state, sentence=row.detail)
                for row in self._ask()
            )
            self._asked_at = time.monotonic()
            self._answered.set()
        finally:
            self._asking.release()
