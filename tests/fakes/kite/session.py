"""Login and the life of the access token: a person logs in, and until then nothing is answered."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime
from urllib.parse import urlencode

from tests.fakes.kite.book import stamp
from tests.fakes.kite.errors import KiteError, Misuse
from tests.fakes.kite.routes import Route

_EXCHANGES = ["NSE", "BSE", "NFO", "CDS", "MCX"]
_PRODUCTS = ["CNC", "NRML", "MIS"]
_ORDER_TYPES = ["MARKET", "LIMIT", "SL", "SL-M"]


class Redirect(str):
    """Where a browser is sent."""


class Session:
    """One app of one user: a new login ends the session before it."""

    def __init__(self, house):
        self._house = house
        self._user = house.user

    def routes(self):
        """Of the session."""
        return [
            Route("GET", "/connect/login", self.login, authorized=False, from_browser=True),
            Route("POST", "/session/token", self.begin, authorized=False),
            Route("DELETE", "/session/token", self.end),
            Route("GET", "/user/profile", self.profile),
        ]

    def check(self, authorization):
        """Whether a token lives. Raises: KiteError."""
        if not authorization.startswith("token "):
            raise Misuse(
                "Invalid `Authorization` header: expected token api_key:access_token",
                "TokenException",
                403,
            )
        key, _, token = authorization.removeprefix("token ").partition(":")
        self.admit(key, token)

    def admit(self, key, token):
        """The same of its parts. Raises: KiteError."""
        valid = self._house.state.access_token
        if valid is None or not hmac.compare_digest(
            f"{key}:{token}", f"{self._user.api_key}:{valid}"
        ):
            raise _refused("Incorrect `api_key` or `access_token`.")

    def expire(self):
        """The night of every day: a person must log in again."""
        self._house.state.change(access_token=None)

    def log_in(self):
        """What a person does in a browser; the request token that comes of it."""
        token = secrets.token_hex(16)
        self._house.state.change(request_tokens=[*self._house.state.request_tokens, token])
        return token

    def login(self, call, _twist):
        """The user is logged in at once, and sent back to the app."""
        query = call.asks(("api_key", "v"), ("redirect_params",))
        if (query["api_key"], query["v"]) != (self._user.api_key, "3"):
            raise Misuse("Invalid `api_key`.")
        result = {"action": "login", "status": "success", "request_token": self.log_in()}
        joined = "&" if "?" in self._user.redirect_url else "?"
        return Redirect(f"{self._user.redirect_url}{joined}{urlencode(result)}")

    def begin(self, call, _twist):
        """An access token for a request token, once."""
        fields = call.form(required=("api_key", "request_token", "checksum"))
        token = fields["request_token"]
        secret = f"{self._user.api_key}{token}{self._user.api_secret}"
        if fields["api_key"] != self._user.api_key:
            raise _refused("Invalid `api_key`.")
        if fields["checksum"] != hashlib.sha256(secret.encode()).hexdigest():
            raise _refused("Invalid `checksum`.")
        waiting = self._house.state.request_tokens
        if token not in waiting:
            raise _refused("Token is invalid or has expired.")
        given = secrets.token_hex(16)
        left = [each for each in waiting if each != token]
        self._house.state.change(access_token=given, request_tokens=left)
        return self._about_user() | {
            "api_key": self._user.api_key,
            "access_token": given,
            "public_token": secrets.token_hex(16),
            "enctoken": secrets.token_hex(16),
            "refresh_token": "",
            "silo": "",
            "login_time": stamp(datetime.now(UTC)),
        }

    def end(self, call, _twist):
        """Log out."""
        query = call.asks(("api_key", "access_token"))
        self.admit(query["api_key"], query["access_token"])
        self.expire()
        return True

    def profile(self, call, _twist):
        """Who, and what he may trade."""
        call.has_no_body()
        return self._about_user()

    def _about_user(self):
        return {
            "user_id": self._user.user_id,
            "user_type": "individual",
            "email": "trader@example.com",
            "user_name": "A Trader",
            "user_shortname": "Trader",
            "broker": "ZERODHA",
            "exchanges": _EXCHANGES,
            "products": _PRODUCTS,
            "order_types": _ORDER_TYPES,
            "avatar_url": None,
            "meta": {"demat_consent": "physical"},
        }


def _refused(message):
    return KiteError("TokenException", message, 403)
