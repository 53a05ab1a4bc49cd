"""Questions to the gateway that wait for their answer."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from brokers.errors import BrokerError

#: Questions without a number: the gateway answers them one at a time.
OPEN_ORDERS: Final = "open orders"
COMPLETED_ORDERS: Final = "completed orders"
POSITIONS: Final = "positions"
CURRENT_TIME: Final = "current time"

Key = int | str


class RequestFailed(BrokerError):
    """The gateway answered a question with an error.

    Attributes:
        code: IB's number.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class _Question:
    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()


class Answers:
    """All open questions of one connection; for one event loop."""

    def __init__(self) -> None:
        self._open: dict[Key, _Question] = {}

    def begin(self, key: Key) -> asyncio.Future[list[Any]]:
        """Wait for an answer: its rows, once its end has come."""
        question = _Question()
        self._open[key] = question
        return question.done

    def waits(self, key: Key) -> bool:
        """Whether this is asked."""
        return key in self._open

    def row(self, key: Key, row: object) -> None:
        """A part of an answer; one that nobody waits for is dropped."""
        if (question := self._open.get(key)) is not None:
            question.rows.append(row)

    def rows(self, key: Key) -> list[Any]:
        """What has come so far."""
        question = self._open.get(key)
        return question.rows if question is not None else []

    def end(self, key: Key) -> None:
        """An answer is whole."""
        question = self._open.pop(key, None)
        if question is not None and not question.done.done():
            question.done.set_result(question.rows)

    def fail(self, key: Key, error: Exception) -> None:
        """There will be no answer."""
        question = self._open.pop(key, None)
        if question is not None and not question.done.done():
            question.done.set_exception(error)

    def fail_all(self, error: Exception) -> list[Key]:
        """There will be no answer to any; what was asked."""
        asked = list(self._open)
        for key in asked:
            self.fail(key, error)
        return asked

    def give_up(self, key: Key) -> None:
        """Whoever asked waits no more."""
        self._open.pop(key, None)
