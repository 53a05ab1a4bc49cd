"""Every page with something on it, and the acts that people come for, in a real browser."""

import re

import pytest

from tests.e2e.test_a_road import broker_positions, signal
from tests.e2e.ui.browser import NARROW, WIDE
from tests.support.rows import STRATEGY

PAGES = {
    "overview": "/",
    "signals": "/signals",
    "orders": "/orders",
    "positions": "/positions?by=account",
    "strategies": "/strategies",
    "strategy": f"/strategies/{STRATEGY}",
    "allocations": "/allocations",
    "accounts": "/accounts",
    "account": "/accounts/Mock-1",
    "risk": "/risk",
    "approvals": "/approvals",
    "activity": "/activity",
    "system": "/system",
}


def test_a_posted_signal_appears_and_fills_while_one_looks(admin, with_ui) -> None:
    page = admin.page
    page.goto("/signals")
    page.get_by_role("heading", name="Signals").wait_for()
    admin.settle()
    signal_id = with_ui.instance.post(signal("seen"), STRATEGY)
    row = page.get_by_role("row").filter(has_text="BUY 10 AAPL")
    row.get_by_text("Completed").wait_for()  # nobody has reloaded anything
    row.get_by_role("link").first.click()
    page.wait_for_url(f"**/signals/{signal_id}")
    page.get_by_text("Mock-1").first.wait_for()
    admin.settle()
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        admin.shoot("signal")
    assert admin.barriers() == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_keeps_nobody_out(admin, name: str) -> None:
    page = admin.page
    page.goto(PAGES[name])
    page.get_by_role("heading", level=1).wait_for()
    admin.settle()
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        admin.shoot(name)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert admin.barriers() == []


def test_the_kill_switch_proves_that_nothing_is_held(admin, with_ui) -> None:
    page = admin.page
    page.goto("/risk")
    page.get_by_role("radiogroup", name="Stage").get_by_text("FLATTEN").click()
    page.get_by_role("button", name="FLATTEN").click()
    asked = page.get_by_role("dialog")
    asked.get_by_text("AAPL").first.wait_for()  # what would be closed is said again
    asked.get_by_role("textbox", name="Reason").fill("the drill of this test")
    asked.get_by_role("textbox", name="Type FLATTEN").fill("FLATTEN")
    asked.get_by_role("button", name="FLATTEN").click()
    page.get_by_text(re.compile(r"positions 1 → 0, done in [\d.]+ s")).wait_for(timeout=60_000)
    admin.shoot("kill")
    assert all(float(each["quantity"]) == 0 for each in broker_positions(with_ui.instance))
