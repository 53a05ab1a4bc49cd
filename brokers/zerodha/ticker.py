"""Kite's websocket, in a thread of its own: that something has happened to an order, no more.

Not the library's own ticker: that runs a reactor for the whole process, keeps the token of the
morning, tells nobody when it is refused, and does not verify certificates. The token is a part of
the address, so neither is ever logged. https://kite.trade/docs/connect/v3/websocket
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from brokers.errors import LoginRequired
from brokers.zerodha.link import ZerodhaLink

_log = logging.getLogger(__name__)
#: Belongs to no logger above it, and writes nothing: it would write the token.
_MUTE: Final = logging.Logger("kite-ticker", level=logging.CRITICAL + 1)  # noqa: LOG001 - so
_HEADERS: Final = {"X-Kite-Version": "3"}
_OPEN_SECONDS: Final = 5.0
#: Kite sends a heartbeat every second.
_SILENCE_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0


class Ticker:
    """Rings when an order has moved, and when it may have while nobody listened.

    Args:
        link: where.
        token: the access token to use now. Raises: LoginRequired.
        ring: called from the ticker's thread.
    """

    def __init__(
        self, link: ZerodhaLink, token: Callable[[], str], ring: Callable[[], None]
    ) -> None:
        self._link = link
        self._token = token
        self._ring = ring
        self._stop = threading.Event()
        self._socket: ClientConnection | None = None
        self._healthy = False
        self._thread = threading.Thread(target=self._run, name="kite-ticker", daemon=True)

    def start(self) -> None:
        """Listen until `close`, whatever happens to the connection."""
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._stop.set()
        socket = self._socket
        if socket is not None:
            socket.close()

    @property
    def is_healthy(self) -> bool:
        """Whether Kite tells us of orders as they move."""
        return self._healthy

    def _run(self) -> None:
        pause, told = _FIRST_PAUSE_SECONDS, ""
        while not self._stop.is_set():
            began = time.monotonic()
            trouble = self._listen()
            self._healthy, self._socket = False, None
            if self._stop.is_set():
                return
            # Kite may be away for a night: the same words again are for nobody.
            level = logging.DEBUG if trouble == told else logging.INFO
            _log.log(level, "Kite's order updates are not to be had: %s", trouble)
            told = trouble
            self._ring()
            if time.monotonic() - began > _LONGEST_PAUSE_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            self._stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _listen(self) -> str:
        """One connection to its end; why it ended, without what is secret."""
        try:
            query = urlencode({"api_key": self._link.api_key, "access_token": self._token()})
            with connect(
                f"{self._link.ticker_url.rstrip('/')}/?{query}",
                additional_headers=_HEADERS,
                open_timeout=_OPEN_SECONDS,
                close_timeout=1,
                compression=None,
                proxy=None,
                logger=_MUTE,
            ) as socket:
                self._socket = socket
                self._healthy = True
                self._ring()
                self._take(socket)
        except InvalidStatus as error:
            return f"Kite answered {error.response.status_code}"
        except LoginRequired as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - the thread must not die; its words may be secret
            return type(error).__name__
        return "closed"

    def _take(self, socket: ClientConnection) -> None:
        """Every frame until there is none any more. Raises: OSError, WebSocketException."""
        while not self._stop.is_set():
            frame = socket.recv(timeout=_SILENCE_SECONDS)
            if isinstance(frame, str) and _is_of_order(frame):
                self._ring()


def _is_of_order(frame: str) -> bool:
    """Whether it tells of an order; what cannot be read may."""
    try:
        told = json.loads(frame)
    except (ValueError, RecursionError):
        return True
    return not isinstance(told, dict) or told.get("type") in {"order", "error", None}
