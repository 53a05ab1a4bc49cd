#!/usr/bin/env python3
"""Fill the tables of docs/signal-format.md from the code: `python3 scripts/make_docs.py`.

A table stands between `<!-- generated: NAME -->` and `<!-- end -->`. With `--check` nothing is
written, and the exit code is 1 where the document is out of date.
"""

# ruff: noqa: E402 - run as a script, it finds the packages beside it first
from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(REPOSITORY)

from services.domain.fields_table import ENVELOPE_FIELDS, LEG_FIELDS, FieldMeaning
from services.domain.refusals import CODES, Stage

DOCUMENT = REPOSITORY / "docs" / "signal-format.md"
_REGION = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Write the document, or compare it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if outdated")
    arguments = parser.parse_args()
    current = DOCUMENT.read_text(encoding="utf-8")
    wanted = filled(current)
    if wanted == current:
        return 0
    if arguments.check:
        print(f"{DOCUMENT} is out of date: run python3 scripts/make_docs.py", file=sys.stderr)
        return 1
    DOCUMENT.write_text(wanted, encoding="utf-8")
    print(f"{DOCUMENT} is written")
    return 0


def filled(document: str) -> str:
    """The document with every table as the code has it. Raises: KeyError for an unknown name."""
    return _REGION.sub(lambda region: f"{region[1]}{TABLES[region[2]]()}{region[3]}", document)


def _fields(fields: Mapping[str, FieldMeaning]) -> str:
    return _table(
        ("field", "meaning"),
        (
            (" or ".join(f"`{each}`" for each in (name, *field.other_names)), field.meaning)
            for name, field in fields.items()
        ),
    )


def _codes(stage: Stage) -> str:
    return _table(
        ("code", "means", "what to do"),
        (
            (f"`{code}`", meaning.sentence, meaning.fix)
            for code, meaning in CODES.items()
            if meaning.where is stage
        ),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES: Mapping[str, Callable[[], str]] = {
    "envelope": lambda: _fields(ENVELOPE_FIELDS),
    "leg": lambda: _fields(LEG_FIELDS),
    "codes-access": lambda: _codes(Stage.ACCESS),
    "codes-intake": lambda: _codes(Stage.INTAKE),
    "codes-decision": lambda: _codes(Stage.DECISION),
}

if __name__ == "__main__":
    sys.exit(main())
