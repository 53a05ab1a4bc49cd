"""What real brokers do to a desk: logins, forgetting, orders of a day, late commissions."""

import time
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest

from brokers.broker import Capabilities
from brokers.errors import BrokerUnavailable, LoginRequired
from services.common.clock import utc_now
from services.common.order_requests import Resolution, resolve
from services.common.signed import Signed
from services.domain.errors import ConfigurationError
from services.domain.words import Intent, OrderStatus, OrderType, Side, TimeInForce
from services.execution import outcomes
from services.execution.troubles import Troubles
from tests.fakes.account import AccountBroker
from tests.fakes.broker import FakeBroker
from tests.support.builders import ACCOUNT, make_order
from tests.support.desks import add_order, make_desk, settle, stored, wait_for
from tests.support.rows import allow_trading

pytestmark = pytest.mark.servers
SIGNED = Signed("olga", "seen at the broker")


class Locked(FakeBroker):
    """A broker that a person must log in at; `trouble` is what it says to whoever asks."""

    trouble = None

    def _reach(self):
        if self.trouble is not None:
            raise self.trouble
        super()._reach()

    def is_connected(self):
        return self.trouble is None


class Forgetful(AccountBroker):
    """Knows nothing of what ended before `since`."""

    since = None

    def remembers_since(self):
        return self.since


class Daily(AccountBroker):
    """Takes orders that live for a day; `end_of_day` ends them when the test says."""

    capabilities = Capabilities(
        order_types=frozenset(OrderType),
        times_in_force=frozenset({TimeInForce.DAY, TimeInForce.IOC}),
        instrument_types=AccountBroker.capabilities.instrument_types,
    )
    ended_at = None

    def end_of_day(self, order_id, at, status=OrderStatus.EXPIRED):
        self.ended_at = at
        self.slips[order_id].status = status

    def _report(self, order_id):
        report = super()._report(order_id)
        if report.status is OrderStatus.EXPIRED:
            return report.model_copy(update={"occurred_at": self.ended_at})
        return report


@pytest.fixture
def open_desk(store):
    """Starts desks and ends them; they need not open."""
    allow_trading(store)
    made = []

    def start(broker, **options):
        desk = make_desk(store, broker, **options)
        desk.start()
        made.append(desk)
        return desk

    yield start
    for desk in made:
        desk.stop()


def incident(store, kind, key=ACCOUNT, status="OPEN"):
    return store["incidents"].find_one({"_id": f"{kind}|{key}", "status": status})


def leaving(**fields):
    return make_order(side=Side.SELL, intent=Intent.EXIT, **fields)


def entered(store, desk):
    settle(desk, store, add_order(store, make_order()))


LOGIN = LoginRequired("the token has expired: run scripts/zerodha_login.py Mock-1")


def test_a_login_that_is_owed_is_told_once_and_ends_with_it(store, open_desk):
    broker = Locked(ACCOUNT)
    broker.trouble = LOGIN
    desk = open_desk(broker)
    told = wait_for(lambda: incident(store, "BROKER_LOGIN_REQUIRED"))
    assert "Mock-1 waits for a person to log in" in told["sentence"]
    assert "run scripts/zerodha_login.py Mock-1" in told["sentence"]
    wait_for(lambda: desk._tries > 2)
    assert incident(store, "BROKER_LOGIN_REQUIRED")["count"] == 1
    broker.trouble = None
    wait_for(desk._is_open)
    assert incident(store, "BROKER_LOGIN_REQUIRED", status="CLEARED")


