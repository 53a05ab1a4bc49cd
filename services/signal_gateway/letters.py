"""What becomes of a mail: a signal like any other, or an incident; nobody reads an answer."""

from __future__ import annotations

import logging

from services.common.credentials import SECRET_SHAPE
from services.common.incidents import raise_incident
from services.common.problems import Refusal
from services.common.store import Store
from services.domain.errors import TransientError
from services.signal_gateway.mail import Mail, mail_identity
from services.signal_gateway.service import GatewayService

_log = logging.getLogger(__name__)


class Letters:
    """Hands mails to the gateway; both methods are final unless they raise."""

    def __init__(self, store: Store, service: GatewayService) -> None:
        self._store = store
        self._service = service

    def deliver(self, mail: Mail) -> None:
        """Take one mail. Raises: TransientError where it must come again."""
        try:
            self._service.letter(
                mail.text,
                sender=mail.sender,
                repeat_key=mail_identity(mail),
                sent_at=mail.sent_at,
            )
        except Refusal as refusal:
            if refusal.retry_after is not None:
                raise TransientError(str(refusal)) from refusal
            self._tell(f"a mail from {mail.sender!r} was refused: {refusal} ({refusal.code})")

    def refuse(self, uid: int, sentence: str) -> None:
        """Note a mail that could not even be opened."""
        self._tell(f"mail {uid} was refused: {sentence}")

    def _tell(self, sentence: str) -> None:
        """One incident with a count: anyone can send mails, and they must not fill the list."""
        sentence = SECRET_SHAPE.sub("[removed]", sentence)
        _log.warning("%s", sentence)
        raise_incident(self._store, kind="MAIL_REFUSED", key="mailbox", sentence=sentence)
