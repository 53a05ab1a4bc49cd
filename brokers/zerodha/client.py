"""The real `KiteConnect` of one account: every call paced, made once, and its failure sorted."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import requests
import urllib3
from kiteconnect import KiteConnect  # type: ignore[import-untyped]
from pydantic import SecretStr
from requests.adapters import HTTPAdapter

from brokers.errors import BrokerUnavailable, LoginRequired
from brokers.zerodha.failures import Failure, Purpose, error_of
from brokers.zerodha.link import ZerodhaLink
from brokers.zerodha.pacing import ORDERS, QUESTIONS, QUOTES, Pacer
from services.domain.errors import ConfigurationError, TraderError

_log = logging.getLogger(__name__)
T = TypeVar("T")
ACCESS_TOKEN: Final = "access_token"  # noqa: S105 - the name of a secret
#: What can stand in a header: where something cannot, the library's error would show all of it.
_SENDABLE: Final = re.compile("[!-~]+")
#: How long a call waits for its turn.
_TURN_SECONDS: Final = 3.0
_CONNECT_SECONDS: Final = 3.0
#: A token that Kite has refused is tried again no sooner, unless a person has logged in.
_REFUSED_SECONDS: Final = 10.0
_CONNECTIONS: Final = 8
#: What requests raises before it opens a connection.
_UNSENDABLE: Final = (
    requests.exceptions.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
)


class _Heard(threading.local):
    """The HTTP answer of this thread's call, before the library makes an exception of it."""

    status: int | None = None
    error_type: str = ""
    ahead: timedelta | None = None


