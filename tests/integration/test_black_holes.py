"""Row 25 of the fault matrix: names that do not resolve, servers that take a call and say nothing.

Whoever asks gets a named error or False, and /health says so; nothing hangs for ever.
"""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.common.apprise_urls import send
from services.common.bus import Publisher, Ring, create_topology
from services.common.ops import Health
from services.common.outward import networks_of
from services.common.settings import CommonSettings
from services.common.store import Store
from services.common.subscriber import Subscriber
from services.common.topology import CEREBRO_SIGNALS, STANDARDIZED_SIGNALS
from services.domain.errors import TransientError
from tests.support.execution_process import wait_until

pytestmark = pytest.mark.servers
#: A name that no resolver knows, for ever (RFC 6761).
NOWHERE = "nowhere.invalid"
HERE = networks_of("127.0.0.1")
#: Longer than every time-out that is asked for, on a machine that is busy.
PATIENCE_SECONDS = 170
RINGS = [Ring("a", {"signal_id": "s"})]


@pytest.fixture
def hole():
    """host:port of a server that accepts every connection, and never says a word."""
    server = socket.create_server(("127.0.0.1", 0))
    taken = []

    def accept():
        while True:
            try:
                taken.append(server.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)
    for each in taken:
        each.close()


@pytest.fixture(params=["black hole", "no such name"])
def away(request, hole, monkeypatch):
    """Where a server should be: a black hole, or a name that does not resolve."""
    if request.param == "black hole":
        return hole
    real = socket.getaddrinfo

    def resolve(host, *more, **options):
        if host == NOWHERE:
            time.sleep(1)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return f"{NOWHERE}:1"


def ends(work):
    """What a piece of work says, which must not hang."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(PATIENCE_SECONDS)


def test_a_database_that_is_not_there_is_named_and_told(away, tmp_path):
    settings = CommonSettings(mt_home=tmp_path, mongodb_uri=f"mongodb://{away}/?retryWrites=false")
    store, health = Store.connect(settings), Health("x")
    health.add("mongodb", store.state)
    try:
        with pytest.raises(TransientError, match="the database does not answer"):
            ends(store.ping)
        with pytest.raises(TransientError, match=r"the database (went away|does not answer)"):
            ends(lambda: store.transaction(lambda s: store["x"].insert_one({}, session=s)))
        report = ends(health.report)
        assert (report["live"], report["ready"]) == (True, False)
        assert "the database does not answer" in report["dependencies"]["mongodb"]["detail"]
    finally:
        store.close()


def test_a_bus_that_is_not_there_costs_a_doorbell_and_no_thread(away, tmp_path):
    settings = CommonSettings(mt_home=tmp_path, pubsub_project_id="p", pubsub_emulator_host=away)
    assert ends(lambda: Publisher(settings).ring(STANDARDIZED_SIGNALS, RINGS)) is False
    with pytest.raises(TransientError, match="topics could not be created"):
        ends(lambda: create_topology(settings))


def test_a_consumer_without_a_bus_says_so_and_can_be_stopped(away, store, connection):
    settings = CommonSettings(**connection, pubsub_project_id="p", pubsub_emulator_host=away)
    deaths = []
    subscriber = Subscriber(
        settings, store, CEREBRO_SIGNALS, lambda _batch: None, on_death=deaths.append
    )

    def is_told():
        try:
            subscriber.state()
        except TransientError:
            return True
        return bool(deaths)

    subscriber.start()
    try:
        told = "it believes that it streams"
        assert wait_until(is_told, told, seconds=PATIENCE_SECONDS)
    finally:
        ends(subscriber.stop)


def test_a_hook_that_is_not_there_is_an_error_of_its_channel(away):
    with pytest.raises(TransientError, match="did not take it"):
        ends(lambda: send(f"json://{away}/", title="t", body="b", networks=HERE))
