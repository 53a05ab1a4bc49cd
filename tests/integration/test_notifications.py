"""A person's own notifications over HTTP, and channels that are URLs of apprise."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.common.clock import utc_now
from services.common.credentials import CredentialKind, create_credential
from services.common.notifications import notify
from services.common.operators import Operators
from services.common.ops import Health
from services.common.outward import networks_of
from services.common.settings import CommonSettings
from services.common.vault import Vault
from services.dashboard_creator.api import create_app
from services.dashboard_creator.notifications_api import add_notification_routes
from services.domain.notifications import Event, EventKind
from tests.integration.test_dashboard import make_dashboards
from tests.support.http import http_client
from tests.support.telegram import add_person, telegram, wait_for

pytestmark = pytest.mark.servers
SETTINGS = "/api/v1/me/notification-settings"
HISTORY = "/api/v1/me/notifications"
CHANNELS = "/api/v1/me/channels"
NIGHT = {"starts": "22:00", "ends": "07:00", "timezone": "Europe/Berlin"}


class Hook:
    """A server that takes what `json://` posts, and fails on command."""

    def __init__(self):
        hook = self
        self.posted = []
        self.fails = 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.fails:
                    hook.fails -= 1
                    self.send_response(500)
                else:
                    hook.posted.append(json.loads(body))
                    self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://user:pa55word@127.0.0.1:{self.server.server_address[1]}/hook"


@pytest.fixture
def hook():
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def client(store, connection):
    app = create_app(make_dashboards(store), Health("dashboard_creator"), Operators(store))
    connection["notification_networks"] = "127.0.0.1"
    settings = CommonSettings(**connection)
    networks = networks_of(settings.notification_networks)
    add_notification_routes(app, store, Vault(settings), networks)
    with http_client(app) as opened:
        yield opened


def login(store, client, name="olga", role="OPERATOR", strategies=()):
    secret, record = create_credential(CredentialKind.OPERATOR_KEY)
    add_person(store, name, role, strategies)
    store["users"].update_one({"_id": name}, {"$push": {"credentials": record}})
    client.headers["Authorization"] = f"Bearer {secret}"


def event(number=1, kind=EventKind.FILL, **fields):
    known = {"event_id": f"{kind}|{number}", "kind": kind, "at": utc_now()}
    return Event(**known | {"title": f"fill {number}", "strategy_id": "S1"} | fields)


def code_of(answer):
    return answer.status_code, answer.json()["code"], answer.json()["field"]


def test_settings_are_kept_and_refused_by_name(store, client):
    login(store, client)
    kinds = {each["kind"]: each for each in client.get(SETTINGS).json()["kinds"]}
    assert (kinds["FILL"]["loudness"], kinds["SERVICE_UP"]["loudness"]) == ("ON", "SILENT")
    assert kinds["SERVICE_DOWN"]["critical"]
    wanted = {"kinds": {"FILL": "OFF"}, "quiet_hours": NIGHT}
    answer = client.put(SETTINGS, json=wanted).json()
    assert answer == client.get(SETTINGS).json()
    assert answer["quiet_hours"] == NIGHT | {"days": [1, 2, 3, 4, 5, 6, 7]}
    row = store["audit_log"].find_one({"what": "NOTIFICATION_SETTINGS_SET"})
    assert (row["by"], row["facts"]["after"]["kinds"]) == ("olga", {"FILL": "OFF"})
    for wrong in (
        {"quiet_hours": NIGHT | {"timezone": "Mars"}},
        {"kinds": {"FILL": "LOUD"}},
        {"kinds": {"PARTY": "ON"}},
    ):
        assert client.put(SETTINGS, json=wrong).status_code == 422
    assert code_of(client.put(SETTINGS, json={"kinds": {"TEST": "OFF"}}))[1] == "KIND_NOT_RECEIVED"
    login(store, client, "ivan", "INVESTOR")
    assert [each["kind"] for each in client.get(SETTINGS).json()["kinds"]] == ["DAILY_REPORT"]
    refused = client.put(SETTINGS, json={"kinds": {"FILL": "ON"}})
    assert code_of(refused) == (422, "KIND_NOT_RECEIVED", "kinds.FILL")


def test_history_is_ones_own_paged_and_read(store, client):
    add_person(store, "dora", "DEVELOPER", ("S1",))
    add_person(store, "ivan", "INVESTOR")
    login(store, client)
    told = [event(number) for number in range(5)]
    # One that all operators and a developer of S1 are told of; an investor of none.
    assert notify(store, told) == 10
    assert notify(store, told) == 0  # telling again is no news
    assert notify(store, [event(9, strategy_id="S2")]) == 1
    first = client.get(HISTORY, params={"limit": 4}).json()
    rest = client.get(HISTORY, params={"limit": 4, "before": first["next"]}).json()
    assert [each["title"] for each in (*first["rows"], *rest["rows"])] == [
        "fill 9",
        *(f"fill {number}" for number in reversed(range(5))),
    ]
    assert (first["unread"], rest["next"]) == (6, None)
    ids = [each["notification_id"] for each in first["rows"][:2]]
    assert client.post(f"{HISTORY}/read", json={"ids": ids}).json() == {"changed": 2, "unread": 4}
    unread = client.get(HISTORY, params={"unread": True}).json()["rows"]
    assert not set(ids) & {each["notification_id"] for each in unread}
    assert code_of(client.post(f"{HISTORY}/read", json={}))[1] == "WHICH_ONES"
    assert client.post(f"{HISTORY}/read", json={"all": True}).json()["unread"] == 0
    login(store, client, "dora", "DEVELOPER", ("S1",))
    theirs = client.get(HISTORY).json()
    assert theirs["unread"] == 5
    assert client.post(f"{HISTORY}/read", json={"ids": ids}).json()["changed"] == 0  # not theirs


def test_a_channel_is_checked_sealed_and_never_shown(store, client, hook, caplog):
    login(store, client)
    for url in ("nonsense", "http://example.com", "slack://hidden", "syslog://", "x" * 3000):
        answer = client.post(CHANNELS, json={"url": url})
        assert answer.status_code == 422
        assert url not in answer.text or url == "syslog://"
    made = client.post(CHANNELS, json={"url": hook.url, "name": "pager"})
    assert (made.status_code, made.json()["service"], made.json()["name"]) == (201, "JSON", "pager")
    stored = str(list(store["notification_channels"].find({})) + list(store["audit_log"].find({})))
    for text in (made.text, client.get(CHANNELS).text, stored, caplog.text):
        assert "pa55word" not in text
    mine = made.json()["channel_id"]
    login(store, client, "dora", "DEVELOPER", ("S1",))
    for inside in (hook.url, "json://db/x", "mailto://u:p@gmail.com?smtp=10.0.0.1"):
        assert code_of(client.post(CHANNELS, json={"url": inside}))[1] == "CHANNEL_NOT_ALLOWED"
    assert code_of(client.delete(f"{CHANNELS}/{mine}"))[1] == "UNKNOWN_CHANNEL"
    login(store, client)
    assert client.delete(f"{CHANNELS}/{mine}").status_code == 204
    assert client.get(CHANNELS).json() == []


def test_a_code_for_the_chat_is_shown_once_and_kept_as_a_hash(store, client):
    login(store, client)
    made = client.post("/api/v1/me/telegram-link").json()
    assert made["code"] not in str(list(store["notification_links"].find({})))
    assert made["code"] not in str(list(store["audit_log"].find({})))
    assert code_of(client.delete("/api/v1/me/telegram-link"))[1] == "NOT_LINKED"


def test_messages_go_by_a_url_are_tried_again_and_wait_for_the_morning(
    store, client, connection, hook
):
    login(store, client)
    channel = client.post(CHANNELS, json={"url": hook.url}).json()["channel_id"]
    hook.fails = 1
    with telegram(connection, None):
        assert client.post(f"{CHANNELS}/{channel}/test").status_code == 202
        wait_for(lambda: hook.posted)
        assert "This is a test" in hook.posted[0]["title"]
        (shown,) = wait_for(
            lambda: [each for each in client.get(CHANNELS).json() if each["last_sent_at"]]
        )
        assert shown["last_error"] == ""
        now = utc_now()
        quiet = {
            "starts": f"{now - timedelta(hours=1):%H:%M}",
            "ends": f"{now + timedelta(hours=1):%H:%M}",
            "timezone": "UTC",
        }
        client.put(SETTINGS, json={"quiet_hours": quiet})
        urgent = event(2, EventKind.SERVICE_DOWN, title="cerebro is down", critical=True)
        notify(store, [event(1, title="held <b>")])
        notify(store, [urgent])
        wait_for(lambda: len(hook.posted) == 2)
        assert "cerebro is down" in hook.posted[1]["title"]
        row = store["notification_outbox"].find_one({"event.event_id": "FILL|1"})
        assert row["next_try_at"] - now > timedelta(minutes=58)
        query = {"_id": row["_id"]}
        store["notification_outbox"].update_one(query, {"$set": {"next_try_at": now}})
        wait_for(lambda: len(hook.posted) == 3)  # it was all that it waited for
        assert "held <b>" in hook.posted[2]["title"]
