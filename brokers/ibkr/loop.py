"""One event loop in one thread, and how other threads have something done there."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
_STOP_SECONDS: Final = 5.0


class LoopClosed(Exception):
    """The thread has ended.

    Attributes:
        began: whether what was asked for may have been done in part.
    """

    def __init__(self, *, began: bool) -> None:
        super().__init__("the connection was closed")
        self.began = began


class LoopThread:
    """The thread; it starts with the first call."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether it was stopped for good."""
        return self._closed

    def is_current(self) -> bool:
        """Whether this is called in it."""
        return self._thread is threading.current_thread()

    def run(self, work: Coroutine[Any, Any, T], *, timeout: float) -> T:
        """What `work` returns or raises.

        Raises:
            TimeoutError: the loop did not come to it; it is cancelled.
            LoopClosed: the thread has ended.
        """
        with self._lock:  # what `stop` does not see would be waited for until the time is up
            try:
                future = asyncio.run_coroutine_threadsafe(work, self._started())
            except RuntimeError as error:
                work.close()
                raise LoopClosed(began=False) from error
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise
        except concurrent.futures.CancelledError as error:
            raise LoopClosed(began=True) from error

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._closed:
            raise RuntimeError("the connection was closed")
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._run, args=(self._loop,), name=self._name, daemon=True
            )
            self._thread.start()
        return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.close()

    def stop(self) -> None:
        """End the loop and the thread; harmless when there is none."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        if not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(timeout=_STOP_SECONDS)
