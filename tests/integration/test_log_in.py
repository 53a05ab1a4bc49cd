"""Logging in, and what a session may do: on the real database, over a real socket."""

import threading
from datetime import timedelta

import pytest

from services.common.clock import utc_now
from services.common.lockouts import Lockouts
from services.domain.users import Role
from tests.support.people import (
    HASHER,
    OTHER_PASSWORD,
    PASSWORD,
    add_key,
    add_user,
    browser,
    code_of,
    forget_people,
    serve_identity,
    totp_code,
)

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
def http(server, store):
    add_user(store)
    return server


@pytest.fixture
def anna(http):
    with browser(http) as opened:
        yield opened


@pytest.fixture
def elsewhere(http):
    with browser(http, address="203.0.113.9") as opened:
        yield opened


def acts(store, **query):
    return [row["what"] for row in store["audit_log"].find(query).sort("_id")]


def test_a_log_in_opens_a_session_that_only_its_own_page_can_use(anna, store):
    answer = anna.log_in()
    assert answer.status_code == 200, answer.text
    me = answer.json()
    assert (me["name"], me["role"], me["totp_enabled"]) == ("anna", "ADMIN", False)
    assert set(me["permissions"]) >= {"READ", "ADMINISTER"}
    cookie = answer.headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=strict", "Path=/"):
        assert word in cookie
    assert "Secure" not in cookie  # paper; live is `test_the_cookie_is_secure_when_trading_is_live`
    assert anna.get("/me").json() == me
    assert anna.get("/dashboard").status_code == 200
    (row,) = store["sessions"].find()
    assert anna.http.cookies["mt_session"] not in str(row)
    assert (row["user"], row["address"]) == ("anna", "198.51.100.7")


def test_nobody_is_let_in_without(http, anna):
    assert code_of(anna.get("/me")) == (401, "MISSING_KEY")
    forged = {"Cookie": "mt_session=made-up"}
    assert code_of(http.get("/api/v1/me", headers=forged)) == (401, "SESSION_ENDED")


def test_every_log_in_has_a_session_of_its_own_and_a_log_out_ends_it(http, anna, elsewhere, store):
    anna.log_in()
    first = anna.http.cookies["mt_session"]
    anna.log_in()
    assert anna.http.cookies["mt_session"] != first
    elsewhere.log_in()
    ended = anna.post("/auth/logout")
    assert ended.status_code == 204
    cookie = {"Cookie": f"mt_session={first}"}
    assert http.get("/api/v1/me", headers=cookie).status_code == 200
    assert code_of(anna.get("/me")) == (401, "MISSING_KEY")
    assert elsewhere.get("/me").status_code == 200
    assert acts(store) == ["LOGGED_IN", "LOGGED_IN", "LOGGED_IN", "LOGGED_OUT"]


def test_whoever_guesses_learns_nothing_and_waits_longer_each_time(http, anna, elsewhere, store):
    wrong = {"password": "not this one at all"}
    first, nobody = anna.log_in(**wrong), anna.log_in("hunter2 my password", **wrong)
    assert code_of(first) == code_of(nobody) == (401, "WRONG_LOGIN")
    assert first.json() == nobody.json()
    for _ in range(4):
        anna.log_in(**wrong)
    locked = anna.log_in()  # the right one, too soon
    assert code_of(locked) == (429, "LOGIN_LOCKED")
    assert 1 <= int(locked.headers["retry-after"]) <= 5
    assert elsewhere.log_in().status_code == 200
    row = store["login_failures"].find_one({"failures": 5})
    store["login_failures"].update_one({"_id": row["_id"]}, {"$set": {"locked_until": utc_now()}})
    anna.log_in(**wrong)
    (until,) = [r["locked_until"] for r in store["login_failures"].find({"_id": row["_id"]})]
    assert until - utc_now() > timedelta(seconds=8)
    logged = list(store["audit_log"].find({"what": {"$ne": "LOGGED_IN"}}).sort("_id"))
    assert "hunter2" not in str(logged) + str(list(store["login_failures"].find()))
    assert {row["by"] for row in logged} == {"anna", "198.51.100.7"}
    assert acts(store).count("LOGIN_LOCKED") == 1


def test_guesses_from_everywhere_do_not_keep_out_who_was_there_before(http, anna, store):
    anna.log_in()
    for number in range(50):
        Lockouts(store).begin("anna", f"192.0.2.{number}", known=False)
    with browser(http, address="192.0.2.99") as stranger:
        assert code_of(stranger.log_in()) == (429, "LOGIN_LOCKED")
    assert anna.log_in().status_code == 200


