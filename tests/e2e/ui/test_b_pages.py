"""Every page with something on it, and the acts that people come for, in a real browser."""

import re

import pytest

from tests.e2e.test_a_road import broker_positions, signal
from tests.e2e.ui.browser import NARROW, WIDE
from tests.e2e.ui.furnish import ASKING, DEVELOPER, INVESTOR, order
from tests.support.rows import STRATEGY

#: What is seen where; in braces what `furnish` has made.
PAGES = {
    "overview": "/",
    "signals": "/signals",
    "signal-filled": "/signals/{pair}",
    "signal-denied": "/signals/{denied}",
    "signal-waiting": "/signals/{waiting}",
    "orders": "/orders?view=all",
    "positions": "/positions?by=strategy",
    "strategies": "/strategies",
    "allocations": "/allocations",
    "allocation-editor": "/allocations?tab=editor",
    "research-lab": "/allocations?tab=lab",
    "study": "/allocations/studies/{study}",
    "proposal": "/allocations/proposals/{proposal}",
    "accounts": "/accounts",
    "risk": "/risk",
    "limits": "/risk?tab=limits",
    "overrides": "/risk?tab=overrides",
    "approvals": "/approvals",
    "activity": "/activity",
    "system": "/system",
    "incidents": "/system?tab=incidents",
    "dead-letters": "/system?tab=dead-letters",
    "latency": "/system?tab=latency",
}
for tab in ("settings", "signals", "record", "live", "limits", "credentials", "promotion"):
    PAGES[f"strategy-{tab}"] = f"/strategies/{STRATEGY}?tab={tab}"
for tab in ("equity", "broker", "payments", "setup"):
    PAGES[f"account-{tab}"] = f"/accounts/Mock-1?tab={tab}"


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
def test_a_page_keeps_nobody_out(desk, furnished, name: str) -> None:
    desk.show(PAGES[name].format(**furnished))
    for size in (NARROW, WIDE):
        desk.resize(size)
        desk.shoot(name)
        assert desk.page.evaluate("() => document.documentElement.scrollWidth") <= size[0]
    assert desk.barriers() == []
    assert desk.page.get_by_text("cannot be shown").count() == 0
    desk.check()


@pytest.mark.parametrize("name", ["overview", "signal-denied", "risk", "study", "approvals"])
def test_a_dark_page_can_be_read(desk, furnished, name: str) -> None:
    desk.page.emulate_media(color_scheme="dark")
    desk.show(PAGES[name].format(**furnished))
    desk.shoot(f"{name}-dark")
    assert desk.barriers() == []
    desk.page.emulate_media(color_scheme="light")


def test_half_of_what_waits_is_filled(admin, furnished, with_ui) -> None:
    page = admin.page
    page.goto(f"/signals/{furnished['waiting']}")
    page.get_by_text("a person's approval").first.wait_for()
    page.goto("/approvals")
    # 40 × 0.3 × equity × 0.5 / 500,000 in each of two accounts: 12, or 11 after a commission
    card = page.get_by_role("article").filter(has_text=re.compile("BUY 1[12] MSFT in Mock-1"))
    card.get_by_role("button", name="Half").click()
    asked = page.get_by_role("dialog")
    asked.get_by_text(re.compile("half of 1[12] MSFT")).first.wait_for()
    asked.get_by_role("textbox", name="Reason").fill("the half of this test")
    asked.get_by_role("button", name="Half").click()
    card.wait_for(state="hidden")
    ended = with_ui.instance.ended(furnished["waiting"], ASKING)
    assert [int(each["filled_quantity"]) in {5, 6} for each in ended["orders"]] == [True, True]
    page.goto("/approvals?view=answered")
    page.get_by_role("row").filter(has_text="admin").get_by_text("Halved").first.wait_for()


def test_an_allocation_is_proposed_compared_approved_and_reverted(admin, furnished) -> None:
    page = admin.page
    page.goto("/allocations?tab=editor")
    share = page.get_by_role("textbox", name=f"Allocation of {STRATEGY}")
    share.fill("35")
    page.get_by_text("35.00 %").first.wait_for()  # the comparison follows the typing
    page.get_by_role("button", name="Propose").click()
    answer(page, "Propose", "calmer winter")
    page.wait_for_url("**/allocations/proposals/*")
    page.get_by_role("row").filter(has_text=STRATEGY).get_by_text("35.00 %").wait_for()
    admin.shoot("proposal-to-approve")
    page.get_by_role("button", name="Approve").click()
    answer(page, "Approve", "agreed with the board")
    page.get_by_text("Approved by admin").wait_for()

    page.goto("/allocations?tab=history")
    page.get_by_text(f"{STRATEGY} 50.00 % → 35.00 %").wait_for()
    admin.shoot("allocation-history")
    page.get_by_role("button", name="Revert to version 1").click()
    answer(page, "Revert", "the test is over")
    page.get_by_text("back to version 1").wait_for()
    page.goto("/allocations")
    share = page.get_by_role("row").filter(has_text=STRATEGY).get_by_text("50.00 %")
    share.wait_for()
    assert share.is_visible()


