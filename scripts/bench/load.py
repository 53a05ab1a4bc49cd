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
    """Sends `rate` signals a second for `duration` seconds over the given strategies."""

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
        self._due: queue.SimpleQueue[tuple[float, int] | None] = queue.SimpleQueue()
        self._result = LoadResult()

    def run(self, *, rate: float, duration: float) -> LoadResult:
        """Block until every signal is answered."""
        threads = [threading.Thread(target=self._work) for _ in range(_WORKERS)]
        for thread in threads:
            thread.start()
        begin = time.perf_counter()
        for number in range(int(rate * duration)):
            due = begin + number / rate
            pause = due - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            self._due.put((due, number))
        for _ in threads:
            self._due.put(None)
        for thread in threads:
            thread.join()
        self._result.seconds = time.perf_counter() - begin
        self._pool.clear()
        return self._result

    def _work(self) -> None:
        while (task := self._due.get()) is not None:
            due, number = task
            if time.perf_counter() - due > 0.05:
                with self._lock:
                    self._result.late += 1
            self._send(due, number)

    def _send(self, due: float, number: int) -> None:
        strategy, key = self._strategies[number % len(self._strategies)]
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        name = f"{self._run_id}-{number}"
        body = json.dumps(_signal(strategy, name, self._leg_of(number))).encode()
        try:
            answer = self._pool.request(
                "POST", self._url, body=body, headers=headers, timeout=_TIMEOUT_SECONDS
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


def _signal(strategy: str, external_id: str, leg: Mapping[str, str]) -> dict[str, object]:
    """A small market order: 1 share at 10.00, sized 1.5 → 1 by `account_equity`."""
    return {
        "strategy_name": strategy,
        "signalID": external_id,
        "signal_type": "ENTRY",
        "account_equity": 1000,
        "signal_legs": [
            {
                **leg,
                "instrument_type": "STOCK",
                "action": "BUY",
                "direction": "LONG",
                "quantity": 0.015,
                "order_type": "MARKET",
                "price": 10.0,
            }
        ],
    }
