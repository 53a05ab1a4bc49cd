"""What every integration test starts from: one real database and bus, a fresh corner of each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from services.common.settings import CommonSettings
from services.common.settings_file import known_names
from services.common.store import Store
from tests.support.databases import EmptiedDatabases
from tests.support.execution_process import BrokerBooks
from tests.support.instances import Instance, instance_in
from tests.support.rows import SilentPublisher
from tests.support.servers import Server, start_bus, start_database
from tests.support.trade import Trade, trade

#: Whether the test itself did what it should.
PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep for the fixtures of a test whether it passed."""
    report = yield
    if call.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded database; `address` is its URI."""
    with start_database(tmp_path_factory.mktemp("database")) as server:
        yield server


@pytest.fixture(scope="session")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The local Pub/Sub server; `address` is host:port."""
    with start_bus(tmp_path_factory.mktemp("bus")) as server:
        yield server


@pytest.fixture(scope="session")
def emptied(database: Server) -> Iterator[EmptiedDatabases]:
    """Databases that tests take one after the other."""
    with MongoClient[dict[str, Any]](database.address) as client:
        yield EmptiedDatabases(client)


@pytest.fixture
def connection(
    request: pytest.FixtureRequest, database: Server, emptied: EmptiedDatabases, tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """Fields for any settings class: a database that this test has to itself, no bus."""
    name = emptied.take()
    yield {"mt_home": tmp_path, "mongodb_uri": database.address, "mongodb_database": name}
    if request.node.stash.get(PASSED, False):
        emptied.give_back(name)  # of a test that failed something may be left that writes to it


@pytest.fixture
def bus_connection(connection: dict[str, Any], bus: Server) -> dict[str, Any]:
    """The same with a bus project of this test's own; call `create_topology` to fill it."""
    project = f"t-{uuid.uuid4().hex[:12]}"
    return {**connection, "pubsub_emulator_host": bus.address, "pubsub_project_id": project}


@pytest.fixture
def store(connection: dict[str, Any]) -> Iterator[Store]:
    """A store on that database, with all indexes."""
    opened = Store.connect(CommonSettings(**connection))
    try:
        opened.create_indexes()
        yield opened
    finally:
        opened.close()


@pytest.fixture
def publisher() -> SilentPublisher:
    """A bus that loses everything, and remembers what it was asked to lose."""
    return SilentPublisher()


@pytest.fixture(scope="module")
def shared_connection(database: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same for a whole file, whose tests leave nothing behind."""
    return {
        "mt_home": tmp_path_factory.mktemp("home"),
        "mongodb_uri": database.address,
        "mongodb_database": f"t_{uuid.uuid4().hex[:12]}",
    }


@pytest.fixture(scope="module")
def shared_store(shared_connection: dict[str, Any]) -> Iterator[Store]:
    """A store on that database, with all indexes."""
    opened = Store.connect(CommonSettings(**shared_connection))
    try:
        opened.create_indexes()
        yield opened
        opened.client.drop_database(shared_connection["mongodb_database"])
    finally:
        opened.close()


@pytest.fixture(scope="session")
def mock_books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerBooks]:
    """A mock broker that tests share; each has accounts and instruments of its own there."""
    books = BrokerBooks(tmp_path_factory.mktemp("mock"))
    books.start()
    yield books
    books.stop()


@pytest.fixture
def open_trade(
    store: Store, bus_connection: dict[str, Any], mock_books: BrokerBooks, tmp_path: Path
) -> Iterator[Callable[..., Trade]]:
    """Opens what execution processes need: `accounts` of its own, at `broker` or the shared one."""
    with ExitStack() as opened:

        def open_(accounts: int = 1, broker: BrokerBooks = mock_books) -> Trade:
            names = tuple(f"Crash-{uuid.uuid4().hex[:8]}" for _ in range(accounts))
            made = trade(store, bus_connection, broker, tmp_path, accounts=names)
            return opened.enter_context(made)

        yield open_


@pytest.fixture
def typed_here(connection: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts that are run here find this test's database, and no setting of anybody else's."""
    for name in known_names():
        monkeypatch.delenv(name, raising=False)
    for name, value in connection.items():
        monkeypatch.setenv(name.upper(), str(value))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """An instance with nothing running in it yet."""
    with instance_in(tmp_path) as made:
        yield made