def answer(page, action, reason) -> None:
    """Give the reason that is asked for, and go on."""
    asked = page.get_by_role("dialog")
    asked.get_by_role("textbox", name="Reason").fill(reason)
    asked.get_by_role("button", name=action).click()
    asked.wait_for(state="hidden")


def test_an_instrument_that_is_found_is_all_that_is_shown(admin, furnished) -> None:
    page = admin.page
    page.goto("/")
    page.get_by_role("heading", name="Overview").wait_for()
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Search").fill("NVDA")
    page.get_by_role("option").filter(has_text="NVDA").first.click()
    page.wait_for_url("**/positions?by=instrument&instrument=*NVDA*")
    shown = page.get_by_role("status").filter(has_text="1 position")
    shown.wait_for()
    assert shown.is_visible()


@pytest.mark.parametrize(
    ("name", "home", "closed", "refused"),
    [
        (
            DEVELOPER,
            "/developer",
            ["/risk", "/allocations", "/investor"],
            "dashboard_creator/v1/overview",
        ),
        (INVESTOR, "/investor", ["/signals", "/developer"], "dashboard_creator/v1/signals"),
    ],
)
def test_the_wrong_role_is_refused(guest, name, home, closed, refused) -> None:
    tab = guest(name)
    tab.page.wait_for_url(f"**{home}")
    tab.settle()
    for size in (NARROW, WIDE):
        tab.resize(size)
        tab.shoot(name)
    assert tab.barriers() == []
    for path in closed:
        tab.page.goto(path)
        tab.page.get_by_role("heading", name="Not for you").wait_for()
    ask = tab.context.request
    for method, path in (("GET", refused), ("GET", "account_data/v1/accounts")):
        found = ask.fetch(f"/api/{path}", method=method)
        assert (found.status, found.json()["code"]) == (403, "NOT_ALLOWED"), path
    token = ask.get("/api/dashboard_creator/v1/me").json()["csrf_token"]
    halt = {"trading_state": "HALTED", "reason": "because I can"}
    headers = {"X-CSRF-Token": token, "Origin": tab.base}
    found = ask.put("/api/dashboard_creator/v1/controls/GLOBAL/*", data=halt, headers=headers)
    assert (found.status, found.json()["code"]) == (403, "NOT_ALLOWED")


def test_a_developer_finds_the_reason_of_a_denial(guest, with_ui) -> None:
    signal_id = with_ui.instance.post(order("TSLA", quantity=1, name="too small"), STRATEGY)
    with_ui.instance.ended(signal_id, STRATEGY)
    tab = guest(DEVELOPER)
    tab.page.wait_for_url("**/developer")
    tab.show("/developer?tab=signals")
    tab.shoot("developer-signals")
    tab.show(f"/developer/{STRATEGY}/signals/{signal_id}")
    tab.shoot("developer-signal")
    assert tab.barriers() == []


def test_the_kill_switch_proves_that_nothing_is_held(admin, with_ui, furnished) -> None:
    page = admin.page
    page.goto("/risk")
    page.get_by_role("radiogroup", name="Stage").get_by_text("FLATTEN").click()
    page.get_by_role("button", name="FLATTEN").click()
    asked = page.get_by_role("dialog")
    asked.get_by_text("AAPL").first.wait_for()  # what would be closed is said again
    asked.get_by_text("paper", exact=True).wait_for()
    admin.shoot("kill-question")
    asked.get_by_role("textbox", name="Reason").fill("the drill of this test")
    asked.get_by_role("textbox", name="Type FLATTEN").fill("FLATTEN")
    asked.get_by_role("button", name="FLATTEN").click()
    page.get_by_text(re.compile(r"positions [1-9]\d* → 0, done in [\d.]+ s")).first.wait_for(
        timeout=60_000
    )
    admin.shoot("kill")
    assert all(float(each["quantity"]) == 0 for each in broker_positions(with_ui.instance))
