"""Why an account is closed, as incidents, where that does not mend itself.

What does, e.g. a lost connection, is in /health and in the log.
"""

from __future__ import annotations

from typing import Final

from pymongo.errors import PyMongoError

from brokers.errors import BrokerError, LoginRequired
from services.common.incidents import clear_incident, raise_incident
from services.common.store import Store
from services.domain.errors import ConfigurationError, TransientError

LOGIN_REQUIRED: Final = "BROKER_LOGIN_REQUIRED"
MISCONFIGURED: Final = "ACCOUNT_MISCONFIGURED"


class Troubles:
    """Of one account; for its worker thread only."""

    def __init__(self, store: Store, account_id: str) -> None:
        self._store = store
        self._account_id = account_id
        #: An earlier process may have left one open: nobody knows until the account has opened.
        self._told: dict[str, str] = {LOGIN_REQUIRED: "", MISCONFIGURED: ""}

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
        elif not isinstance(cause, (BrokerError, PyMongoError, TransientError)):
            raise_incident(
                self._store,
                kind="DESK_FAILED",
                key=self._account_id,
                sentence=f"account {self._account_id} is closed and tries again: "
                f"{type(error).__name__}: {error}",
            )

    def end(self) -> None:
        """The account is open. Raises: PyMongoError."""
        for kind in list(self._told):
            clear_incident(self._store, kind=kind, key=self._account_id)
            del self._told[kind]

    def _raise(self, kind: str, sentence: str) -> None:
        if self._told.get(kind) != sentence:
            raise_incident(self._store, kind=kind, key=self._account_id, sentence=sentence)
            self._told[kind] = sentence