def test_until_the_login_exits_wait_and_entries_expire_with_the_reason(store, open_desk):
    broker = Locked(ACCOUNT)
    desk = open_desk(broker)
    wait_for(desk._is_open)
    entered(store, desk)
    broker.trouble = LOGIN
    expires_at = utc_now() + timedelta(seconds=1)
    entry = add_order(store, make_order(signal_id="sig_2", expires_at=expires_at))
    exit_ = add_order(store, leaving(signal_id="sig_3"))
    desk.wake([entry, exit_])
    wait_for(lambda: stored(store, entry)["status"] == "EXPIRED")
    assert "the token has expired" in stored(store, entry)["text"]
    assert stored(store, exit_)["status"] == "PENDING"
    assert incident(store, "BROKER_LOGIN_REQUIRED")
    broker.trouble = None
    wait_for(lambda: stored(store, exit_)["status"] == "FILLED")
    assert len(broker.sent) == 2
    assert not incident(store, "BROKER_LOGIN_REQUIRED")


def test_an_incident_of_an_earlier_process_ends_when_the_account_opens(store, open_desk):
    for kind in ("BROKER_LOGIN_REQUIRED", "ACCOUNT_MISCONFIGURED"):
        store["incidents"].insert_one({"_id": f"{kind}|{ACCOUNT}", "status": "OPEN"})
    desk = open_desk(FakeBroker(ACCOUNT))
    wait_for(desk._is_open)
    assert store["incidents"].count_documents({"status": "OPEN"}) == 0


def test_a_broker_that_stays_away_is_told_once_its_nightly_reset_is_over(store):
    waits = Troubles(store, ACCOUNT)
    waits.tell(BrokerUnavailable("connection refused"))
    assert store["incidents"].count_documents({}) == 0
    troubles = Troubles(store, ACCOUNT, patience_seconds=0)
    for _ in range(3):
        troubles.tell(BrokerUnavailable("client id 1 is in use"))
    told = incident(store, "ACCOUNT_CLOSED")
    assert told["count"] == 1
    assert "BrokerUnavailable: client id 1 is in use" in told["sentence"]
    troubles.end()
    assert not incident(store, "ACCOUNT_CLOSED")


def test_an_exit_that_the_broker_cannot_take_is_told(store, open_desk):
    broker = FakeBroker(ACCOUNT)
    desk = open_desk(broker)
    wait_for(desk._is_open)
    entered(store, desk)
    order_type = {"order_type": OrderType.STOP, "stop_price": Decimal(140)}
    order_id = add_order(store, leaving(signal_id="sig_2", **order_type))
    (row,) = settle(desk, store, order_id)
    assert row["status"] == "DENIED"
    assert "takes no STOP" in incident(store, "EXIT_DENIED", order_id)["sentence"]


def test_a_secret_that_cannot_be_opened_closes_the_account_and_says_so(store, open_desk):
    broker = Locked(ACCOUNT)
    broker.trouble = ConfigurationError("a stored secret was sealed with another key")
    desk = open_desk(broker)
    told = wait_for(lambda: incident(store, "ACCOUNT_MISCONFIGURED"))
    assert "sealed with another key" in told["sentence"]
    broker.trouble = None
    wait_for(desk._is_open)
    assert not incident(store, "ACCOUNT_MISCONFIGURED")


@pytest.mark.parametrize("status", ["UNKNOWN", "SUBMITTING"])
@pytest.mark.parametrize("order", [make_order(), leaving()], ids=["entry", "exit"])
def test_what_was_sent_before_the_broker_remembers_is_neither_given_up_nor_resent(
    store, open_desk, status, order
):
    broker = Forgetful(ACCOUNT)
    broker.since = utc_now()
    fields = {"sent_at": utc_now() - timedelta(hours=9), "resend_count": 0}
    fields |= {"unknown": True} if status == "UNKNOWN" else {}
    order_id = add_order(store, order, status, **fields)
    open_desk(broker, proof_seconds=0.1)
    told = wait_for(lambda: incident(store, "ORDER_UNKNOWN", order_id))
    assert "has forgotten what ended before" in incident_words(store, order_id)
    assert f"scripts/orders.py resolve {order_id}" in incident_words(store, order_id)
    time.sleep(1)  # several more looks
    assert stored(store, order_id)["status"] == "UNKNOWN"
    assert (broker.placed, told["status"]) == ([], "OPEN")


