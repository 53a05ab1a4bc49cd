"""The page that operators set brokers up by names what there is to set, and what each can do."""

import re

import pytest

from brokers.accounts import SECRETS
from brokers.ibkr.link import IbkrLink
from brokers.zerodha.link import ZerodhaLink
from brokers.zerodha.placements import CAPABILITIES as ZERODHA
from scripts.launcher.home import REPOSITORY
from services.execution.troubles import CLOSED, LOGIN_REQUIRED, MISCONFIGURED

PAGE = (REPOSITORY / "docs" / "brokers.md").read_text(encoding="utf-8")
OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
#: For tests; nobody else needs them.
ADDRESSES = {"root", "ticker_url"}


def section(name):
    return PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]


def fields_of(name):
    rows = re.findall(r"^\| (`[^|]+) \|", section(name), re.MULTILINE)
    return {field for row in rows for field in re.findall(r"`([a-z_]+)`", row)}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Interactive Brokers", {*IbkrLink.model_fields, "data_client_id"}),
        ("Zerodha", set(ZerodhaLink.model_fields) - ADDRESSES),
    ],
)
def test_every_field_of_a_connection_has_a_row_and_no_other(name, fields):
    assert fields_of(name) == fields


def test_the_secrets_of_each_broker_are_said():
    for names in SECRETS.values():
        for name in set(names) - {"access_token"}:  # stored by the log-in
            assert f"secret ZE-1 {name}" in PAGE


def test_what_zerodha_does_not_do_by_itself_is_said():
    assert not any((ZERODHA.brackets, ZERODHA.oco, ZERODHA.combos))
    assert {str(each) for each in ZERODHA.times_in_force} == {"DAY", "IOC"}


@pytest.mark.parametrize("kind", [LOGIN_REQUIRED, MISCONFIGURED, CLOSED, "GUARD_LOST"])
def test_every_incident_of_accounts_has_a_row(kind):
    assert f"\n| `{kind}` |" in OPERATIONS
