"""Which accounts execution opens: each by itself, whatever the others look like."""

import logging
from dataclasses import replace

import pytest

from brokers.accounts import check_account
from services.common.broker_accounts import BrokerAccounts
from services.common.settings import CommonSettings
from services.common.vault import Vault
from services.domain.errors import TransientError
from services.execution.service import Execution
from tests.fakes.broker import FakeBroker
from tests.support.builders import make_order
from tests.support.desks import add_order, make_desk, stored, wait_for
from tests.support.rows import add_account, allow_trading

pytestmark = pytest.mark.servers
IBKR = {"port": 4002, "client_id": 1, "broker_account": "DU1"}


@pytest.fixture
def opened():
    """Every account that was opened, with its broker, in order."""
    return []


@pytest.fixture
def begin(store, opened, monkeypatch, connection):
    monkeypatch.setattr("services.execution.service._LOOK_FOR_ACCOUNTS_SECONDS", 0.1)
    allow_trading(store)
    started = []

    def open_desk(account, others):
        check_account(account, others)
        broker = FakeBroker(account.account_id)
        opened.append((account, broker))
        return make_desk(store, broker)

    def start(*, live=False):
        accounts = BrokerAccounts(store, Vault(CommonSettings(**connection)))
        execution = Execution(store, accounts, open_desk, live=live)
        execution.start()
        started.append(execution)
        return execution

    yield start
    for each in started:
        each.stop()


def incident(store, kind, account_id):
    return store["incidents"].find_one({"_id": f"{kind}|{account_id}", "status": "OPEN"})


def names(opened):
    return [account.account_id for account, _ in opened]


def change(store, account_id, **fields):
    store["trading_accounts"].update_one({"_id": account_id}, {"$set": fields})


def trades(store, account_id, signal_id="sig_1"):
    order_id = add_order(store, make_order(account_id=account_id, signal_id=signal_id))
    return wait_for(lambda: stored(store, order_id)["status"] == "FILLED")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"broker": "ACME"}, "broker must be one of"),
        ({"account_type": "DEMO"}, "account_type must be one of"),
        ({"broker": "IBKR", "connection": IBKR | {"port": 4001}}, "is a LIVE gateway's"),
        ({"broker": "IBKR", "connection": "4002"}, "connection must be an object"),
        ({"broker": None}, "broker must be one of"),
    ],
)
def test_a_bad_account_is_told_and_stops_no_other(store, begin, opened, fields, sentence):
    add_account(store, "A", **fields)
    add_account(store, "B")
    begin()
    assert trades(store, "B")
    assert sentence in incident(store, "ACCOUNT_MISCONFIGURED", "A")["sentence"]
    assert names(opened) == ["B"]


def test_it_opens_once_it_is_mended_without_a_restart(store, begin, opened):
    add_account(store, "A", broker="IBKR", connection=IBKR | {"prot": 1})
    begin()
    told = wait_for(lambda: incident(store, "ACCOUNT_MISCONFIGURED", "A"))
    assert "connection has no field 'prot'" in told["sentence"]
    assert told["count"] == 1
    change(store, "A", connection=IBKR)
    assert trades(store, "A")
    assert not incident(store, "ACCOUNT_MISCONFIGURED", "A")


def test_the_second_of_two_on_one_client_id_stays_closed_until_it_has_its_own(store, begin, opened):
    add_account(store, "A", broker="IBKR", connection=IBKR)
    add_account(store, "B", broker="IBKR", connection=IBKR | {"broker_account": "DU2"})
    begin()
    told = wait_for(lambda: incident(store, "ACCOUNT_MISCONFIGURED", "B"))
    assert "client id 1 at 127.0.0.1:4002 is account A already" in told["sentence"]
    change(store, "B", connection=IBKR | {"broker_account": "DU2", "client_id": 2})
    assert trades(store, "B")
    assert names(opened) == ["A", "B"]


def test_a_changed_connection_is_used_at_once_and_the_old_one_closed(store, begin, opened):
    add_account(store, "A", broker="IBKR", connection=IBKR)
    begin()
    assert trades(store, "A")
    change(store, "A", connection=IBKR | {"port": 7497})
    wait_for(lambda: len(opened) == 2)
    assert trades(store, "A", "sig_2")
    (_, first), (account, second) = opened
    assert account == replace(opened[0][0], connection=IBKR | {"port": 7497})
    assert [len(each.sent) for each in (first, second)] == [1, 1]


def test_a_live_account_stays_closed_without_live_and_the_incident_ends_with_it(
    store, begin, opened
):
    add_account(store, "A", account_type="LIVE")
    execution = begin()
    wait_for(lambda: incident(store, "LIVE_ACCOUNT_IN_PAPER_MODE", "A"))
    assert opened == []
    with pytest.raises(TransientError, match="no desk for account A"):
        execution.on_orders([{"account_id": "A", "client_order_id": "x"}])
    execution.stop()
    begin(live=True)
    assert trades(store, "A")
    assert not incident(store, "LIVE_ACCOUNT_IN_PAPER_MODE", "A")


def test_an_adapter_that_breaks_while_it_is_made_ends_no_thread_and_stops_no_other(
    store, begin, opened, monkeypatch
):
    def breaks(account, _others):
        if account.account_id == "A":
            raise ImportError("half installed")

    monkeypatch.setattr(f"{__name__}.check_account", breaks)
    add_account(store, "A")
    begin()
    wait_for(lambda: incident(store, "ACCOUNT_MISCONFIGURED", "A"))
    add_account(store, "B")
    wait_for(lambda: "B" in names(opened))
    told = incident(store, "ACCOUNT_MISCONFIGURED", "A")
    assert "ImportError: half installed; it is tried again" in told["sentence"]
    assert told["count"] == 1
    monkeypatch.setattr(f"{__name__}.check_account", lambda *_: None)
    wait_for(lambda: "A" in names(opened))
    wait_for(lambda: incident(store, "ACCOUNT_MISCONFIGURED", "A") is None)


def test_a_list_of_accounts_that_cannot_be_read_is_told_once_and_read_again(
    store, begin, opened, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, logger="services.execution.service")
    tries = []
    active = BrokerAccounts.active

    def breaks(self):
        tries.append(1)
        raise ValueError("a row")

    monkeypatch.setattr(BrokerAccounts, "active", breaks)
    add_account(store, "A")
    begin()
    wait_for(lambda: len(tries) > 3)
    monkeypatch.setattr(BrokerAccounts, "active", active)
    wait_for(lambda: "A" in names(opened))
    assert caplog.text.count("accounts cannot be opened: ValueError: a row") == 1
