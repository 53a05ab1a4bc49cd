"""What a thread of an adapter complains of: a broker may be away for a night, and say so once."""

from __future__ import annotations

import logging

from brokers.errors import BrokerError
from services.domain.errors import TransientError


class Complaints:
    """Of one thing that is tried again and again; for one thread.

    Args:
        log: of the module that complains.
        what: is troubled, e.g. "reports of IB-1".
    """

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log = log
        self._what = what
        self._last = ""

    def tell(self, error: Exception) -> None:
        """Log it, unless it is what was logged last: what is expected as information, anything
        else as an error with its traceback.
        """
        before, self._last = self._last, f"{type(error).__name__}: {error}"
        if before == self._last:
            return
        if isinstance(error, (BrokerError, TransientError)):
            self._log.info("%s: %s", self._what, self._last)
        else:
            self._log.error("%s: %s", self._what, self._last, exc_info=error)

    def end(self) -> None:
        """It works again: the next trouble is news, whatever it says."""
        self._last = ""