def incident_words(store, order_id):
    return incident(store, "ORDER_UNKNOWN", order_id)["sentence"]


def test_what_the_broker_remembers_is_proven_absent_as_ever(store, open_desk):
    broker = Forgetful(ACCOUNT)
    broker.since = utc_now() - timedelta(hours=9)
    order_id = add_order(store, make_order(), "SUBMITTING", sent_at=utc_now())
    open_desk(broker)
    wait_for(lambda: stored(store, order_id)["status"] == "FILLED")
    assert len(broker.placed) == 1


class Hours(NamedTuple):
    """In place of an exchange's own, which are closed on some days that tests run."""

    is_open_now: bool

    def is_open(self, _moment):
        return self.is_open_now


@pytest.fixture
def exchange(monkeypatch):
    """Opens or closes the exchange."""

    def be(is_open):
        monkeypatch.setattr(outcomes, "session_of", lambda _instrument: Hours(is_open))

    be(True)
    return be


@pytest.fixture
def forgotten(store):
    """A broker that has forgotten yesterday, and the id of an order that worked then."""
    broker = Forgetful(ACCOUNT)
    broker.since = utc_now()
    made = make_order("17", order_type=OrderType.LIMIT, limit_price=Decimal(140))
    order_id = add_order(store, made, "SUBMITTED", sent_at=utc_now() - timedelta(hours=9))
    return broker, order_id


@pytest.mark.usefixtures("exchange")
def test_a_forgotten_order_of_a_day_has_expired_where_the_broker_holds_what_we_do(
    store, open_desk, forgotten
):
    broker, order_id = forgotten
    open_desk(broker)
    wait_for(lambda: stored(store, order_id)["status"] == "EXPIRED")
    assert "did not fill" in stored(store, order_id)["text"]
    assert not incident(store, "ORDER_MISSING_AT_BROKER", order_id)
    assert broker.placed == []


def holds_more(store, broker, exchange):
    broker.hold(make_order().instrument, "17")


def is_closed(store, broker, exchange):
    exchange(False)


def has_a_doubt(store, broker, exchange):
    other = make_order(signal_id="sig_9")
    add_order(store, other, "UNKNOWN", sent_at=utc_now() - timedelta(hours=9), unknown=True)


@pytest.mark.parametrize("but", [holds_more, is_closed, has_a_doubt])
def test_a_forgotten_order_stays_open_where_it_may_have_filled(
    store, open_desk, forgotten, exchange, but
):
    broker, order_id = forgotten
    but(store, broker, exchange)
    open_desk(broker)
    wait_for(lambda: incident(store, "ORDER_MISSING_AT_BROKER", order_id))
    time.sleep(1)  # several more looks
    assert stored(store, order_id)["status"] == "SUBMITTED"


def test_a_working_order_that_the_broker_has_forgotten_is_ended_by_a_person(
    store, open_desk, exchange
):
    exchange(False)
    broker = Forgetful(ACCOUNT)
    broker.since = utc_now()
    fields = {"sent_at": utc_now() - timedelta(hours=9)}
    order_id = add_order(store, make_order(), "SUBMITTED", **fields)
    desk = open_desk(broker)
    told = wait_for(lambda: incident(store, "ORDER_MISSING_AT_BROKER", order_id))
    assert "has forgotten what ended before" in told["sentence"]
    with pytest.raises(ConfigurationError, match="never sent again"):
        resolve(store, order_id, Resolution.RESEND, SIGNED)
    assert stored(store, order_id)["status"] == "SUBMITTED"
    resolve(store, order_id, Resolution.ABSENT, SIGNED)
    (row,) = settle(desk, store, order_id)
    assert (row["status"], row["text"]) == (
        "CANCELED",
        "the broker does not have it, by olga: seen at the broker",
    )
    assert not incident(store, "ORDER_MISSING_AT_BROKER", order_id)
    assert broker.placed == []


