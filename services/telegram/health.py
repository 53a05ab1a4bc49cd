"""Whether the other services answer, and when a change of that is worth telling."""

from __future__ import annotations

import http.client
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.leases import Lease
from services.common.settings import PORTS, CommonSettings
from services.common.store import Store
from services.domain.errors import TransientError
from services.domain.notifications import Event
from services.telegram.events import of_service

_log = logging.getLogger(__name__)
_ANSWER_SECONDS: Final = 2.0
_LONGEST_PAUSE: Final = 10.0
#: What is no daemon of ours, or this one; its absence shows in the /health of the others.
_NOT_ASKED: Final = frozenset({"mongodb", "pubsub_local", "mock_broker", "telegram"})


class Seen(NamedTuple):
    """What is known of one service.

    Attributes:
        up: what people know; None = it was never up.
        since: since when it is otherwise; None = it is not.
    """

    up: bool | None = None
    since: datetime | None = None


def step(seen: Seen, up: bool, now: datetime, patience: timedelta) -> tuple[Seen, datetime | None]:
    """What one more look makes of it, and since when it is otherwise, where that is to be told.

    One that was never up is not told of as down: somebody who starts a part of the system knows.
    """
    if up is seen.up or (seen.up is None and not up):
        return Seen(seen.up), None
    if seen.up is None:
        return Seen(up=True), None
    since = seen.since or now
    if now - since < patience:
        return Seen(seen.up, since), None
    return Seen(up), since


def addresses(settings: CommonSettings) -> dict[str, tuple[str, int]]:
    """Where each service tells how it is."""
    left_out = _NOT_ASKED if settings.embedded_bus else _NOT_ASKED | {"pubsub_local_ops"}
    return {
        name: (settings.host_of(name.removesuffix("_ops")).strip("[]"), settings.port(name))
        for name in PORTS
        if name not in left_out
    }


def ask(address: tuple[str, int]) -> tuple[bool, str]:
    """Whether a service can be used, and what is wrong with it."""
    connection = http.client.HTTPConnection(*address, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/health")
        report = json.loads(connection.getresponse().read(100_000))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return False, f"no answer: {type(error).__name__}"
    finally:
        connection.close()
    if not isinstance(report, dict) or report.get("usable", report.get("ready")):
        return True, ""
    wrong = [
        f"{name}: {state.get('detail')}"
        for name, state in report.get("dependencies", {}).items()
        if not state.get("ok")
    ]
    return False, "; ".join(wrong) or "it says that it cannot be used"


class ServiceWatch:
    """Asks every service, and tells of those that stay down, or are up again."""

    def __init__(
        self,
        store: Store,
        lease: Lease,
        tell: Callable[[Sequence[Event]], None],
        *,
        addresses: Mapping[str, tuple[str, int]],
        patience_seconds: float,
    ) -> None:
        self._store = store
        self._lease = lease
        self._tell = tell
        self._addresses = addresses
        self._patience = timedelta(seconds=patience_seconds)
        self._pause = min(_LONGEST_PAUSE, patience_seconds / 4)
        self._seen: dict[str, Seen] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="service-watch", daemon=True)

    def start(self) -> None:
        """Ask in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the round that is running."""
        self._stop.set()
        self._thread.join(timeout=10)

    def look(self) -> None:
        """Ask every service once. Raises: PyMongoError, TransientError."""
        for name, address in self._addresses.items():
            if self._stop.is_set():
                return
            up, detail = ask(address)
            seen = self._seen.get(name) or self._known(name)
            after, since = step(seen, up, utc_now(), self._patience)
            if since is not None:
                self._tell([of_service(name, up=up, since=since, detail=detail)])
            if after.up is not seen.up:  # what people know outlives this process
                row = {"up": after.up, "changed_at": utc_now(), "detail": detail}
                self._store["service_states"].replace_one({"_id": name}, row, upsert=True)
            self._seen[name] = after

    def _known(self, name: str) -> Seen:
        row = self._store["service_states"].find_one({"_id": name})
        return Seen(row["up"]) if row else Seen()

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                if self._lease.held():
                    self.look()
                else:
                    self._seen.clear()
            except (PyMongoError, TransientError) as error:
                _log.warning("services are not watched now: %s", type(error).__name__)
