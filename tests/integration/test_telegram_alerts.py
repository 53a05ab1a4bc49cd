"""What happens is told: once, in order of need, through floods, outages and deaths."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from decimal import Decimal

import pytest

from services.common.clock import utc_now
from services.common.controls import set_control
from services.common.incidents import clear_incident, raise_incident
from services.common.notifications import save_settings
from services.common.settings import PORTS, REPOSITORY
from services.domain.notifications import Loudness, NotificationSettings
from services.domain.words import Scope, TradingState
from tests.fakes.telegram.markup import letters
from tests.fakes.telegram.server import TOKEN, FakeTelegram
from tests.support.documents import (
    make_decision_document,
    make_fill_document,
    make_order_document,
    make_signal_document,
)
from tests.support.rows import add_account, allow_trading
from tests.support.servers import free_port
from tests.support.telegram import CHAT, add_person, link, meet, shows, telegram, wait_for

pytestmark = pytest.mark.servers


@pytest.fixture
def fake():
    with FakeTelegram() as server:
        meet(server)
        yield server


@pytest.fixture
def olga(store):
    allow_trading(store)
    add_account(store)
    add_person(store, "olga")
    link(store)


def fill(store, *numbers, **fields):
    now = utc_now()
    rows = [
        {"_id": f"Mock-1|E{number}", "execution_id": f"E{number}", "occurred_at": now}
        for number in numbers or (1,)
    ]
    made = [make_fill_document(**row | {"recorded_at": now} | fields) for row in rows]
    store["execution_confirmations"].insert_many(made)


def incident(store, key="MT1", sentence="it is missing", kind="ORDER_UNKNOWN"):
    raise_incident(store, kind=kind, key=key, sentence=sentence)


def delivered(store):
    found = store["notification_outbox"].find({"status": "SENT"})
    return sorted(row["event"]["event_id"] for row in found)


def told(store, kind, count=1):
    """Waits until olga's history has so many of a kind; title and text of the newest."""
    query = {"user": "olga", "kind": kind}
    wait_for(lambda: store["notifications"].count_documents(query) == count)
    rows = list(store["notifications"].find(query))
    row = max(rows, key=lambda each: each["number"])
    return f"{row['title']}\n{row['text']}"


def test_every_kind_of_event_is_told(store, connection, fake, olga):
    store["orders"].insert_one(make_order_document())
    signal = make_signal_document(status="STANDARDIZED", undecided=True)
    store["signal_store"].insert_one(signal)
    approval = {"_id": "sig_2", "status": "WAITING", "strategy_id": "S2", "asked_at": utc_now()}
    with telegram(connection, fake):
        fill(store, realized_pnl=Decimal("12.50"))
        decision = make_decision_document(
            "DENIED", code="LIMIT", reason="no <b>margin</b>", decided_at=utc_now()
        )
        changes = {"status": "DENIED", "decision": decision}
        store["signal_store"].update_one({"_id": signal["_id"]}, {"$set": changes})
        changes = {"status": "REJECTED", "text": "no permission", "updated_at": utc_now()}
        store["orders"].update_one({}, {"$set": changes})
        incident(store)
        assert "Incident ORDER_UNKNOWN: MT1\nit is missing" in told(store, "INCIDENT_OPENED")
        clear_incident(store, kind="ORDER_UNKNOWN", key="MT1")
        assert "Cleared: ORDER_UNKNOWN" in told(store, "INCIDENT_CLEARED")
        incident(store)  # once more is one more incident
        set_control(
            store, Scope.GLOBAL, by="pete", reason="lunch", trading_state=TradingState.REDUCING
        )
        store["approvals"].insert_one({**approval, "sentence": "BUY 10 MSFT"})
        add_person(store, "ivan", "INVESTOR")
        figures = {"figures": {"today_ratio": 0.0052, "drawdown_ratio": None}}
        report = {"_id": "2026-11-22", "text": "All well.", "html": "", "figures": figures}
        store["daily_reports"].insert_one(report)
        what = "SPX_1-D_Opt: BUY 17 AAPL"
        assert f"{what} at 150.02 in Mock-1 (PAPER)\nrealized +12.50" in told(store, "FILL")
        assert "denied: LIMIT\nno <b>margin</b>" in told(store, "DENIAL")
        rejected = f"{what} rejected by broker in Mock-1 (PAPER)\nno permission"
        assert told(store, "REJECTION") == rejected
        told(store, "INCIDENT_OPENED", 2)
        assert told(store, "CONTROL_CHANGED") == "everything is REDUCING, by pete\nlunch"
        assert "S2: a signal waits for approval\nBUY 10 MSFT" in told(store, "APPROVAL_WAITING")
        assert told(store, "DAILY_REPORT") == "Report of 2026-11-22\nAll well."
        (investors,) = store["notifications"].find({"user": "ivan"})
        assert "Day: +0.52%\nMonth: not known" in investors["text"]
        assert "All well." not in str(investors)  # it has accounts and positions
        wait_for(lambda: store["notification_outbox"].count_documents({"open": True}) == 0)
    texts = fake.texts(CHAT)
    assert all(text.startswith("PAPER · ") for text in texts)
    assert sum("Incident ORDER_UNKNOWN" in text for text in texts) >= 1


