"""The factory: a broker's name makes its adapter, and a wrong name says which there are."""

import subprocess
import sys

import pytest

from brokers.accounts import Purpose
from brokers.factory import BrokerConnection, create_broker
from brokers.mock.adapter import MockBroker
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError

CONNECTION = BrokerConnection(mock_base_url="http://127.0.0.1:1", timeout_seconds=1)


def created(account, purpose=Purpose.ORDERS):
    return create_broker(account, CONNECTION, purpose=purpose)


def test_the_mock_broker_is_made_and_not_connected():
    broker = created(BrokerAccount("Mock-1", "MOCK"))
    assert isinstance(broker, MockBroker)
    assert broker.account_id == "Mock-1"
    assert not broker.is_connected()


IBKR = {"port": 4002, "client_id": 3, "broker_account": "DU1"}
KITE = {"api_key": "k", "root": "http://127.0.0.1:1", "ticker_url": "ws://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("name", "connection", "adapter"),
    [("IBKR", IBKR, "IbkrBroker"), ("ZERODHA", KITE, "ZerodhaBroker")],
)
@pytest.mark.parametrize("purpose", Purpose)
def test_real_brokers_are_made_for_every_purpose_and_not_connected(
    name, connection, adapter, purpose
):
    broker = created(BrokerAccount("X-1", name, connection=connection), purpose)
    try:
        assert type(broker).__name__ == adapter
        assert broker.account_id == "X-1"
        assert not broker.is_connected()
    finally:
        broker.close()


def test_an_unknown_broker_is_named_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"Mock-1.*MOCK.*'ACME'"):
        created(BrokerAccount("Mock-1", "ACME"))


def test_what_cannot_be_used_is_refused_before_an_adapter_is_made():
    with pytest.raises(ConfigurationError, match=r"account IB-1: connection\.port"):
        created(BrokerAccount("IB-1", "IBKR", connection={"client_id": 1, "broker_account": "DU1"}))


def test_an_installation_on_the_mock_broker_loads_no_other_brokers_library():
    program = (
        "import sys; from brokers.accounts import Purpose; "
        "from brokers.factory import BrokerConnection, create_broker; "
        "from services.domain.broker_accounts import BrokerAccount; "
        "create_broker(BrokerAccount('A', 'MOCK'), "
        "BrokerConnection(mock_base_url='http://127.0.0.1:1', timeout_seconds=1), "
        "purpose=Purpose.ORDERS); "
        "print(sorted({'twisted', 'kiteconnect', 'ib_async', 'ib_insync'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
