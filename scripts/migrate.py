#!/usr/bin/env python3
"""Bring the database to the layout of this version, while nothing works on it.

    python3 scripts/migrate.py --dry-run     # what would be done; changes nothing
    python3 scripts/migrate.py

`start.py` does the same before it starts the services. This is for systems whose processes are
started by something else: run it once, with all of them stopped, before the new version starts.
An instance that is stopped has no embedded database to ask; start.py is the way there.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.tool import operate
from services.common.migrations import LAYOUT, Plan, migrate, plan_of
from services.common.store import Store


def main(argv: Sequence[str] | None = None) -> int:
    """Migrate, or say what that would be; exit code 1, with a sentence, where it cannot be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--wait", type=float, default=30.0, metavar="SECONDS", help="for the rest")
    arguments = parser.parse_args(argv)

    def work(store: Store) -> None:
        if arguments.dry_run:
            _tell(plan_of(store), "would do")
        else:
            by = getpass.getuser()
            _tell(migrate(store, by=by, patience_seconds=arguments.wait), "done")

    return operate("migrate", work)


def _tell(plan: Plan, word: str) -> None:
    for sentence in plan.sentences():
        print(f"{word}: {sentence}")
    was = "new" if plan.present is None else f"at layout {plan.present}"
    print(f"the database {'is' if plan.is_empty else 'was'} {was}; this version has {LAYOUT}")


if __name__ == "__main__":
    sys.exit(main())