class KiteClient:
    """Safe to use from any thread.

    Args:
        link: where.
        account_id: of ours, for sentences.
        secrets: asked for the access token at every connect, and after Kite has refused it.
        cache: folder in which all processes count their calls.
        timeout_seconds: of every call, to connect and until the answer begins.
    """

    def __init__(
        self,
        link: ZerodhaLink,
        account_id: str,
        *,
        secrets: Callable[[], Mapping[str, SecretStr]],
        cache: Path,
        timeout_seconds: float,
    ) -> None:
        self._link = link
        self._account_id = account_id
        self._secrets = secrets
        self._kite = kite_of(link, timeout_seconds)
        self._heard = _Heard()
        self._kite.reqsession.hooks["response"].append(self._note)
        counted = cache / f"kite-calls-{hashlib.sha256(link.api_key.encode()).hexdigest()[:12]}"
        self._orders = Pacer(ORDERS, counted.with_suffix(".orders"))
        self._questions = Pacer(QUESTIONS, counted.with_suffix(".questions"))
        self._quotes = Pacer(QUOTES, counted.with_suffix(".quotes"))
        self._token = ""
        self._refused_at: float | None = None
        #: The words are those of the refusal itself: nobody is told the same thing in two ways.
        self._refusal = ""
        self._connected = False
        self._lock = threading.Lock()

    @property
    def is_connected(self) -> bool:
        """Whether Kite has answered the last call."""
        return self._connected

    @property
    def login(self) -> str:
        """How a person logs in, as a sentence."""
        user = self._link.user_id or "the user"
        return (
            f"account {self._account_id}: {user} must log in at Zerodha, nothing was sent: run "
            f"scripts/zerodha_login.py {self._account_id}"
        )

    def fresh_token(self) -> str:
        """The access token as it is stored now.

        Raises:
            LoginRequired: there is none.
            BrokerUnavailable: what is stored could not be read.
            ConfigurationError: it cannot be opened.
        """
        try:
            stored = self._secrets().get(ACCESS_TOKEN)
        except TraderError:
            raise
        except Exception as error:
            sentence = f"the secrets of account {self._account_id} cannot be read"
            raise BrokerUnavailable(
                f"{sentence}, nothing was sent: {type(error).__name__}"
            ) from error
        token = stored.get_secret_value().strip() if stored else ""
        if not _SENDABLE.fullmatch(token):
            self._connected = False
            what = "what is stored is none" if token else "no access token is stored"
            raise LoginRequired(f"{self.login} ({what})")
        with self._lock:
            if token != self._token:
                self._token, self._refused_at = token, None
                self._kite.set_access_token(token)
        return token

    def ask(self, question: Callable[[Any], T], *, purpose: Purpose = Purpose.QUESTION) -> T:
        """The answer to a question.

        Raises:
            BrokerUnavailable: there is none; LoginRequired where a person must log in.
            OrderRejected: of a PREVIEW: Kite would not take it.
        """
        return self._call(question, self._questions, purpose)

    def ask_quote(self, question: Callable[[Any], T]) -> T:
        """The same of a quote, of which Kite gives one a second. Raises: BrokerUnavailable."""
        return self._call(question, self._quotes, Purpose.QUESTION)

    def send(self, request: Callable[[Any], T], *, purpose: Purpose = Purpose.ORDER) -> T:
        """The answer to an order, a change or a cancel, which is sent once.

        Raises:
            OrderRejected: Kite has refused it.
            BrokerUnavailable: it was not sent, or not taken.
            OrderStateUnknown: nobody knows.
        """
        return self._call(request, self._orders, purpose)

    def clock_skew(self) -> timedelta | None:
        """How far Kite's clock is ahead of ours, to a second. Raises: BrokerUnavailable."""
        self.ask(lambda kite: kite.profile())
        return self._heard.ahead

    def is_free_for(self, questions: int) -> bool:
        """Whether so many questions may be asked at once."""
        return self._questions.is_free(questions)

    def close(self) -> None:
        """Close its connections."""
        self._connected = False
        self._kite.reqsession.close()

    def _call(self, call: Callable[[Any], T], pacer: Pacer, purpose: Purpose) -> T:
        self._check_token()
        with pacer.turn(_TURN_SECONDS):
            self._heard.status, self._heard.error_type = None, ""
            try:
                answer = call(self._kite)
            except Exception as error:
                failure = self._failure(error)
                self._connected = failure.answered and not failure.means_login
                told = error_of(failure, purpose, self.login)
                if failure.means_login:
                    self._refused_at, self._refusal = time.monotonic(), str(told)
                raise told from error
        self._connected, self._refused_at = True, None
        return answer

    def _check_token(self) -> None:
        """Kite is not asked again and again with a token that it has refused."""
        refused_at, before = self._refused_at, self._token
        if before and refused_at is None:
            return
        refused = refused_at is not None and time.monotonic() - refused_at < _REFUSED_SECONDS
        try:
            token = self.fresh_token()
        except ConfigurationError as error:
            raise BrokerUnavailable(f"{error}; nothing was sent") from error
        if token == before and refused:
            raise LoginRequired(self._refusal)

    def _note(self, answer: Any, *_: object, **__: object) -> None:  # noqa: ANN401 - requests' own
        """Kite's word for an error: the library knows only some, and loses the others."""
        self._heard.status = answer.status_code
        self._heard.ahead = _ahead(answer.headers.get("date"))
        if answer.status_code < 400:
            return
        try:
            body = answer.json()
        except ValueError:
            return
        if isinstance(body, dict):
            self._heard.error_type = str(body.get("error_type") or "")

    def _failure(self, error: Exception) -> Failure:
        status, error_type = self._heard.status, self._heard.error_type
        if status is None:
            return Failure(not _never_left(error), message=f"{type(error).__name__}: {error}")
        if not error_type:
            # HTML, or JSON of another shape: what it says is nobody's word.
            return Failure(True, _no_refusal(status), message=f"{type(error).__name__}: {error}")
        return Failure(True, status, error_type, str(error))


def _ahead(date: str | None) -> timedelta | None:
    """By the head of an answer, which says the second in which it was made."""
    if not date:
        return None
    try:
        told = parsedate_to_datetime(date)
    except ValueError:
        return None
    told = told.replace(tzinfo=told.tzinfo or UTC)
    skew = told + timedelta(seconds=0.5) - datetime.now(UTC)
    return skew if abs(skew) > timedelta(seconds=1) else timedelta()


def _no_refusal(status: int) -> int:
    """The status of an answer that Kite itself has not written: a proxy's 400 refuses nothing."""
    return status if status in {429} or status >= 500 else 502


def kite_of(link: ZerodhaLink, timeout_seconds: float) -> Any:  # noqa: ANN401 - untyped library
    """The library's own client, so that it sends everything once and as it is told."""
    kite = KiteConnect(link.api_key, root=link.root)
    kite.timeout = (min(timeout_seconds, _CONNECT_SECONDS), timeout_seconds)
    session = kite.reqsession
    # Nothing of the environment may send orders another way, and no redirect sends them again.
    session.trust_env = False
    session.max_redirects = 0
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=0))
    return kite


def _never_left(error: Exception) -> bool:
    """Whether a call that failed without an answer provably did not leave."""
    if isinstance(error, _UNSENDABLE):
        return True
    if not isinstance(error, requests.exceptions.ConnectionError) or not error.args:
        return False
    reason = getattr(error.args[0], "reason", error.args[0])
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return True
    return "CERTIFICATE_VERIFY_FAILED" in str(reason)
