"""Cerebro's answer to a signal: the steps that led from what was asked to what goes out."""

from __future__ import annotations

import string
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, NamedTuple

from pydantic import PlainSerializer, SkipValidation

from services.domain.accounts import DecisionContext, PreviewLeg
from services.domain.instruments import Instrument
from services.domain.orders import Order, Reservation
from services.domain.risk import RiskLock
from services.domain.signals import plain
from services.domain.values import Exact, Frozen, Instant, NonNegative
from services.domain.words import Intent, Outcome

#: Grows whenever the same signal and context may be decided differently than before.
ENGINE_VERSION: Final = 3


class _Words(string.Formatter):
    """`str.format` for people: a decimal without a format is written plainly."""

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - of the base class
        if isinstance(value, Decimal) and not format_spec:
            return plain(value)
        return str(super().format_field(value, format_spec))


_WORDS: Final = _Words()


def in_words(words: str, values: Sequence[object] = ()) -> str:
    """`words` with its `values` filled in; without values it is a sentence already."""
    return _WORDS.vformat(words, values, {}) if values else words


class Step(NamedTuple):
    """One named step of the waterfall; a plain tuple, because a decision makes hundreds.

    Attributes:
        before: the number that came in (a quantity or a factor, see `sentence`).
        after: the number that went on; None where the step is a yes/no check.
        limit: what the rule allows, where it has one number.
        bound: whether this step made the result smaller or stopped it.
        rule: which limit it was and whose, e.g. `max_position_ratio of ACCOUNT|*`.
        words: the sentence, with places for `values`; filled in only where somebody reads it.
    """

    name: str
    account_id: str | None = None
    leg_index: int | None = None
    before: Decimal | None = None
    after: Decimal | None = None
    limit: Decimal | None = None
    bound: bool = False
    rule: str = ""
    words: str = ""
    values: tuple[object, ...] = ()

    @property
    def sentence(self) -> str:
        """The step in words, with its numbers."""
        return in_words(self.words, self.values)

    def document(self) -> dict[str, Any]:
        """As it is stored and shown: what it has, and its sentence."""
        fields = {
            "name": self.name,
            "account_id": self.account_id,
            "leg_index": self.leg_index,
            "before": self.before,
            "after": self.after,
            "limit": self.limit,
            "bound": self.bound,
            "rule": self.rule or None,
            "sentence": self.sentence,
        }
        return {name: value for name, value in fields.items() if value is not None}


class StepView(Frozen):
    """A step as it is stored and shown; fields as in `Step`."""

    name: str
    account_id: str | None = None
    leg_index: int | None = None
    before: Exact | None = None
    after: Exact | None = None
    limit: Exact | None = None
    bound: bool = False
    rule: str = ""
    sentence: str = ""


Steps = Annotated[
    SkipValidation[tuple[Step, ...]],
    PlainSerializer(lambda steps: [step.document() for step in steps]),
]


class Passable(Frozen):
    """The largest quantity of one leg that would have passed in one account."""

    account_id: str
    leg_index: int
    quantity: NonNegative


class Question(Frozen):
    """What an account's broker could still say: the price of an instrument, or a margin.

    Attributes:
        legs: what would be ordered, for a margin; empty where a price is asked.
        key: of the stored margin preview that the answer goes to.
    """

    account_id: str
    key: str = ""
    instrument: Instrument | None = None
    legs: tuple[PreviewLeg, ...] = ()


class Decision(Frozen):
    """What goes out for one signal, and why.

    Attributes:
        code: machine reason, `CATEGORY_CONDITION`; "" when everything asked for was approved.
        reason: the same in words, with numbers.
        intent: what the signal was taken to mean, said or inferred.
        cancels: client_order_ids that a CANCEL reaches.
        passable: of a denied entry, the most that would have passed.
        locks: limits that were passed, and stop entries from now on.
        questions: what was missing, and a broker may still answer.
        context: everything the decision saw; `decide(signal, context)` gives it again.
        engine_version: of the rules that decided.
    """

    signal_id: str
    outcome: Outcome
    intent: Intent | None = None
    code: str = ""
    reason: str = ""
    steps: Steps = ()
    orders: tuple[Order, ...] = ()
    reservations: tuple[Reservation, ...] = ()
    cancels: tuple[str, ...] = ()
    passable: tuple[Passable, ...] = ()
    locks: tuple[RiskLock, ...] = ()
    questions: tuple[Question, ...] = ()
    context: DecisionContext
    decided_at: Instant
    engine_version: int = ENGINE_VERSION
