"""Chromium, and a page that remembers what went wrong in it."""

from __future__ import annotations

import importlib.util
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

import pyotp

REPOSITORY = Path(__file__).resolve().parents[3]
ARTIFACTS = REPOSITORY / ".artifacts" / "ui"
AXE = REPOSITORY / "frontend-admin" / "node_modules" / "axe-core" / "axe.min.js"
WIDE, NARROW = (1280, 800), (420, 900)
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Chromium notes every answer of 400 and above; these are answers that a page asks for and shows.
_ASKED_FOR = re.compile(r"/api/\S+/auth/login\b")

#: The router goes where history says; done when the page there has drawn its name.
_GO = """async (address) => {
  const name = document.querySelector('main h1')
  const other = new URL(address, location.href).pathname !== location.pathname
  history.pushState({}, '', address)
  dispatchEvent(new PopStateEvent('popstate', {state: {}}))
  const frame = () => new Promise(requestAnimationFrame)
  const came = () => !other || (document.querySelector('main h1') ?? name) !== name
  for (let frames = 0; frames < 3 || (!came() && frames < 300); frames++) await frame()
}"""


def chromium():
    """Where it is; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def why_not():
    """Why the tests of this folder cannot run here; None where they can."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: pip install -r requirements-dev.txt"
    if chromium() is None:
        return "there is no chromium: apt-get install chromium"
    return None


@contextmanager
def open_browser():
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=list(_ARGUMENTS))
        yield launched
        launched.close()


class Tab:
    """One page, as one person has it open.

    Attributes:
        base: of the web.
        page: of playwright.
        faults: what the console said at error level, exceptions, and requests that failed.
    """

    def __init__(self, browser, base, *, size=WIDE, **options):
        width, height = size
        self.base = base
        self.context = browser.new_context(
            base_url=base, viewport={"width": width, "height": height}, **options
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.faults = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))

    def _on_console(self, message):
        place = (message.location or {}).get("url", "")
        if message.type in {"error", "warning"} and not _ASKED_FOR.search(place):
            self.faults.append(f"{message.type}: {message.text} ({place})")

    def close(self):
        """Let go of it, and fail where anything was wrong."""
        self.context.close()
        self.check()

    def check(self):
        """Fail where anything was wrong since the last look."""
        faults, self.faults = self.faults, []
        assert not faults, "\n".join(faults)

    def show(self, address):
        """Go there, and wait until all of it is there; from page to page as a link would."""
        if self.page.url.startswith(self.base):
            self.page.evaluate(_GO, address)
        else:
            self.page.goto(address)
        self.page.get_by_role("heading", level=1).first.wait_for()
        self.settle()

    def resize(self, size):
        """As on another screen."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    def log_in(self, name, password, code=None):
        """By the form, as everybody does."""
        self.page.get_by_role("textbox", name="Name").fill(name)
        self.page.get_by_role("textbox", name="Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        if code is not None:
            self.page.get_by_role("textbox", name="Code").fill(code)
            self.page.get_by_role("button", name="Go on").click()

    def choose_password(self, password):
        """Where the one that was used was given by somebody else."""
        self.page.get_by_role("textbox", name="New password").fill(password)
        self.page.get_by_role("textbox", name="The same again").fill(password)
        self.page.get_by_role("button", name="Set my password").click()

    def enrol_second_factor(self):
        """Set up an authenticator; its recovery codes."""
        page = self.page
        page.goto("/settings/security")
        page.get_by_role("button", name="Set it up").click()
        page.get_by_role("img", name="QR code").wait_for()
        secret = page.locator("main pre").first.inner_text().replace(" ", "")
        page.get_by_role("textbox", name="Code that the app shows").fill(pyotp.TOTP(secret).now())
        page.get_by_role("button", name="Confirm").click()
        page.get_by_text("They are shown this once").wait_for()
        codes = page.locator("main pre").first.inner_text().split()
        page.get_by_role("button", name="I have kept them").click()
        return codes

    def settle(self):
        """Until nothing is loading any more."""
        self.page.wait_for_function(
            "() => !document.querySelector('[aria-busy=true], .mantine-Skeleton-root')"
        )

    def shoot(self, name):
        """A picture for people to look at."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        size = self.page.viewport_size
        self.page.screenshot(path=ARTIFACTS / f"{name}-{size['width']}.png", animations="disabled")

    def barriers(self):
        """What axe finds that keeps people out: serious and critical."""
        if not self.page.evaluate("() => Boolean(window.axe)"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes'][:3]]}"
            for each in found["violations"]
            if each["impact"] in {"serious", "critical"}
        ]
