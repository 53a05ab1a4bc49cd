"""Why an account is closed, as incidents, where that does not mend itself soon.

Gateways restart and brokers are reset each night: a lost connection is in /health and in the log,
and an incident only once it has lasted.
"""

from __future__ import annotations

import time
from typing import Final

from pymongo.errors import PyMongoError

from brokers.errors import BrokerError, LoginRequired
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Store
from services.domain.errors import ConfigurationError, TransientError

LOGIN_REQUIRED: Final = "BROKER_LOGIN_REQUIRED"
MISCONFIGURED: Final = "ACCOUNT_MISCONFIGURED"
CLOSED: Final = "ACCOUNT_CLOSED"
FAILED: Final = "DESK_FAILED"
#: A broker's nightly reset takes less.
PATIENCE_SECONDS: Final = 600.0


class Troubles:
    """Of one account; for its worker thread only."""

    def __init__(
        self, store: Store, account_id: str, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self._store = store
        self._account_id = account_id
        self._patience_seconds = patience_seconds
        self._closed_since: float | None = None
        #: An earlier process may have left one open: nobody knows until the account has opened.
        kinds = (LOGIN_REQUIRED, MISCONFIGURED, CLOSED, FAILED)
        self._told: dict[str, str] = dict.fromkeys(kinds, "")

    def tell(self, error: Exception) -> None:
        """Show a person what does not mend itself; what only a person can end is told once.

        Raises: PyMongoError.
        """
        cause = error.__cause__ if isinstance(error.__cause__, LoginRequired) else error
        if isinstance(cause, LoginRequired):
            self._raise(
                LOGIN_REQUIRED,
                f"account {self._account_id} waits for a person to log in at its broker: {cause}; "
                "until then exits wait and entries expire",
            )
        elif isinstance(cause, ConfigurationError):
            self._raise(MISCONFIGURED, f"account {self._account_id} is closed: {cause}")
        elif isinstance(cause, (BrokerError, PyMongoError, TransientError)):
            self._tell_lasting(cause)
        else:
            self._raise(
                FAILED,
                f"account {self._account_id} is closed and tries again: "
                f"{type(error).__name__}: {error}",
            )

    def _tell_lasting(self, error: Exception) -> None:
        now = time.monotonic()
        since = self._closed_since = self._closed_since or now
        if now - since >= self._patience_seconds and not self._told.get(CLOSED):
            minutes = (now - since) / 60
            self._raise(
                CLOSED,
                f"account {self._account_id} is closed for {minutes:.0f} minutes: "
                f"{type(error).__name__}: {error}; exits wait, entries expire",
            )

    def end(self) -> None:
        """The account is open. Raises: PyMongoError."""
        self._closed_since = None
        for kind in list(self._told):
            clear_incident(self._store, kind=kind, key=self._account_id)
            del self._told[kind]

    def _raise(self, kind: str, sentence: str) -> None:
        if self._told.get(kind) != sentence:
            raise_incident(
                self._store,
                kind=kind,
                key=self._account_id,
                sentence=sentence,
                facts={"account_id": self._account_id},
            )
            self._told[kind] = sentence
