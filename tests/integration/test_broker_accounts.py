"""Secrets of broker accounts: sealed, found again, and nowhere to be read."""

import json
import logging

import pytest
from pydantic import SecretStr

from services.common.broker_accounts import BrokerAccounts
from services.common.broker_secrets import (
    environment_name,
    forget_secret,
    secret_places,
    secrets_of,
    store_secret,
)
from services.common.settings import CommonSettings
from services.common.vault import Vault
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError
from tests.support.rows import add_account

pytestmark = pytest.mark.servers
SECRET = "kite-s3cr3t-never-shown"


@pytest.fixture
def vault(connection):
    return Vault(CommonSettings(**connection))


@pytest.fixture
def account(store):
    add_account(store, "ZE-1", broker="zerodha", account_type="LIVE", connection={"api_key": "k"})
    return "ZE-1"


def row_of(store, account_id):
    return store["trading_accounts"].find_one({"_id": account_id})


def test_a_stored_secret_is_sealed_and_found_again(store, vault, account):
    store_secret(store, vault, account, "api_secret", SecretStr(f" {SECRET}\n"), by="olga")
    assert SECRET not in str(row_of(store, account))
    found = secrets_of(store, vault, account, environ={})
    assert found["api_secret"].get_secret_value() == SECRET
    assert SECRET not in repr(found)


def test_a_new_secret_takes_the_place_of_the_old_one_without_a_restart(store, vault, account):
    (read,) = BrokerAccounts(store, vault).active()
    for token in ("monday", "tuesday"):
        store_secret(store, vault, account, "access_token", SecretStr(token), by="olga")
        assert read.secrets()["access_token"].get_secret_value() == token


def test_the_environment_wins_and_names_are_made_plain(store, vault, account):
    store_secret(store, vault, account, "access_token", SecretStr("stored"), by="olga")
    assert environment_name("ZE-1", "access_token") == "BROKER_ZE_1_ACCESS_TOKEN"
    environ = {"BROKER_ZE_1_ACCESS_TOKEN": "given", "BROKER_ZE_11_API_SECRET": "another's"}
    found = secrets_of(store, vault, account, environ=environ)
    assert {name: each.get_secret_value() for name, each in found.items()} == {
        "access_token": "given"
    }


def test_where_a_secret_is_can_be_said_without_it(store, vault, account):
    store_secret(store, vault, account, "api_secret", SecretStr(SECRET), by="olga")
    environ = {"BROKER_ZE_1_OTHER": "x"}
    names = ("api_secret", "access_token", "other")
    places = secret_places(row_of(store, account), names, environ=environ)
    assert places["api_secret"].startswith("stored 20")
    assert places["api_secret"].endswith("by olga")
    assert places["access_token"] == "missing"
    assert places["other"] == "from the environment, BROKER_ZE_1_OTHER"


def test_every_change_is_audited_without_the_secret(store, vault, account, caplog):
    caplog.set_level(logging.DEBUG)
    store_secret(store, vault, account, "api_secret", SecretStr(SECRET), by="olga")
    forget_secret(store, account, "api_secret", by="otto")
    rows = list(store["audit_log"].find({}, {"_id": 0, "recorded_at": 0}))
    assert [(row["what"], row["by"]) for row in rows] == [
        ("BROKER_SECRET_STORED", "olga"),
        ("BROKER_SECRET_FORGOTTEN", "otto"),
    ]
    assert SECRET not in json.dumps(rows) + caplog.text
    assert secrets_of(store, vault, account, environ={}) == {}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("nobody", "api_secret", "x"), "no account named 'nobody'"),
        (("ZE-1", "a.b", "x"), "lower-case letters"),
        (("ZE-1", "api_secret", "  "), "must not be empty"),
    ],
)
def test_what_is_no_secret_of_an_account_is_refused(store, vault, account, given, sentence):
    account_id, name, value = given
    with pytest.raises(ConfigurationError, match=sentence):
        store_secret(store, vault, account_id, name, SecretStr(value), by="olga")
    assert row_of(store, account).get("secrets") is None
    assert store["audit_log"].count_documents({}) == 0


def test_another_machines_seal_is_said_without_the_secret(store, vault, account, connection):
    store_secret(store, vault, account, "api_secret", SecretStr(SECRET), by="olga")
    other = "0" * 43 + "="
    stranger = Vault(CommonSettings(**connection | {"mt_secret_key": other}))
    with pytest.raises(ConfigurationError, match="sealed with another key"):
        secrets_of(store, stranger, account, environ={})


def test_an_account_is_read_as_its_adapter_needs_it(store, vault, account):
    read = BrokerAccounts(store, vault).active()
    assert read == [BrokerAccount("ZE-1", "ZERODHA", "LIVE", {"api_key": "k"})]
    assert read != [BrokerAccount("ZE-1", "ZERODHA", "LIVE", {"api_key": "other"})]
    (mock,) = BrokerAccounts(store, vault, use_mock_broker=True).active()
    assert (mock.broker, mock.connection, mock.secrets()) == ("MOCK", {}, {})


def test_a_row_that_makes_no_sense_keeps_no_other_account_from_being_read(store, vault, account):
    add_account(store, "A", broker=None, account_type="DEMO", connection="x")
    add_account(store, "B", status="INACTIVE")
    assert [each.account_id for each in BrokerAccounts(store, vault).active()] == ["A", "ZE-1"]
