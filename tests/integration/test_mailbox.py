"""The e-mail door on a real IMAP server: every mail once settled, in order, whatever breaks."""

from __future__ import annotations

import re
import subprocess
import time

import pytest
from imap_tools.errors import MailboxLoginError
from pydantic import SecretStr
from pymongo.errors import AutoReconnect

from services.common.leases import Lease
from services.common.settings import GatewaySettings
from services.domain.errors import ConfigurationError, TransientError
from services.signal_gateway import imap, mailbox
from services.signal_gateway.imap import MailboxAddress
from services.signal_gateway.mailbox import MailboxReader, backoff_seconds
from tests.support.dovecot import PASSWORD, USER, start_dovecot

pytestmark = pytest.mark.servers


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def mail(text: str) -> bytes:
    return f"Message-ID: <{text}@example.org>\r\nSubject: s\r\n\r\n{text}\r\n".encode()


class Desk:
    """Takes mails, and raises first what the test put into `raises`."""

    def __init__(self):
        self.texts = []
        self.refused = []
        self.raises = []

    def deliver(self, mail):
        if self.raises:
            raise self.raises.pop(0)
        self.texts.append(mail.text)

    def refuse(self, uid, sentence):
        self.refused.append((uid, sentence))


class Door:
    """Starts readers of one mailbox, each with a lease of its own, and stops them at the end."""

    def __init__(self, store, connection, server):
        self.server = server
        self._store = store
        self._connection = connection
        self._started = []

    def open(self, desk, *, ready=True, port=None, seconds=300.0, **fields):
        settings = GatewaySettings(
            **self._connection,
            **{
                "mailbox_host": "127.0.0.1",
                "mailbox_port": port or self.server.port,
                "mailbox_user": USER,
                "mailbox_password": SecretStr(PASSWORD),
                "mailbox_tls": False,
                **fields,
            },
        )
        lease = Lease(self._store, "mailbox", ttl_seconds=2)
        reader = MailboxReader(
            self._store,
            settings,
            address=MailboxAddress.of(settings),
            lease=lease,
            deliver=desk.deliver,
            refuse=desk.refuse,
            unreachable_seconds=seconds,
        )
        lease.start()
        reader.start()
        self._started.append((reader, lease))
        if ready:
            wait_for(lambda: reader.state().startswith(("idle", "polling")))
        return reader

    def close(self):
        """Stop all readers."""
        for reader, lease in self._started:
            reader.stop()
            assert not reader._thread.is_alive()
            lease.stop()
        self._started.clear()


@pytest.fixture
def server():
    with start_dovecot() as running:
        yield running


@pytest.fixture
def door(store, connection, server):
    made = Door(store, connection, server)
    yield made
    made.close()


def cursor(store):
    return store["checkpoints"].find_one({"_id": f"mailbox|{USER}@127.0.0.1/INBOX"})


def incident(store, kind="MAILBOX_UNREACHABLE"):
    return store["incidents"].find_one({"kind": kind})


def test_a_new_mail_comes_by_idle_and_stays_unseen(door, server, store):
    desk = Desk()
    door.open(desk, mailbox_poll_s=600)  # only a notice of the server can be in time
    server.put(mail("a"))
    wait_for(lambda: desk.texts == ["a"])
    wait_for(lambda: cursor(store)["last_uid"] == 1)
    server.put(mail("b"))
    wait_for(lambda: desk.texts == ["a", "b"])
    assert len(server.mails()) == 2
    assert not any("S" in name.partition(":2,")[2] for name in server.mails())


def test_mails_from_before_the_first_start_are_not_read(door, server, store):
    server.put(mail("old"))
    desk = Desk()
    door.open(desk)
    assert cursor(store)["last_uid"] == 1
    server.put(mail("new"))
    wait_for(lambda: desk.texts == ["new"])


def test_mails_that_came_while_nobody_read_are_read_in_order(door, server):
    desk = Desk()
    door.open(desk)
    door.close()
    for text in "abc":
        server.put(mail(text))
    door.open(desk)
    assert desk.texts == ["a", "b", "c"]
    door.close()
    door.open(desk)
    assert desk.texts == ["a", "b", "c"]


def test_a_crash_before_the_cursor_delivers_the_mail_again(door, server, store):
    desk = Desk()
    door.open(desk)
    server.put(mail("a"))
    wait_for(lambda: cursor(store)["last_uid"] == 1)
    door.close()
    # What a crash between the delivery and the cursor leaves behind.
    store["checkpoints"].update_one({"_id": cursor(store)["_id"]}, {"$set": {"last_uid": 0}})
    door.open(desk)
    assert desk.texts == ["a", "a"]
    assert cursor(store)["last_uid"] == 1


