"""Real processes of execution's tests: itself, and a mock broker with books of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal

import urllib3

from tests.support.builders import make_instrument
from tests.support.servers import ONCE, REPOSITORY, free_port, start_mock_broker

PATIENCE = 60.0
#: Of every account, in its currency.
CASH = Decimal(1_000_000)


def wait_until(condition, why, *, seconds=PATIENCE):
    """Until it is true; `why` is a sentence, or makes one."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, why() if callable(why) else why
        time.sleep(0.03)
    return found


_ON_PORTS = (
    "import runpy; from services.common.settings import PORTS; PORTS.update({ports}); "
    "runpy.run_module('services.execution', run_name='__main__', alter_sys=True)"
)


class ExecutionProcess:
    """One `python -m services.execution`; its ops listen on a port of their own."""

    def __init__(self, home, environment, broker_port):
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self.log = home / "execution.out"
        self._health = f"http://127.0.0.1:{(port := free_port())}/health"
        ports = {"execution": port, "mock_broker": broker_port}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _ON_PORTS.format(ports=ports)],
                cwd=REPOSITORY,
                env={**environment, "MT_HOME": str(home)},
                stdout=output,
                stderr=output,
            )

    def opens(self, *account_ids):
        """Until it trades in these accounts."""

        def trades():
            assert self.process.poll() is None, self.tail()
            said = self.state()
            return all(f"{account_id}: trading" in said for account_id in account_ids)

        wait_until(trades, lambda: f"{account_ids} do not open: {self.state()}\n{self.tail()}")

    def state(self):
        """What /health says of its accounts; empty while it says nothing."""
        with urllib3.PoolManager(retries=False, timeout=5) as pool:
            try:
                return pool.request("GET", self._health).json()["dependencies"]["accounts"][
                    "detail"
                ]
            except urllib3.exceptions.HTTPError:
                return ""

    def ends(self):
        """Its exit code once it has ended."""
        wait_until(lambda: self.process.poll() is not None, lambda: f"it lives on:\n{self.tail()}")
        return self.process.returncode

    def pauses(self):
        """Until it stands still at the point where it was told to."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), self.tail()

    def holds(self):
        """Until one of its threads stands still at the point where it was told to."""
        wait_until(lambda: "HOLD_AT: " in self.tail(), lambda: f"it never came:\n{self.tail()}")

    def go_on(self):
        """Let that thread go."""
        (self._home / "go_on").touch()

    def signal(self, number):
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self):
        """As a crash would; harmless when it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(PATIENCE)

    def tail(self):
        """What it said last."""
        return self.log.read_text(errors="replace")[-3000:]


class BrokerBooks:
    """A broker's process, and what it says by itself: the other side of the oracle.

    Attributes:
        same_ids: our execution ids are the broker's own.
    """

    same_ids = True

    def __init__(self, path):
        self.path = path
        self.port = free_port()
        self._context = None
        self._server = None
        self._http = urllib3.PoolManager(retries=False, timeout=10, headers=ONCE)

    def process(self):
        """A context manager that runs it: the mock broker, unless it is another."""
        return start_mock_broker(self.path, port=self.port)

    def account_row(self, account_id):
        """Fields of an account that is kept there."""
        self.call("PUT", f"/v1/accounts/{account_id}", {"cash": str(CASH)})
        return {"broker": "MOCK"}

    def environment(self, account_id):
        """Settings of a process that trades there."""
        return {"USE_MOCK_BROKER": "true"}

    def instrument(self, symbol):
        """A stock of its market."""
        return make_instrument(symbol)

    def start(self):
        """Start it, on the books it had."""
        self._context = self.process()
        self._server = self._context.__enter__()

    def kill(self):
        """As a crash would."""
        self._server.kill()
        self.stop()

    def stop(self):
        """End it."""
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(None, None, None)

    def get(self, account_id, what):
        """One of its lists of an account."""
        return self.call("GET", f"/v1/accounts/{account_id}/{what}").json()

    def set_price(self, instrument, price):
        """Move the market: what rests there fills."""
        self.call("PUT", f"/v1/prices/{instrument.key}", {"price": str(price)})

    def break_next(self, account_id, kind, **more):
        """Make the next order go wrong; False where it knows no such fault."""
        body = {"account_id": account_id, "kind": kind, **more}
        return self.call("POST", "/v1/faults", body, expect=None).status < 300

    def call(self, method, path, body=None, *, expect=300):
        """One request."""
        answer = self._http.request(method, self._server.address + path, json=body)
        assert expect is None or answer.status < expect, answer.data
        return answer
