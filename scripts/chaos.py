#!/usr/bin/env python3
"""The fault drill: run the whole system under load, hurt it from a seed, compare with its broker.

    .venv/bin/python scripts/chaos.py --seed 7 --signals 500 --rate 20 --faults 40
    .venv/bin/python scripts/chaos.py --signals 5000 --faults 100 --html drill.html

Starts an instance of its own in a scratch MT_HOME at the mock broker; nothing of another instance
is read or touched. The seed is printed: the same seed sends the same signals and draws the same
faults at the same moments. Exit code 1 where anything does not hold; docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import shutil
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from scripts.drill import plan, report
from scripts.drill.run import Asked, run
from scripts.tool import end_when_told


def main() -> int:
    """Run one drill; exit code 1 where anything does not hold."""
    arguments = _arguments()
    end_when_told()
    # What our own clients say of a bus or database that was just killed is no news here.
    logging.getLogger("services").addHandler(logging.NullHandler())
    home = Path(tempfile.mkdtemp(prefix="mt-drill-"))
    print(f"seed {arguments.seed}, in {home}", flush=True)
    asked = Asked(
        seed=arguments.seed,
        signals=arguments.signals,
        rate=arguments.rate,
        strategies=arguments.strategies,
        accounts=arguments.accounts,
        faults=arguments.faults,
        skew_seconds=arguments.skew,
        freeze_seconds=arguments.freeze,
    )
    clean = False
    try:
        result = run(asked, home, port_offset=arguments.port_offset, tell=_tell)
        clean = result["clean"]
    finally:
        if not arguments.keep:
            shutil.rmtree(home, ignore_errors=True)
    for line in report.lines(result):
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.html:
        arguments.html.write_text(report.page(result))
    return 0 if clean else 1


def _tell(line: str) -> None:
    print(line, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    drawn = random.SystemRandom().randrange(10**6)
    parser.add_argument("--seed", type=int, default=drawn, help="default: drawn, and printed")
    parser.add_argument("--signals", type=int, default=5000, help="(%(default)s)")
    parser.add_argument("--rate", type=float, default=20, help="signals a second (%(default)s)")
    parser.add_argument("--strategies", type=int, default=8, help="(%(default)s)")
    parser.add_argument("--accounts", type=int, default=4, help="(%(default)s)")
    parser.add_argument("--faults", type=int, default=100, help="(%(default)s)")
    parser.add_argument(
        "--skew", type=float, default=20, help="seconds of the worst clock (%(default)s)"
    )
    parser.add_argument(
        "--freeze", type=float, default=plan.MOST_SECONDS, help="seconds at most (%(default)s)"
    )
    parser.add_argument("--json", type=Path, help="file to write the report to")
    parser.add_argument("--html", type=Path, help="file to write it to as a page")
    parser.add_argument("--keep", action="store_true", help="leave the scratch home, to look at")
    parser.add_argument("--port-offset", type=int, help="default: one that is free")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