def guard_rows(store, role="STOP_LOSS"):
    found = store["orders"].find({"order.role": role}).sort("child_number", 1)
    return list(found)


def guarded(store, desk):
    """A position with a stop; the stop's row once the broker has it."""
    wait_for(desk._is_open)
    settle(desk, store, add_order(store, make_order(stop_loss=Decimal(140))))
    return wait_for(lambda: [row for row in guard_rows(store) if row["status"] == "SUBMITTED"])[0]


def test_a_guard_of_a_day_is_placed_again_on_the_next(store, open_desk):
    broker = Daily(ACCOUNT)
    desk = open_desk(broker)
    first = guarded(store, desk)
    assert first["order"]["time_in_force"] == "DAY"
    broker.end_of_day(first["_id"], utc_now() - timedelta(days=4))  # a weekend is no longer
    _, second = wait_for(lambda: len(rows := guard_rows(store)) == 2 and rows)
    wait_for(lambda: stored(store, second["_id"])["status"] == "SUBMITTED")
    assert stored(store, second["_id"])["order"]["quantity"] == 17
    assert store["incidents"].count_documents({"status": "OPEN"}) == 0


def test_between_two_days_a_guard_waits_and_nobody_is_alarmed(store, open_desk):
    broker = Daily(ACCOUNT)
    desk = open_desk(broker)
    first = guarded(store, desk)
    broker.end_of_day(first["_id"], utc_now())
    wait_for(lambda: stored(store, first["_id"])["status"] == "EXPIRED")
    (due,) = wait_for(lambda: list(desk._tending._again.values()))
    assert due > utc_now()
    assert len(guard_rows(store)) == 1
    assert store["incidents"].count_documents({"status": "OPEN"}) == 0


def test_a_position_whose_guard_is_refused_on_the_next_day_is_told(store, open_desk):
    broker = Daily(ACCOUNT)
    desk = open_desk(broker)
    first = guarded(store, desk)
    broker.refusal = "trigger price is above the last price"
    broker.end_of_day(first["_id"], utc_now() - timedelta(days=4))
    parent = first["order"]["parent_order_id"]
    wait_for(lambda: incident(store, "GUARD_LOST", f"{parent}|STOP_LOSS"))
    assert [row["status"] for row in guard_rows(store)] == ["EXPIRED", "REJECTED"]


def test_a_commission_that_comes_late_is_booked_without_alarm(store, open_desk):
    broker = FakeBroker(ACCOUNT)
    desk = open_desk(broker)
    wait_for(lambda: desk._is_open() and broker.handler)
    entered(store, desk)
    report = broker.find_order(broker.sent[0].client_order_id)
    costs = {"revision": 1, "commission": Decimal("3.25")}
    told = report.executions[0].model_copy(update=costs)
    broker.handler(report.model_copy(update={"executions": (told,)}), "9")
    rows = list(store["execution_confirmations"].find().sort("revision", 1))
    assert [(row["commission"], row.get("void", False)) for row in rows] == [
        (Decimal("1.00"), True),
        (Decimal("3.25"), False),
    ]
    assert store["cash_flows"].find_one()["commissions"] == Decimal("3.25")
    assert store["positions"].find_one()["quantity"] == 17
    assert store["incidents"].count_documents({}) == 0


def test_limits_that_a_broker_tells_once_it_is_connected_are_kept(store, open_desk):
    class Telling(FakeBroker):
        def connect(self):
            super().connect()
            told = {"messages_per_second": 40.0, "orders_per_second": 10.0}
            self.capabilities = FakeBroker.capabilities.model_copy(update=told)

    desk = open_desk(Telling(ACCOUNT))
    assert desk._counter.budget.orders_now(1000) == 1000
    wait_for(desk._is_open)
    assert desk._counter.budget.orders_now(1000) == 8
