"""When a process that died starts again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

FIRST_DELAY_S = 0.5
SLOWEST_DELAY_S = 15.0
STABLE_AFTER_S = 30.0
WINDOW_S = 60.0
DEATHS_OF_AN_INCIDENT = 3


class Verdict(NamedTuple):
    """What to do about one death."""

    policy: RestartPolicy
    delay_s: float
    incident: bool


@dataclass(frozen=True)
class RestartPolicy:
    """The deaths of one process that still count.

    Attributes:
        next_delay_s: seconds that the next death is answered with.
        deaths: instants of a monotonic clock, within the last minute.
        reported: whether the present series of deaths is an incident already.
    """

    next_delay_s: float = FIRST_DELAY_S
    deaths: tuple[float, ...] = ()
    reported: bool = False

    def died(self, *, now: float, alive_s: float) -> Verdict:
        """Judge a death at `now` after `alive_s` seconds of life."""
        calm = RestartPolicy(deaths=self.deaths) if alive_s >= STABLE_AFTER_S else self
        deaths = (*(each for each in calm.deaths if now - each < WINDOW_S), now)
        too_many = len(deaths) >= DEATHS_OF_AN_INCIDENT
        delay = SLOWEST_DELAY_S if too_many or calm.reported else calm.next_delay_s
        after = replace(
            calm,
            next_delay_s=min(delay * 2, SLOWEST_DELAY_S),
            deaths=deaths,
            reported=calm.reported or too_many,
        )
        return Verdict(after, delay, incident=too_many and not calm.reported)
