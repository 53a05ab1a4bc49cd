"""Which passwords are taken, how long wrong ones make wait, and codes that work once."""

from datetime import UTC, datetime, timedelta

import pytest

from services.common.second_factor import (
    hash_recovery_code,
    new_secret,
    recovery_codes,
    step_of_code,
    uri_of,
)
from services.domain.lockouts import RULES, Against, wait_seconds
from services.domain.passwords import fault_of
from tests.support.people import CHEAP, PASSWORD, totp_code


@pytest.mark.parametrize(
    "password",
    [
        "violet tugboat 71",
        "korrekte Pferde stapeln",
        "Zażółć gęślą jaźń",
        "9f3kd02lsm4x",
        "password of my first boat 1972",
    ],
)
def test_length_is_enough(password):
    assert fault_of(password, name="anna", email="anna@example.com") is None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("eleven lett", "12 to 200"),
        ("x1y2" * 51, "12 to 200"),
        ("my name is ANNA ok", "your name"),
        ("schmidt rows a boat", "your name"),
        ("aaaaaaaaaaaaaa", "different letters"),
        ("1212121212121212", "different letters"),
        ("abcdefghijklm", "run of"),
        ("mnbvcxzlkjhg", "run of"),
        ("98765432109876", "run of"),
        ("Password1234!", "tried first"),
        ("correcthorsebatterystaple", "tried first"),
        ("qwerty1234567", "tried first"),
        ("Ｐａｓｓｗｏｒｄ1234!", "tried first"),
    ],
)
def test_what_is_tried_first_is_refused_in_words(password, why):
    fault = fault_of(password, name="anna", email="schmidt@example.com")
    assert fault is not None
    assert why in fault


@pytest.mark.parametrize("against", Against)
def test_the_wait_grows_to_its_end_and_never_beyond(against):
    rule = RULES[against]
    waits = [wait_seconds(against, failures) for failures in range(rule.free + 2000)]
    assert waits[: rule.free] == [0] * rule.free
    assert waits[rule.free : rule.free + 3] == [5, 10, 20]
    assert waits == sorted(waits)
    assert waits[-1] == rule.longest_seconds <= 900


def test_a_code_is_of_its_time_and_never_works_again():
    secret = new_secret()
    code = totp_code(secret)
    now = datetime.now(UTC)
    step = step_of_code(secret, code, now=now, after=0)
    assert step is not None
    assert abs(step - int(now.timestamp()) // 30) <= 1
    assert step_of_code(secret, code, now=now, after=step) is None
    assert step_of_code(secret, code, now=now + timedelta(minutes=5), after=0) is None
    assert step_of_code(secret, "é", now=now, after=0) is None
    assert "otpauth://totp/" in uri_of(secret, "anna", place="PAPER")


def test_recovery_codes_are_read_however_they_are_typed():
    codes = recovery_codes()
    assert len(set(codes)) == 10
    first = codes[0]
    assert hash_recovery_code(first.upper().replace("-", " ")) == hash_recovery_code(first)
    assert hash_recovery_code(codes[1]) != hash_recovery_code(first)


def test_who_has_no_password_has_no_right_one_either():
    kept = CHEAP.hash(PASSWORD)
    assert CHEAP.is_right(kept, PASSWORD)
    assert not CHEAP.is_right(kept, PASSWORD + "x")
    assert not CHEAP.is_right(None, PASSWORD)
    assert not CHEAP.is_right("not a hash", PASSWORD)
    assert PASSWORD not in kept
