"""Gaps: whether something that a strategy sent has not come, by the sender's own numbers. Pure.

Two proofs: the sender's count of their signals (`sequence`), and what they say they held before
each (`previous_position`), which must be what their signals so far come to.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from services.domain.accounts import Gap
from services.domain.signals import Leg, PreviousPosition, Signal, plain
from services.domain.values import ZERO, Frozen
from services.domain.words import Intent, QuantityUnit

#: Missing numbers kept one by one; a larger jump is a number only.
_LISTED = 100
_SAID = 5


#: What a signal adds to a position: units, or only their sign, an int; None closes all of it.
Change = Decimal | int | None


class Count(Frozen):
    """How far a sender's count of their signals has come.

    Attributes:
        last: the highest number that came.
        missing: numbers below it that have not come, the lowest first, at most 100.
        unlisted: how many more above those are missing; only an operator can accept these.
    """

    last: int
    missing: tuple[int, ...] = ()
    unlisted: int = 0

    def after(self, number: int) -> Count:
        """The count once `number` has come. 1 or 0 starts it anew; a repeat changes nothing."""
        if number in self.missing:
            left = tuple(each for each in self.missing if each != number)
            return self.model_copy(update={"missing": left})
        if self._starts_anew(number):
            return Count(last=number)
        if number <= self.last:
            return self
        skipped = number - self.last - 1
        listed = min(skipped, 0 if self.unlisted else _LISTED - len(self.missing))
        return Count(
            last=number,
            missing=(*self.missing, *range(self.last + 1, self.last + 1 + listed)),
            unlisted=self.unlisted + skipped - listed,
        )

    def repeats(self, number: int) -> bool:
        """Whether this number has been there before."""
        known = number <= self.last and number not in self.missing and not self.unlisted
        return known and not self._starts_anew(number)

    def missing_below(self, number: int) -> str:
        """What is missing before `number`, in words; "" where nothing is."""
        after = self.after(number)
        lower = tuple(each for each in after.missing if each < number)
        return _numbers(lower, 0 if number in self.missing else after.unlisted)

    def missing_at_all(self) -> str:
        """What is missing, in words; "" where nothing is."""
        return _numbers(self.missing, self.unlisted)

    def in_words(self) -> str:
        """Where the count is."""
        missing = self.missing_at_all()
        return f"count at {self.last}" + (f", but {missing} not come" if missing else "")

    def _starts_anew(self, number: int) -> bool:
        """Whether the sender began to count again, where `number` is none that is missing."""
        return number in {0, 1} and number != self.last + 1


class Chain(Frozen):
    """What a sender's signals make of their position in one instrument; three equals, or a gap.

    Attributes:
        known: the position after the signals that came in order.
        tally: the same and those that came past a gap.
        claimed: the position that the sender says they have after the last of them.
    """

    known: PreviousPosition
    tally: PreviousPosition
    claimed: PreviousPosition

    @classmethod
    def at(cls, position: PreviousPosition) -> Chain:
        """A chain that begins here."""
        return cls(known=position, tally=position, claimed=position)

    @property
    def whole(self) -> bool:
        """Whether the sender's position is what their signals make it."""
        return _agree(self.tally, self.claimed)

    def in_words(self) -> str:
        """Where the chain is."""
        said = "" if self.whole else f", but the sender says {_in_words(self.claimed)}"
        return f"signals so far make {_in_words(self.tally)}{said}"

    def admits(self, claim: PreviousPosition, change: Change) -> bool:
        """Whether an entry with this claim follows what is known; for arguments see `after`."""
        return self._in_order(claim, change) or _agree(claim, self.tally)

    def after(self, claim: PreviousPosition | None, change: Change) -> Chain | None:
        """The chain once such a signal has come; None where its position cannot be known.

        Args:
            claim: what the sender says they held before; None where they do not say.
            change: what the signal adds to the position.
        """
        in_order = self.whole if claim is None else self._in_order(claim, change)
        known = _moved(self.known, change) if in_order else self.known
        tally = _moved(self.tally, change)
        claimed: PreviousPosition | None = self.claimed
        if self.whole and in_order:
            claimed = tally
        elif not in_order:
            claimed = _moved(claim or self.claimed, change)
        if known is None or tally is None or claimed is None:
            return None
        chain = Chain(known=known, tally=tally, claimed=claimed)
        return Chain.at(tally) if chain.whole else chain

    def _in_order(self, claim: PreviousPosition, change: Change) -> bool:
        """Past a gap, what fits the end of the claims too is late only if it closes the gap."""
        if not _agree(claim, self.known):
            return False
        if self.whole or not _agree(claim, self.claimed):
            return True
        tally = _moved(self.tally, change)
        return tally is not None and _agree(tally, self.claimed)


