#!/usr/bin/env python3
"""Measure the web UI in a real Chromium, against an instance that runs.

    MT_PASSWORD=… .venv/bin/python scripts/bench_ui.py [--base http://127.0.0.1:5173] [--name admin]

Wants somebody without a second factor. Prints beside each other:

- first load: what a browser that has never been here transfers for the log-in page and then the
  overview, compressed as the server sends it; charts, which are loaded when one is drawn, apart.
- overview interactive: from the start of the navigation until its figures and tables are there, no
  skeleton is left, and a frame was drawn after it. Cold: a browser without a cache, already logged
  in. Warm: the same page again.
- rows: the signals table with many rows, scrolled by the wheel; how long frames take. The rows come
  from this script in place of the service: what is measured is the page.

Behind the rows: processor time of the page's own thread, which a busy machine changes little.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import shutil
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from scripts.launcher import venv

    venv.enter_existing()

from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Chunks that a page asks for when it draws a chart.
_CHARTS: Final = ("curve-canvas", "fills-canvas", "use-chart", "CategoricalChart")
_ROWS_A_PAGE: Final = 5000
_LOADED = """() => performance.getEntriesByType('resource')
  .filter((each) => !each.name.includes('/api/'))
  .map((each) => [each.name.split('/').pop(), each.encodedBodySize])"""
_INTERACTIVE = """() => new Promise((resolve) => {
  const done = () => document.querySelector('table[aria-label=strategies] tbody tr') &&
    document.querySelector('[aria-label="Equity and drawdown"], section') &&
    !document.querySelector('[aria-busy=true], .mantine-Skeleton-root')
  const look = () => done()
    ? requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())))
    : setTimeout(look, 5)
  look()
})"""
_FRAMES = """(seconds) => new Promise((resolve) => {
  const found = []
  let last = performance.now()
  const end = last + seconds * 1000
  const frame = (now) => {
    found.push(now - last)
    last = now
    now < end ? requestAnimationFrame(frame) : resolve(found)
  }
  requestAnimationFrame(frame)
})"""


def main() -> int:
    """Measure and print."""
    arguments = _arguments()
    password = os.environ.get("MT_PASSWORD") or getpass.getpass(f"password of {arguments.name}: ")
    with _browser() as browser:
        state = first_load(browser, arguments.base, arguments.name, password)
        interactive(browser, arguments.base, state, arguments.times)
        many_rows(browser, arguments.base, state, arguments.rows)
    return 0


def first_load(browser: Browser, base: str, name: str, password: str) -> Any:  # noqa: ANN401 - cookies
    """Log in where nobody has been; print what was transferred, and return the cookies."""
    context = browser.new_context(base_url=base)
    page = context.new_page()
    page.goto("/login")
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("textbox", name="Password").fill(password)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    page.evaluate(_INTERACTIVE)
    sizes = dict(page.evaluate(_LOADED))
    charts = {file: size for file, size in sizes.items() if file.startswith(_CHARTS)}
    kilobytes = (sum(sizes.values()) - sum(charts.values())) / 1000
    print(f"first load before charts  {kilobytes:8.1f} kB in {len(sizes) - len(charts)} files")
    print(f"charts                    {sum(charts.values()) / 1000:8.1f} kB in {len(charts)} files")
    state = context.storage_state()
    context.close()
    return state


def interactive(browser: Browser, base: str, state: Any, times: int) -> None:  # noqa: ANN401
    """Print how long the overview takes, cold and warm."""
    cold: list[float] = []
    warm: list[float] = []
    for _ in range(times):
        context = browser.new_context(base_url=base, storage_state=state)
        page = context.new_page()
        for found in (cold, warm):
            page.goto("/", wait_until="commit")
            found.append(page.evaluate(_INTERACTIVE))
        context.close()
    for name, found in (("cold", cold), ("warm", warm)):
        print(
            f"overview {name}  median {statistics.median(found):6.0f} ms  slowest "
            f"{max(found):6.0f} ms  of {times}"
        )


def many_rows(browser: Browser, base: str, state: Any, rows: int) -> None:  # noqa: ANN401
    """Print how long frames take while a table of many rows is scrolled."""
    context = browser.new_context(base_url=base, storage_state=state)
    page = _filled(context, rows)
    count = page.locator("table[aria-label=signals] tbody tr").count()
    box = page.get_by_role("region", name="table of signals").bounding_box() or {"x": 0, "y": 0}
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    spent = _spent(page)
    before = spent()
    page.evaluate(f"() => {{ window.frames_ = ({_FRAMES})(5) }}")
    for _ in range(100):
        page.mouse.wheel(0, 900)
        page.wait_for_timeout(30)
    frames = sorted(page.evaluate("() => window.frames_"))
    worked = (spent() - before) / len(frames)
    late = sum(each > 50 for each in frames) / len(frames)
    print(
        f"{rows:,} rows ({count} in the page)  frames: median {statistics.median(frames):.1f} ms  "
        f"99 % {frames[int(len(frames) * 0.99)]:.1f} ms  longest {frames[-1]:.1f} ms  "
        f"above 50 ms {late:.1%}  processor {worked:.1f} ms a frame"
    )
    context.close()


def _spent(page: Page) -> Callable[[], float]:
    """Tells the milliseconds of processor time that the page's thread has used so far."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    devtools.send("Performance.enable")

    def spent() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration") * 1000)

    return spent


def _filled(context: BrowserContext, rows: int) -> Page:
    """The signals page with so many rows in it."""
    page = context.new_page()
    page.route("**/api/dashboard_creator/v1/signals?*", lambda route: _answer(route, rows))
    page.goto("/signals")
    table = page.get_by_role("region", name="table of signals")
    table.wait_for()
    wanted = f"{rows:,} signals"
    while page.get_by_role("status").filter(has_text=wanted).count() == 0:
        table.evaluate("(box) => { box.scrollTop = box.scrollHeight }")
        page.wait_for_timeout(50)
    table.evaluate("(box) => { box.scrollTop = 0 }")
    return page


def _answer(route: Route, rows: int) -> None:
    before = route.request.url.partition("before=")[2].partition("&")[0]
    first = int(before or 0)
    last = min(first + _ROWS_A_PAGE, rows)
    page = {"rows": [_row(number) for number in range(first, last)]}
    after = {"next": str(last) if last < rows else None}
    route.fulfill(content_type="application/json", body=json.dumps(page | after))


def _row(number: int) -> dict[str, Any]:
    return {
        "signal_id": f"sig_{number:024x}",
        "strategy_id": f"Strategy_{number % 12}",
        "external_id": f"row-{number}",
        "received_at": f"2026-11-{20 - number % 20:02d}T14:{number % 60:02d}:07.120Z",
        "intent": "ENTRY" if number % 2 else "EXIT",
        "legs": f"BUY {number % 900 + 10} AAPL",
        "status": "COMPLETED" if number % 7 else "DENIED",
        "outcome": "RESIZED" if number % 7 else "DENIED",
        "code": "POSITION_SIZE_BOUND" if number % 7 else "MARGIN_EXCEEDED",
        "decided_ms": 8.5,
        "submitted_ms": 14.2,
        "filled_ms": 31.0,
        "realized_pnl": f"{number % 311 - 150}.25",
        "currency": "USD",
    }


@contextmanager
def _browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield launched
        launched.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--base", default="http://127.0.0.1:5173", help="where the web is")
    parser.add_argument("--name", default="admin", help="who logs in")
    parser.add_argument("--times", type=int, default=9, help="how often a page is loaded")
    parser.add_argument("--rows", type=int, default=100_000, help="of the table that is scrolled")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
