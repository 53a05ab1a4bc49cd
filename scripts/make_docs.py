#!/usr/bin/env python3
"""Fill what documents take from the code, tables and pictures: `python3 scripts/make_docs.py`.

In docs/signal-format.md and docs/architecture.md it stands between `<!-- generated: NAME -->` and
`<!-- end -->`. With `--check` nothing is written, and the exit code is 1 where one is out of date.
"""

# ruff: noqa: E402 - run as a script, it finds the packages beside it first
from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(REPOSITORY)
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.pictures import PICTURES, table
from services.domain.fields_table import ENVELOPE_FIELDS, LEG_FIELDS, FieldMeaning
from services.domain.refusals import CODES, Stage

DOCUMENTS = tuple(REPOSITORY / "docs" / name for name in ("signal-format.md", "architecture.md"))
_REGION = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> int:
    """Write the documents, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if outdated")
    check = parser.parse_args().check
    outdated = False
    for document in DOCUMENTS:
        current = document.read_text(encoding="utf-8")
        wanted = filled(current)
        if wanted == current:
            continue
        outdated = True
        if check:
            print(f"{document} is out of date: run python3 scripts/make_docs.py", file=sys.stderr)
        else:
            document.write_text(wanted, encoding="utf-8")
            print(f"{document} is written")
    return 1 if check and outdated else 0


def filled(document: str) -> str:
    """A document with its tables and pictures as the code has them. Raises: KeyError: no such."""
    return _REGION.sub(lambda region: f"{region[1]}{TABLES[region[2]]()}{region[3]}", document)


def _fields(fields: Mapping[str, FieldMeaning]) -> str:
    return table(
        ("field", "meaning"),
        (
            (" or ".join(f"`{each}`" for each in (name, *field.other_names)), field.meaning)
            for name, field in fields.items()
        ),
    )


def _codes(stage: Stage) -> str:
    return table(
        ("code", "means", "what to do"),
        (
            (f"`{code}`", meaning.sentence, meaning.fix)
            for code, meaning in CODES.items()
            if meaning.where is stage
        ),
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "envelope": lambda: _fields(ENVELOPE_FIELDS),
    "leg": lambda: _fields(LEG_FIELDS),
    "codes-access": lambda: _codes(Stage.ACCESS),
    "codes-intake": lambda: _codes(Stage.INTAKE),
    "codes-decision": lambda: _codes(Stage.DECISION),
    **PICTURES,
}

if __name__ == "__main__":
    sys.exit(main())