def test_what_a_stranger_wrote_is_text_and_never_markup(store, connection, fake, olga):
    with telegram(connection, fake):
        incident(store, "<b>&amp;", "<script>alert('1')</script> & <i>")
        text = shows(fake, "ORDER_UNKNOWN")
    assert "ORDER_UNKNOWN: <b>&amp;\n<script>alert('1')</script> & <i>" in text


def test_a_burst_is_one_message_and_the_history_has_all(store, connection, fake, olga):
    store["orders"].insert_one(make_order_document())
    with telegram(connection, fake, telegram_batch_s=3):
        fill(store, *range(150))
        wait_for(lambda: len(delivered(store)) == 150)
    texts = fake.texts(CHAT)
    assert len(texts) <= 4
    assert any("fills in SPX_1-D_Opt" in text and "… and " in text for text in texts)
    assert all(letters(text) <= 4096 for text in texts)
    told = sum(int(text.split(" · ")[1].split()[0]) for text in texts)
    assert told == 150
    assert store["notifications"].count_documents({"user": "olga"}) == 150


def test_a_flood_is_waited_out_for_that_chat_alone(store, connection, fake, olga):
    add_person(store, "pete")
    link(store, "pete", 43)
    meet(fake, 43)
    fake.flood[CHAT] = (1, 2)
    with telegram(connection, fake):
        began = time.monotonic()
        incident(store)
        shows(fake, "Incident", 43)
        assert time.monotonic() - began < 2
        assert fake.texts(CHAT) == []
        shows(fake, "Incident")
        assert time.monotonic() - began > 2
    sends = [fields for method, fields in fake.calls if method == "sendMessage"]
    assert sum(int(each["chat_id"]) == CHAT for each in sends) == 2  # refused once, taken once


def test_who_blocks_the_bot_gets_nothing_more_and_sees_it(store, connection, fake, olga):
    fake.blocked.add(CHAT)
    with telegram(connection, fake):
        incident(store)
        notice = wait_for(lambda: store["notifications"].find_one({"kind": "CHANNEL_DISABLED"}))
        assert "blocked" in notice["title"]
        incident(store, "MT2")
        wait_for(lambda: store["notifications"].find_one({"title": {"$regex": "MT2"}}))
    assert sum(method == "sendMessage" for method, _ in fake.calls) == 1
    assert store["audit_log"].find_one({"what": "CHANNEL_DISABLED"})["facts"]["user"] == "olga"


def test_what_happens_while_nobody_watches_is_told_once(store, connection, fake, olga):
    with telegram(connection, fake):
        incident(store, "MT1")
        shows(fake, "MT1")
    incident(store, "MT2")
    fill(store)
    with telegram(connection, fake):
        shows(fake, "MT2")
        shows(fake, "150.02")
    store["checkpoints"].update_one({"_id": "telegram"}, {"$set": {"token": None}})
    incident(store, "MT3")
    with telegram(connection, fake):
        shows(fake, "MT3")
    for key in ("MT1", "MT2", "MT3"):
        assert sum(f"ORDER_UNKNOWN: {key}" in each for each in fake.texts(CHAT)) == 1


def test_an_outage_loses_nothing_and_ends_in_one_message(store, connection, fake, olga):
    fake.broken = 1
    with telegram(connection, fake):
        incident(store, "MT1")
        shows(fake, "MT1")
        fake.dead = True
        incident(store, "MT2")
        # Tried in vain, or not tried at all where the dead line was noticed before.
        wait_for(lambda: store["notification_outbox"].find_one({"open": True}))
        incident(store, "MT3")
        wait_for(lambda: store["notification_outbox"].count_documents({"open": True}) == 2)
        fake.dead = False
        shows(fake, "MT3")
    texts = [each for each in fake.texts(CHAT) if "MT2" in each or "MT3" in each]
    assert len(texts) == len({"MT2", "MT3"}) or "2 incidents" in texts[0]
    assert sum("MT2" in each for each in texts) == 1


