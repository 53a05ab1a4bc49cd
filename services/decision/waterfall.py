"""The record a decision leaves behind while it is made: its steps, or the reason it stopped."""

from __future__ import annotations

from decimal import Decimal

from services.domain.decisions import Step


class Denied(Exception):
    """A rule stopped the signal (in this account): machine code and sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Waterfall:
    """Steps in the order they were taken."""

    def __init__(self, account_id: str | None = None) -> None:
        self._account_id = account_id
        self.steps: list[Step] = []

    def note(  # noqa: PLR0913 - the fields of a step, by name
        self,
        name: str,
        sentence: str,
        *,
        before: Decimal | None = None,
        after: Decimal | None = None,
        limit: Decimal | None = None,
        bound: bool = False,
        leg_index: int | None = None,
    ) -> None:
        """Add one step."""
        self.steps.append(
            Step(
                name=name,
                account_id=self._account_id,
                leg_index=leg_index,
                before=before,
                after=after,
                limit=limit,
                bound=bound,
                sentence=sentence,
            )
        )

    def require(self, name: str, passed: bool, code: str, sentence: str) -> None:
        """Add a yes/no step. Raises: Denied where it is no."""
        self.note(name, sentence, bound=not passed)
        if not passed:
            raise Denied(code, sentence)

    def cap(self, name: str, scale: Decimal, *, wanted: Decimal, limit: Decimal) -> Decimal:
        """Shrink `scale` so that `wanted` (an amount at scale 1) stays within `limit`.

        Raises: Denied where nothing at all fits.
        """
        asked = wanted * scale
        if asked <= limit:
            self.note(
                name, f"{money(asked)} of {money(limit)}", before=scale, after=scale, limit=limit
            )
            return scale
        if limit <= 0:
            sentence = f"nothing is left: {money(asked)} asked, {money(limit)} available"
            self.note(name, sentence, before=scale, after=Decimal(0), limit=limit, bound=True)
            raise Denied(name.upper() + "_EXCEEDED", f"{name.replace('_', ' ')}: {sentence}")
        shrunk = limit / wanted
        self.note(
            name,
            f"{money(asked)} asked, {money(limit)} allowed",
            before=scale,
            after=shrunk,
            limit=limit,
            bound=True,
        )
        return shrunk


def money(amount: Decimal) -> str:
    """An amount in a sentence: two places, thousands separated."""
    return f"{amount:,.2f}"
