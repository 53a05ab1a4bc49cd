#!/usr/bin/env python3
"""Name packages of other platforms in package-lock.json: `scripts/complete_npm_lock.py`.

npm leaves out optional packages that do not fit the machine where the lock was written
(https://github.com/npm/cli/issues/4828), and `npm ci` then refuses it, or builds nothing on a Mac.
Run this after every `npm install`; a test fails where it was forgotten.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "frontend-admin" / "package-lock.json"
_PLACE = re.compile(
    r"(android|darwin|freebsd|linux|openharmony|win32|wasm32)"
    r"(?:-(arm-eabi|arm64|arm|x64|ia32|ppc64|riscv64|s390x|wasi))?(?:-?(gnu\w*|musl\w*|msvc))?$"
)
_ONLY_ON = {"fsevents": "darwin"}


def main() -> None:
    """Add what is missing."""
    lock = json.loads(LOCK.read_text(encoding="utf-8"))
    found = missing(lock["packages"])
    lock["packages"] = dict(sorted({**lock["packages"], **found}.items()))
    LOCK.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(found)} packages of other platforms added")


def missing(packages: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Entries for optional packages that a package asks for and the lock does not have."""
    added = {}
    for path, package in packages.items():
        for name, version in package.get("optionalDependencies", {}).items():
            places = (f"{path}/node_modules/{name}", f"node_modules/{name}")
            if not any(place in packages for place in places):
                kind = {"dev": True} if package.get("dev") else {}
                added[places[1]] = {
                    "version": version.lstrip("^~"),
                    **_platform(name),
                    **kind,
                    "optional": True,
                }
    return added


def _platform(name: str) -> dict[str, list[str]]:
    """Which machines a package is for, by its name."""
    if name in _ONLY_ON:
        return {"os": [_ONLY_ON[name]]}
    match = _PLACE.search(name)
    if match is None:
        raise SystemExit(f"{name}: its name does not tell its platform, add it by hand")
    system, processor, variant = match.groups()
    if system == "wasm32":
        return {"cpu": ["wasm32"]}
    libc = {"gnu": "glibc", "mus": "musl"}.get((variant or "")[:3])
    cpu = "arm" if (processor or "").startswith("arm-") else processor
    return {
        **({"cpu": [cpu]} if cpu else {}),
        **({"libc": [libc]} if libc and system == "linux" else {}),
        "os": [system],
    }


if __name__ == "__main__":
    main()
