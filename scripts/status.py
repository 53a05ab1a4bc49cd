#!/usr/bin/env python3
"""Tell how every process is: `python3 scripts/status.py --help`."""

# ruff: noqa: E402, UP031, UP036 - an old Python must be able to read this and be told
import os
import sys

if sys.version_info < (3, 11):
    sys.stderr.write("Python 3.11 or newer is needed, this is %d.%d\n" % sys.version_info[:2])
    sys.exit(1)

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from scripts.launcher import venv

venv.enter_existing()
from scripts.launcher import status_command

sys.exit(status_command.main())
