"""The faults that all fakes have (`brokers.mock.faults`), as a gateway shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from brokers.mock.faults import Fault, FaultKind, Faults, Step
from brokers.mock.twists import PLAIN, Twist
from tests.fakes.tws import answers

_K = FaultKind
_SILENT = frozenset(
    {_K.ACCEPT_THEN_SILENCE, _K.DELAY_ANSWER, _K.ERROR_AFTER_ACCEPT, _K.GARBAGE_ANSWER}
)
_CUT_AFTER = frozenset({_K.DISCONNECT_AFTER_ACCEPT, _K.HIDE_ORDER})
_NEVER_ANSWERED = frozenset({_K.DROP_BEFORE_ACCEPT, _K.ACCEPT_THEN_SILENCE})
_ERRORS = frozenset({_K.ERROR_BEFORE_ACCEPT, _K.ERROR_AFTER_ACCEPT})
_CUTS = frozenset({_K.DISCONNECT_BEFORE_ACCEPT, _K.DISCONNECT_AFTER_ACCEPT})
TOO_MANY = (100, "Max rate of messages per second has been exceeded:max=50")
NOT_CONNECTED = (504, "Not connected")
#: An error that says nothing about what became of the message.
PROCESSING = (322, "Error processing request.-'bN' : cause - internal error on command")


class Trouble:
    """Which call goes wrong, and how."""

    def __init__(self, faults: Faults, gateway):
        self._faults = faults
        self._gateway = gateway

    def act(
        self,
        session,
        account: str,
        step: Step,
        number: int,
        carry_out: Callable[[Twist], Iterable[int]],
    ) -> None:
        """Something that changes orders; `carry_out` says which of the engine's it was about."""
        if self._gateway.is_out():
            session.say(answers.error(*NOT_CONNECTED, number))
            return
        fault = self._faults.next_for(account, step)
        if fault is None:
            carry_out(PLAIN)
        elif not self._stopped_before(session, fault, number):
            self._after(session, fault, number, list(carry_out(fault.twist)))

    def _stopped_before(self, session, fault: Fault, number: int) -> bool:
        if fault.kind is _K.DROP_BEFORE_ACCEPT:
            return True
        if fault.kind is _K.DISCONNECT_BEFORE_ACCEPT:
            session.abort()
            return True
        if fault.kind is _K.ERROR_BEFORE_ACCEPT:
            session.say(answers.error(*PROCESSING, number))
            return True
        if fault.kind is _K.THROTTLE:
            session.say(answers.error(*TOO_MANY, number))
            return True
        return False

    def _after(self, session, fault: Fault, number: int, orders: list[int]) -> None:
        if fault.kind in _SILENT:
            self._gateway.news.hush(orders, fault.seconds)
        if fault.kind is _K.ERROR_AFTER_ACCEPT:
            session.say(answers.error(*PROCESSING, number))
        elif fault.kind is _K.GARBAGE_ANSWER:
            session.say_garbage()
        elif fault.kind in _CUT_AFTER:
            session.abort()

    def ask(self, session, accounts: Iterable[str], number: int, answer: Callable[[], None]):
        """A question; its fault is of any account that it is about."""
        if self._gateway.is_out():
            return
        faults = (self._faults.next_for(account, Step.QUERY) for account in accounts)
        fault = next((each for each in faults if each is not None), None)
        if fault is None:
            answer()
        elif fault.kind is _K.DELAY_ANSWER:
            self._gateway.later(fault.seconds, answer)
        elif fault.kind in _ERRORS:
            session.say(answers.error(*PROCESSING, number))
        elif fault.kind in _CUTS:
            session.abort()
        elif fault.kind is _K.GARBAGE_ANSWER:
            session.say_garbage()
        elif fault.kind is _K.THROTTLE:
            session.say(answers.error(*TOO_MANY, number))
        elif fault.kind not in _NEVER_ANSWERED:
            answer()
