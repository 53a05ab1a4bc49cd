"""What admins do with users, the first of them, lost passwords, and the audit log of it all."""

import csv
import io
import subprocess
import sys
import threading
from datetime import timedelta

import pytest

from services.common.audit import audit
from services.common.clock import utc_now
from services.common.settings import REPOSITORY
from services.common.users import create_first_admin
from services.dashboard_creator.audit_log import AuditLog, AuditQuery
from services.domain.users import Role
from tests.support.people import (
    CHEAP,
    OTHER_PASSWORD,
    add_key,
    add_user,
    browser,
    code_of,
    forget_people,
    serve_identity,
)
from tests.support.rows import add_strategy

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def server(shared_store, shared_connection):
    with serve_identity(shared_store, shared_connection) as client:
        yield client


@pytest.fixture
def store(shared_store):
    yield shared_store
    forget_people(shared_store)


@pytest.fixture
def anna(server, store):
    add_user(store)
    with browser(server) as opened:
        opened.log_in()
        yield opened


def every_act(someone, **filters):
    """All pages: on a slow machine one may hold few rows, or none."""
    found, cursor = [], None
    while True:
        page = someone.get("/audit", **filters, **({"before": cursor} if cursor else {})).json()
        found += page["rows"]
        cursor = page["next"]
        if cursor is None:
            return found


def facts_of(store, what):
    return store["audit_log"].find_one({"what": what})["facts"]


def test_a_new_user_comes_in_with_the_password_that_is_shown_once(server, anna, store):
    add_strategy(store, "S-1")
    asked = {"name": "dev", "role": "DEVELOPER", "strategies": ["S-1"], "email": "d@example.com"}
    made = anna.post("/users", asked)
    assert made.status_code == 201, made.text
    password = made.json()["one_time_password"]
    with browser(server) as dev:
        me = dev.log_in("dev", password).json()
        assert (me["must_change_password"], me["strategies"]) == (True, ["S-1"])
        changed = dev.post("/me/password", {"password": password, "new_password": OTHER_PASSWORD})
        assert changed.json()["must_change_password"] is False
        assert code_of(dev.get("/users")) == (403, "NOT_ALLOWED")
    kept = str(store["users"].find_one({"_id": "dev"})) + str(list(store["audit_log"].find()))
    assert password not in kept
    row = store["audit_log"].find_one({"what": "USER_CREATED"})
    assert (row["by"], row["address"]) == ("anna", "198.51.100.7")
    assert row["facts"]["after"]["strategies"] == ["S-1"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"name": "ANNA", "role": "ADMIN"}, (409, "USER_EXISTS")),
        ({"name": "x", "role": "DEVELOPER", "strategies": ["none"]}, (422, "UNKNOWN_STRATEGY")),
        ({"name": "x", "role": "OPERATOR", "strategies": ["S"]}, (422, "STRATEGIES_OF_ROLE")),
        ({"name": "x y", "role": "OPERATOR"}, (422, "INVALID_PARAMETER")),
        ({"name": "x", "role": "KING"}, (422, "INVALID_PARAMETER")),
        ({"name": "x", "role": "ADMIN", "email": "no"}, (422, "INVALID_PARAMETER")),
        ({"name": "x", "role": "ADMIN", "password_hash": "y"}, (422, "INVALID_PARAMETER")),
    ],
)
def test_who_cannot_be_is_refused_by_name(anna, store, asked, code):
    assert code_of(anna.post("/users", asked)) == code
    assert store["users"].count_documents({}) == 1


