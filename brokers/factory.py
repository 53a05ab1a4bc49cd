"""Which adapter an account's broker needs."""

from __future__ import annotations

from collections.abc import Callable

from brokers.broker import Broker
from brokers.mock.adapter import MockBroker
from services.domain.errors import ConfigurationError
from services.domain.values import Frozen


class BrokerConnection(Frozen):
    """Where brokers are, and how long they may take."""

    mock_base_url: str
    timeout_seconds: float


def _mock(account_id: str, connection: BrokerConnection) -> Broker:
    return MockBroker(
        account_id,
        base_url=connection.mock_base_url,
        timeout_seconds=connection.timeout_seconds,
    )


_ADAPTERS: dict[str, Callable[[str, BrokerConnection], Broker]] = {"MOCK": _mock}


def create_broker(broker: str, account_id: str, *, connection: BrokerConnection) -> Broker:
    """The adapter for one account, not connected yet.

    Raises:
        ConfigurationError: there is no adapter for such a broker.
    """
    adapter = _ADAPTERS.get(broker.strip().upper())
    if adapter is None:
        raise ConfigurationError(
            f"account {account_id}: broker must be one of {', '.join(_ADAPTERS)}, was {broker!r}"
        )
    return adapter(account_id, connection)
