#!/usr/bin/env python3
"""Drain and stop everything that this instance started: `python3 scripts/stop.py --help`."""

# ruff: noqa: E402, UP031, UP036 - an old Python must be able to read this and be told
import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write("Python 3.11 or newer is needed, this is %d.%d\n" % sys.version_info[:2])
    sys.exit(1)

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from scripts.launcher import venv

venv.enter_existing()
from scripts.launcher import stop_command

sys.exit(stop_command.main())
