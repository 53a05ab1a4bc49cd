"""How long somebody waits after wrong passwords: longer each time, and never for ever."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class Against(StrEnum):
    """Whose failures are counted."""

    PAIR = "PAIR"  # one name from one address
    ADDRESS = "ADDRESS"  # one address, whatever names it tries
    NAME = "NAME"  # one name, from whatever addresses; not those that it logged in from before


class Rule(NamedTuple):
    """So many failures are free; then the wait doubles, to the longest."""

    free: int
    first_seconds: int
    longest_seconds: int


RULES: Final[Mapping[Against, Rule]] = {
    Against.PAIR: Rule(free=5, first_seconds=5, longest_seconds=900),
    Against.ADDRESS: Rule(free=20, first_seconds=5, longest_seconds=900),
    # Short: whoever guesses at a name from everywhere must not keep its owner out.
    Against.NAME: Rule(free=50, first_seconds=5, longest_seconds=60),
}
#: Until failures are forgotten.
FORGOTTEN_SECONDS: Final = 86_400


def wait_seconds(against: Against, failures: int) -> int:
    """How long after so many failures in a row; 0 = not at all."""
    rule = RULES[against]
    if failures < rule.free:
        return 0
    doubled = rule.first_seconds << min(failures - rule.free, 20)
    return min(doubled, rule.longest_seconds)
