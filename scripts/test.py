#!/usr/bin/env python3
"""Check everything that a change must pass: `python3 scripts/test.py --help`."""

# ruff: noqa: E402, UP031, UP036 - an old Python must be able to read this and be told
import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write("Python 3.11 or newer is needed, this is %d.%d\n" % sys.version_info[:2])
    sys.exit(1)

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from scripts.launcher import venv

venv.enter("requirements-dev.txt", "requirements.txt")
from scripts.launcher import test_command

sys.exit(test_command.main())
