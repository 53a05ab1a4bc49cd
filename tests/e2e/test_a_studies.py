"""From a developer's file to money at work: record, study, approval; runs before the kills."""

import json
import random
import time
from datetime import date, timedelta
from decimal import Decimal

import pytest
import urllib3

from tests.support.servers import ONCE

pytestmark = pytest.mark.servers
STRATEGIES = ("Study_A", "Study_B", "Study_C")


class Admin:
    """A person with a key, and the answers of the services as they are."""

    def __init__(self, instance):
        self._instance = instance
        self._http = urllib3.PoolManager(retries=False, timeout=30)

    def __call__(self, method, path, body=None, *, service="portfolio_builder", content=None):
        headers = {**ONCE, "Authorization": f"Bearer {self._instance.operator_key}"}
        headers["Content-Type"] = "text/csv" if content else "application/json"
        url = self._instance.url(service, path)
        sent = content or (None if body is None else json.dumps(body))
        return self._http.request(method, url, headers=headers, body=sent)

    def good(self, method, path, body=None, **more):
        """The answer, which is no refusal."""
        answer = self(method, path, body, **more)
        assert answer.status < 300, answer.data
        return answer.json()


@pytest.fixture(scope="module")
def admin(instance):
    """Puts back what was approved before."""
    person = Admin(instance)
    before = person.good("GET", "/api/v1/allocations/current")["version"]
    yield person
    now = person.good("GET", "/api/v1/allocations/current")["version"]
    revert = {"to_version": before, "version": now, "reason": "the test is over"}
    person.good("POST", "/api/v1/allocations/revert", revert)


def daily_file(seed):
    """Three years of a developer's days in percent, the newest first."""
    numbers = random.Random(seed)  # noqa: S311 - a record, no secret
    day, lines = date(2026, 11, 20), []
    while len(lines) < 780:
        if day.isoweekday() < 6:
            lines.append(f"{day},{numbers.gauss(0.08, 0.9):.4f}%")
        day -= timedelta(days=1)
    return "\n".join(["Date,Return", *lines])


def wait(admin, test_id, patience=120):
    until = time.monotonic() + patience
    while True:
        try:
            test = admin.good("GET", f"/api/v1/portfolio-tests/{test_id}")
        except urllib3.exceptions.HTTPError:
            test = {"status": "the service is away"}
        if test["status"] in {"DONE", "FAILED", "CANCELED"}:
            return test
        assert time.monotonic() < until, test
        time.sleep(0.2)


def entry(name):
    """104 shares of an account of 500,000."""
    leg = {
        "instrument": "STDY",
        "instrument_type": "STOCK",
        "action": "BUY",
        "quantity": 104,
        "order_type": "MARKET",
        "price": 100,
    }
    return {
        "signalID": f"study-{name}",
        "signal_type": "ENTRY",
        "account_equity": 500000,
        "signal_legs": [leg],
    }


@pytest.fixture(scope="module")
def uploads(admin):
    """Each strategy with its file, about whose days nobody has been asked: path and answer."""
    made = []
    for number, strategy_id in enumerate(STRATEGIES):
        sheet = {"strategy_id": strategy_id, "name": strategy_id, "reason": "test"}
        accounts = [{"account_id": "Mock-2"}]
        admin.good("POST", "/api/v1/strategies", {**sheet, "accounts": accounts})
        path = f"/api/v1/strategies/{strategy_id}/records"
        upload = admin.good("POST", path, content=daily_file(number))
        made.append((f"{path}/{upload['review_id']}/confirm", upload))
    return made


@pytest.fixture(scope="module")
def records(admin, uploads):
    """The answers to a person who has said what each file means."""
    return [admin.good("POST", confirm, {"unit": "PERCENT"}) for confirm, _ in uploads]


def test_a_developers_file_is_not_guessed(admin, uploads):
    for confirm, upload in uploads:
        assert upload["review"]["file_order"] == "newest first"
        unanswered = admin("POST", confirm, {})
        assert (unanswered.status, unanswered.json()["code"]) == (422, "RECORD_UNANSWERED")


