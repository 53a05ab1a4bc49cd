"""A service that goes down is told of once, also over restarts of whoever watches."""

from __future__ import annotations

import pytest

from services.common.ops import Health, OpsServer
from services.domain.errors import TransientError
from services.telegram.health import ServiceWatch, ask
from tests.support.servers import free_port

pytestmark = pytest.mark.servers


class Held:
    """A lease that is ours."""

    def held(self):
        return True


@pytest.fixture
def address():
    return ("127.0.0.1", free_port())


def test_down_and_up_are_told_once(store, address):
    told = []

    def watch():
        known = {"cerebro": address}
        return ServiceWatch(store, Held(), told.extend, addresses=known, patience_seconds=0.0)

    def titles():
        return [event.title.partition(" since")[0] for event in told]

    first = watch()
    first.look()
    assert told == []  # it was never up
    server = OpsServer(Health("cerebro"), host=address[0], port=address[1])
    server.start()
    first.look()
    assert told == []
    server.stop()
    first.look()
    assert titles() == ["cerebro is down"]
    assert told[0].critical
    assert "no answer" in told[0].text
    first.look()
    watch().look()  # the next process knows
    assert len(told) == 1
    again = OpsServer(Health("cerebro"), host=address[0], port=address[1])
    again.start()
    watch().look()
    again.stop()
    assert titles() == ["cerebro is down", "cerebro is up again"]


def test_what_is_only_waiting_for_a_person_is_not_down(address):
    def away():
        raise TransientError("nobody has logged in")

    health = Health("execution")
    health.add("broker", away, outside=True)
    server = OpsServer(health, host=address[0], port=address[1])
    server.start()
    try:
        assert ask(address) == (True, "")
        health.add("mongodb", away)
        health._cached = None
        up, why = ask(address)
        assert not up
        assert "mongodb: TransientError: nobody has logged in" in why
    finally:
        server.stop()
