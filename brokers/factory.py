"""Which adapter an account's broker needs.

Adapters are imported when an account asks for them: an installation on the mock broker needs no
other broker's library.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from brokers.accounts import Purpose, account_type, check_account, ibkr_link, zerodha_link
from brokers.broker import Broker
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError
from services.domain.values import Frozen


class BrokerConnection(Frozen):
    """Where brokers are, and how long they may take.

    Attributes:
        cache: folder for what a broker publishes once a day, e.g. its instruments.
    """

    mock_base_url: str
    timeout_seconds: float
    cache: Path = Path(".data/brokers")


def _mock(account: BrokerAccount, connection: BrokerConnection, _purpose: Purpose) -> Broker:
    from brokers.mock.adapter import MockBroker  # noqa: PLC0415 - as the others

    return MockBroker(
        account.account_id,
        base_url=connection.mock_base_url,
        timeout_seconds=connection.timeout_seconds,
    )


def _ibkr(account: BrokerAccount, connection: BrokerConnection, purpose: Purpose) -> Broker:
    from brokers.ibkr.adapter import IbkrBroker  # noqa: PLC0415 - only where it is used

    return IbkrBroker(
        account.account_id,
        link=ibkr_link(account, purpose),
        account_type=account_type(account),
        timeout_seconds=connection.timeout_seconds,
    )


def _zerodha(account: BrokerAccount, connection: BrokerConnection, _purpose: Purpose) -> Broker:
    from brokers.zerodha.adapter import ZerodhaBroker  # noqa: PLC0415 - it imports Twisted

    return ZerodhaBroker(
        account.account_id,
        link=zerodha_link(account),
        secrets=account.secrets,
        cache=connection.cache,
        timeout_seconds=connection.timeout_seconds,
    )


_ADAPTERS: Final[dict[str, Callable[[BrokerAccount, BrokerConnection, Purpose], Broker]]] = {
    "MOCK": _mock,
    "IBKR": _ibkr,
    "ZERODHA": _zerodha,
}


def create_broker(
    account: BrokerAccount, connection: BrokerConnection, *, purpose: Purpose
) -> Broker:
    """The adapter for one account, not connected yet.

    Raises:
        ConfigurationError: there is no adapter for such a broker, its library is not installed, or
            the account's connection cannot be used.
    """
    check_account(account)
    try:
        return _ADAPTERS[account.broker](account, connection, purpose)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"account {account.account_id}: broker {account.broker} needs the package "
            f"{error.name}: pip install -r requirements.txt"
        ) from error
