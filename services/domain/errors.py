"""Exceptions, named by what the caller must do."""

from __future__ import annotations


class TraderError(Exception):
    """Base of every error this system raises on purpose."""


class ConfigurationError(TraderError):
    """A setting or the environment is wrong: stop the process and say which."""


class Declined(ConfigurationError):
    """A person asked for something that cannot be; nothing was changed.

    Attributes:
        code: machine code, e.g. `UNKNOWN_ACCOUNT`.
        field: what of the request is wrong, or "" where it is the whole.
    """

    def __init__(self, code: str, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field


class InvalidMessage(TraderError):
    """This message can never be handled: record it, then drop it."""


class TransientError(TraderError):
    """Not now: try the same thing again later."""


class PartlyDone(TransientError):
    """Some of what was handed over together must wait; the rest is done and stays done.

    Attributes:
        waiting: places of those that must be tried again later, counted from 0.
    """

    def __init__(self, sentence: str, *, waiting: frozenset[int]) -> None:
        super().__init__(sentence)
        self.waiting = waiting


class InvalidSignal(TraderError):
    """A signal that cannot be read.

    Attributes:
        code: machine code, e.g. `MISSING_FIELD`.
        field: dotted path of the offending field, or "" where the whole body is meant.
    """

    def __init__(self, code: str, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.field = field


class IllegalTransition(TraderError):
    """An order was asked to move where its state machine does not go: an incident, not a crash."""
