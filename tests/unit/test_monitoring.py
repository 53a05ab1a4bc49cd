"""Alerts and dashboard name what processes tell: an alert on a misspelt name never fires."""

import json
import re
from datetime import UTC, datetime

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from scripts.launcher.home import REPOSITORY
from scripts.launcher.table import SERVICES
from services.common.metrics import MESSAGES, STAGE_LATENCY, STEPS, Figure, exposition
from services.common.ops import Health
from services.common.settings import PORTS
from services.dashboard_creator.readiness import AccountReadiness, Check
from services.dashboard_creator.system_figures import figures_of
from services.dashboard_creator.system_models import Queue, ServiceRow, System
from services.domain.risk import Control
from services.domain.words import Scope

MONITORING = REPOSITORY / "deploy" / "monitoring"
ALERTS = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
PANELS = json.loads((MONITORING / "grafana.json").read_text())["panels"]
EXPRESSIONS = {rule["alert"]: rule["expr"] for rule in ALERTS} | {
    panel["title"]: target["expr"] for panel in PANELS for target in panel["targets"]
}
WORDS_OF_PROMQL = (
    "by le stage step subscription outcome queue account check job scope sum rate max delta "
    "increase absent and histogram_quantile mathematricks"
)
OF_PROMETHEUS = {"up", "process_resident_memory_bytes"}


def system():
    red = Check(name="broker", state="RED", sentence="away")
    return System(
        generated_at=datetime(2026, 1, 5, tzinfo=UTC),
        started_at=None,
        services=(ServiceRow(name="cerebro", state="UP", restarts=2),),
        queues=tuple(
            Queue(name=name, waiting=1, overdue=0, oldest_age_s=7.5)
            for name in (
                "signals not decided",
                "orders not sent",
                "orders being sent",
                "orders without a known outcome",
            )
        ),
        dead_letters=3,
        failing_letters=0,
        incidents=4,
        checks=(Check(name="clock", state="AMBER", sentence="near"),),
        accounts=(AccountReadiness(account_id="IB-1", state="RED", checks=(red,)),),
    )


@pytest.fixture(scope="module")
def samples():
    """(name, labels) → value, of everything that our processes tell."""
    STEPS.labels("REJECTED").inc(0)
    MESSAGES.labels("x", "again").inc(0)
    STAGE_LATENCY.labels("decided")
    health = Health("dashboard_creator")
    health.add("mongodb", lambda: "answers")
    health.measure(lambda: figures_of(system(), [Control(scope=Scope.GLOBAL)]))
    families = text_string_to_metric_families(health.metrics().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize("title", sorted(EXPRESSIONS))
def test_every_metric_named_is_told(title, samples):
    expression = re.sub(r'"[^"]*"', "", EXPRESSIONS[title])
    named = set(re.findall(r"[a-z_]{2,}", expression)) - set(WORDS_OF_PROMQL.split())
    assert named
    assert named <= {name for name, _ in samples} | OF_PROMETHEUS


@pytest.mark.parametrize("title", sorted(EXPRESSIONS))
def test_every_label_value_named_is_one_that_is_told(title, samples):
    told = {pair for _, labels in samples for pair in labels} | {("job", "mathematricks")}
    for label, relation, values in re.findall(r'(\w+)(=~?)"([^"]*)"', EXPRESSIONS[title]):
        for value in values.split("|") if relation == "=~" else [values]:
            assert (label, value) in told


def test_figures_are_those_of_the_system(samples):
    assert samples[("system_incidents_open", ())] == 4
    assert samples[("system_oldest_seconds", (("queue", "orders not sent"),))] == 7.5
    assert samples[("system_account_check", (("account", "IB-1"), ("check", "broker")))] == 2
    assert samples[("system_trading_state", (("id", ""), ("scope", "GLOBAL")))] == 0
    assert samples[("system_restarts", (("service", "cerebro"),))] == 2
    assert samples[("service_ready", ())] == 1
    assert samples[("figures_ok", ())] == 1


def test_what_cannot_be_known_is_left_out_and_told():
    def away():
        raise ConnectionError("the database is away")

    told = exposition([away, lambda: [Figure("x", "words", 1)]]).decode()
    assert "figures_ok 0.0" in told
    assert "\nx 1.0" in told
    assert "system_incidents_open" not in told


def test_every_alert_says_how_bad_and_what_to_do():
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"page", "look"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["fix"]


def test_every_service_is_scraped_at_its_port():
    (job,) = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]
    scraped = {
        each["labels"]["service"]: int(target.rpartition(":")[2])
        for each in job["static_configs"]
        for target in each["targets"]
    }
    assert scraped == {name: PORTS["web_ops" if name == "web" else name] for name in SERVICES}
