"""What is in deploy/ agrees with the code, and with what its tools would say to it."""

import ast
import io
import json
import shutil
import subprocess
import sys

import hcl2
import kubernetes_validate
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from scripts import make_deploy
from scripts.launcher.home import REPOSITORY
from services.common import bus, topology
from services.common.settings import PORTS
from services.common.settings_file import known_names

DEPLOY = REPOSITORY / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
BUS = json.loads((DEPLOY / "terraform" / "topology.json").read_text())
#: Read from the environment before there are settings.
OF_THE_ENVIRONMENT = {"MT_HOME", "TRADING_MODE"}
KUBERNETES_VERSION = "1.31"


def manifests():
    for file in sorted(KUBERNETES.glob("*.yaml")):
        if file.name != "kustomization.yaml":
            for number, each in enumerate(yaml.safe_load_all(file.read_text())):
                yield pytest.param(each, id=f"{file.stem}-{number}")


def program(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def test_what_follows_from_the_code_is_as_the_code_has_it():
    assert {path: path.read_text() for path in make_deploy.files()} == make_deploy.files()


@pytest.mark.parametrize("subscription", topology.SUBSCRIPTIONS, ids=lambda each: each.name)
def test_terraform_makes_a_subscription_as_we_would(subscription):
    ours = bus._subscription_request("p", subscription)
    theirs = BUS["subscriptions"][subscription.name]
    assert ours["topic"] == f"p/topics/{theirs['topic']}"
    assert ours["ack_deadline_seconds"] == theirs["ack_deadline_seconds"]
    letters = ours["dead_letter_policy"]
    assert letters["dead_letter_topic"] == f"p/topics/{theirs['dead_letter_topic']}"
    assert letters["max_delivery_attempts"] == theirs["max_delivery_attempts"]
    for bound in ("minimum_backoff", "maximum_backoff"):
        ours_s = ours["retry_policy"][bound]
        assert f"{ours_s.seconds + ours_s.nanos / 1e9:g}s" == theirs[bound]


def test_terraform_uses_all_of_the_topology():
    text = (DEPLOY / "terraform" / "main.tf").read_text()
    assert {name for name in BUS if f"local.bus.{name}" in text} == set(BUS)
    for field in BUS["subscriptions"]["execution-trading-orders"]:
        assert f"each.value.{field}" in text


def test_terraform_can_be_read():
    """By Terraform itself, which wants its own layout, too; else by a parser that takes seconds."""
    folder = DEPLOY / "terraform"
    terraform = shutil.which("terraform")
    if terraform is None:
        assert hcl2.loads((folder / "main.tf").read_text())["resource"]
        return
    command = [terraform, "fmt", "-check", "-diff", str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("service", sorted({*topology.PUBLISHERS, *topology.SUBSCRIBERS}))
def test_a_service_is_given_the_topics_that_it_uses(service):
    names = {
        name: value
        for name, value in vars(topology).items()
        if name.isupper() and isinstance(value, (str, topology.Subscription))
    }
    used = {
        names[node.id]
        for file in (REPOSITORY / "services" / service).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Name) and node.id in names
    }
    given = topology.PUBLISHERS.get(service, ()) + topology.SUBSCRIBERS.get(service, ())
    assert used == set(given)


def test_nobody_else_has_to_do_with_the_bus():
    users = {
        file.relative_to(REPOSITORY / "services").parts[0]
        for file in (REPOSITORY / "services").rglob("*.py")
        if "services.common.topology import" in file.read_text()
    }
    assert users - {"common"} == topology.PUBLISHERS.keys() | topology.SUBSCRIBERS.keys()


@pytest.mark.parametrize("manifest", list(manifests()))
def test_kubernetes_would_take_each_manifest(manifest):
    # It raises what is wrong, and returns the version that it was held against.
    held_against = kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)
    assert held_against == KUBERNETES_VERSION


def test_kustomize_puts_them_together():
    command = [program("kubectl"), "kustomize", str(KUBERNETES)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    images = {
        container["image"]
        for each in yaml.safe_load_all(ended.stdout)
        if each["kind"] == "Deployment"
        for container in each["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"REGION-docker.pkg.dev/PROJECT/mathematricks/trader:0.1.0"}


def test_kubernetes_is_given_settings_that_there_are():
    config = yaml.safe_load((KUBERNETES / "config.yaml").read_text())["data"]
    assert set(config) <= known_names() | OF_THE_ENVIRONMENT
    assert config["SERVICE_HOSTS"] == make_deploy.hosts()
    assert config["TRADING_MODE"] == "paper"
    secrets = list(yaml.safe_load_all((KUBERNETES / "secrets.example.yaml").read_text()))
    assert {name for each in secrets for name in each["stringData"]} <= known_names()
    named = {each["metadata"]["name"] for each in secrets}
    wanted = {
        source["secretRef"]["name"]
        for each in make_deploy.manifests()
        if each["kind"] == "Deployment"
        for source in each["spec"]["template"]["spec"]["containers"][0]["envFrom"]
        if "secretRef" in source
    }
    assert wanted <= named


def test_ingress_leads_to_ports_that_there_are():
    ports = {PORTS["web"], PORTS["signal_gateway"]}
    policies = [
        each.values[0]
        for each in manifests()
        if each.values[0]["metadata"]["name"] == "from-ingress"
    ]
    assert {port["port"] for port in policies[0]["spec"]["ingress"][0]["ports"]} == ports


def test_yaml_is_tidy():
    command = [sys.executable, "-m", "yamllint", "-c", str(DEPLOY / ".yamllint"), str(DEPLOY)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_the_image_is_made_of_what_there_is_and_runs_as_nobody():
    text = (DEPLOY / "docker" / "Dockerfile").read_bytes()
    parser = DockerfileParser(fileobj=io.BytesIO(text))
    steps = [(each["instruction"], each["value"]) for each in parser.structure]
    for instruction, value in steps:
        if instruction == "COPY" and "--from" not in value:
            *sources, _into = value.split()
            assert all((REPOSITORY / source).exists() for source in sources), value
    assert [value for instruction, value in steps if instruction == "USER"] == ["10001"]
    (command,) = (json.loads(value) for instruction, value in steps if instruction == "CMD")
    assert (REPOSITORY / command[1]).exists()
    assert steps.index(("USER", "10001")) > max(
        place for place, (instruction, _) in enumerate(steps) if instruction == "RUN"
    )


def test_compose_is_given_settings_that_there_are():
    composed = yaml.safe_load((DEPLOY / "docker" / "compose.yml").read_text())
    trader = composed["services"]["trader"]
    assert set(trader["environment"]) <= known_names()
    assert trader["ports"] == [f"127.0.0.1:{PORTS['web']}:{PORTS['web']}"]
    assert set(trader["depends_on"]) <= set(composed["services"])
    assert trader["environment"]["PUBSUB_EMULATOR_HOST"] == f"pubsub:{PORTS['pubsub_local']}"


def test_systemd_would_take_its_units(tmp_path):
    verify = program("systemd-analyze")
    for unit in (DEPLOY / "systemd").glob("mathematricks*"):
        text = unit.read_text()
        for word in text.split():
            if word.startswith("/opt/mathematricks/scripts/"):
                assert (REPOSITORY / word.removeprefix("/opt/mathematricks/")).exists()
        text = text.replace("/opt/mathematricks/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text)
    units = [str(path) for path in tmp_path.glob("*.service")]
    ended = subprocess.run([verify, "verify", *units], capture_output=True, text=True, check=False)
    ours = [line for line in ended.stderr.splitlines() if "mathematricks" in line]
    assert ours == []
