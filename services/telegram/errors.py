"""What may become of a message, named by what the outbox must do."""

from __future__ import annotations

from services.domain.errors import TraderError, TransientError


class Later(TransientError):
    """The other side wants to be left alone for so many seconds."""

    def __init__(self, sentence: str, *, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class ChannelRefuses(TraderError):
    """The other side wants nothing of us any more: do not try again."""


class NotDeliverable(TraderError):
    """This message will never be taken; the next one may be."""
