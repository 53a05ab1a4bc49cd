"""Every route of every service: who is let in by role, and that nobody is without a name."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from services.common.operators import user_of
from services.common.sessions import Lifetime, Visitor, open_session
from services.common.settings import REPOSITORY
from services.domain.users import PERMISSIONS, Permission, Role
from tests.support.builders import make_signal
from tests.support.documents import (
    make_fill_document,
    make_order_document,
    make_position_document,
    make_signal_document,
)
from tests.support.http import http_client
from tests.support.interfaces import INTERFACES, Served, interface, routes_of
from tests.support.people import add_key, add_user, code_of
from tests.support.rows import add_strategy

pytestmark = pytest.mark.servers

WATCHED = "for the supervisor and Prometheus on this machine; says nothing secret"
STRATEGY_KEY = "senders prove who they are by the key, signature or token of a strategy"
#: What answers somebody who has no name here, and why it may.
OPEN = {
    "GET /health": WATCHED,
    "GET /metrics": WATCHED,
    "POST /api/v1/auth/login": "where people get a session",
    "POST /api/v1/signals": STRATEGY_KEY,
    "GET /api/v1/signals/{signal_id}": STRATEGY_KEY,
    "POST /webhook": STRATEGY_KEY,
    "POST /webhook/{token}": STRATEGY_KEY,
    "POST /api/v1/signals/lint": "reads a payload and stores nothing; counted by address",
    "POST /postback/zerodha/{account_id}": "proven by the checksum of the broker",
}
#: The doors of the gateway; elsewhere the same path is for people.
DOORS = {name for name in OPEN if name.startswith(("POST /api/v1/s", "GET /api/v1/s", "POST /w"))}
DOORS |= {name for name in OPEN if "postback" in name}

#: What routes ask for, the first that fits: service, methods, path. A route may let in fewer roles
#: than is said here, and never more.
ANY, CHANGES = "GET|POST|PUT|PATCH|DELETE", "POST|PUT|PATCH|DELETE"
LISTS = r"/api/v1/(signals|orders|fills|decisions|positions|search)(/\{\w+\})?(\.csv)?"
RULES = [
    (".*", "GET", r"/|/openapi\.json", Permission.SELF),
    ("dashboard_creator", ANY, r"/api/v1/(me|auth/logout)(/.*)?", Permission.SELF),
    ("dashboard_creator", ANY, r"/api/v1/users(/.*)?", Permission.ADMINISTER),
    # Filtered by the strategies of whoever asks.
    ("dashboard_creator", "GET", LISTS, Permission.OWN),
    ("dashboard_creator", "GET", r"/api/v1/signals/\{signal_id\}(/evidence)?", Permission.OWN),
    ("dashboard_creator", "GET", r"/api/v1/(frame|stream)", Permission.SELF),
    ("dashboard_creator", "GET", r"/api/v1/investor(/.*)?", Permission.RESULTS),
    # Questions, which change nothing.
    (".*", "POST", r"/api/v1/(whatif|allocations/compare|limits/preview)", Permission.READ),
    ("account_data", "POST", r".*/margin-preview", Permission.READ),
    ("dashboard_creator", "PUT", r"/api/v1/limits/.*", Permission.CONFIGURE),
    ("dashboard_creator", "POST", r"/api/v1/drill", Permission.ADMINISTER),
    ("dashboard_creator", CHANGES, r"/api/v1/.*", Permission.TRADE),
    ("account_data", CHANGES, r".*/(sync|flows|reverse|settle|confirm)", Permission.TRADE),
    ("account_data", CHANGES, r"/api/v1/.*", Permission.CONFIGURE),
    ("portfolio_builder", CHANGES, r"/api/v1/.*", Permission.CONFIGURE),
    ("signal_gateway", "POST", r"/api/v1/(kill|signals/\{signal_id\}/replay)", Permission.TRADE),
    ("signal_gateway", CHANGES, r"/api/v1/strategies/.*/credentials.*", Permission.CONFIGURE),
    (".*", "GET", r"/api/v1/.*", Permission.READ),
]
#: Where a developer may do more than their role: at strategies of their own.
OWN = (
    r"/api/v1/strategies/\{strategy_id\}/credentials.*"
    r"|/api/v1/(dashboards/signal-sender|signal-senders)/\{strategy_id\}.*"
)
BEFORE_PASSWORD = {"GET /api/v1/me", "POST /api/v1/me/password", "POST /api/v1/auth/logout"}


def ruled(served: Served) -> Permission:
    for service, methods, path, permission in RULES:
        fits = (service, served.service), (methods, served.method), (path, served.path)
        if all(re.fullmatch(pattern, value) for pattern, value in fits):
            return permission
    raise AssertionError(f"no rule says who may: {served}")


def is_open(served: Served) -> bool:
    name = f"{served.method} {served.path}"
    return name in OPEN and (served.service == "signal_gateway" or name not in DOORS)


class Interface:
    """A service that is asked over a real socket."""

    def __init__(self, http: httpx.Client, routes: list[Served]):
        self.http, self.routes = http, routes

    def closed(self):
        return [each for each in self.routes if not is_open(each)]

    def ask(self, served: Served, *, strategy="1", **headers):
        path = served.path.replace("{strategy_id}", strategy)
        path = re.sub(r"\{[^}]*\}", "1", path)
        return self.http.request(served.method, path, headers=headers)


@pytest.fixture(scope="module")
def keys(shared_store):
    """A key of somebody of each role."""
    for role in Role:
        fields = {"strategies": ["S-1"]} if role is Role.DEVELOPER else {}
        add_user(shared_store, role.lower(), role, **fields)
    add_user(shared_store, "fresh", must_change_password=True)
    add_strategy(shared_store, "S-1")
    return {role: add_key(shared_store, role.lower()) for role in Role}


@pytest.fixture(scope="module", params=INTERFACES)
def asked(request, shared_store, shared_connection, keys) -> Iterator[Interface]:
    fields = {
        **shared_connection,
        "pubsub_emulator_host": "127.0.0.1:1",
        "pubsub_project_id": "x",
        "rate_limit_failures_per_min": 0,
    }
    with interface(request.param, fields) as app, http_client(app) as client:
        yield Interface(client, list(routes_of(request.param, app)))


def test_every_service_that_people_call_is_looked_at():
    serving = {
        path.parent.name
        for path in Path(REPOSITORY, "services").glob("*/__main__.py")
        if "serve_http(" in path.read_text()
    }
    assert serving == INTERFACES.keys() | {"web"}, "web hands requests on, with whoever asks"


def test_nothing_is_told_or_done_without_a_name(asked):
    wrong = [
        ({}, "MISSING_KEY"),
        ({"Authorization": "Bearer mta_wrong"}, "WRONG_KEY"),
        ({"Cookie": "mt_session=wrong"}, "SESSION_ENDED"),
    ]
    for served in asked.closed():
        for headers, code in wrong:
            assert code_of(asked.ask(served, **headers)) == (401, code), str(served)


def test_what_is_open_says_so_with_a_reason(asked):
    open_ones = [each for each in asked.routes if is_open(each)]
    assert {each.permission for each in open_ones} == {None}
    assert all(each.permission is not None for each in asked.closed())


def test_no_role_is_let_in_beyond_the_table(asked, keys):
    for served in asked.closed():
        may = {role for role in Role if ruled(served) in PERMISSIONS[role]}
        let_in = {role for role in Role if served.permission in PERMISSIONS[role]}
        assert let_in <= may, f"{served} asks for {served.permission}, the table {ruled(served)}"
        assert served.own == bool(re.fullmatch(OWN, served.path)), str(served)
        for role in Role:
            if role not in let_in:
                answer = asked.ask(served, Authorization=f"Bearer {keys[role]}")
                assert code_of(answer) == (403, "NOT_ALLOWED"), f"{role} {served}"


def test_a_key_without_scopes_is_let_in_nowhere(asked, shared_store):
    key = add_key(shared_store, "admin", [])
    for served in asked.closed():
        answer = asked.ask(served, Authorization=f"Bearer {key}")
        assert code_of(answer) == (403, "NOT_ALLOWED"), str(served)


def session_of(store, name):
    user = user_of(store["users"].find_one({"_id": name}))
    opened = open_session(store, user, Visitor("127.0.0.1"), lifetime=Lifetime())
    return {"Cookie": f"mt_session={opened.token}", "X-CSRF-Token": opened.csrf_token}


def test_no_session_changes_anything_without_the_token_of_its_page(asked, shared_store):
    headers = session_of(shared_store, "admin")
    headers["X-CSRF-Token"] = headers["X-CSRF-Token"][:-1]
    changes = [each for each in asked.closed() if each.method != "GET"]
    for served in changes:
        answer = asked.ask(served, **headers)
        assert code_of(answer) == (403, "CSRF_TOKEN_MISSING"), str(served)


def test_a_given_password_opens_nothing_but_its_own_change(asked, shared_store):
    headers = session_of(shared_store, "fresh")
    for served in asked.closed():
        if f"{served.method} {served.path}" not in BEFORE_PASSWORD:
            answer = asked.ask(served, **headers)
            assert code_of(answer) == (403, "PASSWORD_CHANGE_REQUIRED"), str(served)


def test_a_developer_is_let_in_at_their_own_strategies_only(asked, keys, shared_store):
    headers = {"Authorization": f"Bearer {keys[Role.DEVELOPER]}"}
    for served in asked.closed():
        if served.own:
            mine = asked.ask(served, strategy="S-1", **headers)
            assert mine.status_code not in {401, 403}, str(served)
            for other in ("S-2", "s-1", "S-1%20"):
                answer = asked.ask(served, strategy=other, **headers)
                assert code_of(answer) == (403, "NOT_ALLOWED"), str(served)


@pytest.mark.parametrize("asked", ["dashboard_creator"], indirect=True)
def test_a_developer_reads_nothing_of_another_strategy_anywhere(asked, keys, shared_store):
    """What each list has is there for an operator, so that its absence says something."""
    for name in ("S-1", "S-2"):
        signal = make_signal(signal_id=f"sig-{name}").model_copy(update={"strategy_id": name})
        ids = {"strategy_id": name, "signal_id": signal.signal_id}
        shared_store["signal_store"].insert_one(make_signal_document(signal=signal))
        for collection, row in (
            ("orders", make_order_document(**ids)),
            ("execution_confirmations", make_fill_document(**ids)),
            ("positions", make_position_document(strategy_id=name)),
        ):
            shared_store[collection].insert_one({**row, "_id": f"{name}|{row['_id']}"})
    headers = {role: {"Authorization": f"Bearer {keys[role]}"} for role in Role}
    looked = []
    for served in asked.closed():
        if served.method != "GET" or served.permission is not Permission.OWN:
            continue
        theirs = asked.ask(served, **headers[Role.DEVELOPER])
        assert "S-2" not in theirs.text, str(served)
        if "{" in served.path:
            path = re.sub(r"\{[^}]*\}", "sig-S-2", served.path)
            other = asked.http.get(path, headers=headers[Role.DEVELOPER])
            assert other.status_code in {403, 404}, str(served)
        elif "S-2" in asked.ask(served, **headers[Role.OPERATOR]).text:
            assert "S-1" in theirs.text, str(served)
            looked.append(served.path)
    assert {"/api/v1/signals", "/api/v1/orders", "/api/v1/fills", "/api/v1/positions"} <= {*looked}
