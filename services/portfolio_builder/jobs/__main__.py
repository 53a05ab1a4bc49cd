"""Wiring of a worker: the real study, on the records of the store."""

from __future__ import annotations

import sys

from services.portfolio_builder.jobs.code_version import code_version
from services.portfolio_builder.jobs.real import real_study
from services.portfolio_builder.jobs.worker import main
from services.portfolio_builder.record_store import RecordStore

if __name__ == "__main__":
    sys.exit(main(real_study, lambda store: RecordStore(store).load, code_version=code_version()))
