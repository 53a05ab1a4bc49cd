"""A postback is believed by its checksum alone."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from brokers.zerodha.postback import read_postback

SECRET = SecretStr("the-apps-secret")


def postback(**changes):
    """As Kite sends it; the example of its documentation, shortened."""
    body = {
        "user_id": "AB1234",
        "status": "UPDATE",
        "order_id": "220303000308932",
        "tag": "MTABCDEFGHIJKLMNOPQR",
        "order_timestamp": "2022-03-03 09:24:25",
        "filled_quantity": 0,
    }
    proven = body["order_id"] + body["order_timestamp"] + SECRET.get_secret_value()
    body["checksum"] = hashlib.sha256(proven.encode()).hexdigest()
    return json.dumps(body | changes).encode()


def test_what_kite_signs_is_genuine():
    read = read_postback(postback())
    assert read.is_genuine(SECRET)
    assert (read.order_id, read.tag) == ("220303000308932", "MTABCDEFGHIJKLMNOPQR")
    assert read_postback(postback(tag=None)).tag == ""


@pytest.mark.parametrize(
    "change",
    [
        {"order_id": "220303000308933"},
        {"order_timestamp": "2022-03-03 09:24:26"},
        {"checksum": "0" * 64},
        {"checksum": "é"},
        {"checksum": "\ud800"},
        {"order_id": "\ud800"},
    ],
)
def test_what_was_changed_on_the_way_is_not(change):
    assert not read_postback(postback(**change)).is_genuine(SECRET)


def test_another_apps_secret_proves_nothing():
    assert not read_postback(postback()).is_genuine(SecretStr("another"))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b"[" * 100_000, postback(order_id=1), postback(checksum="")],
)
def test_what_is_no_postback_is_named(body):
    with pytest.raises(ValueError, match="a postback "):
        read_postback(body)


@given(st.binary(max_size=200))
def test_noise_is_refused(body):
    with pytest.raises(ValueError, match="a postback "):
        read_postback(body)
