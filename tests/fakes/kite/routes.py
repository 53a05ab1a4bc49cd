"""What Kite can be asked, and how a path is told from another."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from brokers.mock.faults import Step
from tests.fakes.kite.limits import Budget


@dataclass(frozen=True)
class Route:
    """One method of one path.

    Attributes:
        handler: takes the call and the twist of its fault; returns the data of the answer.
        authorized: only with a token that lives.
        from_browser: a person's browser asks, which sends no header of Kite's.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    step: Step = Step.QUERY
    budget: Budget = Budget.OTHERS
    authorized: bool = True
    from_browser: bool = False

    def match(self, method, path):
        """What the path names; None = another route."""
        if method != self.method:
            return None
        found = re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path), path)
        return found.groupdict() if found else None
