"""Open-loop load: signals leave at their time whether or not earlier ones are answered."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import urllib3

_WORKERS = 24
_TIMEOUT_SECONDS = 10.0
#: Of so many signals of a strategy the last tenth closes what the others have opened.
_CYCLE = 50


@dataclass
class LoadResult:
    """What the sender saw.

    Attributes:
        accepted: signal_id → answer milliseconds, counted from the scheduled time.
        late: signals that left more than 50 ms after their time (the generator was too slow).
    """

    accepted: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    late: int = 0
    seconds: float = 0.0


class OpenLoop:
    """Sends `rate` signals a second for `duration` seconds over the given strategies.

    Entries, and now and then the exit of an instrument: who only enters holds more lots with every
    signal, which no strategy does.
    """

    def __init__(
        self,
        url: str,
        keys: dict[str, str],
        *,
        run_id: str,
        leg_of: Callable[[int], Mapping[str, str]],
    ) -> None:
        """To a gateway, for strategies with their keys; `leg_of`: what signal n is about."""
        self._url = f"{url}/api/v1/signals"
        self._strategies = sorted(keys.items())
        self._run_id = run_id
        self._leg_of = leg_of
        self._pool = urllib3.PoolManager(maxsize=_WORKERS, retries=False)
        self._lock = threading.Lock()
        self._due: queue.SimpleQueue[tuple[float, str, Mapping[str, object]] | None] = (
            queue.SimpleQueue()
        )
        self._held: set[tuple[str, str]] = set()
        self._result = LoadResult()

    def run(self, *, rate: float, duration: float) -> LoadResult:
        """Block until every signal is answered."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]
        for thread in threads:
            thread.start()
        begin = time.perf_counter()
        for number in range(int(rate * duration)):
            due = begin + number / rate
            pause = due - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            self._due.put((due, *self._made(number)))
        for _ in threads:
            self._due.put(None)
        for thread in threads:
            thread.join()
        self._result.seconds = time.perf_counter() - begin
        self._pool.clear()
        return self._result

    def _work(self) -> None:
        while (task := self._due.get()) is not None:
            due, key, body = task
            if time.perf_counter() - due > 0.05:
                with self._lock:
                    self._result.late += 1
            self._send(due, key, body)

    def _made(self, number: int) -> tuple[str, Mapping[str, object]]:
        """The key and the body of signal n."""
        turn, place = divmod(number, len(self._strategies))
        strategy, key = self._strategies[place]
        leg = self._leg_of(number)
        held = (strategy, leg["instrument"])
        exits = held in self._held and turn % _CYCLE >= 0.9 * _CYCLE
        (self._held.discard if exits else self._held.add)(held)
        return key, _signal(strategy, f"{self._run_id}-{number}", leg, exits=exits)

    def _send(self, due: float, key: str, body: Mapping[str, object]) -> None:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        content = json.dumps(body).encode()
        try:
            answer = self._pool.request(
                "POST", self._url, body=content, headers=headers, timeout=_TIMEOUT_SECONDS
            )
            taken = (time.perf_counter() - due) * 1000
            said = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            said, answer, taken = {"code": type(error).__name__}, None, 0.0
        with self._lock:
            if answer is not None and answer.status == 202:
                self._result.accepted[said["signal_id"]] = taken
            else:
                self._result.refused.append(str(said.get("code")))


def _signal(
    strategy: str, external_id: str, leg: Mapping[str, str], *, exits: bool
) -> dict[str, object]:
    """A small market order: 1 share at 10.00, sized 1.5 → 1 by `account_equity`; or all out."""
    return {
        "strategy_name": strategy,
        "signalID": external_id,
        "signal_type": "EXIT" if exits else "ENTRY",
        "account_equity": 1000,
        "signal_legs": [
            {
                **leg,
                "instrument_type": "STOCK",
                "action": "SELL" if exits else "BUY",
                "direction": "LONG",
                "quantity": 0.015,
                "order_type": "MARKET",
                "price": 10.0,
            }
        ],
    }
