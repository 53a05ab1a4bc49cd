"""The fake Kite takes what Zerodha's own client sends, and nothing that it would not."""

from urllib.parse import parse_qs, urlparse

import pytest
import requests
from kiteconnect import exceptions as refused

from tests.support.fake_kite import (
    ACCESS_TOKEN,
    API_KEY,
    API_SECRET,
    limit,
    place,
    status_of,
)

pytestmark = pytest.mark.servers
INFY = {"exchange": "NSE", "tradingsymbol": "INFY"}


def test_a_login_gives_a_token_once_and_ends_the_session_before(fake, kite):
    token = fake.command("POST", "/v1/kite/login")["request_token"]
    fresh = fake.client(None)
    given = fresh.generate_session(token, API_SECRET)
    assert given["user_id"] == kite_user(fresh)
    assert len(given["login_time"].isoformat()) == 19
    with pytest.raises(refused.TokenException):
        kite.profile()
    with pytest.raises(refused.TokenException):
        fresh.generate_session(token, API_SECRET)
    fresh.reqsession.close()


def kite_user(kite):
    return kite.profile()["user_id"]


def test_a_wrong_secret_gives_no_token(fake, kite):
    token = fake.command("POST", "/v1/kite/login")["request_token"]
    with pytest.raises(refused.TokenException, match="checksum"):
        kite.generate_session(token, "another secret")
    assert kite.profile()["broker"] == "ZERODHA"


def test_a_token_that_was_given_back_is_worth_nothing(fake, kite):
    assert kite.invalidate_access_token() is True
    with pytest.raises(refused.TokenException):
        kite.orders()


def test_a_browser_is_sent_back_with_a_request_token(fake, kite):
    url = f"{fake.root}/connect/login?api_key={API_KEY}&v=3"
    answer = requests.get(url, allow_redirects=False, timeout=10)
    query = parse_qs(urlparse(answer.headers["location"]).query)
    assert (answer.status_code, query["status"]) == (302, ["success"])
    assert kite.generate_session(query["request_token"][0], API_SECRET)["api_key"] == API_KEY


HEADERS = {"X-Kite-Version": "3", "Authorization": f"token {API_KEY}:{ACCESS_TOKEN}"}
FORM = {
    "variety": "regular",
    **INFY,
    "transaction_type": "BUY",
    "quantity": "10",
    "product": "MIS",
    "order_type": "LIMIT",
    "price": "149.0",
}
MISUSES = {
    "a route that Kite does not have": ("GET", "/positions", {}),
    "no version": ("GET", "/orders", {"headers": {**HEADERS, "X-Kite-Version": None}}),
    "an older version": ("GET", "/orders", {"headers": {**HEADERS, "X-Kite-Version": "1"}}),
    "a bearer": ("GET", "/orders", {"headers": {**HEADERS, "Authorization": "Bearer x"}}),
    "a query that is not asked for": ("GET", "/orders", {"params": {"tag": "MT1"}}),
    "a body of a question": ("GET", "/orders", {"data": {"a": "b"}}),
    "JSON for a form": ("POST", "/orders/regular", {"json": FORM}),
    "a form for JSON": ("POST", "/margins/orders", {"data": FORM}),
    "JSON that is no list": ("POST", "/margins/orders", {"json": FORM}),
    "a field left over": ("POST", "/orders/regular", {"data": {**FORM, "squareoff": "1"}}),
    "a field twice": ("POST", "/orders/regular", {"data": [*FORM.items(), ("quantity", "5")]}),
    "a field missing": ("POST", "/orders/regular", {"data": {**FORM, "product": ""}}),
    "a fraction of a share": ("POST", "/orders/regular", {"data": {**FORM, "quantity": "1.5"}}),
    "an exponent": ("POST", "/orders/regular", {"data": {**FORM, "price": "1.49E+2"}}),
    "a limit order without a price": ("POST", "/orders/regular", {"data": {**FORM, "price": "0"}}),
    "a trigger of a limit order": (
        "POST",
        "/orders/regular",
        {"data": {**FORM, "trigger_price": "148"}},
    ),
    "protection of a limit order": (
        "POST",
        "/orders/regular",
        {"data": {**FORM, "market_protection": "-1"}},
    ),
    "a price of a market order": (
        "POST",
        "/orders/regular",
        {"data": {**FORM, "order_type": "MARKET", "market_protection": "-1"}},
    ),
    "two varieties": ("POST", "/orders/regular", {"data": {**FORM, "variety": "amo"}}),
    "an unknown variety": ("POST", "/orders/bo", {"data": {**FORM, "variety": "bo"}}),
    "minutes of a day order": ("POST", "/orders/regular", {"data": {**FORM, "validity_ttl": "2"}}),
    "an instrument without exchange": ("GET", "/quote/ltp", {"params": {"i": "INFY"}}),
    "margins of a field too much": (
        "POST",
        "/margins/orders",
        {"json": [{**FORM, "quantity": 10, "tag": "MT1"}]},
    ),
    "an unknown exchange": ("GET", "/instruments/NYSE", {}),
    "an unknown segment": ("GET", "/user/margins/crypto", {}),
}


@pytest.mark.parametrize("misuse", sorted(MISUSES))
def test_what_kite_does_not_know_is_refused_and_noted(lax, kite, misuse):
    method, path, more = MISUSES[misuse]
    more = {"headers": HEADERS, **more}
    answer = requests.request(method, lax.root + path, timeout=10, **more)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error_type"] in {"InputException", "TokenException", "GeneralException"}
    (noted,) = lax.violations()
    assert noted.startswith(f"{method} {path}: ")
    assert kite.orders() == []


def test_a_kill_keeps_session_books_and_days(fake, kite):
    token = fake.command("POST", "/v1/kite/login")["request_token"]
    access_token = kite.generate_session(token, API_SECRET)["access_token"]
    place(kite, "MT1", product="CNC")
    fake.command("POST", "/v1/kite/next-day")
    order_id = limit(kite, 149, "MT2")
    assert status_of(kite, order_id) == "OPEN"
    kite.modify_order("regular", order_id, price=148)
    before = (kite.orders(), kite.margins(), kite.holdings())
    fake.kill()
    fake.start()
    fake.without_limits()
    after = fake.client(access_token)
    assert (after.orders(), after.margins(), after.holdings()) == before
    assert limit(after, 147) != order_id
    after.reqsession.close()


def is_taken(call, kite):
    try:
        call(kite)
    except refused.NetworkException as error:
        return error.code != 429
    return True


@pytest.mark.parametrize(
    ("call", "most"),
    [
        (lambda kite: limit(kite, 149), 10),
        (lambda kite: kite.orders(), 10),
        (lambda kite: kite.ltp("NSE:INFY"), 1),
    ],
    ids=["orders", "others", "quotes"],
)
def test_what_comes_too_fast_is_refused_and_noted(lax, kite, call, most):
    lax.command("PUT", "/v1/kite/limits", {"enabled": True})
    taken = next(count for count in range(1000) if not is_taken(call, kite))
    assert taken >= most
    assert any(f"more than {most} calls" in each for each in lax.violations())
