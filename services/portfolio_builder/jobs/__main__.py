"""Wiring of a worker: the real study, on the records of the store."""

from __future__ import annotations

import sys

from services.portfolio_builder.jobs.code_version import code_version
from services.portfolio_builder.jobs.real import real_study
from services.portfolio_builder.jobs.records import load_records
from services.portfolio_builder.jobs.worker import main

if __name__ == "__main__":
    sys.exit(main(real_study, load_records, code_version=code_version()))
