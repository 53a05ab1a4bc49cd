"""A worker with a small study of its own: `python -m tests.support.study_worker TEST_ID EPOCH`.

Real arithmetic on real records, in as many parts as there are strategies, each as slow as
STUDY_PART_SECONDS says, so that a test can kill it between two of them.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np

from services.domain.errors import InvalidMessage
from services.portfolio_builder.allocations import Evidence, ratios_of_weights, rows_of
from services.portfolio_builder.jobs.documents import FileName, Performance, Summary
from services.portfolio_builder.jobs.worker import Studied, main
from services.portfolio_builder.record_store import RecordStore


def study(asked):
    parts = {}
    for number, record in enumerate(asked.records):
        name = f"part-{number:03}"
        asked.tell(number / len(asked.records), f"strategy {record.strategy_id}")
        if record.strategy_id == "dies":
            os._exit(9)
        if record.strategy_id == "hangs":
            time.sleep(600)
        if record.strategy_id == "bad":
            raise InvalidMessage("the record of bad is constant")
        if record.strategy_id == "breaks":
            raise ZeroDivisionError("nobody expected this")
        if name in asked.finished:
            parts[name] = asked.finished[name]
            continue
        time.sleep(float(os.environ.get("STUDY_PART_SECONDS", "0")))
        parts[name] = float(np.exp(np.log1p(record.returns).sum()))
        asked.keep(name, parts[name])
    weights = {each.strategy_id: 1 / len(asked.records) for each in asked.records}
    result = {"parts": parts, "current": dict(asked.current), "trials": asked.request.trials}
    return Studied(
        Summary(
            weights=rows_of(ratios_of_weights(weights)),
            performance=Performance(out_of_sample=True, sharpe=1.5),
            evidence=Evidence(test_id="", sharpe=1.5, equal_weight_sharpe=1.0),
        ),
        {
            FileName.RESULT: json.dumps(result),
            FileName.TEARSHEET: "<!doctype html><title>small</title>",
            FileName.EQUITY: "date,equity\n",
        },
    )


if __name__ == "__main__":
    version = os.environ.get("STUDY_CODE_VERSION", "small-1")
    sys.exit(main(study, lambda store: RecordStore(store).load, code_version=version))
