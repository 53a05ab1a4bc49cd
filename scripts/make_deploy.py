#!/usr/bin/env python3
"""Write what in deploy/ follows from the code: `python3 scripts/make_deploy.py`.

Ports, topics, subscriptions and who may use them are in the code once; these files repeat them for
Kubernetes and Terraform. With `--check` nothing is written, and the exit code is 1 where one is out
of date.
"""

# ruff: noqa: E402 - run as a script, it finds the packages beside it first
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

REPOSITORY = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(REPOSITORY)

import yaml

from scripts.launcher.table import SERVICES
from services.common import topology
from services.common.settings import PORTS
from services.web.addresses import SERVICES as ADDRESSED

DEPLOY = REPOSITORY / "deploy"
_NOTE = "# Written by scripts/make_deploy.py: change that, and run it.\n"
_OPS: Final = {"web": "web_ops"}
#: How many of each. Those that take a lease have a hot standby; of telegram and web one is enough.
_REPLICAS: Final = {"signal_gateway": 2, "cerebro": 2, "execution": 2, "signal_ingestion": 2}
#: Milli-CPUs and MiB: what is asked for, and the memory at which it is ended.
_NEEDS: Final = {"portfolio_builder": (250, 512, 2048)}
_USUAL: Final = (100, 192, 512)
_SERVING: Final = frozenset(ADDRESSED) | {"web"}
#: Longer than a drain takes: what is sent to a broker is booked before the process ends.
_GRACE_SECONDS: Final = 45


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if outdated")
    check = parser.parse_args().check
    outdated = [path for path, text in files().items() if not _is(path, text)]
    for path in outdated:
        if check:
            print(f"{path} is out of date: run scripts/make_deploy.py", file=sys.stderr)
        else:
            path.write_text(files()[path], encoding="utf-8")
            print(f"{path} is written")
    return 1 if check and outdated else 0


def files() -> dict[Path, str]:
    """Path → text of everything that follows from the code."""
    return {
        DEPLOY / "kubernetes" / "services.yaml": _NOTE
        + yaml.safe_dump_all(manifests(), sort_keys=False, width=99),
        DEPLOY / "terraform" / "topology.json": json.dumps(bus(), indent=2) + "\n",
    }


def bus() -> dict[str, Any]:
    """Topics, subscriptions and their users, for Terraform."""
    return {
        "topics": list(topology.TOPICS),
        "subscriptions": {
            each.name: {
                "topic": each.topic,
                "dead_letter_topic": each.dead_letter_topic,
                "ack_deadline_seconds": topology.ACK_DEADLINE_SECONDS,
                "max_delivery_attempts": topology.MAX_DELIVERY_ATTEMPTS,
                "minimum_backoff": f"{topology.RETRY_MINIMUM_SECONDS:g}s",
                "maximum_backoff": f"{topology.RETRY_MAXIMUM_SECONDS:g}s",
            }
            for each in topology.SUBSCRIPTIONS
        },
        "publishers": {name: list(topics) for name, topics in topology.PUBLISHERS.items()},
        "subscribers": {
            name: [each.name for each in taken] for name, taken in topology.SUBSCRIBERS.items()
        },
        "services": list(SERVICES),
    }


def manifests() -> Iterator[dict[str, Any]]:
    """Of each service a deployment, an address and, where there are several, a budget."""
    for service in SERVICES:
        yield _deployment(service)
        yield _service(service)
        if _REPLICAS.get(service, 1) > 1:
            yield _budget(service)


def hosts() -> str:
    """SERVICE_HOSTS: each service by the name of its address in the cluster."""
    return ",".join(f"{name}={_name(name)}" for name in SERVICES)


def _deployment(service: str) -> dict[str, Any]:
    name = _name(service)
    labels = {"app.kubernetes.io/part-of": "mathematricks", "app.kubernetes.io/name": name}
    strategy = {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": _REPLICAS.get(service, 1),
            "selector": {"matchLabels": labels},
            "strategy": strategy,
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {
                        "prometheus.io/scrape": "true",
                        "prometheus.io/port": str(_ops_port(service)),
                    },
                },
                "spec": _pod(service, labels),
            },
        },
    }


def _pod(service: str, labels: dict[str, str]) -> dict[str, Any]:
    name = _name(service)
    return {
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": labels},
            }
        ],
        "containers": [_container(service)],
        "volumes": [{"name": "home", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
    }


def _container(service: str) -> dict[str, Any]:
    milli, megabytes, most = _NEEDS.get(service, _USUAL)
    probe = {"port": _ops_port(service)}
    return {
        "name": _name(service),
        "image": "mathematricks-trader",  # the tag stands in kustomization.yaml
        "command": ["/app/.venv/bin/python", "-m", f"services.{service}"],
        "envFrom": [
            {"configMapRef": {"name": "mathematricks"}},
            {"secretRef": {"name": "mathematricks"}},
            {"secretRef": {"name": f"mathematricks-{_name(service)}"}},
        ],
        "ports": [
            {"name": "http" if port == PORTS[service] else "ops", "containerPort": port}
            for port in _ports(service)
        ],
        # Alive is whoever listens. Ready asks for database, bus and broker; a pod whose broker is
        # away is not ready and must not be ended for it.
        "startupProbe": {"tcpSocket": probe, "periodSeconds": 2, "failureThreshold": 60},
        "livenessProbe": {"tcpSocket": probe, "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": {
            "httpGet": {"path": "/health", **probe},
            "periodSeconds": 5,
            "timeoutSeconds": 3,
        },
        "resources": {
            "requests": {"cpu": f"{milli}m", "memory": f"{megabytes}Mi"},
            "limits": {"memory": f"{most}Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "home", "mountPath": "/var/lib/mathematricks"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the pod's own
        ],
    }


def _service(service: str) -> dict[str, Any]:
    """Its address; where only health is asked there, of pods that are not ready, too."""
    name = _name(service)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": {"app.kubernetes.io/name": name},
            "publishNotReadyAddresses": service not in _SERVING,
            "ports": [
                {"name": "http" if port == PORTS[service] else "ops", "port": port}
                for port in _ports(service)
            ],
        },
    }


_SERVING: Final = (
    "signal_gateway",
    "account_data",
    "portfolio_builder",
    "dashboard_creator",
    "web",
)


def _budget(service: str) -> dict[str, Any]:
    name = _name(service)
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name},
        "spec": {
            "minAvailable": 1,
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
        },
    }


def _ports(service: str) -> list[int]:
    return sorted({PORTS[service], _ops_port(service)})


def _ops_port(service: str) -> int:
    return PORTS[_OPS.get(service, service)]


def _name(service: str) -> str:
    return service.replace("_", "-")


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
