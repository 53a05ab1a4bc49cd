"""check_broker.py at the fakes of real brokers: it says how an account is, and sends nothing."""

import json

import pytest
import urllib3
from pydantic import SecretStr

from scripts import check_broker
from services.common.broker_secrets import store_secret
from services.common.settings import CommonSettings
from services.common.vault import Vault
from tests.support.rows import add_account
from tests.support.servers import free_port, start_fake

pytestmark = pytest.mark.servers
DU, KITE = "DU1000001", "Conformance-1"


@pytest.fixture(autouse=True)
def _typed_on_this_store(store, typed_here, monkeypatch):
    monkeypatch.setenv("ORDER_TIMEOUT_S", "20")


@pytest.fixture
def gateway(store, tmp_path):
    """A fake IB Gateway, and an account at it."""
    port, control = free_port(), free_port()
    with start_fake("tws", tmp_path, port=port, control_port=control) as server:
        fields = {"port": port, "client_id": 7, "broker_account": DU}
        add_account(store, "IB-1", broker="IBKR", currency="INR", connection=fields)
        yield server


@pytest.fixture
def kite(store, connection, tmp_path):
    """A fake Kite, and an account at it whose token is stored."""
    port, control = free_port(), free_port()
    with start_fake("kite", tmp_path, port=port, control_port=control) as server:
        fields = {
            "api_key": "kitekey",
            "user_id": "AB1234",
            "root": f"http://127.0.0.1:{port}",
            "ticker_url": f"ws://127.0.0.1:{port}",
        }
        add_account(store, "ZE-1", broker="ZERODHA", currency="INR", connection=fields)
        keep(store, connection, "kitetoken")
        yield server


def keep(store, connection, token):
    vault = Vault(CommonSettings(**connection))
    for name, value in (("api_secret", "kitesecret"), ("access_token", token)):
        store_secret(store, vault, "ZE-1", name, SecretStr(value), by="olga")


def asked_of(server, path):
    with urllib3.PoolManager() as http:
        return http.request("GET", f"{server.address}{path}").json()


def checked(capsys, *words):
    code = check_broker.main([*words, "--json"])
    said = capsys.readouterr()
    (report,) = json.loads(said.out)
    return code, report


def test_an_account_at_interactive_brokers(gateway, capsys):
    with urllib3.PoolManager() as http:
        http.request("PUT", f"{gateway.address}/v1/prices/STOCK:INFY:INR", json={"price": "151"})
    code, report = checked(capsys, "IB-1")
    assert (report["missing"], code) == ([], 0)
    assert report["place"].startswith(f"{DU} at 127.0.0.1:")
    assert report["state"]["currency"] == "INR"
    assert report["quote"]["price"] == "151"
    assert report["capabilities"]["brackets"]
    assert report["remembers_since"]
    assert abs(report["clock_skew_seconds"]) < 2
    assert asked_of(gateway, f"/v1/accounts/{DU}/orders") == []
    assert asked_of(gateway, "/v1/violations") == []


def test_an_account_at_zerodha(kite, capsys):
    with urllib3.PoolManager() as http:
        http.request("PUT", f"{kite.address}/v1/prices/STOCK:INFY:INR", json={"price": "151"})
    code, report = checked(capsys, "ZE-1")
    assert (report["missing"], code) == ([], 0)
    assert report["secrets"]["access_token"].endswith("by olga")
    assert sorted(report["capabilities"]["times_in_force"]) == ["DAY", "IOC"]
    assert report["remembers_since"]
    assert asked_of(kite, f"/v1/accounts/{KITE}/orders") == []
    assert asked_of(kite, "/v1/violations") == []


def test_a_token_of_yesterday_says_who_must_log_in(store, connection, kite, capsys):
    keep(store, connection, "yesterdays")
    code, report = checked(capsys, "ZE-1")
    assert (code, report["connected"]) == (1, False)
    (missing,) = report["missing"]
    assert missing["mend"] == "scripts/zerodha_login.py ZE-1"
    assert "yesterdays" not in json.dumps(report)


def test_another_login_at_the_gateway_is_missing_the_account(store, gateway, capsys):
    store["trading_accounts"].update_one(
        {"_id": "IB-1"}, {"$set": {"connection.broker_account": "DU7"}}
    )
    code, report = checked(capsys, "IB-1")
    assert code == 1
    assert "DU7" in report["missing"][0]["what"]