def test_parallel_guesses_are_all_counted(http, store):
    answers = []

    def guess():
        with browser(http) as each:
            answers.append(code_of(each.log_in(password="wrong wrong wrong"))[1])

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers.count("WRONG_LOGIN") == 5
    assert answers.count("LOGIN_LOCKED") == 7


def test_what_changes_something_must_come_from_our_own_page(anna):
    anna.log_in()
    token = anna.token
    for sent in ("", "wrong", "é"):
        answer = anna.http.request(
            "POST", "/api/v1/me/totp/start", headers={"X-CSRF-Token": sent.encode()}
        )
        assert code_of(answer) == (403, "CSRF_TOKEN_MISSING")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        refused = anna.post("/me/totp/start", **headers)
        assert code_of(refused) == (403, "FOREIGN_ORIGIN")
        login = anna.http.post(
            "/api/v1/auth/login", json={"name": "anna", "password": PASSWORD}, headers=headers
        )
        assert code_of(login) == (403, "FOREIGN_ORIGIN")
    host = str(anna.http.base_url.netloc, "ascii")
    assert anna.post("/me/totp/start", Origin=f"http://{host}").status_code == 200
    proxied = {"Origin": "https://trader.example", "X-Forwarded-Host": "trader.example"}
    assert anna.post("/me/totp/start", **proxied).status_code == 200
    assert anna.token == token


def test_a_given_password_must_be_changed_before_anything_else(http, anna, store):
    add_user(store, "nina", must_change_password=True)
    assert anna.log_in("nina").json()["must_change_password"] is True
    for method, path in (("GET", "/dashboard"), ("GET", "/users"), ("GET", "/me/sessions")):
        assert code_of(anna.send(method, path)) == (403, "PASSWORD_CHANGE_REQUIRED")
    assert code_of(anna.post("/me/api-keys", {})) == (403, "PASSWORD_CHANGE_REQUIRED")
    assert anna.get("/me").status_code == 200
    weak = {"password": PASSWORD, "new_password": "nina nina nina nina 5"}
    assert code_of(anna.post("/me/password", weak)) == (422, "WEAK_PASSWORD")
    same = {"password": PASSWORD, "new_password": PASSWORD}
    assert "last 5 passwords" in anna.post("/me/password", same).json()["message"]
    wrong = {"password": "not this one at all", "new_password": OTHER_PASSWORD}
    assert code_of(anna.post("/me/password", wrong)) == (401, "WRONG_LOGIN")
    good = {"password": PASSWORD, "new_password": OTHER_PASSWORD}
    assert anna.post("/me/password", good).json()["must_change_password"] is False
    assert anna.get("/dashboard").status_code == 200
    back = {"password": OTHER_PASSWORD, "new_password": PASSWORD}
    assert code_of(anna.post("/me/password", back)) == (422, "WEAK_PASSWORD")
    assert PASSWORD not in str(list(store["audit_log"].find()))


def test_a_new_password_ends_every_other_session(http, anna, elsewhere):
    anna.log_in()
    elsewhere.log_in()
    before = anna.http.cookies["mt_session"]
    anna.post("/me/password", {"password": PASSWORD, "new_password": OTHER_PASSWORD})
    assert anna.http.cookies["mt_session"] != before
    assert anna.get("/me").status_code == 200
    assert code_of(elsewhere.get("/me")) == (401, "SESSION_ENDED")
    assert code_of(elsewhere.log_in()) == (401, "WRONG_LOGIN")
    old = {"Cookie": f"mt_session={before}"}
    assert code_of(http.get("/api/v1/me", headers=old)) == (401, "SESSION_ENDED")
    assert [each["current"] for each in anna.get("/me/sessions").json()] == [True]


def enable_totp(someone):
    """A second factor, as a person sets it up; its secret and the recovery codes."""
    secret = someone.post("/me/totp/start").json()["secret"]
    confirmed = someone.post("/me/totp/confirm", {"code": totp_code(secret)})
    assert confirmed.status_code == 200, confirmed.text
    return secret, confirmed.json()["recovery_codes"]


