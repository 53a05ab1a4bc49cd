"""Wiring of account data."""

from __future__ import annotations

import sys
from typing import Final

from brokers.accounts import Purpose
from brokers.broker import Broker
from brokers.factory import BrokerConnection, create_broker
from services.account_data.api import create_app
from services.account_data.capital import Capital
from services.account_data.money_api import add_money_routes
from services.account_data.readings import Readings
from services.account_data.service import AccountData
from services.account_data.setup_api import add_broker_routes, add_setup_routes
from services.account_data.store import AccountStore
from services.common.alarms import watch_alarms
from services.common.broker_accounts import BrokerAccounts
from services.common.daemon import Process, main
from services.common.http import serve_http
from services.common.migrations import open_store
from services.common.operators import KEY_SECONDS, Operators
from services.common.settings import AccountDataSettings
from services.common.subscriber import Subscriber
from services.common.topology import ACCOUNT_DATA_CONFIRMATIONS
from services.common.vault import Vault
from services.domain.broker_accounts import BrokerAccount

_SWITCH_SECONDS: Final = 0.0005


#: A difference of books and broker is told at the third poll that shows it.
_LOOKS_APART: Final = 2


def build(process: Process[AccountDataSettings]) -> None:
    """Store and brokers → pollers; doorbells → pollers; store → HTTP."""
    settings = process.settings
    # Pollers decode in threads of their own; an answer over HTTP waits for the interpreter behind
    # each of them, by default 5 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)
    store = open_store(process)
    process.on_exit(store.close)
    connection = BrokerConnection(
        mock_base_url=f"http://127.0.0.1:{settings.port('mock_broker')}",
        timeout_seconds=settings.order_timeout_s,
        cache=settings.mt_home / ".data" / "brokers",
    )

    def open_broker(account: BrokerAccount) -> Broker:
        return create_broker(account, connection, purpose=Purpose.DATA)

    # Stale means the same here as to Cerebro, which denies entries on it.
    max_age = float(settings.account_max_age_s)
    jump_ratio = settings.equity_jump_pct / 100
    accounts = AccountStore(
        store,
        fund_currency=settings.fund_currency,
        jump_ratio=jump_ratio,
        settle_seconds=settings.account_poll_s * _LOOKS_APART,
    )
    vault = Vault(settings)
    polling = AccountData(
        accounts,
        BrokerAccounts(store, vault, use_mock_broker=settings.use_mock_broker),
        open_broker,
        poll_seconds=settings.account_poll_s,
        max_age_seconds=max_age,
        on_death=process.fail,
    )
    subscriber = Subscriber(
        settings,
        store,
        ACCOUNT_DATA_CONFIRMATIONS,
        polling.on_confirmations,
        on_death=process.fail,
    )
    process.health.add("mongodb", store.state)
    process.health.add("bus", subscriber.state)
    process.health.add("accounts", polling.state, outside=True)
    process.add(polling)
    process.add(subscriber)
    currency = settings.fund_currency
    readings = Readings(store, max_age_seconds=max_age, fund_currency=currency)
    process.add(readings)
    watch_alarms(process, store)
    capital = Capital(store, fund_currency=currency, jump_ratio=jump_ratio)
    operators = Operators(store, cache_seconds=KEY_SECONDS)
    app = create_app(readings, process.health, operators)
    add_setup_routes(app, store, vault, readings)
    add_broker_routes(app, polling, readings)
    add_money_routes(app, capital, readings, after=polling.keep_fund)
    serve_http(process, app)


if __name__ == "__main__":
    main("account_data", AccountDataSettings, build)