class Ledger:
    """Counts and chains of the strategies of a batch, as its signals are decided.

    Attributes:
        changed: what is to be kept, by strategy and id (the strategy's own for a count, `chain_id`
            for a chain); None = forgotten.
        gaps: by id, what is missing in a sentence, or None where nothing is any more.
        repeats: by strategy, the sentence on a number that came again.
    """

    def __init__(self, known: Mapping[str, Count | Chain]) -> None:
        self._counts = {name: each for name, each in known.items() if isinstance(each, Count)}
        self._chains = {name: each for name, each in known.items() if isinstance(each, Chain)}
        self.changed: dict[tuple[str, str], Count | Chain | None] = {}
        self.gaps: dict[str, str | None] = {}
        self.repeats: dict[str, str] = {}

    def gap(self, signal: Signal, *, flat: bool) -> Gap | None:
        """What is missing before `signal`.

        Args:
            signal: the one that is to be decided.
            flat: whether our books hold nothing of its first leg for the strategy, and no working
                entry; a sender who is flat too has nothing in flight that could matter.
        """
        if signal.replay_of is not None:
            return None
        found = [self._count_gap(signal), self._chain_gap(signal, flat)]
        return next((gap for gap in found if gap), None)

    def take(self, signal: Signal, intent: Intent | None, *, flat: bool) -> None:
        """Note that `signal` came and is decided."""
        if signal.replay_of is not None:
            return
        if signal.sequence is not None:
            self._take_number(signal, signal.sequence)
        for leg in signal.legs:
            claim = signal.previous_position if leg is signal.legs[0] else None
            self._take_leg(signal, leg, claim, intent, flat=flat)

    def _count_gap(self, signal: Signal) -> Gap | None:
        strategy_id, number = signal.strategy_id, signal.sequence
        count = self._counts.get(strategy_id)
        if count is None or number is None or not (missing := count.missing_below(number)):
            return None
        sentence = f"{strategy_id} sent number {number}, but {missing} not come"
        self.gaps[strategy_id] = sentence
        return Gap(code="SEQUENCE_GAP", sentence=sentence)

    def _chain_gap(self, signal: Signal, flat: bool) -> Gap | None:
        claim, leg = signal.previous_position, signal.legs[0]
        key = chain_id(signal.strategy_id, leg)
        chain = self._chains.get(key)
        if claim is None or chain is None or _both_flat(claim, flat):
            return None
        if chain.admits(claim, _change(leg, signal.intent)):
            return None
        sentence = (
            f"{signal.strategy_id} says it held {_in_words(claim)} {leg.instrument.symbol} before, "
            f"but its signals so far make that {_in_words(chain.known)}"
        )
        self.gaps[key] = sentence
        return Gap(code="POSITION_GAP", sentence=sentence)

    def _take_number(self, signal: Signal, number: int) -> None:
        strategy_id = signal.strategy_id
        before = self._counts.get(strategy_id)
        if before is not None and before.repeats(number):
            self.repeats[strategy_id] = (
                f"{strategy_id} sent number {number} again, with signal {signal.signal_id}; "
                f"the last was {before.last}"
            )
        after = before.after(number) if before else Count(last=number)
        self._counts[strategy_id] = after
        if after != before:
            self.changed[strategy_id, strategy_id] = after
        missing = after.missing_at_all()
        self.gaps[strategy_id] = f"{strategy_id}: {after.in_words()}" if missing else None

    def _take_leg(
        self,
        signal: Signal,
        leg: Leg,
        claim: PreviousPosition | None,
        intent: Intent | None,
        *,
        flat: bool,
    ) -> None:
        key = chain_id(signal.strategy_id, leg)
        before = self._chains.get(key)
        if claim is not None and (before is None or _both_flat(claim, flat)):
            before = Chain.at(claim)
        if before is None:
            return
        after = before.after(claim, _change(leg, intent))
        if after is None:
            self._chains.pop(key, None)
        else:
            self._chains[key] = after
        self.changed[signal.strategy_id, key] = after
        self.gaps[key] = (
            None
            if after is None or after.whole
            else f"{signal.strategy_id}, {leg.instrument.symbol}: {after.in_words()}"
        )


def chain_id(strategy_id: str, leg: Leg) -> str:
    """Key of a chain: opaque, one for each strategy × instrument."""
    return f"{strategy_id}|{leg.instrument.key}"


def _change(leg: Leg, intent: Intent | None) -> Change:
    """What a leg adds to the sender's position; only its sign where they gave a fraction."""
    if intent is Intent.CANCEL:
        return ZERO
    if leg.side is None or leg.quantity is None:
        return None
    if leg.quantity_unit is not QuantityUnit.UNITS:
        return leg.side.sign
    return leg.quantity * leg.side.sign


def _both_flat(claim: PreviousPosition, flat: bool) -> bool:
    return flat and _signed(claim) == 0


def _signed(position: PreviousPosition) -> Decimal | None:
    """Units, signed; None where only the side is known."""
    if position.sign == 0:
        return ZERO
    return None if position.size is None else position.sign * position.size


def _agree(one: PreviousPosition, other: PreviousPosition) -> bool:
    units, others = _signed(one), _signed(other)
    if units is None or others is None:
        return one.sign == other.sign
    return units == others


def _moved(position: PreviousPosition, change: Change) -> PreviousPosition | None:
    """The position after `change`; None where not even its side is known."""
    if change is None:
        return PreviousPosition(sign=0, size=ZERO)
    units = _signed(position)
    if units is not None and isinstance(change, Decimal):
        after = units + change
        return PreviousPosition(sign=_sign(after), size=abs(after))
    if not change:
        return position
    if position.sign in {0, _sign(change)}:
        return PreviousPosition(sign=_sign(change))
    return None


def _sign(number: Decimal | int) -> Literal[-1, 0, 1]:
    return 1 if number > 0 else -1 if number < 0 else 0


def _in_words(position: PreviousPosition) -> str:
    units = _signed(position)
    if units is None:
        return "some long" if position.sign > 0 else "some short"
    return plain(units)


def _numbers(listed: tuple[int, ...], more: int) -> str:
    if not listed and not more:
        return ""
    said = ", ".join(map(str, listed[:_SAID]))
    rest = len(listed) - len(listed[:_SAID]) + more
    if not said:
        return f"{rest} numbers have"
    verb = "has" if len(listed) == 1 and not rest else "have"
    return f"{said}{f' and {rest} more' if rest else ''} {verb}"
