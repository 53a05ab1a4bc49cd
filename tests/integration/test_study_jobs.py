"""Studies as jobs: real worker processes on the real database, also killed in the middle."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest

from services.common.leases import Lease
from services.common.operators import Operators
from services.common.ops import Health
from services.common.settings import REPOSITORY
from services.common.store import Store
from services.domain.errors import InvalidMessage
from services.portfolio_builder.allocation_api import add_allocation_routes
from services.portfolio_builder.allocation_caps import AllocationCaps
from services.portfolio_builder.allocation_service import Allocations
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.api import create_app
from services.portfolio_builder.jobs.documents import FileName, JobOrigin, JobStatus
from services.portfolio_builder.jobs.files import Files
from services.portfolio_builder.jobs.runner import LEASE, StudyRunner
from services.portfolio_builder.jobs.service import StudyJobs
from services.portfolio_builder.jobs.store import CancelAsked, Superseded
from services.portfolio_builder.study import StudyRequest
from services.portfolio_builder.study_api import add_study_routes
from tests.support.http import http_client
from tests.support.rows import add_account, add_operator, add_strategy
from tests.support.track_records import make_record, store_record

pytestmark = pytest.mark.servers

TESTS = "/api/v1/portfolio-tests"
NAMES = tuple(f"S{number}" for number in range(6))
SMALL = (sys.executable, "-m", "tests.support.study_worker")


@pytest.fixture
def studies(store: Store) -> StudyJobs:
    add_account(store)
    for seed, name in enumerate((*NAMES, "bad", "breaks", "dies", "hangs")):
        add_strategy(store, name)
        store_record(store, make_record(name, 40, seed=seed))
    store["current_allocation"].delete_many({})
    allocations = Allocations(AllocationStore(store), max_total_ratio=Decimal(2))
    return StudyJobs(store, allocations)


@pytest.fixture
def make_runner(store, studies, connection, tmp_path):
    """Runners with workers of the small study; each is stopped in the end."""
    made = []

    def make(*, seconds=0.0, ttl=5.0, most=600.0, **environment):
        names = {"MONGODB_URI": connection["mongodb_uri"], "PYTHONPATH": str(REPOSITORY)}
        names |= {"MONGODB_DATABASE": connection["mongodb_database"], "MT_HOME": str(tmp_path)}
        names |= {"STUDY_PART_SECONDS": str(seconds), **environment}
        runner = StudyRunner(
            studies.jobs,
            Lease(store, LEASE, ttl_seconds=ttl),
            environment={**os.environ, **names},
            most_seconds=most,
            command=SMALL,
            after=studies.after,
        )
        made.append(runner)
        runner.start()
        return runner

    yield make
    for runner in made:
        runner.stop()


def wait(condition, seconds=40.0):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"waited {seconds} s in vain"
        time.sleep(0.05)
    return found


def ended(studies, test_id, seconds=40.0):
    return wait(lambda: (job := studies.one(test_id)).finished_at is not None and job, seconds)


def request(*names, **fields):
    return StudyRequest(strategy_ids=names or NAMES, method="EQUAL_WEIGHT", **fields)


def result(studies, test_id):
    return studies.file(test_id, FileName.RESULT)


def worker_of(runner):
    """The process of the study that runs now."""
    return wait(lambda: runner._running and runner._running.process)


def test_a_study_runs_in_a_process_of_its_own(studies, make_runner):
    job = studies.start(request(), by="olga")
    assert (job.status, job.progress) == (JobStatus.QUEUED, 0)
    make_runner()
    done = ended(studies, job.test_id)
    assert (done.status, done.progress, done.error) == (JobStatus.DONE, 1.0, "")
    assert done.requested_at <= done.started_at <= done.finished_at
    assert done.code_version == "small-1"
    assert set(done.files) == {FileName.RESULT, FileName.TEARSHEET, FileName.EQUITY}
    assert len(done.summary.weights) == 6
    assert done.summary.evidence.test_id == job.test_id


def test_a_killed_worker_loses_nothing_that_was_finished(store, studies, make_runner):
    undisturbed = studies.start(request(), by="olga")
    disturbed = studies.start(request(), by="olga")
    runner = make_runner(seconds=0.6)
    expected = ended(studies, undisturbed.test_id)
    for parts in (1, 3):
        wait(lambda wanted=parts: len(studies.jobs.files.parts(disturbed.test_id)) >= wanted)
        worker_of(runner).send_signal(signal.SIGKILL)
    done = ended(studies, disturbed.test_id)
    assert (done.status, done.epoch) == (JobStatus.DONE, 3)
    text, former = (result(studies, each.test_id) for each in (done, expected))
    # Only how many studies there had been differs.
    assert text.replace('"trials": 2', '"trials": 1') == former
    assert studies.jobs.files.parts(disturbed.test_id) == {}


def test_a_study_goes_on_after_its_service_has_stopped(studies, make_runner):
    job = studies.start(request(), by="olga")
    first = make_runner(seconds=1.0)
    wait(lambda: studies.jobs.files.parts(job.test_id))
    process = worker_of(first)
    first.stop()
    assert process.returncode is not None
    held = studies.one(job.test_id)
    assert (held.status, held.deaths) == (JobStatus.RUNNING, 0)
    kept = studies.jobs.files.parts(job.test_id)
    make_runner()
    done = ended(studies, job.test_id)
    assert (done.status, done.epoch) == (JobStatus.DONE, 2)
    assert kept


def test_a_worker_ends_when_nobody_watches_it(studies, make_runner):
    job = studies.start(request("hangs"), by="olga")
    runner = make_runner()
    process = worker_of(runner)
    wait(lambda: studies.one(job.test_id).doing == "strategy hangs")
    process.stdin.close()  # as a kill -9 of the service does
    assert process.wait(10) == 3


def test_a_study_that_kills_its_workers_is_given_up(studies, make_runner):
    job = studies.start(request("dies", "S1"), by="olga")
    after = studies.start(request(), by="olga")
    make_runner()
    failed = ended(studies, job.test_id)
    assert (failed.status, failed.error_code, failed.epoch) == (JobStatus.FAILED, "STUDY_DIED", 3)
    assert "its worker died 3 times without getting any further" in failed.error
    assert ended(studies, after.test_id).status is JobStatus.DONE


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("bad", "STUDY_REFUSED", "the record of bad is constant"),
        ("breaks", "STUDY_BROKE", "ZeroDivisionError: nobody expected this"),
    ],
)
def test_a_study_that_cannot_be_done_says_why_at_once(studies, make_runner, name, code, words):
    job = studies.start(request(name), by="olga")
    make_runner()
    failed = ended(studies, job.test_id)
    assert (failed.status, failed.error_code, failed.epoch) == (JobStatus.FAILED, code, 1)
    assert words in failed.error


def test_a_study_that_cannot_be_read_does_not_stop_the_others(store, studies, make_runner):
    broken = studies.start(request(), by="olga")
    job = studies.start(request(), by="olga")
    update = {"$set": {"requested_by": None}}
    store["portfolio_tests"].update_one({"_id": broken.test_id}, update)
    make_runner()
    assert ended(studies, job.test_id).status is JobStatus.DONE
    row = store["portfolio_tests"].find_one({"_id": broken.test_id})
    assert (row["status"], "open" in row) == ("FAILED", False)


def test_a_waiting_study_is_canceled_at_once(studies):
    job = studies.start(request(), by="olga")
    canceled = studies.cancel(job.test_id, by="otto")
    assert (canceled.status, canceled.canceled_by) == (JobStatus.CANCELED, "otto")
    assert studies.jobs.next() is None


@pytest.mark.parametrize("name", ["S0", "hangs"])
def test_a_running_study_is_canceled_also_where_it_hangs(studies, make_runner, name):
    job = studies.start(request(name, "S1"), by="olga")
    after = studies.start(request("S2"), by="olga")
    runner = make_runner(seconds=2.0 if name == "S0" else 0.0)
    wait(lambda: studies.one(job.test_id).doing)
    process = worker_of(runner)
    studies.cancel(job.test_id, by="otto")
    canceled = ended(studies, job.test_id)
    assert (canceled.status, canceled.canceled_by) == (JobStatus.CANCELED, "otto")
    wait(lambda: process.poll() is not None)
    assert ended(studies, after.test_id).status is JobStatus.DONE


def test_a_study_that_takes_too_long_fails_and_the_next_one_runs(studies, make_runner):
    hung = studies.start(request("hangs"), by="olga")
    waiting = studies.start(request(), by="olga")
    runner = make_runner(most=3600.0)
    wait(lambda: studies.one(hung.test_id).doing == "strategy hangs")
    runner._most_seconds = 0.5
    failed = ended(studies, hung.test_id)
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "STUDY_TOO_LONG")
    assert "STUDY_MAX_MINUTES" in failed.error
    runner._most_seconds = 3600.0
    assert ended(studies, waiting.test_id).status is JobStatus.DONE


def test_of_two_replicas_one_runs_studies(studies, make_runner):
    jobs = [studies.start(request(), by="olga") for _ in range(3)]
    for _ in range(2):
        make_runner(seconds=0.05)
    done = [ended(studies, job.test_id) for job in jobs]
    assert [(each.status, each.epoch) for each in done] == [(JobStatus.DONE, 1)] * 3
    for one, other in itertools.pairwise(done):
        assert one.finished_at <= other.started_at


def test_a_worker_of_an_earlier_epoch_may_write_nothing(studies):
    job = studies.start(request(), by="olga")
    assert studies.jobs.begin(job) == 1
    assert studies.jobs.begin(job) is None
    second = studies.one(job.test_id)
    assert studies.jobs.begin(second) == 2
    for write in (
        lambda: studies.jobs.tell(job.test_id, 1, 0.5, "late"),
        lambda: studies.jobs.keep(job.test_id, 1, "p", "1"),
    ):
        with pytest.raises(Superseded):
            write()
    assert not studies.jobs.end(job.test_id, JobStatus.DONE, epoch=1, changes={})
    assert studies.one(job.test_id).doing == ""
    studies.cancel(job.test_id, by="otto")
    with pytest.raises(CancelAsked):
        studies.jobs.tell(job.test_id, 2, 0.5, "asked to end")


def test_a_rerun_finds_the_same_after_the_records_have_changed(store, studies, make_runner):
    job = studies.start(request(), by="olga")
    make_runner()
    first = ended(studies, job.test_id)
    for name in NAMES:
        store_record(store, make_record(name, 40, seed=99))
    again = ended(studies, studies.rerun(job.test_id, by="otto").test_id)
    assert (again.status, again.identical, again.rerun_of) == (JobStatus.DONE, True, job.test_id)
    assert again.inputs == first.inputs
    assert result(studies, again.test_id) == result(studies, job.test_id)
    fresh = ended(studies, studies.start(request(), by="otto").test_id)
    assert result(studies, fresh.test_id) != result(studies, job.test_id)


def test_parts_of_other_code_are_not_used(studies, make_runner):
    job = studies.start(request(), by="olga")
    first = make_runner(seconds=1.0)
    wait(lambda: studies.jobs.files.parts(job.test_id))
    first.stop()
    studies.jobs.files.save_part(job.test_id, "part-000", "12345.0")
    make_runner(STUDY_CODE_VERSION="small-2")
    done = ended(studies, job.test_id)
    assert done.code_version == "small-2"
    assert "12345.0" not in result(studies, job.test_id)


def test_two_studies_of_one_second_are_two(studies):
    found = {studies.start(request(), by="olga").test_id for _ in range(20)}
    assert len(found) == 20


def test_a_study_of_a_given_id_is_started_once(studies):
    one = studies.start(request(), by="olga", test_id="scheduled-1")
    assert studies.start(request("S1"), by="otto", test_id="scheduled-1") == one
    assert studies.jobs.count() == 1


def test_the_result_of_the_schedule_becomes_a_proposal_once(store, studies, make_runner):
    job = studies.start(
        request("S0", "S1"), by="the schedule", origin=JobOrigin.SCHEDULE, propose=True
    )
    make_runner()
    done = wait(lambda: (found := studies.one(job.test_id)).proposed and found)
    proposal = store["allocation_proposals"].find_one({"_id": done.proposal_id})
    assert (proposal["status"], proposal["origin"]) == ("OPEN", "SCHEDULE")
    assert proposal["evidence"]["test_id"] == job.test_id
    assert store["allocation_proposals"].count_documents({}) == 1
    assert store["current_allocation"].find_one({}) is None
    studies.after(done)
    assert store["allocation_proposals"].count_documents({}) == 1


def test_an_end_that_cannot_be_read_proposes_nothing_and_stops_nobody(store, studies, caplog):
    job = studies.start(request(), by="schedule", propose=True)
    change = {"$set": {"status": "NONSENSE"}, "$unset": {"open": ""}}
    store["portfolio_tests"].update_one({"_id": job.test_id}, change)
    assert studies.jobs.unproposed() == []
    assert "cannot be read" in caplog.text
    caplog.clear()
    assert studies.jobs.unproposed() == []
    assert caplog.text == ""


def test_a_scheduled_study_that_fails_is_an_incident(store, studies, make_runner):
    job = studies.start(request("bad"), by="the schedule", propose=True)
    make_runner()
    wait(lambda: studies.one(job.test_id).proposed)
    found = store["incidents"].find_one({"kind": "REOPTIMIZATION_REFUSED"})
    assert "the record of bad is constant" in found["sentence"]
    assert store["allocation_proposals"].count_documents({}) == 0
    better = studies.start(request(), by="the schedule", propose=True)
    wait(lambda: studies.one(better.test_id).proposed)
    found = store["incidents"].find_one({"kind": "REOPTIMIZATION_REFUSED"})
    assert found["status"] == "CLEARED"


def test_a_scheduled_study_that_a_person_cancels_is_no_incident(store, studies, make_runner):
    job = studies.start(request(), by="the schedule", propose=True)
    studies.cancel(job.test_id, by="otto")
    make_runner()
    wait(lambda: studies.one(job.test_id).proposed)
    assert store["incidents"].count_documents({}) == 0


def test_a_file_that_was_changed_in_the_store_is_not_read(store):
    files = Files(store)
    text = "equity,1.0\n" * 10
    kept = files.save("k", text)
    assert files.load(kept) == text
    other = files.save("other", "x")
    row = store["portfolio_test_files"].find_one({"key": other.key})
    store["portfolio_test_files"].update_one({"_id": "k|0"}, {"$set": {"piece": row["piece"]}})
    with pytest.raises(InvalidMessage, match="it was kept with"):
        files.load(kept)


def test_a_file_larger_than_a_document_is_kept_in_pieces(store):
    files = Files(store)
    text = np.random.default_rng(1).bytes(10_000_000).hex()
    kept = files.save("large", text)
    assert kept.pieces > 1
    assert files.load(kept) == text
    shorter = files.save("large", "short")
    assert files.load(shorter) == "short"


@pytest.fixture
def http(store: Store, studies: StudyJobs) -> Iterator[httpx.Client]:
    app = create_app(Health("portfolio_builder"), Operators(store))
    allocations = Allocations(AllocationStore(store), max_total_ratio=Decimal(2))
    add_allocation_routes(app, allocations, AllocationCaps(AllocationStore(store)))
    add_study_routes(app, studies, max_total_ratio=Decimal(2))
    with http_client(app, key=add_operator(store, "olga")) as client:
        yield client


def test_a_study_over_http_from_request_to_allocation(http, studies, make_runner):
    body = {"strategy_ids": ["S0", "S1"], "method": "MIN_VARIANCE"}
    asked = http.post(f"{TESTS}/run", json=body)
    assert asked.status_code == 202
    test_id = asked.json()["test_id"]
    assert asked.json()["request"]["method"] == "MIN_VARIANCE"
    make_runner()
    ended(studies, test_id)
    found = http.get(f"{TESTS}/{test_id}").json()
    assert (found["status"], found["requested_by"]) == ("DONE", "olga")
    assert found["allocations"] == {"S0": "50", "S1": "50"}
    assert found["performance"]["sharpe"] == 1.5
    page = http.get(f"{TESTS}/{test_id}/tearsheet")
    assert page.text == "<!doctype html><title>small</title>"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    table = http.get(f"{TESTS}/{test_id}/equity.csv")
    assert (table.text, table.headers["content-type"]) == (
        "date,equity\n",
        "text/csv; charset=utf-8",
    )
    missing = http.get(f"{TESTS}/{test_id}/windows.csv")
    assert (missing.status_code, missing.json()["code"]) == (404, "NO_SUCH_FILE")
    proposed = http.post(f"{TESTS}/{test_id}/propose", json={"reason": "calm"}).json()
    path = f"/api/v1/allocations/proposals/{proposed['proposal_id']}/approve"
    approved = http.post(path, json={"version": 0, "reason": "agreed"}).json()
    assert (approved["version"], approved["sum_percent"]) == (1, "100 %")


def test_the_body_of_the_seed_is_a_study_of_ours(http, store):
    body = {"strategies": ["S0", "S1"], "constructor": "max_hybrid"}
    found = http.post(f"{TESTS}/run", json=body).json()
    asked = found["request"]
    assert (asked["method"], asked["alpha_ratio"]) == ("HYBRID", 0.85)
    # The seed went to 230 %; more than MAX_TOTAL_ALLOCATION_PCT could not be approved.
    assert asked["constraints"]["max_total_ratio"] == 2.0
    assert asked["constraints"]["max_drawdown_ratio"] == 0.06
    store["strategies"].update_one({"_id": "S0"}, {"$set": {"status": "INACTIVE"}})
    store["strategies"].update_one({"_id": "S1"}, {"$set": {"include_in_optimization": False}})
    store["record_versions"].delete_many({"strategy_id": "S2"})
    every = http.post(f"{TESTS}/run", json={"constructor": "max_cagr"}).json()["request"]
    assert every["strategy_ids"] == ["S3", "S4", "S5", "bad", "breaks", "dies", "hangs"]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"strategy_ids": ["Nobody"]}, "UNKNOWN_STRATEGY", "'Nobody'"),
        ({"strategies": ["Nobody"]}, "UNKNOWN_STRATEGY", "'Nobody'"),
        ({"strategy_ids": ["S0", "S0"]}, "STRATEGY_TWICE", "'S0' was named more often"),
        ({"strategy_ids": ["Empty"]}, "RECORD_MISSING", "Empty has no record"),
        ({"strategy_ids": []}, "INVALID_PARAMETER", "at least 1 item"),
        ({}, "INVALID_PARAMETER", "strategy_ids"),
        ({"strategies": ["S0"], "constructor": "max_luck"}, "INVALID_PARAMETER", "max_sharpe"),
        ({"strategy_ids": ["S0"], "method": "LUCK"}, "INVALID_PARAMETER", "MAX_SHARPE"),
        (
            {"strategy_ids": ["S0"], "constraints": {"max_total_ratio": "NaN"}},
            "INVALID_PARAMETER",
            "finite",
        ),
        ({"strategy_ids": [f"S{n}" for n in range(1001)]}, "INVALID_PARAMETER", "at most 1000"),
        (["S0"], "INVALID_PARAMETER", "study"),
        ("S0", "INVALID_PARAMETER", "study"),
    ],
)
def test_a_bad_request_is_answered_with_a_sentence(http, store, studies, body, code, words):
    add_strategy(store, "Empty")
    answer = http.post(f"{TESTS}/run", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert words in answer.json()["message"]
    assert studies.jobs.count() == 0


def test_studies_are_listed_by_page_and_filter(http, store, studies):
    made = [studies.start(request(name), by="olga").test_id for name in NAMES]
    studies.cancel(made[0], by="olga")

    def listed(**query: Any):
        return [each["test_id"] for each in http.get(TESTS, params=query).json()]

    assert listed() == made[::-1]
    assert listed(status="CANCELED") == made[:1]
    assert listed(strategy_id="S3") == [made[3]]
    assert listed(requested_by="otto") == listed(method="HRP") == []
    page = http.get(TESTS, params={"limit": 2}).json()
    rest = listed(before=page[-1]["requested_at"])
    assert [each["test_id"] for each in page] + rest == made[::-1]
    assert http.delete(f"{TESTS}/{made[1]}").json()["code"] == "STUDY_OPEN"
    assert http.delete(f"{TESTS}/{made[0]}").json()["archived_at"] is not None
    assert listed(archived=True) == made[:1]
    assert listed() == made[:0:-1]
    said = store["audit_log"].find_one({"what": "STUDY_ARCHIVED"})
    assert (said["by"], said["facts"]["test_id"]) == ("olga", made[0])


def test_what_has_not_run_can_neither_be_proposed_nor_run_again(http, studies):
    test_id = studies.start(request(), by="olga").test_id
    for path, body, code in (
        ("propose", {"reason": "x"}, "STUDY_NOT_DONE"),
        ("rerun", None, "STUDY_NOT_RUN"),
    ):
        answer = http.post(f"{TESTS}/{test_id}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, code)
    studies.cancel(test_id, by="olga")
    answer = http.post(f"{TESTS}/{test_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "STUDY_ENDED")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/result")):
        answer = http.request(method, f"{TESTS}/nothing{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "UNKNOWN_STUDY")


def test_a_queue_that_is_full_says_so(http, studies, monkeypatch):
    monkeypatch.setattr("services.portfolio_builder.jobs.service.MOST_OPEN", 1)
    studies.start(request(), by="olga")
    answer = http.post(f"{TESTS}/run", json={"strategy_ids": ["S0"]})
    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_STUDIES")
    assert answer.headers["retry-after"] == "60"
