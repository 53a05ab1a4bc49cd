"""check_broker.py as an operator types it, against a broker that is there and one that is not."""

import json

import pytest
import urllib3

from scripts import check_broker
from scripts.launcher import ports
from services.common.incidents import raise_incident
from services.common.settings import PORTS
from tests.support.rows import add_account
from tests.support.servers import start_mock_broker

pytestmark = pytest.mark.servers


@pytest.fixture
def offset(typed_here, monkeypatch):
    """An offset at which the mock broker's port is free."""
    found = ports.free_offset()
    monkeypatch.setenv("MT_PORT_OFFSET", str(found))
    return found


@pytest.fixture
def mock(offset, tmp_path):
    with start_mock_broker(tmp_path, port=PORTS["mock_broker"] + offset) as server:
        yield server


def asked(capsys, *words):
    code = check_broker.main(list(words))
    return code, capsys.readouterr()


def test_a_broker_that_answers_lacks_nothing_and_was_sent_nothing(store, mock, capsys):
    add_account(store, "Mock-1")
    code, said = asked(capsys, "Mock-1", "--json")
    (report,) = json.loads(said.out)
    assert (code, report["connected"], report["missing"]) == (0, True, [])
    assert report["state"]["currency"] == "USD"
    assert abs(report["clock_skew_seconds"]) < 5
    assert "GTC" in report["capabilities"]["times_in_force"]
    with urllib3.PoolManager() as http:
        orders = http.request("GET", f"{mock.address}/v1/accounts/Mock-1/orders").json()
    assert orders == []
    code, said = asked(capsys, "mock")
    assert code == 0
    assert "Nothing is missing." in said.out


def test_a_broker_that_is_away_is_missing(store, offset, capsys):
    add_account(store, "Mock-1")
    raise_incident(store, kind="POSITION_MISMATCH", key="Mock-1|AAPL", sentence="100 too many")
    raise_incident(store, kind="POSITION_MISMATCH", key="Mock-11|AAPL", sentence="another's")
    code, said = asked(capsys, "Mock-1")
    assert code == 1
    assert "NOT CONNECTED" in said.out
    assert "→ scripts/start.py" in said.out
    assert "incident     POSITION_MISMATCH: 100 too many" in said.out
    assert "another's" not in said.out


def test_what_trading_would_make_of_the_account_is_noted(store, mock, capsys):
    add_account(store, "Mock-1", account_type="LIVE", status="INACTIVE", currency="EUR")
    code, said = asked(capsys, "Mock-1")
    assert code == 0
    for note in (
        "it is INACTIVE",
        "it is LIVE: execution opens it only in a system started with --live",
        "it was set up in EUR",
    ):
        assert f"note         {note}" in said.out


def test_a_wrong_connection_is_named(store, offset, capsys):
    fields = {"port": 4001, "client_id": 1, "broker_account": "DU1"}
    add_account(store, "IB-1", broker="IBKR", connection=fields)
    code, said = asked(capsys, "IB-1")
    assert code == 1
    assert "port 4001 is a LIVE gateway's" in said.out
    assert "→ scripts/accounts.py set IB-1" in said.out


def test_a_name_that_is_nothing_is_refused_with_those_that_are(store, offset, capsys):
    add_account(store, "Mock-1")
    code, said = asked(capsys, "IB-9")
    assert code == 1
    assert "named 'IB-9'; there are: Mock-1" in said.err
