"""The daily login: a person logs in at Zerodha, and what his browser brings back opens the day.

https://kite.trade/docs/connect/v3/user (login flow)
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from brokers.errors import BrokerUnavailable
from brokers.zerodha.client import kite_of
from brokers.zerodha.link import ZerodhaLink

_MOST_LETTERS = 200


class Login(NamedTuple):
    """Who has logged in, and the token of his day."""

    user_id: str
    access_token: SecretStr


def login_url(link: ZerodhaLink) -> str:
    """Where a person logs in."""
    return str(kite_of(link, 1.0).login_url())


def request_token_of(told: str) -> str:
    """The request token, from itself or from the address that the browser was sent to.

    Raises:
        ValueError: there is none in it.
    """
    text = told.strip()
    if "request_token=" not in text:
        if not text.isalnum():
            raise ValueError("expected a request token, or the whole address with request_token=…")
        return text
    query = parse_qs(urlsplit(text).query or text.partition("?")[2] or text)
    if query.get("status", ["success"]) != ["success"]:
        raise ValueError(f"the login was not a success: status is {query['status'][0]!r}")
    tokens = query.get("request_token", [])
    if len(tokens) != 1 or not tokens[0].isalnum():
        raise ValueError("the address must have one request_token")
    return tokens[0]


def log_in(
    link: ZerodhaLink, request_token: str, api_secret: SecretStr, timeout_seconds: float
) -> Login:
    """Exchange a request token, which is good for minutes and once, for the token of the day.

    Raises:
        BrokerUnavailable: Kite has not given one; the sentence says why. Or the account is of
            another user than has logged in: his token is not passed on.
    """
    kite = kite_of(link, timeout_seconds)
    try:
        told = kite.generate_session(request_token, api_secret=api_secret.get_secret_value())
        login = Login(str(told["user_id"]), SecretStr(str(told["access_token"])))
    except Exception as error:
        sentence = str(error)[:_MOST_LETTERS]
        raise BrokerUnavailable(
            f"Kite has not taken the login: {type(error).__name__}: {sentence}"
        ) from error
    finally:
        kite.reqsession.close()
    if link.user_id and login.user_id != link.user_id:
        raise BrokerUnavailable(f"the account is of {link.user_id}, and {login.user_id} logged in")
    return login
