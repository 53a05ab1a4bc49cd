"""What only the mock broker's process promises: faults, odd names, many readers, wrong settings."""

import os
import subprocess
import sys
import threading
from decimal import Decimal

import pytest
import urllib3

from brokers.errors import OrderRejected, OrderStateUnknown
from brokers.mock.adapter import MockBroker
from services.domain.words import OrderStatus
from tests.support.broker_orders import eventually
from tests.support.builders import make_order
from tests.support.servers import REPOSITORY, start_mock_broker

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with start_mock_broker(tmp_path_factory.mktemp("mock")) as started:
        yield started


@pytest.fixture
def adapter(server):
    made = []

    def make(account_id, *, timeout_seconds=5.0):
        made.append(
            MockBroker(account_id, base_url=server.address, timeout_seconds=timeout_seconds)
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


def call(server, method, path, body=None):
    with urllib3.PoolManager(retries=False) as pool:
        answer = pool.request(method, server.address + path, json=body)
    return answer.status, answer.data.decode()


@pytest.mark.parametrize("account_id", ["acc#1", "acc?x=1", "a b%20c", "Konto-ü"])
def test_an_account_may_be_called_anything(adapter, account_id):
    broker = adapter(account_id)
    assert broker.place_order(make_order(account_id=account_id)).status is OrderStatus.FILLED
    assert len(broker.positions()) == 1
    assert broker.account_state().account_id == account_id


def test_a_price_key_may_hold_a_slash(server):
    assert call(server, "PUT", "/v1/prices/FOREX:EUR/USD:USD", {"price": "1.10"})[0] == 200
    assert '"FOREX:EUR/USD:USD":"1.10"' in call(server, "GET", "/v1/prices")[1]


@pytest.mark.parametrize("cash", ["-1", "NaN", "Infinity"])
def test_an_account_is_not_opened_with_nonsense(server, cash):
    assert call(server, "PUT", "/v1/accounts/Nonsense", {"cash": cash})[0] == 422


def test_an_account_opens_with_the_cash_asked_for_once(server, adapter):
    for cash in ("5000.50", "7"):
        assert call(server, "PUT", "/v1/accounts/Small", {"cash": cash})[0] == 204
    assert adapter("Small").account_state().cash == Decimal("5000.50")


def test_a_delayed_answer_in_time_is_an_answer(server, adapter):
    fault = {"account_id": "Late", "kind": "DELAY_ANSWER", "seconds": 0.3}
    assert call(server, "POST", "/v1/faults", fault)[0] == 204
    assert adapter("Late").place_order(make_order()).status is OrderStatus.FILLED


def test_rejects_on_command_as_often_as_asked(server, adapter):
    fault = {"account_id": "Refused", "kind": "REJECT_NEXT", "count": 2}
    assert call(server, "POST", "/v1/faults", fault)[0] == 204
    broker = adapter("Refused")
    for number in range(2):
        with pytest.raises(OrderRejected, match="on command"):
            broker.place_order(make_order(signal_id=f"sig_{number}"))
    assert broker.place_order(make_order(signal_id="sig_3")).status is OrderStatus.FILLED


def test_readers_of_many_accounts_leave_room_for_orders(adapter):
    """FastAPI has 40 threads, and each of these 60 readers keeps one waiting."""
    brokers = [adapter(f"Many-{number}") for number in range(60)]
    arrived = threading.Semaphore(0)
    for broker in brokers:
        broker.stream_reports(lambda _report, _cursor: arrived.release(), after=None)
    for broker in brokers:
        assert broker.place_order(make_order()).status is OrderStatus.FILLED
    for _ in brokers:
        assert arrived.acquire(timeout=10)


def test_health_and_metrics(server, adapter):
    adapter("Counted").place_order(make_order())
    status, health = call(server, "GET", "/health")
    assert status == 200
    assert '"service":"mock_broker"' in health
    assert '"ready":true' in health
    metrics = call(server, "GET", "/metrics")[1]
    assert 'mock_broker_orders_total{status="FILLED"}' in metrics
    assert "mock_broker_executions_total " in metrics
    assert "mock_broker_open_orders 0.0" in metrics


@pytest.mark.parametrize("step", ["BEFORE", "AFTER"])
def test_a_connection_that_is_cut_ends_without_a_byte(server, step):
    fault = {"account_id": "Cut", "kind": f"DISCONNECT_{step}_ACCEPT"}
    assert call(server, "POST", "/v1/faults", fault)[0] == 204
    body = make_order(account_id="Cut").model_dump(mode="json")
    with (
        urllib3.PoolManager(retries=False) as pool,
        pytest.raises(urllib3.exceptions.ProtocolError),
    ):
        pool.request("POST", f"{server.address}/v1/accounts/Cut/orders", json=body)
    fills = call(server, "GET", "/v1/accounts/Cut/executions")[1]
    assert ("execution_id" in fills) is (step == "AFTER")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/accounts/Odd/orders", {"quantity": "NaN"}),
        ("POST", "/v1/accounts/Odd/orders", None),
        ("PUT", "/v1/market", {"depth": -1}),
        ("PUT", "/v1/market", {"hours": {"STOCK": {"timezone": "X", "opens": "1", "closes": "2"}}}),
        ("PUT", "/v1/accounts/Odd/capabilities", {"wings": True}),
        ("POST", "/v1/feeds", {"kind": "WALK", "prices": {}}),
        ("POST", "/v1/faults", {"account_id": "Odd", "kind": "OVERFILL", "on": "CANCEL"}),
        ("POST", "/v1/accounts/Odd/manual-orders", {"side": "BUY"}),
        ("POST", "/v1/accounts/Odd/combos", []),
        ("PUT", "/v1/accounts/Odd/orders/MTX/terms", {"quantity": "0"}),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_with_a_sentence(server, method, path, body):
    status, sentence = call(server, method, path, body)
    assert status == 422
    assert len(sentence) > 20


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/accounts/Odd/fills", {"client_order_id": "MTX", "quantity": "1", "price": "1"}),
        ("/v1/accounts/Odd/revisions", {"execution_id": "X", "busted": True}),
        ("/v1/accounts/Odd/manual-orders/MOCK-0/cancel", None),
    ],
)
def test_a_command_about_what_is_not_there_says_so(server, path, body):
    status, sentence = call(server, "POST", path, body)
    assert status == 404
    assert "UNKNOWN" in sentence


