"""A fault drill from the page, beside the instance that shows it; after the looks at the pages."""

import pytest

pytestmark = pytest.mark.servers
#: Of a slow machine; a drill of this size takes about a minute.
DRILL_MS = 300_000


def test_an_admin_starts_a_drill_and_reads_what_held(admin) -> None:
    page = admin.page
    page.goto("/system?tab=drill")
    page.get_by_role("textbox", name="Signals").fill("20")
    page.get_by_role("textbox", name="Faults").fill("3")
    page.get_by_role("button", name="Start drill").click()
    asked = page.get_by_role("dialog")
    asked.get_by_text("processes and a database of its own, at the mock broker").wait_for()
    asked.get_by_role("textbox", name="Reason").fill("the drill of this test")
    asked.get_by_role("button", name="Start").click()
    page.get_by_role("heading", name="A drill runs").wait_for()
    page.get_by_text("20 signals and 3 faults, started by").wait_for()
    admin.shoot("drill-runs")
    page.get_by_text("✓ Everything held").wait_for(timeout=DRILL_MS)
    page.get_by_text("every accepted signal has ended").first.wait_for()
    admin.shoot("drill-report")
    assert admin.barriers() == []