def test_a_change_of_role_ends_sessions_and_says_before_and_after(server, anna, store):
    add_user(store, "bob", Role.OPERATOR)
    with browser(server, address="203.0.113.9") as bob:
        bob.log_in("bob")
        version = store["users"].find_one({"_id": "bob"})["version"]
        named = anna.send("PUT", "/users/bob", {"version": version, "display_name": "Bob"})
        assert named.json()["display_name"] == "Bob"
        assert bob.get("/me").status_code == 200
        stale = anna.send("PUT", "/users/bob", {"version": version, "role": "INVESTOR"})
        assert code_of(stale) == (409, "VERSION_CHANGED")
        asked = {"version": version + 1, "role": "INVESTOR"}
        assert anna.send("PUT", "/users/bob", asked).json()["permissions"] == ["RESULTS", "SELF"]
        assert code_of(bob.get("/me")) == (401, "SESSION_ENDED")
        bob.log_in("bob")
        assert code_of(bob.get("/dashboard")) == (403, "NOT_ALLOWED")
        assert anna.send("DELETE", "/users/bob/sessions").status_code == 200
        assert code_of(bob.get("/me")) == (401, "SESSION_ENDED")
    rows = store["audit_log"].find({"what": "USER_CHANGED"}).sort("_id")
    last = list(rows)[-1]["facts"]
    assert (last["before"], last["after"]) == ({"role": "OPERATOR"}, {"role": "INVESTOR"})


def test_nobody_changes_their_own_powers_and_the_last_admin_stays(anna, store):
    version = store["users"].find_one({"_id": "anna"})["version"]
    own = anna.send("PUT", "/users/anna", {"version": version, "role": "INVESTOR"})
    assert code_of(own) == (409, "OWN_POWERS")
    assert code_of(anna.send("DELETE", "/users/anna")) == (409, "OWN_POWERS")
    assert code_of(anna.send("DELETE", "/users/nobody")) == (404, "UNKNOWN_USER")


def test_two_admins_who_disable_each_other_at_once_leave_one(server, anna, store):
    add_user(store, "ben")
    answers = []
    together = threading.Barrier(2)
    with browser(server, address="203.0.113.9") as ben:
        ben.log_in("ben")

        def disable(someone, name):
            together.wait()
            answers.append(someone.send("DELETE", f"/users/{name}").status_code)

        pairs = [(anna, "ben"), (ben, "anna")]
        threads = [threading.Thread(target=disable, args=pair) for pair in pairs]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert 200 in answers
    assert store["users"].count_documents({"status": "ACTIVE"}) == 1


def test_an_admin_gives_a_password_for_one_log_in(server, anna, store):
    add_user(store, "bob", Role.OPERATOR, totp_sealed="x", recovery_codes=["y"])
    key = add_key(store, "bob")
    given = anna.post("/users/bob/reset-password", {"remove_totp": True}).json()
    with browser(server) as bob:
        me = bob.log_in("bob", given["one_time_password"]).json()
    assert (me["must_change_password"], me["totp_enabled"]) == (True, False)
    assert facts_of(store, "PASSWORD_RESET")["second_factor_removed"] is True
    # Scripts go on: whoever resets a password says nothing about keys.
    headers = {"Authorization": f"Bearer {key}"}
    assert server.get("/api/v1/dashboard", headers=headers).status_code == 200
    assert anna.send("DELETE", "/users/bob/api-keys").status_code == 200
    assert code_of(server.get("/api/v1/dashboard", headers=headers)) == (401, "WRONG_KEY")
    assert facts_of(store, "API_KEYS_REVOKED")["revoked"] == 1


