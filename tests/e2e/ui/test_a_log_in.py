"""Coming in: password, its change, second factor, recovery code; and what a stranger sees."""

import pytest

from tests.e2e.ui.browser import NARROW, WIDE


def test_the_first_admin_comes_in_and_secures_the_door(stranger, browser, with_ui) -> None:
    page = stranger.page
    page.goto("/signals?status=FILLED")
    page.get_by_role("textbox", name="Name").wait_for()
    assert stranger.barriers() == []
    stranger.shoot("login")
    stranger.log_in(with_ui.name, "not the password at all")
    page.get_by_role("alert").get_by_text("WRONG_LOGIN").wait_for()

    stranger.log_in(with_ui.name, with_ui.given)
    page.get_by_text("was given to you by somebody else").wait_for()
    stranger.shoot("first-password")
    with_ui.password = "a long sentence nobody guesses"
    stranger.choose_password(with_ui.password)
    page.wait_for_url("**/signals?status=FILLED")  # where they wanted to go

    with_ui.recovery_codes = stranger.enrol_second_factor()
    assert len(with_ui.recovery_codes) >= 8
    page.get_by_text("A code is asked for at each log-in.").wait_for()
    page.goto("/")
    page.get_by_role("heading", name="Overview").wait_for()
    page.get_by_text("PAPER", exact=True).wait_for()
    page.get_by_role("link", name="Trading is ACTIVE").wait_for()
    page.get_by_role("status", name="Live: changes appear").wait_for()
    with_ui.state = stranger.context.storage_state()


def test_a_lost_telephone_is_no_locked_door(stranger, with_ui, admin) -> None:
    page = stranger.page
    page.goto("/")
    stranger.log_in(with_ui.name, with_ui.password, with_ui.recovery_codes.pop())
    page.get_by_role("heading", name="Overview").wait_for()
    page.goto("/settings/security")
    left = f"{len(with_ui.recovery_codes)} recovery codes are left"
    page.get_by_text(left).wait_for()
    assert page.get_by_text(left).is_visible()
    page.get_by_role("button", name="You: admin").click()
    page.get_by_role("menuitem", name="Log out").click()
    page.get_by_role("textbox", name="Name").wait_for()
    page.goto("/orders")  # the cookie is worth nothing any more
    page.wait_for_url("**/login?next=%2Forders")
    assert page.get_by_role("navigation", name="Pages").count() == 0


@pytest.mark.parametrize(
    "part", ["profile", "security", "sessions", "keys", "notifications", "users"]
)
def test_settings_keep_nobody_out(admin, part: str) -> None:
    page = admin.page
    page.goto(f"/settings/{part}")
    page.get_by_role("tab", selected=True).first.wait_for()
    admin.settle()
    for width, height in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": height})
        admin.shoot(f"settings-{part}")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert admin.barriers() == []


def test_keys_lead_everywhere(admin) -> None:
    page = admin.page
    page.goto("/")
    page.get_by_role("heading", name="Overview").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/signals")
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Search").fill("Demo_Stocks")
    page.get_by_role("option").get_by_text("Demo_Stocks").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/strategies/Demo_Stocks")
    assert page.get_by_role("dialog").count() == 0


def test_a_developer_sees_only_what_is_theirs(admin, browser, with_ui) -> None:
    from tests.e2e.ui.browser import Tab

    page = admin.page
    page.goto("/settings/users")
    page.get_by_role("button", name="New user").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("dana")
    page.get_by_role("combobox", name="Role").click()
    page.get_by_role("option", name="Developer").click()
    page.locator("main input").and_(page.get_by_label("Strategies")).first.fill("Forex")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Make the user").click()
    page.get_by_text("This is shown once.").wait_for()
    password = page.locator("main pre").first.inner_text()

    theirs = Tab(browser, with_ui.base)
    theirs.page.goto("/")
    theirs.log_in("dana", password)
    theirs.choose_password("only she alone can know this")
    theirs.page.wait_for_url("**/developer")
    pages = theirs.page.get_by_role("navigation", name="Pages").get_by_role("link")
    assert [each.strip() for each in pages.all_inner_texts()] == ["My strategies", "Settings"]
    theirs.page.goto("/risk")
    theirs.page.get_by_role("heading", name="Not for you").wait_for()
    theirs.page.goto("/settings/users")
    theirs.page.wait_for_url("**/settings/profile")
    theirs.close()
