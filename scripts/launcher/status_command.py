"""status.py inside `.venv`: the state of the instance, for people or machines."""

from __future__ import annotations

import argparse
import json
import sys

from scripts.launcher.home import Home
from scripts.launcher.state import State, look

_EXIT_STOPPED = 3


def main() -> int:
    """Show the state; 0 all well, 1 not, 3 nothing runs."""
    parser = argparse.ArgumentParser(
        prog="status.py", description="Every process, port and dependency of this instance."
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    as_json = parser.parse_args().json
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    home = Home.from_environment()
    document = look(home)
    print(json.dumps(document, indent=2) if as_json else "\n".join(as_lines(document, home)))
    return exit_code(document)


def exit_code(document: State) -> int:
    """What the shell is told."""
    if document["state"] == "stopped":
        return _EXIT_STOPPED
    return 0 if document["all_well"] else 1


def as_lines(document: State, home: Home) -> list[str]:
    """The document as a table for people."""
    if document["state"] == "stopped":
        return [f"nothing is running in {document['home']}: {home.command('start.py')}"]
    mode = (document["trading_mode"] or "unknown mode").upper()
    lines = [f"{document['home']}: {document['state']}, {mode} trading", ""]
    if document["web_ui"]:
        lines[1:1] = [f"web UI: {document['web_ui']}"]
    lines.append(_row("", "PROCESS", "STATE", "PID", "UPTIME", "RESTARTS", "MEMORY", "PORT"))
    for each in document["processes"]:
        lines.append(_process_row(each))
    lines += ["", *_version_line(document)]
    lines += _part_line("database", document["database"])
    lines += _part_line("bus", document["bus"])
    for each in document["processes"]:
        for name, state in each["dependencies"].items():
            lines += _part_line(f"{each['name']}: {name}", state)
    troubled = [each["name"] for each in document["processes"] if not each["ok"]]
    if document["supervisor"]["pid"] is None:
        lines += ["", f"The supervisor is gone: nothing restarts; {home.command('stop.py')}, start"]
    verdict = (
        "all is well" if document["all_well"] else f"NOT well: {', '.join(troubled) or 'see above'}"
    )
    return [*lines, "", verdict]


def _process_row(each: State) -> str:
    row = _row(
        "ok" if each["ok"] else "!!",
        each["name"],
        each["state"],
        each["pid"] or "-",
        _duration(each["uptime_s"]),
        each["restarts"],
        "-" if each["memory_mb"] is None else f"{each['memory_mb']:.0f} MB",
        each["port"] or "-",
    )
    return row if each["ok"] else f"{row}  {each['detail']}"


def _row(*cells: object) -> str:
    mark, name, state, *numbers = (str(cell) for cell in cells)
    return f"{mark:<3} {name:<18} {state:<13}" + "".join(f" {number:>9}" for number in numbers)


def _version_line(document: State) -> list[str]:
    """What all processes run; a mixture is a warning, for it ends with the next start."""
    if document["mixture"]:
        return _part_line("version", {"ok": False, "detail": f"differs: {document['mixture']}"})
    told = [each for each in document["processes"] if each["version"]]
    if not told:
        return []
    layouts = {each["layout"] for each in told if each["layout"] is not None}
    words = f", layout {', '.join(map(str, sorted(layouts)))}" if layouts else ""
    return _part_line("version", {"ok": True, "detail": f"{told[0]['version']}{words}"})


def _part_line(name: str, part: State) -> list[str]:
    detail = " ".join(str(part.get("detail") or "").split())
    return [f"{'ok' if part.get('ok') else '!!':<3} {name:<34} {detail}"]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d{hours:02}h"
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"
