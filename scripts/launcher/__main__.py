"""The supervisor process; started by start.py."""

from __future__ import annotations

import argparse
import signal
import sys

from scripts.launcher.errors import ScriptError
from scripts.launcher.instance import Instance, add_arguments, options_of
from scripts.launcher.report import Reporter


def main() -> int:
    """Supervise until told to stop; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.launcher", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--progress-fd", type=int, help="pipe to whoever waits for the start")
    arguments = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    reporter = Reporter(arguments.progress_fd)
    try:
        instance = Instance.load(options_of(arguments))
    except ScriptError as error:
        reporter.failed(str(error), error.exit_code)
        return error.exit_code
    return instance.run(reporter)


if __name__ == "__main__":
    sys.exit(main())
