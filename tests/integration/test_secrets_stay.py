"""A broker's secrets leave by no page, no answer, no log and no decision, sealed or not."""

import logging

import pytest
from pydantic import SecretStr

from services.account_data.api import create_app as account_app
from services.account_data.poller import Poller
from services.account_data.readings import Readings
from services.account_data.store import AccountStore
from services.cerebro.store import CerebroStore
from services.common import logs
from services.common.broker_accounts import BrokerAccounts
from services.common.broker_secrets import store_secret
from services.common.operators import Operators
from services.common.ops import Health
from services.common.settings import CommonSettings, DashboardSettings
from services.common.vault import Vault
from services.dashboard_creator.api import create_app as dashboard_app
from services.dashboard_creator.reading import add_reading
from services.domain.errors import ConfigurationError
from services.execution.service import Execution
from tests.integration.test_dashboard import make_dashboards
from tests.support.desks import wait_for
from tests.support.http import http_client
from tests.support.rows import add_account, add_operator

pytestmark = pytest.mark.servers
SECRET = "s3cr3t-that-opens-the-account"
PAGES = ("/", "/api/v1/dashboard", "/api/v1/orders", "/api/v1/positions", "/api/v1/incidents")


@pytest.fixture
def sealed(store, connection):
    """An account with a secret; what is stored of it."""
    add_account(store, "ZE-1", broker="ZERODHA", account_type="LIVE", connection={"api_key": "k"})
    vault = Vault(CommonSettings(**connection))
    store_secret(store, vault, "ZE-1", "api_secret", SecretStr(SECRET), by="olga")
    row = store["trading_accounts"].find_one({"_id": "ZE-1"})
    return row["secrets"]["api_secret"]["sealed"]


def opened(store, connection):
    return BrokerAccounts(store, Vault(CommonSettings(**connection)))


def test_no_page_and_no_answer_has_it(store, sealed):
    health, operators = Health("account_data"), Operators(store)
    accounts = account_app(Readings(store, max_age_seconds=60), health, operators)
    made = make_dashboards(store)
    dashboards = dashboard_app(made, Health("dashboard_creator"), operators)
    add_reading(dashboards, store, DashboardSettings(), made)
    key, said = add_operator(store), []
    with http_client(accounts, key=key) as http:
        said += [http.get(f"/api/v1/accounts{more}").text for more in ("", "/ZE-1")]
        said.append(http.get("/api/v1/fund").text)
    with http_client(dashboards, key=key) as http:
        answers = [http.get(page) for page in PAGES]
    assert {answer.url.path: answer.status_code for answer in answers} == dict.fromkeys(PAGES, 200)
    said += [answer.text for answer in answers]
    assert "ZE-1" in said[0]
    for text in said:
        assert SECRET not in text
        assert sealed not in text
        assert "sealed" not in text


def test_no_log_and_no_incident_has_it(store, connection, sealed, caplog):
    """Also where an adapter fails while it has the secret in its hands."""
    caplog.set_level(logging.DEBUG)
    accounts = opened(store, connection)
    seen = []

    def fails(account, *_):
        seen.append(account.secrets()["api_secret"].get_secret_value())
        raise ConfigurationError(f"account {account.account_id}: {account} {account.secrets()}")

    Poller(accounts.active()[0], AccountStore(store), fails, poll_seconds=60).poll()
    execution = Execution(store, accounts, fails, live=True)
    execution.start()
    try:
        wait_for(lambda: store["incidents"].find_one({"kind": "ACCOUNT_MISCONFIGURED"}))
    finally:
        execution.stop()
    assert seen[:2] == [SECRET, SECRET]
    told = [*store["incidents"].find(), *store["trading_accounts"].find({}, {"secrets": 0})]
    logged = [each for each in caplog.records if each.name.partition(".")[0] not in logs._QUIET]
    for text in (str([each.getMessage() for each in logged]), str(told)):
        assert "ZE-1" in text
        assert sealed not in text
        assert SECRET not in text
    assert SECRET not in caplog.text


def test_libraries_that_print_whole_requests_are_kept_quiet(tmp_path, monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    logs.set_up("execution", directory=tmp_path, level="DEBUG", log_format="text")
    try:
        for name in ("websockets.client", "kiteconnect.connect", "pymongo.command", "urllib3.x"):
            logging.getLogger(name).debug("GET /?access_token=%s", SECRET)
        logging.getLogger("services.x").debug("ours")
    finally:
        logging.captureWarnings(capture=False)
        for handler in (*root.handlers, *logs._ROAD.handlers):
            handler.close()
        logs._ROAD.handlers, logs._ROAD.propagate = [], True
        for name in logs._QUIET:
            logging.getLogger(name).setLevel(logging.NOTSET)
    text = (tmp_path / "execution.log").read_text()
    assert "ours" in text
    assert SECRET not in text


def test_a_decision_knows_nothing_of_it(store, sealed):
    account = CerebroStore(store, reference_seconds=0).reference.account("ZE-1")
    text = account.model_dump_json()
    assert SECRET not in text
    assert sealed not in text
