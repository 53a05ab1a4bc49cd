"""One instance with its UI, one browser; each test has a page of its own."""

import re

import pytest

from tests.e2e.instance import Instance
from tests.e2e.ui.browser import REPOSITORY, Tab, open_browser, why_not
from tests.e2e.ui.furnish import Operator, furnish

PASSWORD = "a long sentence nobody guesses"
_ADMIN = re.compile(r"first admin: name (\S+), password (\S+)")


class WithUi:
    """A running instance, and the only person in it.

    Attributes:
        given: password of the first admin, as the start printed it.
        state: cookies of the admin, once somebody has logged in.
        recovery_codes: of the admin, once enrolled.
        passwords: of others, by name.
    """

    def __init__(self, instance, output):
        self.instance = instance
        self.base = f"http://127.0.0.1:{instance.settings.port('web')}"
        self.name, self.given = _ADMIN.search(output).groups()
        self.password = self.given
        self.recovery_codes = []
        self.passwords = {}
        self.state = None


@pytest.fixture(scope="session")
def with_ui(tmp_path_factory):
    """A demo instance whose UI is built from the sources as they are."""
    if why_not():
        pytest.skip(why_not())
    made = Instance(tmp_path_factory.mktemp("ui"))
    output = made.start("--demo", ui=True)
    try:
        if not (REPOSITORY / "frontend-admin" / "dist" / "index.html").is_file():
            pytest.skip(f"the web UI cannot be built here: {output.splitlines()[-1]}")
        yield WithUi(made, output)
    finally:
        made.stop()


@pytest.fixture(scope="session")
def browser(with_ui):
    """A real browser."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def stranger(browser, with_ui):
    """A page of somebody who has not logged in."""
    tab = Tab(browser, with_ui.base)
    yield tab
    tab.close()


@pytest.fixture
def admin(browser, with_ui):
    """A page of the admin, logged in with the second factor."""
    if with_ui.state is None:
        enter_first(browser, with_ui)
    tab = Tab(browser, with_ui.base, storage_state=with_ui.state)
    yield tab
    tab.close()


@pytest.fixture(scope="module")
def desk(browser, with_ui):
    """One page of the admin for many looks; whoever looks checks it, too."""
    if with_ui.state is None:
        enter_first(browser, with_ui)
    tab = Tab(browser, with_ui.base, storage_state=with_ui.state)
    yield tab
    tab.close()


@pytest.fixture(scope="session")
def furnished(with_ui):
    """What was made so that every page has something to show, by name."""
    operator = Operator(with_ui.base, with_ui.instance.operator_key)
    made = furnish(with_ui.instance, operator)
    with_ui.passwords |= made["passwords"]
    return made


@pytest.fixture
def guest(browser, with_ui, furnished):
    """Log a person in who was made by `furnished`; they choose a password the first time."""
    tabs = []

    def enter(name):
        tab = Tab(browser, with_ui.base)
        tabs.append(tab)
        tab.page.goto("/")
        tab.log_in(name, with_ui.passwords[name])
        if with_ui.passwords[name] == furnished["passwords"][name]:
            with_ui.passwords[name] = f"{PASSWORD}, said the {name}s"[::-1]
            tab.choose_password(with_ui.passwords[name])
        return tab

    yield enter
    for tab in tabs:
        tab.close()


def enter_first(browser, with_ui):
    """The first log-in of an instance: password, its change, second factor."""
    tab = Tab(browser, with_ui.base)
    tab.page.goto("/")
    tab.log_in(with_ui.name, with_ui.password)
    if with_ui.password == with_ui.given:
        tab.choose_password(PASSWORD)
    tab.page.get_by_role("heading", name="Overview").wait_for()
    with_ui.password = PASSWORD
    with_ui.recovery_codes = tab.enrol_second_factor()
    with_ui.state = tab.context.storage_state()
    tab.close()
