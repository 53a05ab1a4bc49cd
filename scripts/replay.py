#!/usr/bin/env python3
"""Send a signal again that was denied, expired or quarantined: `replay.py SIGNAL_ID [--fresh]`.

What came is read again with today's strategies and settings, under a new id that says what it
replays. A signal that traded is refused. Its age counts from when it was first sent, so an entry
that has expired expires again, unless --fresh says that a person wants it now.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from services.common.problems import Refusal
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.domain.errors import TraderError
from services.signal_gateway.replay import replay


def main() -> int:
    """Replay one signal; exit code 1 where it is refused."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("signal_id", help="ours, as the receipt and the incident name it")
    parser.add_argument("--fresh", action="store_true", help="count its age from now")
    parser.add_argument("--by", default=getpass.getuser(), help="your name, for the audit log")
    arguments = parser.parse_args()
    try:
        store = Store.connect(load(CommonSettings))
        try:
            store.ping()
            new_id = replay(store, arguments.signal_id, by=arguments.by, fresh=arguments.fresh)
        finally:
            store.close()
    except (Refusal, TraderError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return 1
    print(f"{arguments.signal_id} is sent again as {new_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
