"""How far a study is, and what of it is finished. Pure but for whom it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from services.portfolio_builder.backtest.walk_forward import Decision

#: Part done (0 to 1) and what is done now; whatever it raises ends the study.
Tell = Callable[[float, str], None]
#: Takes a finished part by its name.
Keep = Callable[[str, JsonValue], None]


@dataclass
class Parts:
    """Parts of a study: those that were finished before are not done again."""

    tell: Tell
    finished: Mapping[str, JsonValue]
    keep: Keep
    total: int
    done: int = 0

    def decision(self, name: str, words: str, make: Callable[[], Decision]) -> Decision:
        """One decision, through JSON in any case, so that a resumed study cannot differ."""
        self.tell(self.done / self.total, words)
        kept = self.finished.get(name)
        if kept is None:
            kept = make().model_dump(mode="json")
            self.keep(name, kept)
        self.done += 1
        return Decision.model_validate(kept)
