"""The template of docs/adding-a-broker.md keeps the guarantees that it is to teach."""

import importlib.util
import inspect
import re
import threading
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from brokers.broker import Broker
from brokers.errors import BrokerUnavailable, LoginRequired, OrderRejected, OrderStateUnknown
from scripts.launcher.home import REPOSITORY
from services.domain.words import OrderStatus, OrderType
from tests.support.builders import make_instrument, make_order

FILE = REPOSITORY / "docs" / "examples" / "broker_template.py"
GUIDE = (REPOSITORY / "docs" / "adding-a-broker.md").read_text(encoding="utf-8")
AT = datetime(2026, 11, 20, 15, tzinfo=UTC)


def load():
    spec = importlib.util.spec_from_file_location("broker_template", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


template = load()


class Venue:
    """Takes orders and fills them at 150 when it is told; `fails` is raised by the next call.

    Attributes:
        hears: what is sent reaches it although the call fails.
    """

    def __init__(self):
        self.rows, self.fails, self.hears, self.places = [], None, False, 0

    def _call(self):
        failure, self.fails = self.fails, None
        if failure is not None:
            raise failure

    def log_in(self):
        self._call()

    def place(self, row):
        self.places += 1
        if self.fails is None or self.hears:
            order = {"id": f"V{len(self.rows)}", "status": "working", "currency": "USD"}
            self.rows.append({**row, **order, "at": AT, "fills": []})
        self._call()
        return self.rows[-1]

    def fill(self, quantity):
        row = self.rows[-1]
        number = f"F{len(row['fills'])}"
        fill = {"id": number, "quantity": quantity, "price": "150", "fee": "1", "at": AT}
        row["fills"].append(fill)
        row["status"] = "done"

    def cancel(self, reference):
        self._call()
        self.rows[-1]["status"] = "canceled"
        return self.rows[-1]

    def orders(self):
        self._call()
        return list(self.rows)

    def funds(self):
        self._call()
        amounts = dict.fromkeys(template._AMOUNTS, "1000.50")
        return {"currency": "USD", "at": AT, **amounts}

    def holdings(self):
        self._call()
        return [{"symbol": "AAPL", "currency": "USD", "quantity": "-3", "average_price": "150"}]

    def price(self, symbol):
        self._call()
        return None if symbol == "NONE" else {"price": "151", "at": AT}


@pytest.fixture
def venue():
    return Venue()


@pytest.fixture
def broker(venue):
    made = template.TemplateBroker("T-1", venue)
    made.connect()
    yield made
    made.close()


def limit():
    return make_order(order_type=OrderType.LIMIT, limit_price=Decimal(149))


def test_it_has_everything_that_a_broker_must_have():
    assert not inspect.isabstract(template.TemplateBroker)
    assert Broker.__abstractmethods__ <= set(vars(template.TemplateBroker))


def test_the_guide_names_every_method_of_the_interface():
    public = {name for name in vars(Broker) if not name.startswith("_")}
    assert public <= set(re.findall(r"`([a-z_]+)`", GUIDE))


def test_an_order_goes_once_and_comes_back_under_our_id(venue, broker):
    order = limit()
    report = broker.place_order(order)
    assert (report.client_order_id, report.status) == (order.client_order_id, OrderStatus.SUBMITTED)
    venue.fill("17")
    found = broker.find_order(order.client_order_id)
    assert (found.status, found.filled_quantity) == (OrderStatus.FILLED, 17)
    assert broker.executions() == list(found.executions)
    assert broker.find_order("MTNOTTHERE") is None
    assert venue.places == 1


@pytest.mark.parametrize(
    ("failure", "hears", "raised"),
    [
        (ConnectionRefusedError("refused"), False, BrokerUnavailable),
        (TimeoutError("5 s"), True, OrderStateUnknown),
        (ConnectionResetError("reset"), False, OrderStateUnknown),
    ],
)
def test_an_outcome_is_never_guessed(venue, broker, failure, hears, raised):
    venue.fails, venue.hears = failure, hears
    with pytest.raises(raised):
        broker.place_order(limit())
    assert not broker.is_connected()
    assert (broker.find_order(limit().client_order_id) is not None) is hears
    assert venue.places == 1


def test_a_refusal_is_the_venues_own(venue, broker):
    venue.fails = template.VenueRefused("NO_FUNDS", "not enough")
    with pytest.raises(OrderRejected, match="not enough") as caught:
        broker.place_order(limit())
    assert caught.value.code == "NO_FUNDS"


def test_a_query_that_fails_is_never_empty(venue, broker):
    for question in (broker.positions, broker.open_orders, broker.account_state, broker.executions):
        venue.fails = TimeoutError("5 s")
        with pytest.raises(BrokerUnavailable):
            question()


def test_two_orders_of_one_id_are_told(venue, broker):
    broker.place_order(limit())
    venue.rows.append(venue.rows[0])
    with pytest.raises(OrderStateUnknown, match="has 2 orders"):
        broker.find_order(limit().client_order_id)


def test_a_login_that_is_owed_is_named_whatever_was_asked(venue, broker):
    for call in (broker.connect, broker.positions, lambda: broker.place_order(limit())):
        venue.fails = PermissionError("the session has ended")
        with pytest.raises(LoginRequired, match="log in on the venue's page"):
            call()
    assert venue.rows == []


def test_the_account_is_read_exactly(broker):
    assert broker.account_state().equity == Decimal("1000.50")
    assert broker.positions()[0].quantity == -3
    assert broker.last_price(make_instrument()).price == 151
    assert broker.last_price(make_instrument("NONE")) is None


def test_the_stream_tells_again_what_its_handler_could_not_take(venue, broker, monkeypatch):
    monkeypatch.setattr(template, "_POLL_SECONDS", 0.01)
    broker.place_order(limit())
    told, enough = [], threading.Event()

    def handler(report, cursor):
        told.append((report.status, cursor))
        if len(told) == 1:
            venue.fill("17")
            raise ValueError("the database was away")
        enough.set()

    broker.stream_reports(handler, after=None)
    assert enough.wait(20)
    assert told == [(OrderStatus.SUBMITTED, "V0"), (OrderStatus.FILLED, "V0")]
