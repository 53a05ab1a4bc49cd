"""What wakes a signal that waits."""

import time

import pytest

from services.common.bus import Publisher, Ring, create_topology
from services.common.settings import CommonSettings
from services.common.subscriber import Subscriber
from services.common.topology import CEREBRO_CONFIRMATIONS, EXECUTION_CONFIRMATIONS
from tests.support.relations import (
    FILLED,
    entered,
    leave,
    life,
    orders_of,
    quantities,
    report,
    reverse,
    waits,
)
from tests.support.rows import ACCOUNT, add_signal

pytestmark = pytest.mark.servers


def confirm(cerebro, account_id=ACCOUNT):
    cerebro.on_confirmations([{"account_id": account_id, "client_order_id": "any"}])


def test_a_confirmation_decides_what_waited_for_it(store, cerebro):
    entered(store, cerebro, "a")
    leaving, entering = reverse(store)
    waits(cerebro, leaving, entering)
    confirm(cerebro)
    assert orders_of(store, entering) == []
    report(store, leaving, FILLED)
    confirm(cerebro, "another account")
    assert orders_of(store, entering) == []
    confirm(cerebro)
    assert quantities(store, entering) == [4]
    assert "waiting_since" not in life(store, entering)


def test_a_confirmation_does_not_touch_what_has_not_been_looked_at(store, cerebro):
    add_signal(store, "fresh")
    confirm(cerebro)
    assert life(store, "fresh")["undecided"]


def test_a_confirmation_on_the_bus_decides_what_waits(store, cerebro, bus_connection):
    settings = CommonSettings(**bus_connection)
    create_topology(settings)
    handler = cerebro.on_confirmations
    subscriber = Subscriber(settings, store, CEREBRO_CONFIRMATIONS, handler, on_death=pytest.fail)
    add_signal(store, "entry")
    waits(cerebro, "entry")
    leave(store, "x")
    assert waits(cerebro, "x") == ["x"]
    report(store, "entry", FILLED)
    subscriber.start()
    try:
        fields = {"account_id": ACCOUNT, "client_order_id": "any"}
        Publisher(settings).ring(EXECUTION_CONFIRMATIONS, [Ring(ACCOUNT, fields)])
        until = time.monotonic() + 30
        while not orders_of(store, "x"):
            assert time.monotonic() < until, "nothing woke the exit"
            time.sleep(0.02)
    finally:
        subscriber.stop()
    assert quantities(store, "x") == [10]
