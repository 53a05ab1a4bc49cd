"""What an account's connection must be: complete, of the right kind, and nobody else's."""

import pytest

from brokers.accounts import SECRETS, Purpose, check_account, ibkr_link, zerodha_link
from brokers.factory import _ADAPTERS
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError

PAPER_PORT, LIVE_PORT = 4002, 4001


def ibkr(account_id="IB-1", account_type="PAPER", **fields):
    known = {"port": PAPER_PORT, "client_id": 1, "broker_account": "DU1234567"}
    return BrokerAccount(account_id, "IBKR", account_type, connection=known | fields)


def live(**fields):
    known = {"port": LIVE_PORT, "broker_account": "U1234567"}
    return ibkr(account_type="LIVE", **(known | fields))


def zerodha(account_id="ZE-1", account_type="LIVE", **fields):
    return BrokerAccount(account_id, "ZERODHA", account_type, connection={"api_key": "k"} | fields)


def refusal(account, *others):
    with pytest.raises(ConfigurationError) as caught:
        check_account(account, others)
    assert str(caught.value).startswith(f"account {account.account_id}: ")
    return str(caught.value)


def is_refused(account, *others):
    try:
        check_account(account, others)
    except ConfigurationError:
        return True
    return False


def test_every_adapter_has_its_rules():
    assert set(SECRETS) == set(_ADAPTERS)


@pytest.mark.parametrize(
    "account",
    [
        ibkr(),
        ibkr(port=7497),
        ibkr(port=29123, host="gateway.example", outside_rth=True),
        live(),
        live(port=7496),
        zerodha(),
        zerodha(account_type="PAPER", root="http://127.0.0.1:1", ticker_url="ws://127.0.0.1:1"),
        BrokerAccount("Mock-1", "MOCK"),
    ],
)
def test_a_sound_account_passes(account):
    assert not is_refused(account)


@pytest.mark.parametrize("port", [4001, 7496])
def test_a_paper_account_is_refused_at_a_live_port(port):
    assert f"port {port} is a LIVE gateway's" in refusal(ibkr(port=port))


@pytest.mark.parametrize("port", [4002, 7497])
def test_a_live_account_is_refused_at_a_paper_port(port):
    assert f"port {port} is a PAPER gateway's" in refusal(live(port=port))


def test_a_brokers_account_of_the_other_kind_is_refused_at_any_port():
    assert "U7 is a LIVE account" in refusal(ibkr(port=5000, broker_account="U7"))
    assert "DU7 is a PAPER account" in refusal(live(port=5000, broker_account="DU7"))
    assert "begins with D, was 'X7'" in refusal(ibkr(port=5000, broker_account="X7"))


def test_zerodha_has_no_paper_accounts():
    assert "Zerodha has no paper accounts" in refusal(zerodha(account_type="PAPER"))
    mixed = zerodha(account_type="PAPER", root="http://127.0.0.1:1")
    assert "Zerodha has no paper accounts" in refusal(mixed)


@pytest.mark.parametrize("field", [{"root": "http://api.kite.trade"}, {"ticker_url": "ws://x.y"}])
def test_real_money_never_goes_over_an_open_line(field):
    assert "must be " in refusal(zerodha(**field))


@pytest.mark.parametrize(
    ("account", "sentence"),
    [
        (BrokerAccount("A", "ACME"), "broker must be one of MOCK, IBKR, ZERODHA, was 'ACME'"),
        (BrokerAccount("A", "MOCK", "DEMO"), "account_type must be one of PAPER, LIVE"),
        (BrokerAccount("A", "MOCK", connection={"port": 1}), "connection has no field 'port'"),
        (BrokerAccount("A", "IBKR", connection="4002"), "connection must be an object of fields"),
        (ibkr(port="x"), "connection.port: "),
        (ibkr(client_id=0), "connection.client_id: "),
        (ibkr(data_client_id="7"), "connection.data_client_id must be a number above 0, was '7'"),
        (ibkr(data_client_id=1), "connection.data_client_id must not be client_id"),
        (zerodha(product_equity="NRML"), "connection.product_equity: "),
    ],
)
def test_what_is_wrong_is_named(account, sentence):
    assert sentence in refusal(account)


def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated():
    said = refusal(zerodha(access_token="tok3n"))
    assert "connection has no field 'access_token'" in said
    assert "tok3n" not in said


def test_each_purpose_has_a_client_id_of_its_own():
    ids = [ibkr_link(ibkr(client_id=3), purpose).client_id for purpose in Purpose]
    assert ids == [3, 503, 1003]
    chosen = ibkr(client_id=3, data_client_id=40)
    assert [ibkr_link(chosen, purpose).client_id for purpose in Purpose] == [3, 40, 540]


def test_two_accounts_never_share_a_client_id_of_one_gateway():
    other = ibkr("IB-2", broker_account="DU2")
    assert "client id 1 at 127.0.0.1:4002 is account IB-2 already" in refusal(ibkr(), other)
    assert "client id 1 at" in refusal(ibkr(host="localhost"), other)
    check_account(ibkr(), [ibkr("IB-2", broker_account="DU2", port=7497)])
    check_account(ibkr(), [ibkr("IB-2", broker_account="DU2", client_id=2)])


def test_an_id_for_orders_is_no_others_id_for_data():
    other = ibkr("IB-2", broker_account="DU2", client_id=501)
    assert "client id 501 at 127.0.0.1:4002 is account IB-2 already" in refusal(ibkr(), other)


def test_one_account_of_a_broker_is_never_two_of_ours():
    same = ibkr("IB-2", client_id=2)
    assert "broker_account DU1234567 is account IB-2 already" in refusal(ibkr(), same)
    assert "is account ZE-2 already" in refusal(
        zerodha(user_id="AB1"), zerodha("ZE-2", user_id="AB1")
    )


def test_an_account_does_not_clash_with_itself_nor_with_one_that_cannot_be_opened():
    assert not is_refused(ibkr(), ibkr())
    assert not is_refused(ibkr(), ibkr("IB-2", port=LIVE_PORT))


def test_a_zerodha_link_has_the_brokers_own_addresses_unless_told():
    link = zerodha_link(zerodha(user_id="AB1234"))
    assert (link.root, link.ticker_url) == ("https://api.kite.trade", "wss://ws.kite.trade")
