"""What check_broker makes of a broker's answers, and that it only asks."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from brokers.broker import Quote
from brokers.errors import BrokerUnavailable, LoginRequired
from scripts.broker_report import Examination, in_words
from services.domain.broker_accounts import BrokerAccount
from services.domain.errors import ConfigurationError
from tests.fakes.broker import FakeBroker
from tests.support.builders import make_order

ZERODHA = BrokerAccount("ZE-1", "ZERODHA", "LIVE", {"api_key": "k", "user_id": "AB1"})
IBKR = BrokerAccount(
    "IB-1", "IBKR", "PAPER", {"port": 4002, "client_id": 3, "broker_account": "DU1"}
)
SECRETS = {"api_secret": "stored 2026-11-20 08:00 by olga", "access_token": "stored"}


class Asked(FakeBroker):
    """Answers everything; what a test puts in the place of an answer is raised."""

    skew = timedelta(milliseconds=120)
    since = None
    price = Decimal(151)
    connect_fails = None
    closed = False

    def connect(self):
        if self.connect_fails:
            raise self.connect_fails

    def close(self):
        self.closed = True

    def clock_skew(self):
        return self.skew

    def remembers_since(self):
        return self.since

    def last_price(self, instrument):
        if isinstance(self.price, Exception):
            raise self.price
        now = datetime(2026, 11, 20, 10, tzinfo=UTC)
        return self.price and Quote(instrument=instrument, price=self.price, as_of=now)


def examined(broker, account=IBKR, secrets=(), **options):
    return Examination(account, dict(secrets), **options).run(lambda: broker)


def mends(report):
    return [each.mend for each in report.missing]


def test_a_broker_that_answers_everything_lacks_nothing_and_was_sent_nothing():
    broker = Asked("IB-1")
    report = examined(broker)
    assert (report.connected, report.missing, broker.closed) == (True, (), True)
    assert (broker.sent, broker.canceled) == ([], [])
    text = "\n".join(in_words(report))
    for words in (
        "IB-1: PAPER at IBKR",
        "DU1 at 127.0.0.1:4002, client id 3",
        "USD: equity 1,000,000.00",
        "+0.120 s ahead of ours",
        "market data  AAPL 151 USD, of 2026-11-20 10:00:00 UTC",
        "known for ever",
        "Nothing is missing.",
    ):
        assert words in text


def test_positions_and_orders_are_named():
    broker = Asked("IB-1")
    broker.sent.append(make_order())
    report = examined(broker)
    assert "17 STOCK:AAPL:USD at 150" in "\n".join(in_words(report))


def test_the_price_is_of_what_was_named_or_is_common_in_the_currency():
    assert examined(Asked("IB-1"), symbol="tsla").quote.instrument.symbol == "TSLA"
    assert examined(Asked("M"), BrokerAccount("M", "MOCK")).quote is None


def test_a_login_that_is_owed_says_what_to_run():
    broker = Asked("ZE-1")
    broker.connect_fails = LoginRequired("the token of today is missing")
    report = examined(broker, ZERODHA, SECRETS)
    assert not report.connected
    assert mends(report) == ["scripts/zerodha_login.py ZE-1"]
    assert "a person must log in: the token of today is missing" in "\n".join(in_words(report))


def test_secrets_that_are_missing_say_how_to_store_them():
    places = {"api_secret": "missing", "access_token": "missing"}
    assert mends(examined(Asked("ZE-1"), ZERODHA, places)) == [
        "scripts/accounts.py secret ZE-1 api_secret",
        "scripts/zerodha_login.py ZE-1",
    ]


def test_a_gateway_that_is_not_there_says_how_to_start_it():
    broker = Asked("IB-1")
    broker.connect_fails = BrokerUnavailable("connection refused")
    report = examined(broker)
    assert mends(report) == ["start TWS or IB Gateway: scripts/ib_gateway.py start --mode paper"]
    assert broker.closed


def test_one_question_that_fails_leaves_the_others():
    broker = Asked("IB-1")
    broker.price = BrokerUnavailable("no answer within 5 s")
    report = examined(broker)
    assert report.state is not None
    assert [each.what for each in report.missing] == [
        "a price of AAPL could not be had: no answer within 5 s"
    ]
    broker.price = None
    assert "no market data" in examined(broker).missing[0].what


@pytest.mark.parametrize("seconds", [-3, 3])
def test_a_clock_that_is_off_is_missing_a_time_server(seconds):
    broker = Asked("IB-1")
    broker.skew = timedelta(seconds=seconds)
    (missing,) = examined(broker).missing
    assert f"{-seconds:+.1f} s off the broker's" in missing.what


def test_a_broker_that_forgets_says_since_when():
    broker = Asked("IB-1")
    broker.since = datetime(2026, 11, 20, 4, tzinfo=UTC)
    assert "known since 2026-11-20 04:00 UTC" in "\n".join(in_words(examined(broker)))


def test_an_account_that_cannot_be_opened_is_named_with_how_to_change_it():
    def refuse():
        raise ConfigurationError("account IB-1: connection.port: Field required")

    report = Examination(IBKR, {}).run(refuse)
    assert mends(report) == ["scripts/accounts.py set IB-1 …"]
