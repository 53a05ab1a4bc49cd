"""What can go wrong at a broker, named by what the caller must do."""

from __future__ import annotations

from services.domain.errors import TraderError


class BrokerError(TraderError):
    """Base of all broker errors."""


class BrokerUnavailable(BrokerError):
    """The request definitely did not reach the broker: nothing has happened, try again later."""


class LoginRequired(BrokerUnavailable):
    """A person must log in at the broker first; nothing was sent, and trying again does not help.

    The sentence says what to run.
    """


class OrderRejected(BrokerError):
    """The broker definitely refused the order.

    Attributes:
        code: the broker's own code, e.g. `INSUFFICIENT_FUNDS`.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class OrderStateUnknown(BrokerError):
    """The request may have reached the broker: ask by client_order_id, never resend blindly."""


class UnsupportedOrder(BrokerError):
    """This broker cannot do what the order asks; refused before sending, never turned into less."""
