#!/usr/bin/env python3
"""Write the TypeScript types of every HTTP interface: `python3 scripts/make_api_types.py`.

They are made from the OpenAPI of the services as they are wired, so the UI cannot ask for what is
not there. With `--check` nothing is written, and the exit code is 1 where a file is out of date.
"""

# ruff: noqa: E402 - run as a script, it finds the packages beside it first
from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(REPOSITORY)
    from scripts.launcher import venv

    venv.enter_existing()

from fastapi import FastAPI

from services.common.daemon import Process
from services.common.http import HttpServer
from services.common.settings import (
    AccountDataSettings,
    CommonSettings,
    DashboardSettings,
    GatewaySettings,
    PortfolioSettings,
)

UI = REPOSITORY / "frontend-admin"
SERVICES: dict[str, type[CommonSettings]] = {
    "signal_gateway": GatewaySettings,
    "account_data": AccountDataSettings,
    "portfolio_builder": PortfolioSettings,
    "dashboard_creator": DashboardSettings,
}


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if outdated")
    check = parser.parse_args().check
    outdated = []
    with tempfile.TemporaryDirectory() as scratch:
        for service in SERVICES:
            wanted = types_of(app_of(service, Path(scratch)).openapi(), Path(scratch))
            file = UI / "src" / "api" / f"{service.replace('_', '-')}.d.ts"
            if file.is_file() and file.read_text(encoding="utf-8") == wanted:
                continue
            outdated.append(file)
            if not check:
                file.write_text(wanted, encoding="utf-8")
    for file in outdated:
        state = "is out of date: run scripts/make_api_types.py" if check else "written"
        print(f"{file.relative_to(REPOSITORY)} {state}")
    return 1 if check and outdated else 0


def app_of(service: str, home: Path) -> FastAPI:
    """The HTTP interface of a service as its `__main__` wires it; nothing of it is started."""
    settings = SERVICES[service]
    process: Process[Any] = Process(service, settings(mt_home=home, _env_file=None))  # type: ignore[call-arg]
    importlib.import_module(f"services.{service}.__main__").build(process)
    return next(part.app for part in process.parts if isinstance(part, HttpServer))


def types_of(openapi: dict[str, Any], scratch: Path) -> str:
    """TypeScript of an interface, as openapi-typescript writes it."""
    source, target = scratch / "openapi.json", scratch / "types.d.ts"
    source.write_text(json.dumps(openapi), encoding="utf-8")
    command = [UI / "node_modules" / ".bin" / "openapi-typescript", source, "--output", target]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=UI)
    return target.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
