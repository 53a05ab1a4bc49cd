"""The senders: every signal at its time, and again with the same id until it is taken."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence

import urllib3

from scripts.drill.plan import Sending

_WORKERS = 24
_TIMEOUT_SECONDS = 5.0
_AGAIN_SECONDS = 0.5
#: A careful sender goes on for so long; what is not taken then is a finding.
_PATIENCE_SECONDS = 180.0


class Driver:
    """Sends what the plan says.

    Attributes:
        accepted: the sender's own id → our signal_id.
        refused: answers 4xx, by code.
        wrong: answers that must never be.
        attempts: requests that were made in all.
    """

    def __init__(self, url: str, keys: Mapping[str, str]) -> None:
        self._url = f"{url}/api/v1/signals"
        self._keys = keys
        self._pool = urllib3.PoolManager(maxsize=_WORKERS, retries=False)
        self._due: queue.SimpleQueue[Sending | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self.accepted: dict[str, str] = {}
        self.refused: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.attempts = 0

    def run(self, sendings: Sequence[Sending]) -> None:
        """Block until every signal was taken or refused."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]
        for thread in threads:
            thread.start()
        begun = time.monotonic()
        for sending in sendings:
            time.sleep(max(0.0, begun + sending.at - time.monotonic()))
            self._due.put(sending)
        for _ in threads:
            self._due.put(None)
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        while (sending := self._due.get()) is not None:
            self._send(sending)

    def _send(self, sending: Sending) -> None:
        until = time.monotonic() + _PATIENCE_SECONDS
        name = sending.body["signalID"]
        while time.monotonic() < until:
            if sending.reused and name not in self.accepted:  # nobody has used the id yet
                time.sleep(_AGAIN_SECONDS)
                continue
            status, said = self._post(sending)
            if status in {200, 202, 400, 409, 422}:
                self._judge(sending, status, said)
                return
            if status not in {0, 503}:
                self._note(f"{name}: answered {status} {said}")
            time.sleep(_AGAIN_SECONDS)
        self._note(f"{name}: not taken within {_PATIENCE_SECONDS:g} s")

    def _post(self, sending: Sending) -> tuple[int, dict[str, str]]:
        """Status and body; status 0 = no answer."""
        with self._lock:
            self.attempts += 1
        headers = {
            "Authorization": f"Bearer {self._keys[sending.strategy_id]}",
            "Content-Type": "application/json",
        }
        content = json.dumps(sending.body).encode()
        try:
            answer = self._pool.request(
                "POST", self._url, body=content, headers=headers, timeout=_TIMEOUT_SECONDS
            )
            return answer.status, answer.json()
        except (urllib3.exceptions.HTTPError, ValueError):
            return 0, {}

    def _judge(self, sending: Sending, status: int, said: Mapping[str, str]) -> None:
        name = sending.body["signalID"]
        if status in {200, 202}:
            with self._lock:
                known = self.accepted.setdefault(name, said["signal_id"])
            if known != said["signal_id"]:
                self._note(f"{name}: two ids, {known} and {said['signal_id']}")
            if sending.reused:
                self._note(f"{name}: taken again with another meaning")
            return
        with self._lock:
            self.refused[said.get("code", str(status))] += 1
        if not sending.reused:
            self._note(f"{name}: refused, {said}")

    def _note(self, sentence: str) -> None:
        with self._lock:
            self.wrong.append(sentence)
