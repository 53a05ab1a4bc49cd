"""A mail's way into the queue: the text of a real mail, the gateway's own rules."""

from datetime import UTC, datetime

import pytest
from pymongo.errors import AutoReconnect

from services.domain.errors import TransientError
from services.signal_gateway.letters import Letters
from services.signal_gateway.mail import Mail
from tests.support.gateway import gateway
from tests.support.rows import add_strategy

pytestmark = pytest.mark.servers
SENT_AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def client(store):
    with gateway(store) as opened:
        yield opened


@pytest.fixture
def letters(store, client):
    return Letters(store, client.service)


@pytest.fixture
def key(store):
    return add_strategy(store)


def mail(text, **changes):
    fields = {
        "message_id": "<1@example.org>",
        "sent_at": SENT_AT,
        "sender": "desk@example.org",
        "subject": "",
        "text": text,
    }
    return Mail(**fields | changes)


def lines(key):
    return f"Passphrase: {key}\nTicker: AAPL\nAction: BUY\nQuantity: 10\nPrice: 150\n"


def raws(store):
    return list(store["trading_signals_raw"].find())


def test_a_mail_delivered_twice_is_one_signal_as_old_as_the_mail(store, letters, key):
    letters.deliver(mail(lines(key)))
    letters.deliver(mail(lines(key)))
    (raw,) = raws(store)
    assert (raw["source"], raw["remote"], raw["sent_at"]) == ("email", "desk@example.org", SENT_AT)
    assert key not in str(raw)
    letters.deliver(mail(lines(key), message_id="<2@example.org>"))
    assert len(raws(store)) == 2


@pytest.mark.parametrize("text", ["hello", "Ticker: AAPL\nAction: BUY\n", "Passphrase: wrong\n"])
def test_a_mail_of_nobody_is_an_incident_and_not_stored(store, letters, key, text):
    letters.deliver(mail(text))
    letters.deliver(mail(text))
    assert raws(store) == []
    incident = store["incidents"].find_one({"kind": "MAIL_REFUSED"})
    assert incident["count"] == 2
    assert "desk@example.org" in incident["sentence"]


def test_a_mail_that_cannot_be_read_is_kept_where_its_sender_is_known(store, letters, key):
    letters.deliver(mail(f"Passphrase: {key}\nTicker: AAPL\nAction: HOLD\n"))
    (raw,) = raws(store)
    assert raw["refused"]["code"] == "UNKNOWN_VALUE"
    assert key not in str(raw)


def test_while_the_store_is_away_a_mail_comes_again(store, client, letters, key, monkeypatch):
    def away(_raws):
        raise AutoReconnect("gone")

    monkeypatch.setattr(client.service._store, "insert_raw", away)
    with pytest.raises(TransientError):
        letters.deliver(mail(lines(key)))
    monkeypatch.undo()
    letters.deliver(mail(lines(key)))
    assert len(raws(store)) == 1


def test_a_mail_that_cannot_be_opened_is_an_incident(store, letters):
    letters.refuse(7, "the mail is too large")
    assert "mail 7" in store["incidents"].find_one({"kind": "MAIL_REFUSED"})["sentence"]
