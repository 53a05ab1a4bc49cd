#!/usr/bin/env python3
"""Start, stop or look at IB Gateway in a Docker container of this machine.

    python3 scripts/ib_gateway.py start --mode paper           # 127.0.0.1:4002
    python3 scripts/ib_gateway.py start --mode live --yes-live # 127.0.0.1:4001
    python3 scripts/ib_gateway.py status --mode paper
    python3 scripts/ib_gateway.py stop --mode paper

User and password of the log-in come from the environment, TWS_USERID and TWS_PASSWORD, or are asked
for; they are never on a command line. The gateway restarts itself once a day without a new log-in,
and wants one with the second factor each week: watch for it on Sundays. It is reachable from this
machine only. Where Docker is not there, TWS or IB Gateway started by hand is the same to us.
"""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

#: https://github.com/gnzsnz/ib-gateway-docker; name a tag of your own to stay on one version.
IMAGE: Final = "ghcr.io/gnzsnz/ib-gateway:stable"
#: By mode: the port on this machine, and the one of the container that leads to the gateway.
PORTS: Final = {"paper": (4002, 4004), "live": (4001, 4003)}
_CREDENTIALS: Final = ("TWS_USERID", "TWS_PASSWORD")
_TIMEOUT_SECONDS: Final = 600  # the first start downloads the image
#: It restarts itself each night, and logs in again where a second factor was not given in time.
_SETTINGS: Final = {
    "READ_ONLY_API": "no",
    "AUTO_RESTART_TIME": "11:59 PM",
    "TIME_ZONE": "America/New_York",
    "TWOFA_TIMEOUT_ACTION": "restart",
    "RELOGIN_AFTER_TWOFA_TIMEOUT": "yes",
    "EXISTING_SESSION_DETECTED_ACTION": "primary",
}


class Refused(Exception):
    """Why nothing was done; for a person."""


def start(mode: str, *, image: str, credentials: Mapping[str, str]) -> str:
    """Run the gateway of a mode, unless it runs already; what was done, in a sentence."""
    name, (port, inside) = _name(mode), PORTS[mode]
    if _state(name) == "running":
        return f"{name} runs already, at 127.0.0.1:{port}"
    _docker("rm", "--force", name, may_fail=True)
    settings = {**_SETTINGS, "TRADING_MODE": mode}
    options = [word for key, value in settings.items() for word in ("--env", f"{key}={value}")]
    for key in credentials:  # by name only: docker takes the value from our environment
        options += ["--env", key]
    _docker(
        *("run", "--detach", "--name", name, "--restart", "unless-stopped"),
        *("--publish", f"127.0.0.1:{port}:{inside}", *options, image),
        environment=credentials,
    )
    return (
        f"{name} starts, at 127.0.0.1:{port}. It logs in within a minute or two; confirm the "
        "second factor where you are asked for it. Then: python3 scripts/check_broker.py IBKR"
    )


def stop(mode: str) -> str:
    """End the gateway of a mode; what was done, in a sentence."""
    name = _name(mode)
    if _state(name) is None:
        return f"{name} is not there"
    _docker("stop", "--time", "30", name)
    _docker("rm", name)
    return f"{name} is stopped"


def status(mode: str) -> tuple[bool, str]:
    """Whether the gateway of a mode runs, and a sentence."""
    name, state = _name(mode), _state(_name(mode))
    if state is None:
        return False, f"{name} is not there: python3 scripts/ib_gateway.py start --mode {mode}"
    sentence = f"{name} is {state}, at 127.0.0.1:{PORTS[mode][0]}"
    more = "; whether it is logged in says: python3 scripts/check_broker.py IBKR"
    return state == "running", sentence + more


def _name(mode: str) -> str:
    return f"mathematricks-ib-gateway-{mode}"


def _state(name: str) -> str | None:
    """As Docker says it, e.g. running or exited; None = there is no such container."""
    listed = _docker("ps", "--all", "--filter", f"name=^{name}$", "--format", "{{.State}}")
    return listed.strip() or None


def _docker(
    *words: str, environment: Mapping[str, str] | None = None, may_fail: bool = False
) -> str:
    """Run the docker program; what it printed. Raises: Refused: it is not there, or refused."""
    program = shutil.which("docker")
    if program is None:
        raise Refused(
            "Docker is not installed here: install it, or start TWS or IB Gateway by hand and "
            "enable its API (port 4002 paper, 4001 live)"
        )
    try:
        ran = subprocess.run(
            [program, *words],
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        sentence = f"docker {words[0]} did not end within {_TIMEOUT_SECONDS} s"
        raise Refused(sentence) from error
    if ran.returncode and not may_fail:
        said = " ".join((ran.stderr or ran.stdout).split())[:400] or f"exit code {ran.returncode}"
        raise Refused(f"docker {words[0]} failed: {said}")
    return ran.stdout


def _credentials() -> dict[str, str]:
    """Of the environment, or asked for. Raises: Refused: there is nobody to ask."""
    found = {name: os.environ.get(name, "") for name in _CREDENTIALS}
    missing = [name for name, value in found.items() if not value]
    if missing and not sys.stdin.isatty():
        raise Refused(f"{' and '.join(missing)} must be in the environment")
    for name in missing:
        ask = getpass.getpass if name.endswith("PASSWORD") else input
        found[name] = ask(f"{name}: ").strip()
        if not found[name]:
            raise Refused(f"{name} must not be empty")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Do one thing; exit code 1 where it is refused, or where nothing runs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("start", "stop", "status"))
    parser.add_argument("--mode", required=True, choices=sorted(PORTS))
    parser.add_argument("--image", default=IMAGE, help="with its tag")
    parser.add_argument("--yes-live", action="store_true", help="a gateway to real money is meant")
    arguments = parser.parse_args(argv)
    runs = True
    try:
        if arguments.command == "start":
            if arguments.mode == "live" and not arguments.yes_live:
                raise Refused("--mode live is a gateway to REAL MONEY: add --yes-live")
            said = start(arguments.mode, image=arguments.image, credentials=_credentials())
        elif arguments.command == "stop":
            said = stop(arguments.mode)
        else:
            runs, said = status(arguments.mode)
    except Refused as error:
        print(f"ib_gateway: {error}", file=sys.stderr)
        return 1
    print(said)
    return 0 if runs else 1


if __name__ == "__main__":
    sys.exit(main())