def test_a_second_factor_is_asked_for_after_the_password_and_works_once(anna, elsewhere, store):
    anna.log_in()
    elsewhere.log_in()
    started = anna.post("/me/totp/start").json()
    assert started["uri"].startswith("otpauth://totp/")
    assert started["qr_svg"].startswith("data:image/svg+xml")
    assert code_of(anna.post("/me/totp/confirm", {"code": "000000x"})) == (422, "WRONG_CODE")
    assert elsewhere.get("/me").json()["totp_enabled"] is False
    secret, recovery = enable_totp(anna)
    assert len(set(recovery)) == 10
    assert anna.get("/me").json()["totp_enabled"] is True
    assert code_of(elsewhere.get("/me")) == (401, "SESSION_ENDED")
    row = str(store["users"].find_one({"_id": "anna"}))
    assert secret not in row
    assert recovery[0] not in row
    assert code_of(elsewhere.log_in(password="wrong wrong wrong")) == (401, "WRONG_LOGIN")
    assert code_of(elsewhere.log_in()) == (401, "TOTP_REQUIRED")
    used = totp_code(secret)  # to confirm; a moment later it may be the one before
    assert code_of(elsewhere.log_in(code=used)) in {(401, "WRONG_CODE"), (200, None)}
    fresh = totp_code(secret, ahead=1)
    assert elsewhere.log_in(code=fresh).status_code == 200
    assert code_of(anna.log_in(code=fresh)) == (401, "WRONG_CODE")
    assert code_of(anna.post("/me/totp/start")) == (409, "TOTP_ENABLED")
    assert "SECOND_FACTOR_ENABLED" in acts(store)


def test_the_right_password_without_a_code_forgives_no_wrong_codes(anna):
    anna.log_in()
    enable_totp(anna)
    for _ in range(5):
        assert code_of(anna.log_in())[1] == "TOTP_REQUIRED"
        anna.log_in(code="123456")
    assert code_of(anna.log_in()) == (429, "LOGIN_LOCKED")


