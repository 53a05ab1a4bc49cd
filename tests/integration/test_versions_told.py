"""A running service says which code it runs and which layout of the database it knows."""

from __future__ import annotations

import pytest
import urllib3

from services.common.migrations import LAYOUT
from services.common.versions import VERSION
from tests.support.execution_process import wait_until
from tests.support.service_process import ServiceProcess

pytestmark = pytest.mark.servers


def test_health_tells_version_commit_and_layout(store, bus_connection, tmp_path):
    process = ServiceProcess("cerebro", bus_connection, tmp_path, MT_COMMIT="4f2a9c1b77de")
    reports = []

    def answers():
        try:
            found = urllib3.request(
                "GET", f"http://127.0.0.1:{process.port}/health", retries=False, timeout=5
            )
        except urllib3.exceptions.HTTPError:
            return False
        reports.append(found.json())
        return True

    try:
        wait_until(answers, process.tail)
    finally:
        process.kill()
    assert reports[-1]["version"] == f"{VERSION}+4f2a9c1b77de"
    assert reports[-1]["layout"] == LAYOUT
