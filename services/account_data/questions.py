"""Questions of other threads to a broker, answered by the thread that polls it."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any, TypeVar

from brokers.broker import Broker
from services.domain.errors import TransientError

T = TypeVar("T")


class Questions:
    """What waits to be asked of one account's broker."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._waiting: queue.SimpleQueue[tuple[Callable[[Broker], Any], Future[Any]]] = (
            queue.SimpleQueue()
        )

    def put(self, question: Callable[[Broker], T]) -> Future[T]:
        """Have something asked; what `wait` then waits for."""
        answer: Future[T] = Future()
        self._waiting.put((question, answer))
        return answer

    def wait(self, answer: Future[T], *, seconds: float) -> T:
        """The answer.

        Raises:
            TransientError: there was none in time.
            BrokerError: what the broker answered instead.
        """
        try:
            return answer.result(seconds)
        except (TimeoutError, CancelledError) as error:
            answer.cancel()
            raise TransientError(
                f"the broker of account {self._account_id} did not answer within {seconds:g} s"
            ) from error

    def answer_next(self, connected: Callable[[], Broker]) -> bool:
        """Ask the oldest one, if somebody still waits for it; False where none is left."""
        try:
            question, answer = self._waiting.get_nowait()
        except queue.Empty:
            return False
        if answer.set_running_or_notify_cancel():
            try:
                answer.set_result(question(connected()))
            except Exception as error:  # noqa: BLE001 - it is the answer of whoever asked
                answer.set_exception(error)
        return True

    def drop(self) -> None:
        """Tell everybody who waits that nobody will answer."""
        with suppress(queue.Empty):
            while True:
                self._waiting.get_nowait()[1].cancel()