def test_a_developers_file_is_stored_when_a_person_has_said_what_it_means(records):
    assert [stored["version"]["days"] for stored in records] == [780] * len(STRATEGIES)


@pytest.mark.usefixtures("records")
def test_a_study_survives_the_death_of_its_service(instance, admin):
    wanted = {
        "strategy_ids": STRATEGIES,
        "method": "HYBRID",
        "constraints": {"max_total_ratio": 1.0, "max_drawdown_ratio": 0.15},
        "walk_forward": {"target_volatility_ratio": 0.1, "governor": True, "test_days": 21},
    }
    test_id = admin.good("POST", "/api/v1/portfolio-tests/run", wanted)["test_id"]
    time.sleep(2)
    instance.kill("portfolio_builder")
    test = wait(admin, test_id)
    assert test["status"] == "DONE", test
    page = admin("GET", f"/api/v1/portfolio-tests/{test_id}/tearsheet")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert all(name in page.data.decode() for name in STRATEGIES)
    again = admin.good("POST", f"/api/v1/portfolio-tests/{test_id}/rerun", {})
    assert wait(admin, again["test_id"])["identical"] is True


@pytest.mark.usefixtures("records")
def test_what_is_approved_sizes_the_next_signal_and_zero_stops_entries_only(instance, admin):
    name = STRATEGIES[0]
    made = instance.run("credentials.py", "create", name)
    instance.keys[name] = made.stdout.split()[2]
    version = admin.good("GET", "/api/v1/allocations/current")["version"]
    proposal = {"allocations": {name: "0.1"}, "reason": "test"}
    proposed = admin.good("POST", "/api/v1/allocations/proposals", proposal)
    path = f"/api/v1/allocations/proposals/{proposed['proposal_id']}"
    compared = admin.good("GET", f"{path}/comparison")
    assert compared["version"] == version
    admin.good("POST", f"{path}/approve", {"version": version, "reason": "test"})
    time.sleep(1)
    opened = instance.ended(instance.post(entry("one"), name), name)
    # 10 % of about 1,000,000 / 500,000 × 104 = 20.8
    assert [Decimal(each["filled_quantity"]) for each in opened["orders"]] == [Decimal(20)]

    stale = {"allocations": {name: 5}, "reason": "test", "version": version}
    refused = admin("POST", "/api/v1/allocations/approve", stale)
    assert refused.status == 409
    nothing = {**stale, "allocations": {name: 0}, "version": version + 1}
    admin.good("POST", "/api/v1/allocations/approve", nothing)
    time.sleep(1)
    denied = instance.ended(instance.post(entry("two"), name), name)
    assert denied["status"] == "DENIED"
    assert "no approved allocation" in json.dumps(denied)
    leaving = entry("three") | {"signal_type": "EXIT", "entry_signal_id": opened["signal_id"]}
    leaving["signal_legs"][0]["action"] = "SELL"
    closed = instance.ended(instance.post(leaving, name), name)
    assert closed["status"] == "COMPLETED"
    assert [Decimal(each["filled_quantity"]) for each in closed["orders"]] == [Decimal(20)]


def test_a_payment_is_entered_once_and_taken_back(admin):
    payment = {"flow_id": "e2e-1", "amount": "25000", "currency": "USD", "reason": "test"}
    path = "/api/v1/accounts/Mock-2/flows"
    first = admin.good("POST", path, payment, service="account_data")
    assert admin.good("POST", path, payment, service="account_data") == first
    other = admin("POST", path, {**payment, "amount": "1"}, service="account_data")
    assert other.status == 409
    reversal = {"flow_id": "e2e-2", "reason": "it never came"}
    admin.good("POST", f"{path}/e2e-1/reverse", reversal, service="account_data")
    rows = admin.good("GET", path, service="account_data")
    assert sorted(row["flow_id"] for row in rows) == ["e2e-1", "e2e-2"]
