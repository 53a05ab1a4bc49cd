"""A person's signature under an act: who wants it, and why."""

from __future__ import annotations

from typing import NamedTuple

from pymongo.client_session import ClientSession

from services.common.audit import audit
from services.common.scopes import check_signed
from services.common.store import Document, Store


class Signed(NamedTuple):
    """Who wants it, and why."""

    by: str
    reason: str

    def checked(self) -> Signed:
        """Without blanks around. Raises: ConfigurationError: nobody, or no reason, is named."""
        check_signed(self.by, self.reason)
        return Signed(self.by.strip(), self.reason.strip())

    def record(
        self, store: Store, what: str, facts: Document, session: ClientSession | None = None
    ) -> None:
        """Put the act into the audit log, in the transaction that does it.

        Args:
            store: where it is.
            what: machine code of the act.
            facts: what it was about, with `before` and `after`.
            session: of the transaction.
        """
        told = {"reason": self.reason, **facts}
        audit(store, what, service="operator", by=self.by, facts=told, session=session)