@pytest.mark.parametrize("error", [TransientError("not now"), AutoReconnect("gone"), KeyError("x")])
def test_a_mail_that_could_not_be_taken_comes_again_before_the_next(door, server, store, error):
    desk = Desk()
    door.open(desk)
    door.close()
    desk.raises = [error]
    server.put(mail("a"))
    server.put(mail("b"))
    reader = door.open(desk, ready=False)
    wait_for(lambda: reader.state().startswith("retrying"))
    assert (desk.texts, cursor(store)["last_uid"]) == ([], 0)
    wait_for(lambda: desk.texts == ["a", "b"])
    assert incident(store) is None


def test_a_mail_that_only_raises_is_given_up_and_told(door, server, store, monkeypatch):
    monkeypatch.setattr(mailbox, "_RETRY_SECONDS", (0.01, 0.01))
    desk = Desk()
    door.open(desk)
    desk.raises = [KeyError("x")] * 5
    server.put(mail("a"))
    server.put(mail("b"))
    wait_for(lambda: desk.texts == ["b"])
    assert desk.refused == [(1, "taking the mail failed 5 times: KeyError")]
    assert incident(store, "MAIL_UNDELIVERED")["status"] == "OPEN"


def test_a_mail_that_is_not_for_now_is_never_given_up(door, server, store, monkeypatch):
    monkeypatch.setattr(mailbox, "_RETRY_SECONDS", (0.01, 0.01))
    desk = Desk()
    door.open(desk)
    desk.raises = [TransientError("not now")] * 8
    server.put(mail("a"))
    wait_for(lambda: desk.texts == ["a"])
    assert desk.refused == []


def test_a_mail_that_cannot_be_read_is_refused_and_the_next_one_read(door, server):
    desk = Desk()
    door.open(desk)
    server.put(b"Subject: no body\r\n\r\n")
    server.put(mail("b"))
    wait_for(lambda: desk.texts == ["b"])
    assert [uid for uid, _ in desk.refused] == [1]
    assert "no text" in desk.refused[0][1]


def test_a_lost_connection_is_made_again(door, server, store):
    desk = Desk()
    door.open(desk, mailbox_poll_s=600)
    server.drop_sessions()
    server.put(mail("a"))
    wait_for(lambda: desk.texts == ["a"])
    assert incident(store) is None


def test_a_long_outage_is_an_incident_until_the_server_answers(door, server, store):
    desk = Desk()
    reader = door.open(desk, ready=False, port=1, seconds=0)
    wait_for(lambda: incident(store))
    assert incident(store)["status"] == "OPEN"
    assert reader.state().startswith("reconnecting: ConnectionRefusedError")
    door.close()
    door.open(desk)
    assert incident(store)["status"] == "CLEARED"


def test_a_wrong_password_is_an_incident_and_no_storm(door, server, store, caplog):
    wrong = "tr0ub4dor-wrong"
    reader = door.open(Desk(), ready=False, mailbox_password=SecretStr(wrong))
    wait_for(lambda: incident(store))
    assert incident(store)["status"] == "OPEN"
    assert "refused" in incident(store)["sentence"]
    wait_for(lambda: "next try in" in caplog.text)
    assert server.log().count("Password mismatch") == 1
    waits = [int(wait) for wait in re.findall(r"next try in (\d+) s", caplog.text)]
    assert len(waits) == 1
    assert waits[0] >= 24
    for told in (caplog.text, reader.state(), str(incident(store))):
        assert wrong not in told


def test_a_refused_log_in_is_tried_again_after_24_seconds_at_the_earliest():
    assert all(24 <= backoff_seconds(1, (30, 900)) <= 30 for _ in range(100))
    assert all(720 <= backoff_seconds(1000, (30, 900)) <= 900 for _ in range(100))


def test_renumbered_mails_of_the_last_day_are_read_again(door, server, store):
    desk = Desk()
    door.open(desk)
    server.put(mail("a"))
    wait_for(lambda: cursor(store)["last_uid"] == 1)
    door.close()
    before = cursor(store)["uidvalidity"]
    # As if it had been read for a week: then 24 hours are what is read again.
    store["checkpoints"].update_many(
        {}, {"$set": {"started_at": cursor(store)["started_at"].replace(year=2020)}}
    )
    server.put(mail("old"), age_seconds=25 * 3600)
    server.put(mail("b"))
    server.renumber()
    door.open(desk)
    assert sorted(desk.texts) == ["a", "a", "b"]
    assert cursor(store)["uidvalidity"] != before
    server.put(mail("c"))
    wait_for(lambda: desk.texts[-1] == "c")