def test_of_two_first_starts_one_is_told_the_password(server, store):
    told = []
    together = threading.Barrier(3)

    def start():
        together.wait()
        told.append(create_first_admin(store, CHEAP))

    threads = [threading.Thread(target=start) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    (password,) = [each for each in told if each]
    with browser(server) as admin:
        me = admin.log_in("admin", password).json()
    assert (me["role"], me["must_change_password"]) == ("ADMIN", True)
    assert create_first_admin(store, CHEAP) is None
    assert store["audit_log"].count_documents({"what": "FIRST_ADMIN_CREATED"}) == 1


def test_a_name_that_had_only_keys_becomes_the_first_admin_and_keeps_them(server, store):
    store["users"].insert_one({"_id": "admin", "role": "ADMIN"})
    key = add_key(store, "admin")
    assert create_first_admin(store, CHEAP)
    headers = {"Authorization": f"Bearer {key}"}
    assert server.get("/api/v1/dashboard", headers=headers).status_code == 200


def test_a_lost_password_is_replaced_on_the_machine_itself(
    server, store, shared_connection, monkeypatch
):
    add_user(store, "anna", totp_sealed="lost", recovery_codes=["y"])
    with browser(server) as anna:
        for _ in range(5):
            anna.log_in(password="wrong wrong wrong")
        for name, value in shared_connection.items():
            monkeypatch.setenv(name.upper(), str(value))
        script = [sys.executable, str(REPOSITORY / "scripts" / "credentials.py"), "--by", "root"]
        done = subprocess.run(
            [*script, "password", "anna", "--remove-totp"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert anna.log_in("anna", done.stdout.split()[-1]).status_code == 200
    row = store["audit_log"].find_one({"what": "PASSWORD_RESET"})
    assert (row["by"], row["address"], row["facts"]["of"]) == ("root", None, "anna")


def test_the_audit_log_is_read_page_by_page_and_by_what_one_looks_for(anna, store):
    for number in range(7):
        facts = {"before": {"limit": number}, "after": {"limit": None}, "reason": f"r{number}"}
        audit(store, "LIMITS_SET", service="operator", by="olga", facts=facts)
    moment = utc_now()
    # Several acts of one millisecond: none is lost between two pages, none is told twice.
    store["audit_log"].update_many({"by": "olga"}, {"$set": {"recorded_at": moment}})
    seen = [row["facts"]["reason"] for row in every_act(anna, who="olga", limit=3)]
    assert seen == [f"r{number}" for number in reversed(range(7))]
    (row,) = every_act(anna, what="LIMITS_SET", q="R5")
    assert (row["before"], row["after"]) == ({"limit": 5}, {"limit": None})
    assert row["facts"] == {"reason": "r5"}
    newest = every_act(anna, limit=100)
    assert [each["what"] for each in newest if each["who"] == "anna"] == ["LOGGED_IN"]
    assert newest[-1]["address"] == "198.51.100.7"
    later = (moment + timedelta(milliseconds=1)).isoformat()
    assert every_act(anna, who="olga", since=later) == []
    assert len(every_act(anna, who="olga", until=later)) == 7
    assert code_of(anna.get("/audit", before="no cursor")) == (422, "BAD_CURSOR")


def test_a_search_that_takes_long_says_where_it_goes_on(store):
    now = utc_now()
    row = {"service": "x", "by": "olga", "address": None, "what": "NOTED"}
    at = [now - timedelta(hours=hour) for hour in range(300) for _ in "ab"]
    hay = [{**row, "recorded_at": each, "facts": {"word": "hay"}} for each in at]
    old = {**row, "recorded_at": now - timedelta(hours=310), "facts": {"word": "needle"}}
    store["audit_log"].insert_many([old, *hay])
    wanted = AuditQuery(who="olga", q="needle", limit=5)
    log, found, cursor = AuditLog(store, patience_seconds=0), [], None
    while not found or cursor:
        page = log.page(wanted.model_copy(update={"before": cursor}))
        assert cursor or page.rows == []  # the first window holds only hay
        found, cursor = [*found, *page.rows], page.next
    assert [each.facts["word"] for each in found] == ["needle"]
    assert AuditLog(store, patience_seconds=60).page(wanted).rows == found


def test_the_audit_log_leaves_as_csv_that_no_spreadsheet_runs(anna, store):
    audit(store, "NOTED", service="operator", by="=cmd()", facts={"before": {"a": 1}})
    answer = anna.get("/audit.csv", what="NOTED")
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["who"], row["before"]) == ("'=cmd()", "a=1")