def test_a_message_without_an_answer_is_sent_again_and_says_so(store, connection, fake, olga):
    incident(store)
    with telegram(connection, None):  # no token: it waits
        incident(store, "MT2")
        wait_for(lambda: store["notification_outbox"].find_one({}))
    # As after a death between the send and its answer.
    store["notification_outbox"].update_one({}, {"$set": {"status": "SENDING"}})
    with telegram(connection, fake):
        assert "may be a repeat" in shows(fake, "MT2")


def test_without_a_token_the_history_goes_on(store, connection, olga):
    with telegram(connection, None) as process:
        incident(store)
        wait_for(lambda: store["notifications"].find_one({"user": "olga"}))
        assert process.health.report()["ready"]
    assert store["notification_outbox"].find_one({})["status"] == "PENDING"


def test_silent_has_no_sound_and_off_is_nothing(store, connection, fake, olga):
    kinds = {"INCIDENT_OPENED": Loudness.SILENT, "FILL": Loudness.OFF}
    save_settings(store, "olga", NotificationSettings(kinds=kinds))
    with telegram(connection, fake):
        fill(store)
        incident(store)
        shows(fake, "Incident")
    assert [each["silent"] for each in fake.messages[CHAT]] == [True]
    assert store["notifications"].find_one({"kind": "FILL"}) is None


def test_a_refused_token_is_an_incident_without_the_token(store, connection, fake, olga, caplog):
    fake.revoked = True
    with telegram(connection, fake) as process:
        row = wait_for(lambda: store["incidents"].find_one({"kind": "TELEGRAM_TOKEN_REFUSED"}))
        assert "TELEGRAM_BOT_TOKEN" in row["sentence"]
        report = process.health.report()
        assert (report["ready"], report["usable"]) == (False, True)
    assert TOKEN not in str(row) + str(report) + caplog.text


def test_a_second_poller_is_an_incident_that_ends_with_it(store, connection, fake, olga):
    polled_twice = {"_id": "TELEGRAM_POLLED_TWICE|bot"}
    with telegram(connection, fake) as process:
        wait_for(lambda: process.health.report()["ready"])
        fake.call(TOKEN, "getUpdates", {"timeout": 0})  # what another program would do
        wait_for(lambda: store["incidents"].find_one({**polled_twice, "status": "OPEN"}))
        wait_for(lambda: store["incidents"].find_one({**polled_twice, "status": "CLEARED"}))
    assert store["incidents"].count_documents({"status": "OPEN"}) == 0


def start(connection, fake, offset):
    """The daemon as a process of its own, with logs that hide nothing."""
    known = {name.upper(): str(value) for name, value in connection.items()}
    more = {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_BASE_URL": fake.url,
        "TELEGRAM_BATCH_S": "0.2",
        "LEASE_TTL_S": "1",
        "LOG_LEVEL": "DEBUG",
        "MT_PORT_OFFSET": str(offset),
    }
    command = [sys.executable, "-m", "services.telegram"]
    return subprocess.Popen(command, env={**os.environ, **known, **more}, cwd=REPOSITORY)


def test_a_daemon_that_is_killed_loses_nothing_and_shows_no_token(store, connection, fake, olga):
    offset = free_port() - PORTS["telegram"]
    expected = set()
    for deaths in range(2):
        process = start(connection, fake, offset)
        try:
            wait_for(lambda: store["checkpoints"].find_one({"_id": "telegram"}))
            for number in range(8):
                incident(store, f"K{deaths}{number}")
                expected.add(f"K{deaths}{number}")
            shows(fake, f"K{deaths}0")  # it is in the middle of it
            if deaths == 1:
                wait_for(lambda: told_of(fake) == expected)
        finally:
            process.send_signal(signal.SIGKILL if deaths < 1 else signal.SIGTERM)
            process.wait(20)
    sure = [text for text in fake.texts(CHAT) if "may be a repeat" not in text]
    keys = [key for text in sure for key in KEY.findall(text)]
    assert len(keys) == len(set(keys))  # what comes twice says that it may
    logged = "".join(path.read_text() for path in (connection["mt_home"] / "logs").glob("*.log*"))
    assert "telegram is running" in logged
    secret = TOKEN.partition(":")[2]
    stored = "".join(
        str(list(store[name].find({}))) for name in store.database.list_collection_names()
    )
    assert secret not in logged
    assert secret not in stored


KEY = re.compile(r"ORDER_UNKNOWN: (K\d\d)")


def told_of(fake):
    return {key for text in fake.texts(CHAT) for key in KEY.findall(text)}
