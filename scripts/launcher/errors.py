"""Why a script ends early."""

from __future__ import annotations

EXIT_CONFIGURATION = 78


class ScriptError(Exception):
    """The script cannot go on; the text is one sentence for the person who typed it."""

    def __init__(self, sentence: str, *, exit_code: int = 1) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
