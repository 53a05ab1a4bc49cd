"""People who log in, with hashes that cost nothing, and browsers that behave like browsers."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx2 as httpx
import pyotp
from argon2 import PasswordHasher

from services.common.clock import utc_now
from services.common.credentials import CredentialKind, create_credential
from services.common.operators import Operators
from services.common.ops import Health
from services.common.passwords import Passwords
from services.common.second_factor import STEP_SECONDS
from services.common.settings import DashboardSettings
from services.dashboard_creator.api import create_app
from services.dashboard_creator.identity import add_identity
from services.dashboard_creator.service import Dashboards
from services.dashboard_creator.store import DashboardStore
from services.domain.users import Role
from tests.support.http import http_client

PASSWORD = "violet tugboat 71"
OTHER_PASSWORD = "seven silent lanterns"
HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
CHEAP = Passwords(HASHER)


def add_user(store, name="anna", role=Role.ADMIN, *, password=PASSWORD, **fields):
    """Somebody who can log in."""
    row = {
        "_id": name,
        "role": role,
        "status": "ACTIVE",
        "password_hash": HASHER.hash(password),
        "created_at": utc_now(),
        "version": 1,
    }
    store["users"].insert_one(row | fields)


def add_key(store, name, scopes=None, **fields):
    """One more key of somebody; the secret."""
    secret, record = create_credential(CredentialKind.OPERATOR_KEY)
    record |= {"scopes": scopes, **fields}
    store["users"].update_one({"_id": name}, {"$push": {"credentials": record}})
    return secret


@contextmanager
def serve_identity(store, connection, **settings):
    """The dashboards' app with log-in, users and audit log, over a real socket."""
    dashboards = Dashboards(
        DashboardStore(store), trading_mode="paper", max_age_seconds=60, refresh_seconds=0
    )
    app = create_app(dashboards, Health("dashboard_creator"), Operators(store))
    add_identity(app, store, DashboardSettings(**connection, **settings), CHEAP)
    with http_client(app) as client:
        yield client


def forget_people(store):
    """Leave nothing of a test behind."""
    for name in ("users", "sessions", "login_failures", "audit_log", "strategies", "sequences"):
        store[name].delete_many({})


class Browser:
    """Sends its cookie with everything, and the token of its page with what changes something."""

    def __init__(self, base_url, *, address="198.51.100.7"):
        self.http = httpx.Client(
            base_url=base_url, headers={"X-Forwarded-For": address}, timeout=30
        )
        self.token = ""

    def log_in(self, name="anna", password=PASSWORD, **more):
        """The answer of the log-in; its token is kept."""
        body = {"name": name, "password": password, **more}
        return self._keep(self.http.post("/api/v1/auth/login", json=body))

    def get(self, path, **params):
        return self.http.get(f"/api/v1{path}", params=params)

    def send(self, method, path, body=None, **headers):
        headers = {"X-CSRF-Token": self.token, **headers}
        answer = self.http.request(method, f"/api/v1{path}", json=body, headers=headers)
        return self._keep(answer)

    def post(self, path, body=None, **headers):
        return self.send("POST", path, body, **headers)

    def _keep(self, answer):
        if answer.status_code == 200 and "csrf_token" in answer.text:
            self.token = answer.json()["csrf_token"] or self.token
        return answer


@contextmanager
def browser(http, **fields):
    """One more browser at the server that `http` talks to."""
    opened = Browser(str(http.base_url), **fields)
    with opened.http:
        yield opened


def code_of(answer):
    """Status and code of a refusal."""
    return answer.status_code, answer.json().get("code")


def totp_code(secret, *, ahead=0):
    """What an authenticator app shows now, or shows `ahead` steps from now."""
    totp = pyotp.TOTP(secret)
    return totp.at(datetime.fromtimestamp(time.time() + ahead * STEP_SECONDS, UTC))