def test_a_recovery_code_opens_once_even_when_two_use_it_at_once(http, anna, store):
    anna.log_in()
    _, recovery = enable_totp(anna)
    answers = []
    together = threading.Barrier(3)

    def use():
        with browser(http, address="192.0.2.1") as each:
            together.wait()
            answers.append(each.log_in(code=recovery[0].upper()).status_code)

    threads = [threading.Thread(target=use) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [200, 401, 401]
    assert anna.get("/me").json()["recovery_codes_left"] == 9
    used = store["audit_log"].find_one({"facts.second_factor": "RECOVERY_CODE"})
    assert used["by"] == "anna"


def test_a_second_factor_goes_only_with_the_password(anna, store):
    anna.log_in()
    enable_totp(anna)
    wrong = {"password": "not this one at all"}
    assert code_of(anna.post("/me/totp/disable", wrong)) == (401, "WRONG_LOGIN")
    renewed = anna.post("/me/recovery-codes", {"password": PASSWORD})
    assert len(renewed.json()["recovery_codes"]) == 10
    assert anna.post("/me/totp/disable", {"password": PASSWORD}).json()["totp_enabled"] is False
    assert anna.log_in().status_code == 200
    assert not store["users"].find_one({"_id": "anna"})["recovery_codes"]


@pytest.mark.parametrize(
    "fields",
    [
        {"last_seen_at": utc_now() - timedelta(hours=13)},
        {"expires_at": utc_now() - timedelta(seconds=1)},
        {"epoch": 7},
    ],
)
def test_a_session_ends_by_idleness_by_age_and_by_what_ended_it(anna, store, fields):
    anna.log_in()
    store["sessions"].update_one({}, {"$set": fields})
    assert code_of(anna.get("/me")) == (401, "SESSION_ENDED")


def test_use_keeps_a_session_open_and_is_noted_once_a_minute(anna, store):
    anna.log_in()
    (row,) = store["sessions"].find()
    anna.get("/me")
    assert store["sessions"].find_one()["last_seen_at"] == row["last_seen_at"]
    long_ago = utc_now() - timedelta(hours=11)
    store["sessions"].update_one({}, {"$set": {"last_seen_at": long_ago}})
    assert anna.get("/me").status_code == 200
    assert store["sessions"].find_one()["last_seen_at"] > utc_now() - timedelta(minutes=1)


def test_people_see_and_end_their_own_sessions_only(anna, elsewhere, store):
    add_user(store, "bob", Role.OPERATOR)
    anna.log_in()
    elsewhere.log_in()
    rows = anna.get("/me/sessions").json()
    assert [(row["current"], row["address"]) for row in rows] == [
        (False, "203.0.113.9"),
        (True, "198.51.100.7"),
    ]
    theirs = rows[0]["session_id"]
    anna.log_in("bob")
    assert code_of(anna.send("DELETE", f"/me/sessions/{theirs}")) == (404, "UNKNOWN_SESSION")
    anna.log_in()
    assert anna.send("DELETE", f"/me/sessions/{theirs}").status_code == 204
    assert code_of(elsewhere.get("/me")) == (401, "SESSION_ENDED")
    elsewhere.log_in()
    assert anna.send("DELETE", "/me/sessions").status_code == 200
    assert code_of(elsewhere.get("/me")) == (401, "SESSION_ENDED")
    assert anna.get("/me").status_code == 200


def by_key(http, key, path="/dashboard", method="GET", **more):
    headers = {"Authorization": f"Bearer {key}"}
    return http.request(method, f"/api/v1{path}", headers=headers, **more)


def test_a_key_is_for_what_it_says_and_no_more(http, anna, store):
    anna.log_in()
    asked = {"label": "grafana", "scopes": ["READ", "SELF"]}
    made = anna.post("/me/api-keys", asked)
    assert made.status_code == 201
    key = made.json()["secret"]
    assert by_key(http, key).status_code == 200
    assert code_of(by_key(http, key, "/users")) == (403, "NOT_ALLOWED")
    assert set(by_key(http, key, "/me").json()["permissions"]) == {"READ", "SELF", "OWN", "RESULTS"}
    more = {"label": "x", "scopes": ["ADMINISTER"]}
    made_by_key = by_key(http, key, "/me/api-keys", "POST", json=more)
    assert code_of(made_by_key) == (403, "SESSION_NEEDED")
    (shown,) = anna.get("/me/api-keys").json()
    assert (shown["label"], shown["scopes"]) == ("grafana", ["READ", "SELF"])
    assert key.endswith(shown["hint"])
    assert shown["last_used_at"]
    kept = str(store["users"].find_one({"_id": "anna"})) + str(list(store["audit_log"].find()))
    assert key not in kept
    assert anna.send("DELETE", f"/me/api-keys/{shown['key_id']}").status_code == 204
    assert code_of(by_key(http, key)) == (401, "WRONG_KEY")
    again = anna.send("DELETE", f"/me/api-keys/{shown['key_id']}")
    assert code_of(again) == (404, "UNKNOWN_KEY")


def test_no_key_goes_beyond_its_owner_or_its_time(http, anna, store):
    add_user(store, "dev", Role.DEVELOPER)
    anna.log_in("dev")
    beyond = {"label": "x", "scopes": ["OWN", "TRADE"]}
    assert code_of(anna.post("/me/api-keys", beyond)) == (422, "SCOPE_BEYOND_ROLE")
    past = {"label": "x", "scopes": ["OWN"], "expires_at": "2020-01-01T00:00:00Z"}
    assert code_of(anna.post("/me/api-keys", past)) == (422, "BAD_EXPIRY")
    key = add_key(store, "dev", ["OWN", "READ"])  # as if they had been more once
    assert code_of(by_key(http, key)) == (403, "NOT_ALLOWED")
    old = add_key(store, "anna", expires_at=utc_now() - timedelta(seconds=1))
    assert code_of(by_key(http, old)) == (401, "WRONG_KEY")


def test_a_disabled_user_is_out_with_everything(http, anna, elsewhere, store):
    add_user(store, "bob", Role.OPERATOR)
    key = add_key(store, "bob")
    elsewhere.log_in("bob")
    assert by_key(http, key).status_code == 200
    anna.log_in()
    assert anna.send("DELETE", "/users/bob").json()["status"] == "DISABLED"
    assert code_of(elsewhere.get("/me")) == (401, "SESSION_ENDED")
    assert code_of(by_key(http, key)) == (401, "WRONG_KEY")
    assert code_of(elsewhere.log_in("bob")) == (403, "USER_DISABLED")
    assert code_of(elsewhere.log_in("bob", "wrong wrong wrong")) == (401, "WRONG_LOGIN")


def test_a_hash_of_other_parameters_is_made_anew_at_the_next_log_in(anna, store):
    row = store["users"].find_one({"_id": "anna"})
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(PASSWORD)
    store["users"].update_one({"_id": "anna"}, {"$set": {"password_hash": weak}})
    assert anna.log_in().status_code == 200
    after = store["users"].find_one({"_id": "anna"})["password_hash"]
    assert not HASHER.check_needs_rehash(after)
    assert after != row["password_hash"]
    assert anna.log_in().status_code == 200


def test_the_cookie_is_secure_when_trading_is_live(store, shared_connection):
    add_user(store)
    live = serve_identity(store, shared_connection, trading_mode="live")
    with live as client, browser(client) as someone:
        assert "Secure" in someone.log_in().headers["set-cookie"]
