"""/flatten from a telephone, at a real execution process and a real mock broker: proven there."""

import uuid

import pytest

from services.common.kills import kill_runs
from services.domain.kills import RunState
from services.domain.words import OrderType
from tests.fakes.telegram.server import FakeTelegram
from tests.support.rows import add_strategy
from tests.support.telegram import CHAT, add_person, link, meet, shows, telegram

pytestmark = pytest.mark.servers


@pytest.fixture
def fake():
    with FakeTelegram() as server:
        meet(server)
        yield server


def test_two_steps_close_everything_and_the_message_shows_the_brokers_proof(
    store, connection, fake, open_trade
):
    add_strategy(store)
    add_person(store, "olga")
    link(store)
    desk, symbol = open_trade(), f"T{uuid.uuid4().hex[:8].upper()}"
    (account,) = desk.accounts
    held = desk.add(symbol=symbol)
    rests = desk.add(1, symbol=symbol, order_type=OrderType.LIMIT, limit_price=140)
    desk.broker.set_price(held.instrument, 150)
    desk.start().opens(account)
    desk.ring(held, rests)
    desk.becomes(held, "FILLED")
    desk.becomes(rests, "SUBMITTED")

    with telegram(connection, fake):
        fake.say(CHAT, f"/flatten account {account} fire")
        asked = shows(fake, f"Flatten account {account}?")
        assert f"{symbol}" in asked
        # The first step alone does nothing: the order rests, the position is held.
        assert kill_runs(store) == []
        assert len(desk.broker.get(account, "positions")) == 1
        fake.press(CHAT, "Flatten 1 positions")
        proof = shows(fake, "PROVEN by the broker")
        assert f"{account}: orders 1 → 0, positions 1 → 0, DONE" in proof

    assert desk.broker.get(account, "positions") == []
    assert desk.row(rests)["status"] == "CANCELED"
    (run,) = kill_runs(store)
    assert (run.state, run.by, run.reason) == (RunState.DONE, "telegram:olga", "fire")
    assert desk.settled() == []
