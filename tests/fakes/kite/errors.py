"""Kite's own errors, in the words its client sorts them by."""


class KiteError(Exception):
    """An answer that is a refusal: `error_type`, message and HTTP status."""

    def __init__(self, error_type, message, status):
        super().__init__(message)
        self.error_type = error_type
        self.message = message
        self.status = status

    def body(self):
        """As Kite writes it."""
        return {
            "status": "error",
            "message": self.message,
            "data": None,
            "error_type": self.error_type,
        }


class Misuse(KiteError):
    """What no correct client would send: a violation, whatever the answer to it."""

    def __init__(self, message, error_type="InputException", status=400):
        super().__init__(error_type, message, status)


def bad_input(message):
    """The request can be read, and cannot be done."""
    return KiteError("InputException", message, 400)


def bad_order(message):
    """The order is not in a state for it."""
    return KiteError("OrderException", message, 500)
