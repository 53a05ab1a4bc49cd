"""One instance for all end-to-end tests: starting takes seconds, and they may share it."""

import pytest

from tests.e2e.instance import Instance
from tests.support.collector import start_collector
from tests.support.dovecot import PASSWORD, USER, start_dovecot, why_not


@pytest.fixture(scope="session")
def mailbox(tmp_path_factory):
    """A real mail server; None where there is none to start."""
    if why_not():
        yield None
        return
    with start_dovecot() as started:
        yield started


@pytest.fixture(scope="session")
def traces():
    """What the instance tells of the roads of signals."""
    with start_collector() as started:
        yield started


@pytest.fixture(scope="session")
def instance(tmp_path_factory, mailbox, traces):
    """A demo instance with a mailbox, ready."""
    made = Instance(tmp_path_factory.mktemp("instance"))
    settings = f"ABSENCE_PROOF_S=6\nTRACES_URL={traces.url}\n"
    if mailbox is not None:
        settings += (
            f"MAILBOX_HOST=127.0.0.1\nMAILBOX_PORT={mailbox.port}\nMAILBOX_USER={USER}\n"
            f'MAILBOX_PASSWORD="{PASSWORD}"\nMAILBOX_TLS=false\n'
        )
    (made.home / ".env").write_text(settings)
    made.start("--demo")
    yield made
    made.stop()
