"""Whether all processes are of one release. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.common.versions import mixture
from services.dashboard_creator.readiness import Check
from services.dashboard_creator.system_models import ServiceRow

_FIX: Final = "python3 scripts/stop.py, then start.py: all processes run what is there now"


def version_check(services: Sequence[ServiceRow]) -> Check:
    """Processes of different code are looked at; of different database layouts, one must go."""
    name = "version"
    if mixed := mixture({each.name: _layout(each) for each in services}):
        return Check(name=name, state="RED", sentence=f"layouts differ: {mixed}", fix=_FIX)
    if mixed := mixture({each.name: each.version for each in services}):
        return Check(name=name, state="AMBER", sentence=f"versions differ: {mixed}", fix=_FIX)
    known = next((each.version for each in services if each.version), None)
    if known is None:
        sentence = "no process has said which version it runs"
        return Check(name=name, state="AMBER", sentence=sentence, fix="see the processes")
    return Check(name=name, state="GREEN", sentence=f"all processes run {known}")


def _layout(service: ServiceRow) -> str | None:
    return None if service.layout is None else f"layout {service.layout}"
