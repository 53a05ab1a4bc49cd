"""zerodha_login.py as an operator types it, with a browser that comes back from the fake Kite."""

import io
import threading

import pytest
import urllib3
from pydantic import SecretStr

from scripts import zerodha_login
from services.common.broker_secrets import environment_name, secrets_of, store_secret
from services.common.settings import CommonSettings
from services.common.vault import Vault
from tests.support.benches.zerodha import ZerodhaBench
from tests.support.broker_orders import eventually
from tests.support.rows import add_account
from tests.support.servers import free_port

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def kite(tmp_path_factory):
    made = ZerodhaBench(tmp_path_factory.mktemp("kite"))
    made.begin()
    yield made
    made.end()
    made.stop()


@pytest.fixture
def vault(connection):
    return Vault(CommonSettings(**connection))


@pytest.fixture
def account(store, vault, kite, typed_here):
    """ZE-1, and the secret of its app."""
    connection = kite.link().model_dump(mode="json", exclude_defaults=True)
    add_account(store, "ZE-1", broker="ZERODHA", connection=connection)
    store_secret(store, vault, "ZE-1", "api_secret", SecretStr("kitesecret"), by="olga")


def request_token(kite):
    return kite.call("POST", "/v1/kite/login")["request_token"]


def typed(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))


def token_of(store, vault):
    found = secrets_of(store, vault, "ZE-1", environ={}).get("access_token")
    return found and found.get_secret_value()


def test_a_login_is_kept_sealed_shown_to_nobody_and_trades(
    store, vault, kite, account, monkeypatch, capsys
):
    typed(monkeypatch, f"http://127.0.0.1/?status=success&request_token={request_token(kite)}")
    assert zerodha_login.main(["ZE-1", "--by", "olga"]) == 0
    said = capsys.readouterr()
    token = token_of(store, vault)
    assert "https://kite.zerodha.com/connect/login?api_key=kitekey" in said.out
    assert "account ZE-1: AB1234 is logged in until" in said.out
    assert "06:00 IST" in said.out
    assert token not in said.out + said.err
    assert token not in str(store["trading_accounts"].find_one({"_id": "ZE-1"}))
    kite.secrets = {"access_token": SecretStr(token)}
    assert kite.connected().is_connected()
    (row,) = store["audit_log"].find({"by": "olga", "facts.secret": "access_token"})
    assert token not in str(row)


def test_a_browser_that_comes_back_is_enough(store, vault, kite, account, capsys):
    port, codes = free_port(), []

    def log_in():
        codes.append(zerodha_login.main(["ZE-1", "--listen", str(port)]))

    waiting = threading.Thread(target=log_in)
    waiting.start()
    with urllib3.PoolManager(retries=False) as browser:

        def visit(path):
            try:
                return browser.request("GET", f"http://127.0.0.1:{port}{path}", timeout=5).status
            except urllib3.exceptions.HTTPError:
                return None

        assert eventually(lambda: visit("/favicon.ico")) == 404
        token = request_token(kite)
        assert visit(f"/?action=login&status=success&request_token={token}") == 200
    waiting.join(timeout=30)
    assert codes == [0]
    assert token_of(store, vault)
    assert token not in capsys.readouterr().out


def test_a_request_token_that_kite_does_not_take_changes_nothing(
    store, vault, account, monkeypatch, capsys
):
    typed(monkeypatch, "abc123")
    assert zerodha_login.main(["ZE-1"]) == 1
    assert "Kite has not taken the login" in capsys.readouterr().err
    assert token_of(store, vault) is None


@pytest.mark.parametrize("text", ["", "not a token", "http://127.0.0.1/?status=cancelled"])
def test_what_holds_no_token_is_said(store, vault, account, monkeypatch, capsys, text):
    typed(monkeypatch, text)
    assert zerodha_login.main(["ZE-1"]) == 1
    assert "request" in capsys.readouterr().err
    assert token_of(store, vault) is None


def test_another_users_login_is_not_kept(store, vault, kite, account, monkeypatch, capsys):
    store["trading_accounts"].update_one(
        {"_id": "ZE-1"}, {"$set": {"connection.user_id": "XY9999"}}
    )
    typed(monkeypatch, request_token(kite))
    assert zerodha_login.main(["ZE-1"]) == 1
    assert "the account is of XY9999, and AB1234 logged in" in capsys.readouterr().err
    assert token_of(store, vault) is None


def test_a_token_of_the_environment_would_win_over_the_login(account, monkeypatch, capsys):
    monkeypatch.setenv(environment_name("ZE-1", "access_token"), "of-the-environment")
    assert zerodha_login.main(["ZE-1"]) == 1
    said = capsys.readouterr().err
    assert "BROKER_ZE_1_ACCESS_TOKEN is set" in said
    assert "of-the-environment" not in said


def test_an_account_that_cannot_log_in_says_why(store, account, capsys):
    assert zerodha_login.main(["NOBODY"]) == 1
    assert "no account named 'NOBODY'" in capsys.readouterr().err
    add_account(store, "Mock-1")
    assert zerodha_login.main(["Mock-1"]) == 1
    assert "is at MOCK" in capsys.readouterr().err
    store["trading_accounts"].update_one({"_id": "ZE-1"}, {"$unset": {"secrets": ""}})
    assert zerodha_login.main(["ZE-1"]) == 1
    assert "accounts.py secret ZE-1 api_secret" in capsys.readouterr().err