def test_a_feed_moves_the_price_of_everybody(server, adapter):
    instrument = make_order().instrument.model_copy(update={"symbol": "FED"})
    ticks = [{"after_s": 0, "instrument_key": instrument.key, "price": "77"}]
    assert call(server, "POST", "/v1/feeds", {"kind": "SCRIPT", "ticks": ticks})[0] == 204
    assert eventually(lambda: adapter("Fed").last_price(instrument)).price == 77
    assert call(server, "DELETE", "/v1/feeds")[0] == 204


def test_answers_take_as_long_as_the_market_says(server, adapter):
    broker = adapter("Slow", timeout_seconds=0.3)
    assert call(server, "PUT", "/v1/market", {"latency_ms": 1000})[0] == 200
    try:
        with pytest.raises(OrderStateUnknown):
            broker.place_order(make_order(account_id="Slow"))
    finally:
        assert call(server, "PUT", "/v1/market", {})[0] == 200
    assert broker.find_order(make_order(account_id="Slow").client_order_id)


def test_what_the_broker_can_do_is_a_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("MOCK_CAPABILITIES", '{"brackets": false, "orders_per_second": 10}')
    monkeypatch.setenv("MOCK_MARKET", '{"depth": "4", "levels": 1}')
    with start_mock_broker(tmp_path) as started:
        broker = MockBroker("Set-1", base_url=started.address, timeout_seconds=5)
        broker.connect()
        assert not broker.capabilities.brackets
        assert broker.capabilities.orders_per_second == 10
        assert broker.place_order(make_order("10")).filled_quantity == 4
        broker.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOCK_INITIAL_CASH", "-1"),
        ("MOCK_CAPABILITIES", '{"wings": true}'),
        ("MOCK_CAPABILITIES", "[]"),
        ("MOCK_CAPABILITIES", "{"),
        ("MOCK_MARKET", '{"depth": 0}'),
        ("MOCK_FEED", "/nowhere/feed.csv"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_78(tmp_path, name, value):
    environment = {**os.environ, "MT_HOME": str(tmp_path), name: value}
    ended = subprocess.run(
        [sys.executable, "-m", "brokers.mock"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    (line,) = ended.stderr.strip().splitlines()
    assert name in line


def test_a_stop_is_graceful_while_a_reader_waits(tmp_path):
    with start_mock_broker(tmp_path) as started:
        broker = MockBroker("Stop-1", base_url=started.address, timeout_seconds=5)
        broker.stream_reports(lambda _report, _cursor: None, after=None)
        broker.place_order(make_order())
        started.process.terminate()
        assert started.process.wait(8) == 0
        broker.close()
