#!/usr/bin/env python3
"""Make database and bus ready, as start.py does before it starts the services.

    python3 scripts/prepare.py [--without-bus]

For systems whose processes are started by something else, with all of them stopped: migrates the
database, makes the kill switch (ACTIVE), topics and subscriptions where they are missing, and the
first admin, whose password is printed, once. `--without-bus` where Terraform makes the topics.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from services.common.bootstrap import prepare
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.users import FIRST_ADMIN
from services.domain.errors import TraderError


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare; exit code 1, with a sentence, where it cannot be done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--without-bus", action="store_true", help="leave topics alone")
    arguments = parser.parse_args(argv)
    try:
        password = prepare(load(CommonSettings), bus=not arguments.without_bus)
    except TraderError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 1
    print("database and bus have all that is needed")
    if password is not None:
        print(f"first admin: name {FIRST_ADMIN}, password {password} (changed at the first log-in)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
