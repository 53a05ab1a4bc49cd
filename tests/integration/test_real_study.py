"""Real studies in real workers: undisturbed, killed, and run again, the same bit for bit."""

import json
import os
import signal
import time
from decimal import Decimal

import pytest

from services.common.leases import Lease
from services.common.settings import REPOSITORY
from services.portfolio_builder.allocation_service import Allocations
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.allocations import Approval, Wish
from services.portfolio_builder.jobs.documents import FileName, JobStatus
from services.portfolio_builder.jobs.runner import LEASE, StudyRunner
from services.portfolio_builder.jobs.service import StudyJobs
from services.portfolio_builder.study import StudyRequest, WalkForward
from services.portfolio_builder.study_result import StudyResult
from tests.support.rows import add_account, add_strategy
from tests.support.track_records import make_records, real_records, store_record

pytestmark = pytest.mark.servers


def add_records(store, records):
    for record in records:
        add_strategy(store, record.strategy_id)
        store_record(store, record)


@pytest.fixture
def studies(store):
    add_account(store)
    allocations = Allocations(AllocationStore(store), max_total_ratio=Decimal(2))
    return StudyJobs(store, allocations)


@pytest.fixture
def runner(store, studies, connection, tmp_path):
    environment = {
        **os.environ,
        "MONGODB_URI": connection["mongodb_uri"],
        "MONGODB_DATABASE": connection["mongodb_database"],
        "MT_HOME": str(tmp_path),
        "PYTHONPATH": str(REPOSITORY),
    }
    lease = Lease(store, LEASE, ttl_seconds=5)
    found = StudyRunner(
        studies.jobs, lease, environment=environment, most_seconds=600, after=studies.after
    )
    yield found
    found.stop()


def wait(condition, seconds=120.0):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {seconds} s in vain"
        time.sleep(0.02)
    return found


def ended(studies, job):
    return wait(lambda: (found := studies.one(job.test_id)).finished_at is not None and found)


def test_a_killed_study_finds_what_an_undisturbed_one_finds(store, studies, runner):
    add_records(store, make_records(4, days=700))
    request = StudyRequest(
        strategy_ids=("A", "B", "C", "D"),
        method="MAX_GROWTH",
        constraints={"max_drawdown_ratio": 0.15},
        walk_forward=WalkForward(test_days=10),
        trials=10,
    )
    quiet, killed = (studies.start(request, by="olga") for _ in range(2))
    runner.start()
    first = ended(studies, quiet)
    assert (first.status, first.error) == (JobStatus.DONE, "")
    wait(lambda: len(studies.jobs.files.parts(killed.test_id)) >= 4)
    wait(lambda: runner._running and runner._running.test_id == killed.test_id)
    runner._running.process.send_signal(signal.SIGKILL)
    second = ended(studies, killed)
    assert (second.status, second.epoch) == (JobStatus.DONE, 2)
    texts = [studies.file(each.test_id, FileName.RESULT) for each in (first, second)]
    assert texts[0] == texts[1]
    result = StudyResult.model_validate_json(texts[0])
    assert len(result.walk_forward.windows) > 40
    assert result.data_hash == first.summary.data_hash
    json.loads(texts[0], parse_constant=pytest.fail)


def test_the_nine_real_records_lead_to_an_allocation(store, studies, runner):
    records = real_records()
    add_records(store, records)
    store["current_allocation"].delete_many({})
    names = tuple(record.strategy_id for record in records)
    request = StudyRequest(
        strategy_ids=names,
        method="HYBRID",
        constraints={"max_drawdown_ratio": 0.2, "max_weight_ratio": 0.35},
    )
    job = studies.start(request, by="olga")
    runner.start()
    done = ended(studies, job)
    assert (done.status, done.error) == (JobStatus.DONE, "")
    assert done.summary.performance.out_of_sample
    assert set(done.files) == set(FileName)
    page = studies.file(job.test_id, FileName.TEARSHEET)
    assert page.startswith("<!doctype html>")
    assert all(name in page for name in names)
    table = studies.file(job.test_id, FileName.EQUITY).splitlines()
    result = StudyResult.model_validate_json(studies.file(job.test_id, FileName.RESULT))
    assert len(table) == 1 + len(result.walk_forward.dates)
    proposal = studies.propose(job.test_id, by="olga", reason="the study")
    assert sum(proposal.ratios.values()) <= 2
    assert all(ratio <= Decimal("0.35") for ratio in proposal.ratios.values())
    approval = Approval(version=0, by="olga", reason="agreed", override="a test")
    approved = studies._allocations.approve(proposal.proposal_id, approval)
    assert (approved.version, approved.ratios) == (1, proposal.ratios)
    compared = studies._allocations.compare({names[0]: Decimal("0.1")}, last_days=63)
    assert compared.comparison.aligned is not None


def test_constraints_that_stand_against_each_other_fail_with_a_sentence(store, studies, runner):
    add_records(store, make_records(2, days=600))
    request = StudyRequest(
        strategy_ids=("A", "B"),
        method="MIN_VARIANCE",
        constraints={"min_total_ratio": 1.5, "max_weight_ratio": 0.5},
        walk_forward=None,
    )
    job = studies.start(request, by="olga")
    runner.start()
    failed = ended(studies, job)
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "STUDY_INFEASIBLE")
    assert len(failed.error) > 20
    wish = Wish(ratios={"A": Decimal("0.1")}, by="olga", reason="x")
    assert studies._allocations.propose(wish).status == "OPEN"
