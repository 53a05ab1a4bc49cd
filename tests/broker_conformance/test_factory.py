"""The factory: a broker's name makes its adapter, and a wrong name says which there are."""

import pytest

from brokers.factory import BrokerConnection, create_broker
from brokers.mock.adapter import MockBroker
from services.domain.errors import ConfigurationError

CONNECTION = BrokerConnection(mock_base_url="http://127.0.0.1:1", timeout_seconds=1)


@pytest.mark.parametrize("name", ["MOCK", "mock", " Mock "])
def test_names_are_read_as_people_write_them(name):
    broker = create_broker(name, "Mock-1", connection=CONNECTION)
    assert isinstance(broker, MockBroker)
    assert broker.account_id == "Mock-1"
    assert not broker.is_connected()


def test_an_unknown_broker_is_named_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"Mock-1.*MOCK.*'ACME'"):
        create_broker("ACME", "Mock-1", connection=CONNECTION)
