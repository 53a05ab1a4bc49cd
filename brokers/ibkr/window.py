"""What a gateway pushes of the account: its account window, which it brings up to date by itself.

It does so after every trade, and otherwise every three minutes; the window has no end that a
question could wait for, so that it rings a bell, and figures are asked for. The prices of what is
held are told here and nowhere else.
https://interactivebrokers.github.io/tws-api/account_updates.html
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from decimal import Decimal
from typing import Final

from brokers.broker import AccountHandler
from brokers.errors import BrokerUnavailable
from brokers.ibkr.line import Line
from brokers.ibkr.pacing import Rank

_log = logging.getLogger(__name__)
_PAUSE_SECONDS: Final = 1.0


class Window:
    """Keeps the window of an account open; for one event loop."""

    def __init__(self, line: Line, account: str) -> None:
        self._line = line
        self._account = account
        self._bells: list[Bell] = []

    async def open(self) -> None:
        """Have the gateway push from now on: once for each connection."""
        self._line.pushed.prices.clear()
        self._line.pushed.on_told = self._ring
        with suppress(BrokerUnavailable, ConnectionError):  # the next connection opens it
            client = await self._line.turn(Rank.QUESTION)
            client.reqAccountUpdates(True, self._account)

    async def add(self, bell: Bell) -> None:
        """Ring a bell with every change."""
        self._bells.append(bell)
        bell.start()
        await self.open()

    def price_of(self, contract_id: int) -> Decimal | None:
        """What one contract is worth; None = it was not pushed on this connection."""
        return self._line.pushed.prices.get((self._account, contract_id))

    def stop(self) -> None:
        """Ring no more."""
        for bell in self._bells:
            bell.stop()

    def _ring(self) -> None:
        for bell in self._bells:
            bell.ring()


class Bell:
    """One handler and its thread: many changes at once are one call."""

    def __init__(self, name: str, handler: AccountHandler) -> None:
        self._handler = handler
        self._rung = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name=name, daemon=True)

    def start(self) -> None:
        """Call from now on."""
        self._thread.start()

    def ring(self) -> None:
        """Something has changed."""
        self._rung.set()

    def stop(self) -> None:
        """Call no more."""
        self._ended.set()
        self._rung.set()

    def _deliver(self) -> None:
        while self._rung.wait() and not self._ended.is_set():
            self._rung.clear()
            try:
                self._handler()
            except Exception:  # noqa: BLE001 - the next change is told all the same
                _log.exception("whoever hears of figures failed")
            self._ended.wait(_PAUSE_SECONDS)
