"""One instance for all end-to-end tests: starting takes seconds, and they may share it."""

import pytest

from tests.e2e.instance import Instance


@pytest.fixture(scope="session")
def instance(tmp_path_factory):
    """A demo instance, ready."""
    made = Instance(tmp_path_factory.mktemp("instance"))
    made.start("--demo")
    yield made
    made.stop()
