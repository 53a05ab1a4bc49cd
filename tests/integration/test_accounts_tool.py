"""accounts.py as an operator types it: what cannot be opened is refused, secrets stay secret."""

import io
import json

import pytest

from scripts import accounts
from services.common.broker_secrets import secrets_of
from services.common.settings import CommonSettings
from services.common.vault import Vault
from tests.support.builders import make_order
from tests.support.desks import add_order
from tests.support.rows import add_strategy

pytestmark = pytest.mark.servers
SIGNED = ("--by", "olga", "--reason", "set up")
IBKR = ("--broker", "ibkr", "--currency", "USD", "port=4002", "client_id=1")
KITE = ("--broker", "ZERODHA", "--type", "live", "--currency", "INR", "api_key=k3y")
SECRET = "s3cr3t-of-kite"


@pytest.fixture(autouse=True)
def _typed_on_this_store(typed_here):
    pass


def run(*words):
    return accounts.main(list(words))


def add(account_id="IB-1", *more, broker_account="DU1"):
    return run("add", account_id, *IBKR, f"broker_account={broker_account}", *more, *SIGNED)


def refused(capsys, *words):
    assert run(*words) == 1
    return capsys.readouterr().err


def row(store, account_id="IB-1"):
    return store["trading_accounts"].find_one({"_id": account_id})


def test_an_account_is_added_with_nothing_but_what_was_typed(store, capsys):
    assert add("IB-1", "outside_rth=true") == 0
    told = json.loads(capsys.readouterr().out)
    connection = {"port": 4002, "client_id": 1, "outside_rth": True, "broker_account": "DU1"}
    assert told["connection"] == connection
    assert (told["broker"], told["account_type"], told["secrets"]) == ("IBKR", "PAPER", {})
    kept = row(store)
    assert (kept["status"], kept["equity"], kept["as_of"]) == ("ACTIVE", None, None)
    (act,) = store["audit_log"].find({"what": "ACCOUNT_ADDED"})
    assert (act["by"], act["facts"]["connection"]) == ("olga", connection)


def test_what_could_not_be_opened_is_refused_and_nothing_is_there(store, capsys):
    common = ("add", "IB-1", "--broker", "IBKR", "--currency", "USD", *SIGNED)
    for fields, sentence in (
        (("port=4001", "client_id=1", "broker_account=DU1"), "LIVE gateway"),
        (("port=4002", "client_id=1"), "connection.broker_account: Field required"),
        (("port=4002", "client_id=1", "broker_account=DU1", "prot=1"), "no field 'prot'"),
        (("port",), "expected FIELD=VALUE, was 'port'"),
    ):
        assert sentence in refused(capsys, *common, *fields)
    assert "three capitals" in refused(
        capsys, *("add", "M", "--broker", "MOCK"), "--currency", "x", *SIGNED
    )
    assert "must be up to 40 letters" in refused(
        capsys, "add", "a b", "--broker", "MOCK", "--currency", "USD", *SIGNED
    )
    assert store["trading_accounts"].count_documents({}) == 0
    assert store["audit_log"].count_documents({}) == 0


def test_no_two_accounts_share_a_name_a_client_id_or_secrets(store, capsys):
    assert add() == 0
    assert "is there already" in refused(
        capsys, "add", "IB-1", "--broker", "MOCK", "--currency", "USD", *SIGNED
    )
    again = ("add", "IB-2", *IBKR, "broker_account=DU2", *SIGNED)
    assert "client id 1 at 127.0.0.1:4002 is account IB-1 already" in refused(capsys, *again)
    alike = ("add", "ib_1", "--broker", "MOCK", "--currency", "USD", *SIGNED)
    assert "too like 'IB-1'" in refused(capsys, *alike)


def test_a_connection_is_changed_whole_or_not_at_all(store, capsys):
    add()
    assert run("set", "IB-1", "port=7497", "outside_rth=true", *SIGNED) == 0
    assert row(store)["connection"]["port"] == 7497
    assert "LIVE gateway" in refused(capsys, "set", "IB-1", "port=7496", "client_id=2", *SIGNED)
    assert row(store)["connection"]["client_id"] == 1
    assert run("set", "IB-1", "outside_rth=null", *SIGNED) == 0
    assert "outside_rth" not in row(store)["connection"]
    acts = store["audit_log"].count_documents({"what": "ACCOUNT_CONNECTION_SET"})
    assert acts == 2


def test_an_account_is_not_moved_away_from_what_it_holds(store, capsys):
    """With MIS the exit of what lies in the depot would be a sale of what is not held."""
    assert run("add", "ZE-1", *KITE, *SIGNED) == 0
    to_mis = ("set", "ZE-1", "product_equity=MIS", *SIGNED)
    store["positions"].insert_one({"_id": "p", "account_id": "ZE-1", "open": True})
    assert "open positions in product_equity CNC: close them first" in refused(capsys, *to_mis)
    assert "product_equity" not in row(store, "ZE-1")["connection"]
    assert run("set", "ZE-1", "product_equity=CNC", "user_id=AB1234", *SIGNED) == 0
    store["positions"].update_one({"_id": "p"}, {"$unset": {"open": ""}})
    order_id = add_order(store, make_order(account_id="ZE-1"))
    assert "open orders in product_equity CNC" in refused(capsys, *to_mis)
    store["orders"].update_one({"_id": order_id}, {"$unset": {"working": ""}})
    assert run(*to_mis) == 0
    assert row(store, "ZE-1")["connection"]["product_equity"] == "MIS"


def test_a_secret_is_read_from_standard_input_and_never_shown(
    store, connection, capsys, monkeypatch
):
    assert run("add", "ZE-1", *KITE, *SIGNED) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    assert run("secret", "ZE-1", "api_secret", "--by", "olga") == 0
    assert run("show", "ZE-1") == 0
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    shown = json.loads(said.out[said.out.rindex('{\n  "account_id"') :])
    assert shown["secrets"]["api_secret"].endswith("by olga")
    assert shown["secrets"]["access_token"] == "missing"
    vault = Vault(CommonSettings(**connection))
    found = secrets_of(store, vault, "ZE-1", environ={})
    assert found["api_secret"].get_secret_value() == SECRET
    assert SECRET not in str(list(store["audit_log"].find()))
    assert run("secret", "ZE-1", "api_secret", "--forget", "--by", "olga") == 0
    assert secrets_of(store, vault, "ZE-1", environ={}) == {}


def test_a_secret_that_the_broker_does_not_have_is_refused(store, capsys, monkeypatch):
    add()
    run("add", "ZE-1", *KITE, *SIGNED)
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n" * 3))
    assert "have no secret 'pin'; there are api_secret, access_token" in refused(
        capsys, "secret", "ZE-1", "pin"
    )
    assert "there are none" in refused(capsys, "secret", "IB-1", "api_secret")
    assert "no account named 'nobody'" in refused(capsys, "secret", "nobody", "api_secret")


def test_only_what_never_traded_can_be_removed(store, capsys):
    add()
    add_order(store, make_order(account_id="IB-1"))
    assert "status=INACTIVE ends its trading" in refused(capsys, "remove", "IB-1", *SIGNED)
    store["orders"].delete_many({})
    add_strategy(store, accounts=("IB-1",))
    assert "used by a strategy" in refused(capsys, "remove", "IB-1", *SIGNED)
    store["strategies"].delete_many({})
    assert run("remove", "IB-1", *SIGNED) == 0
    assert row(store) is None


def test_the_list_names_every_account(store, capsys):
    add()
    assert run("list") == 0
    assert "IB-1                 IBKR PAPER ACTIVE USD" in capsys.readouterr().out
