"""A whole instance as an operator runs it: the scripts, real processes, a scratch MT_HOME."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import urllib3

from scripts.launcher.ports import free_offset
from services.common.settings import CommonSettings
from services.common.store import Store
from tests.support.servers import ONCE

REPOSITORY = Path(__file__).resolve().parents[2]
_KEY_LINE = re.compile(r"(\S+): key (mtk_\S+)")


class Instance:
    """Started by `start.py`, looked at by `status.py`, ended by `stop.py`.

    Attributes:
        keys: strategy → key, as `start.py --demo` printed them.
    """

    def __init__(self, home: Path):
        self.home = home
        self.offset = free_offset()
        self.keys = {}
        self.settings = CommonSettings(mt_home=home, mt_port_offset=self.offset)
        self._http = urllib3.PoolManager(retries=False, timeout=10)

    def run(self, script, *options, typed=None, **more):
        """Run one of the scripts to its end; `typed`: what it reads."""
        environment = {
            **os.environ,
            "MT_HOME": str(self.home),
            "MT_PORT_OFFSET": str(self.offset),
            "INCIDENT_HALT_AFTER_S": "0",  # nobody acknowledges what the tests break
        }
        return subprocess.run(
            [sys.executable, str(REPOSITORY / "scripts" / script), *options],
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            input=typed or "",
        )

    def start(self, *options, ui=False):
        """Start all and wait until ready; the script's own words where it fails."""
        ended = self.run("start.py", *([] if ui else ["--no-ui"]), *options)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        self.keys |= dict(_KEY_LINE.findall(ended.stdout))
        return ended.stdout

    def stop(self):
        """Drain and end everything."""
        ended = self.run("stop.py")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def url(self, service, path=""):
        """Where a service listens."""
        return f"http://127.0.0.1:{self.settings.port(service)}{path}"

    @functools.cached_property
    def operator_key(self):
        """Key of a person, made by the script as an operator would."""
        return self.run("credentials.py", "operator", "olga").stdout.split()[-1]

    def get(self, service, path, key=None):
        """GET, parsed; pages for people with the key of one."""
        if service == "dashboard_creator" and not path.startswith("/health"):
            key = key or self.operator_key
        headers = ONCE | ({"Authorization": f"Bearer {key}"} if key else {})
        return self._http.request("GET", self.url(service, path), headers=headers).json()

    def post(self, body, strategy, *, patience=40):
        """Post a signal as a careful sender does: again, with the same id, until it is taken."""
        content = json.dumps({"strategy_name": strategy, **body})
        headers = {**ONCE, "Authorization": f"Bearer {self.keys[strategy]}"}
        until = time.monotonic() + patience
        while True:
            try:
                answer = self._http.request(
                    "POST",
                    self.url("signal_gateway", "/api/v1/signals"),
                    body=content,
                    headers=headers,
                )
            except urllib3.exceptions.HTTPError as error:
                said = error
            else:
                said = answer.data
                if answer.status in {200, 202}:
                    return answer.json()["signal_id"]
                assert answer.status == 503, said
            assert time.monotonic() < until, f"the gateway never took it: {said}"
            time.sleep(0.2)

    def ended(self, signal_id, strategy, *, patience=60):
        """The life of a signal once it has ended."""
        until = time.monotonic() + patience
        life = None
        while time.monotonic() < until:
            try:
                life = self.get(
                    "signal_gateway", f"/api/v1/signals/{signal_id}", self.keys[strategy]
                )
            except urllib3.exceptions.HTTPError:
                life = None
            if life and life.get("status") in {
                "COMPLETED",
                "DENIED",
                "REJECTED",
                "CANCELED",
                "EXPIRED",
                "QUARANTINED",
            }:
                return life
            time.sleep(0.1)
        raise AssertionError(f"{signal_id} did not end: {life}")

    def pid(self, name):
        """Process id of one process of this instance."""
        record = json.loads((self.home / "logs" / "pids" / f"{name}.pid").read_text())
        return int(record["pid"])

    def names(self):
        """Every process of this instance but the supervisor."""
        found = (self.home / "logs" / "pids").glob("*.pid")
        return sorted(path.stem for path in found if path.stem != "supervisor")

    def kill(self, name):
        """SIGKILL one process, as a crash would."""
        os.kill(self.pid(name), signal.SIGKILL)

    def wait_well(self, *, patience=60):
        """Until status.py says that all is well."""
        until = time.monotonic() + patience
        while (ended := self.run("status.py", "--json")).returncode != 0:
            assert time.monotonic() < until, ended.stdout + ended.stderr
            time.sleep(0.3)
        return json.loads(ended.stdout)

    def broker_orders(self, account_id):
        """The broker's own list of orders."""
        return self.get("mock_broker", f"/v1/accounts/{account_id}/orders")

    def store(self):
        """The instance's database."""
        return Store.connect(self.settings)


def listening(ports):
    """Which of these ports somebody listens on."""
    found = {each.laddr.port for each in psutil.net_connections("tcp") if each.status == "LISTEN"}
    return sorted(found & set(ports))
