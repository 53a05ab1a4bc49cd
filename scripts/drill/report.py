"""The report of a drill: for a terminal, and as one page that needs nothing beside it. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

Result = dict[str, Any]
_STYLE = (
    "body{font:15px system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem;"
    "color-scheme:light dark}"
    "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8886;padding:.4rem;"
    "text-align:left;vertical-align:top}.bad{color:#d33;font-weight:600}.good{color:#2a8}"
    "pre{overflow:auto;padding:1rem;background:#8881}"
)


def lines(result: Result) -> Iterator[str]:
    """For people at a terminal."""
    yield f"\n{headline(result)}"
    for name, rows in result["rules"].items():
        yield f"  {'ok' if not rows else '!!'}  {name}{'' if not rows else f': {len(rows)}'}"
        for row in rows[:10]:
            yield f"        {row}"
    yield ""
    for name, value in _facts(result).items():
        yield f"  {name:<28}{value}"


def headline(result: Result) -> str:
    """The verdict in one sentence."""
    verdict = "CLEAN" if result["clean"] else "NOT CLEAN"
    return (
        f"{verdict}: seed {result['asked']['seed']}, {result['accepted']} signals accepted, "
        f"{result['faults_done']} faults, {result['orders']} orders, {result['fills']} fills, "
        f"in {result['seconds']['in all']:.0f} s"
    )


def page(result: Result) -> str:
    """One HTML page."""
    said = html.escape
    rules = "".join(
        f"<tr><td class='{'bad' if rows else 'good'}'>{'broken' if rows else 'holds'}</td>"
        f"<td>{said(name)}<br>{'<br>'.join(said(row) for row in rows[:50])}</td></tr>"
        for name, rows in result["rules"].items()
    )
    facts = "".join(
        f"<tr><th>{said(name)}</th><td>{said(str(value))}</td></tr>"
        for name, value in _facts(result).items()
    )
    log = said("\n".join(result["log"]))
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width'><title>Fault drill</title>"
        f"<style>{_STYLE}</style><h1>Fault drill</h1>"
        f"<p class='{'good' if result['clean'] else 'bad'}'>{said(headline(result))}</p>"
        f"<h2>What must hold</h2><table>{rules}</table>"
        f"<h2>What happened</h2><table>{facts}</table><h2>Faults</h2><pre>{log}</pre></html>\n"
    )


def _facts(result: Result) -> dict[str, Any]:
    return {
        "started": result["started_at"],
        "machine": result["machine"],
        "asked": _pairs(result["asked"]),
        "seconds": _pairs(result["seconds"]),
        "requests": result["requests"],
        "outcomes": _pairs(result["outcomes"]),
        "why denied": _pairs(result["denials"]),
        "refused": _pairs(result["refused"]),
        "order states": _pairs(result["order_states"]),
        "faults done": _pairs(result["faults"]),
        "faults that found nothing": len(result["missed"]),
        "clocks wrong by, seconds": _pairs(result["skews"]),
        "restarts by the supervisor": result["restarts"],
        "a person had to": _pairs(result["person"]),
        "incidents": _pairs(result["incidents"]),
    }


def _pairs(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items()) or "none"
