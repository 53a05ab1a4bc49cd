#!/usr/bin/env python3
"""Accept a gap: signals of a strategy that never came are missed no more, and entries go on.

    python3 scripts/resync.py STRATEGY

For an operator who has made sure that the strategy's position is what its developer thinks. Prints
what it forgot; the next number and the next position that the strategy sends begin it anew. What
was denied meanwhile stays denied.
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

from services.cerebro.store import CerebroStore
from services.common.settings import CommonSettings
from services.common.settings_file import load
from services.common.store import Store
from services.domain.errors import TraderError


def resync(settings: CommonSettings, strategy_id: str, *, by: str) -> list[str]:
    """Forget what is missing of a strategy; returns that in sentences.

    Raises:
        ConfigurationError: there is no such strategy.
        TransientError: the database does not answer.
    """
    store = Store.connect(settings)
    try:
        store.ping()
        return CerebroStore(store, reference_seconds=0).gaps.resync(strategy_id, by=by)
    finally:
        store.close()


def main() -> int:
    """Print what was forgotten, a line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("strategy", help="strategy_id, as in `strategy_name` of its signals")
    arguments = parser.parse_args()
    try:
        forgotten = resync(load(CommonSettings), arguments.strategy, by=getpass.getuser())
    except TraderError as error:
        print(f"resync: {error}", file=sys.stderr)
        return 1
    for sentence in forgotten or ["nothing was known of its order, so nothing was forgotten"]:
        print(sentence)
    return 0


if __name__ == "__main__":
    sys.exit(main())
