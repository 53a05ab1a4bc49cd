"""Everything that a change of the UI must pass: `python -m scripts.launcher.ui_check`.

It is built first, because the end-to-end tests that run meanwhile start what was built.
"""

from __future__ import annotations

import subprocess
import sys
import time

from scripts.launcher import node, ui_build
from scripts.launcher.errors import ScriptError
from scripts.launcher.home import REPOSITORY
from scripts.launcher.node import Node, NoNode
from scripts.launcher.ui_build import UI


def main() -> int:
    """Run all checks; 0 only when every one passed, or none can be run here."""
    try:
        tools = node.find(_say)
        ui_build.ensure(UI, _say)
        ui_build.install(UI, tools, _say)
    except NoNode as error:
        print(f"SKIPPED, the front end is not checked: {error}", flush=True)
        return 0
    except ScriptError as error:
        _say(str(error))
        return 1
    return (
        1 if [name for name, command in _checks(tools) if not _passes(name, command, tools)] else 0
    )


def _checks(tools: Node) -> list[tuple[str, list[str]]]:
    modules = UI / "node_modules"
    return [
        ("biome", [tools.node, str(modules / "@biomejs/biome/bin/biome"), "ci", "."]),
        ("tsc", [tools.node, str(modules / "typescript/bin/tsc"), "--noEmit"]),
        ("types", [sys.executable, str(REPOSITORY / "scripts/make_api_types.py"), "--check"]),
        ("vitest", [tools.node, str(modules / "vitest/vitest.mjs"), "run"]),
    ]


def _passes(name: str, command: list[str], tools: Node) -> bool:
    began = time.monotonic()
    print(f"--- {name}", flush=True)
    code = subprocess.run(command, cwd=UI, env=dict(tools.environment), check=False).returncode
    print(f"{'ok  ' if code == 0 else 'FAIL'} {name}, {time.monotonic() - began:.1f} s", flush=True)
    return code == 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
