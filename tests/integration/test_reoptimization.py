"""Planned studies: one for each planned time, whatever dies, and none that approves itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx2 as httpx
import pytest

from services.common.leases import Lease
from services.common.operators import Operators
from services.common.ops import Health
from services.common.schedule import last_planned, trigger_of
from services.common.store import Store
from services.domain.errors import ConfigurationError
from services.portfolio_builder.allocation_service import Allocations
from services.portfolio_builder.allocation_store import AllocationStore
from services.portfolio_builder.api import create_app
from services.portfolio_builder.jobs.documents import JobOrigin
from services.portfolio_builder.jobs.service import StudyJobs
from services.portfolio_builder.scheduled import (
    LEASE,
    Reoptimizer,
    Template,
)
from services.portfolio_builder.scheduled_api import add_reoptimization_routes
from tests.support.http import http_client
from tests.support.rows import add_account, add_operator, add_strategy
from tests.support.track_records import make_record, store_record

pytestmark = pytest.mark.servers

PATH = "/api/v1/reoptimization"
DAILY = "0 6 * * *"
NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def studies(store: Store) -> StudyJobs:
    add_account(store)
    for name in ("A", "B"):
        add_strategy(store, name)
        store_record(store, make_record(name, 30))
    allocations = Allocations(AllocationStore(store), max_total_ratio=Decimal(2))
    return StudyJobs(store, allocations)


@pytest.fixture
def make_reoptimizer(store, studies):
    """One that holds the lease, and looks when the test says so, at the time that it says."""
    leases = []

    def make(now=NOON, cron=DAILY, *, held=True):
        lease = Lease(store, LEASE, ttl_seconds=30)
        leases.append(lease)
        if held:
            assert lease.try_acquire()
        return Reoptimizer(store, studies, lease, cron=cron, clock=lambda: now)

    yield make
    for lease in leases:
        lease.stop()


def started(studies):
    return sorted(row["_id"] for row in studies._store["portfolio_tests"].find())


def test_a_planned_time_starts_one_study_that_will_propose(studies, make_reoptimizer):
    reoptimizer = make_reoptimizer()
    job = reoptimizer.look()
    assert (job.test_id, job.origin, job.propose) == (
        "reopt_20250310-0600",
        JobOrigin.SCHEDULE,
        True,
    )
    assert job.strategy_ids == ("A", "B")
    assert reoptimizer.look() is None
    assert started(studies) == ["reopt_20250310-0600"]


def test_replicas_and_restarts_start_no_second_one(studies, make_reoptimizer):
    first = make_reoptimizer()
    first.look()
    assert make_reoptimizer(held=False).look() is None
    first._lease.stop()
    make_reoptimizer(NOON + timedelta(minutes=5)).look()
    assert started(studies) == ["reopt_20250310-0600"]


def test_a_time_that_nobody_was_there_for_is_made_up_for_within_a_day(studies, make_reoptimizer):
    make_reoptimizer(NOON + timedelta(hours=17)).look()  # 05:00 of the next day
    assert started(studies) == ["reopt_20250310-0600"]


def test_before_the_first_planned_time_nothing_starts(studies, make_reoptimizer):
    assert make_reoptimizer(cron="0 6 1 1 *").look() is None
    assert make_reoptimizer(cron="", held=False).look() is None
    assert started(studies) == []


def test_what_cannot_start_is_an_incident(store, studies, make_reoptimizer):
    store["record_versions"].delete_many({})
    assert make_reoptimizer().look() is None
    found = store["incidents"].find_one({"kind": "REOPTIMIZATION_REFUSED"})
    assert "planned for 2025-03-10 06:00 UTC: no active strategy has a record" in found["sentence"]


@pytest.mark.parametrize(
    ("cron", "now", "planned"),
    [
        ("*/15 * * * *", "2025-03-10T12:07Z", "2025-03-10T12:00Z"),
        ("0 6 * * *", "2025-03-10T06:00Z", "2025-03-10T06:00Z"),
        ("0 6 * * *", "2025-03-10T05:59Z", "2025-03-09T06:00Z"),
        ("0 6 1 * *", "2025-03-10T07:00Z", None),
        # A Monday, the Sunday before it, and a Sunday by both of its numbers.
        ("30 21 * * 1-5", "2025-03-10T22:00Z", "2025-03-10T21:30Z"),
        ("30 21 * * 1-5", "2025-03-09T22:00Z", None),
        ("0 6 * * 0", "2025-03-09T07:00Z", "2025-03-09T06:00Z"),
        ("0 6 * * 5-7/2,mon", "2025-03-09T07:00Z", "2025-03-09T06:00Z"),
    ],
)
def test_the_last_planned_time_is_in_utc_and_not_ahead(cron, now, planned):
    found = last_planned(trigger_of(cron, setting="X"), datetime.fromisoformat(now))
    assert found == (planned and datetime.fromisoformat(planned))


@pytest.mark.parametrize("cron", ["daily", "61 * * * *", "0 6 * *", "0 6 * * * *", "0 6 * * 8"])
def test_a_wrong_schedule_stops_the_start_with_a_sentence(cron):
    with pytest.raises(ConfigurationError, match="REOPTIMIZE_CRON must be minute, hour"):
        trigger_of(cron, setting="REOPTIMIZE_CRON")


@pytest.fixture
def http(store: Store, make_reoptimizer) -> Iterator[httpx.Client]:
    app = create_app(Health("portfolio_builder"), Operators(store))
    add_reoptimization_routes(app, make_reoptimizer())
    with http_client(app, key=add_operator(store, "olga")) as client:
        yield client


def test_the_template_is_set_over_http_with_a_version(http, store, studies):
    found = http.get(PATH).json()
    assert (found["version"], found["enabled"], found["cron"]) == (0, True, DAILY)
    assert found["next_at"] == "2025-03-11T06:00:00Z"
    study = {"method": "MIN_VARIANCE", "constraints": {"bounds": {"A.1": {"max_ratio": 0.5}}}}
    body = {"study": study, "version": 0, "reason": "calmer"}
    changed = http.put(PATH, json=body).json()
    assert (changed["version"], changed["set_by"]) == (1, "olga")
    assert changed["study"]["constraints"]["bounds"] == {"A.1": {"min_ratio": 0, "max_ratio": 0.5}}
    assert http.get(PATH).json() == changed
    stale = http.put(PATH, json=body)
    assert (stale.status_code, stale.json()["code"]) == (409, "REOPTIMIZATION_MOVED")
    assert store["audit_log"].find_one({"what": "REOPTIMIZATION_SET"})["by"] == "olga"
    ran = http.post(f"{PATH}/run")
    assert ran.status_code == 202
    assert ran.json()["request"]["method"] == "MIN_VARIANCE"
    assert ran.json()["requested_by"] == "olga"
    assert store["portfolio_tests"].find_one({})["propose"]


def test_a_template_that_is_switched_off_starts_nothing(studies, make_reoptimizer):
    reoptimizer = make_reoptimizer()
    reoptimizer.set(Template(), enabled=False, version=0, by="olga", reason="holidays")
    assert reoptimizer.look() is None
    assert started(studies) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"version": 0}, "reason"),
        ({"version": 0, "reason": "x", "study": {"method": "LUCK"}}, "MAX_SHARPE"),
        ({"version": -1, "reason": "x"}, "greater than or equal to 0"),
        ({"version": 0, "reason": "x", "cron": "* * * * *"}, "cron"),
    ],
)
def test_a_bad_template_is_answered_with_a_sentence(http, store, body, words):
    answer = http.put(PATH, json=body)
    assert answer.status_code == 422
    assert words in answer.json()["message"]
    assert store["reoptimization"].find_one({}) is None