def test_renumbering_does_not_bring_up_what_came_before_the_first_start(door, server, store):
    server.put(mail("old"), age_seconds=3600)
    desk = Desk()
    door.open(desk)
    before = cursor(store)["uidvalidity"]
    door.close()
    server.renumber()
    server.put(mail("new"), age_seconds=-60)
    door.open(desk)
    assert desk.texts == ["new"]
    assert cursor(store)["uidvalidity"] != before


def test_two_readers_one_lease(door, server):
    first, second = Desk(), Desk()
    door.open(first)
    reader = door.open(second, ready=False)
    wait_for(lambda: reader.state().startswith("standing by"))
    server.put(mail("a"))
    wait_for(lambda: first.texts == ["a"])
    one, lease = door._started.pop(0)
    one.stop()
    lease.stop()
    wait_for(lambda: reader.state().startswith("idle"))
    server.put(mail("b"))
    wait_for(lambda: second.texts == ["b"])
    assert first.texts == ["a"]


def test_a_reader_that_loses_its_lease_delivers_nothing(door, server):
    desk = Desk()
    reader = door.open(desk)
    _, lease = door._started[0]
    lease.stop()
    server.put(mail("a"))
    wait_for(lambda: reader.state().startswith("standing by"))
    assert desk.texts == []


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate of 127.0.0.1, with its key."""
    key, made = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True
    )
    made.write_text(made.read_text() + key.read_text())
    return made


def test_tls_is_spoken_with_a_trusted_server_only(store, connection, certificate, monkeypatch):
    with start_dovecot(certificate=certificate) as server:
        door, desk = Door(store, connection, server), Desk()
        tls = {"mailbox_tls": True, "port": server.tls_port}
        reader = door.open(desk, ready=False, **tls)
        wait_for(lambda: "CERTIFICATE_VERIFY_FAILED" in reader.state())
        door.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        door.open(desk, mailbox_poll_s=600, **tls)
        server.put(mail("a"))
        wait_for(lambda: desk.texts == ["a"])
        door.close()


def test_a_password_in_other_letters_is_sent_as_utf_8(door, server, store):
    reader = door.open(Desk(), ready=False, mailbox_password=SecretStr("grün"))
    wait_for(lambda: incident(store))
    assert "refused" in reader.state()


def test_mails_after_the_loss_of_the_lease_are_left_to_the_next_owner(door, server, store):
    desk = Desk()
    door.open(desk)
    door.close()
    server.put(mail("a"))
    server.put(mail("b"))
    take = desk.deliver

    def lose_the_lease(mail):
        door._started[0][1].stop()
        take(mail)

    desk.deliver = lose_the_lease
    reader = door.open(desk, ready=False)
    wait_for(lambda: desk.texts and reader.state().startswith("standing by"))
    assert desk.texts == ["a"]
    assert cursor(store)["last_uid"] == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"[UNAVAILABLE] Temporary authentication failure", MailboxLoginError),
        (b"[AUTHENTICATIONFAILED] Authentication failed", imap.LoginRefused),
        (b"Login failed", imap.LoginRefused),
    ],
)
def test_a_server_that_cannot_check_a_password_has_not_refused_it(answer, expected):
    class Box:
        def login(self, user, password, initial_folder):
            raise MailboxLoginError(("NO", [answer]), "OK")

    with pytest.raises(expected):
        imap._log_in(Box(), "u", "p")


def test_a_server_without_idle_is_polled(store, connection):
    with start_dovecot(idle=False) as server:
        door, desk = Door(store, connection, server), Desk()
        reader = door.open(desk, mailbox_poll_s=0.1)
        assert reader.state().startswith("polling")
        server.put(mail("a"))
        wait_for(lambda: desk.texts == ["a"])
        door.close()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"mailbox_host": "imap.example.org", "mailbox_tls": False}, "MAILBOX_TLS"),
        ({"mailbox_user": ""}, "MAILBOX_USER"),
        ({"mailbox_password": SecretStr("")}, "MAILBOX_PASSWORD"),
    ],
)
def test_a_mailbox_that_cannot_be_meant_stops_the_start(fields, sentence):
    known = {"mailbox_host": "::1", "mailbox_user": "u", "mailbox_password": SecretStr("hidden")}
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        MailboxAddress.of(GatewaySettings(**{**known, **fields}))
    assert "hidden" not in str(refused.value)


def test_no_host_is_no_mailbox():
    assert MailboxAddress.of(GatewaySettings()) is None
