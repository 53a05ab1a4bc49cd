"""The record a decision leaves behind while it is made: its steps, or the reason it stopped."""

from __future__ import annotations

from decimal import Context, Decimal

from services.domain.decisions import Passable, Question, Step, in_words
from services.domain.values import ZERO

ONE = Decimal(1)
#: Decimals carry 28 digits; what differs in the last eight is the same number, divided and
#: multiplied on different ways.
_SAME = Context(prec=20)


def settled(number: Decimal) -> Decimal:
    """`number` without the noise of its last digits, so that 9.99…97 is 10 again."""
    return _SAME.plus(number)


class Denied(Exception):
    """A rule stopped the signal (in this account): machine code and sentence.

    Attributes:
        passable: the most that the rules would have let through, where it is not nothing.
    """

    def __init__(self, code: str, sentence: str, *, passable: tuple[Passable, ...] = ()) -> None:
        super().__init__(sentence)
        self.code = code
        self.passable = passable


class Waterfall:
    """Steps in the order they were taken, and what was missing on the way."""

    def __init__(self, account_id: str | None = None) -> None:
        self._account_id = account_id
        self.steps: list[Step] = []
        self.questions: list[Question] = []

    def note(  # noqa: PLR0913 - the fields of a step, by name
        self,
        name: str,
        words: str,
        *values: object,
        before: Decimal | None = None,
        after: Decimal | None = None,
        limit: Decimal | None = None,
        bound: bool = False,
        leg_index: int | None = None,
        rule: str = "",
    ) -> None:
        """Add one step; `words` has a `{}` for each of `values`, or none at all."""
        self.steps.append(
            Step(
                name,
                self._account_id,
                leg_index,
                before,
                after,
                limit,
                bound,
                rule,
                words,
                values,
            )
        )

    def require(
        self, name: str, passed: bool, code: str, words: str, *values: object, rule: str = ""
    ) -> None:
        """Add a yes/no step. Raises: Denied where it is no."""
        self.note(name, words, *values, bound=not passed, rule=rule)
        if not passed:
            raise Denied(code, in_words(words, values))

    def stop(
        self, name: str, code: str, sentence: str, *, leg_index: int | None = None, rule: str = ""
    ) -> Denied:
        """Add a step that stops the signal, to be raised."""
        self.note(name, sentence, bound=True, leg_index=leg_index, rule=rule)
        return Denied(code, sentence)


class Caps:
    """How much of what is wanted may go, as one factor; each cap is a step.

    Attributes:
        scale: at most 1, what is left after all caps so far.
        room: the same without the 1: how much more than wanted could go.
        binding: name of the cap that made `scale` what it is.
    """

    def __init__(self, waterfall: Waterfall, *, pooled: bool = False) -> None:
        """`pooled`: nothing left here is no denial, because other accounts may have room."""
        self._waterfall = waterfall
        self._pooled = pooled
        self.scale = ONE
        self.room: Decimal | None = None
        self.binding = ""

    def cap(self, name: str, *, wanted: Decimal, limit: Decimal, rule: str = "") -> None:
        """Keep `wanted` (an amount at scale 1) within `limit`.

        Raises: Denied where nothing at all fits.
        """
        if wanted <= 0:
            return
        room = limit / wanted
        if self.room is None or room < self.room:
            self.room = room
        before = self.scale
        asked = wanted if before is ONE else wanted * before
        note = self._waterfall.note
        if settled(asked) <= settled(limit):
            note(
                name,
                "{:,.2f} of {:,.2f}",
                asked,
                limit,
                before=before,
                after=before,
                limit=limit,
                rule=rule,
            )
            return
        self.binding = name
        if limit <= 0:
            words = "nothing is left: {:,.2f} asked, {:,.2f} available"
            values = (asked, limit)
            note(
                name, words, *values, before=before, after=ZERO, limit=limit, bound=True, rule=rule
            )
            self.scale = self.room = ZERO
            if self._pooled:
                return
            sentence = f"{name.replace('_', ' ')}: {in_words(words, values)}"
            raise Denied(name.upper() + "_EXCEEDED", sentence)
        self.scale = room
        note(
            name,
            "{:,.2f} asked, {:,.2f} allowed",
            asked,
            limit,
            before=before,
            after=room,
            limit=limit,
            bound=True,
            rule=rule,
        )


def money(amount: Decimal) -> str:
    """An amount in a sentence: two places, thousands separated."""
    return f"{amount:,.2f}"
