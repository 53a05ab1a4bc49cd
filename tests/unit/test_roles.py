"""Roles of MongoDB: never less than the code does, and no service may do everything."""

import json

import pytest

from scripts import make_roles

ROLES = json.loads((make_roles.FOLDER / "roles.json").read_text())


def test_roles_are_those_of_the_code():
    assert {path: path.read_text() for path in make_roles.files()} == make_roles.files()


@pytest.mark.parametrize(
    ("source", "reads", "writes"),
    [
        ('self._store["orders"].find_one({})', {"orders"}, set()),
        ('store["orders"].update_one({}, {})', {"orders"}, {"orders"}),
        ('rows = store["orders"]\nrows.insert_many([])', {"orders"}, {"orders"}),
        ('a, rows = 1, self._store["orders"]\nrows.delete_one({})', {"orders"}, {"orders"}),
        ('for n in ("orders", "users"):\n    store[n].find({})', {"orders", "users"}, set()),
        ('n = "orders"\nself._store[n].replace_one({}, {})', {"orders"}, {"orders"}),
        ('store["trading_accounts"].find({})', {"trading_accounts"}, set()),
        ('fields["orders"]', {"orders"}, set()),  # by its name: more is read, never less
        ('fields["quantity"].update_one({})', set(), set()),
    ],
)
def test_uses_are_read_from_the_source(source, reads, writes):
    assert make_roles.uses_in(source) == (reads, writes)


@pytest.mark.parametrize(
    ("service", "collection"),
    [  # as seen on the wire of running services, where the source says it in a roundabout way
        ("signal_gateway", "rate_windows"),
        ("account_data", "trading_accounts"),
        ("cerebro", "sequences"),
        ("execution", "reconciliations"),
        ("telegram", "notification_outbox"),
        ("dashboard_creator", "strategy_days"),
        ("portfolio_builder", "portfolio_test_files"),
        ("signal_ingestion", "leases"),
    ],
)
def test_what_services_were_seen_to_write_they_may(service, collection):
    assert collection in ROLES[service]["write"]


def test_nobody_may_do_everything():
    assert "web" not in ROLES  # it only forwards
    for uses in ROLES.values():
        assert "layout" not in uses["write"]
    traders = {name for name, uses in ROLES.items() if "positions" in uses["write"]}
    assert "signal_gateway" not in traders
    assert "telegram" not in traders
    passwords = {name for name, uses in ROLES.items() if "users" in uses["write"]}
    assert not passwords & {"execution", "cerebro", "signal_ingestion", "telegram"}
    allocations = {name for name, uses in ROLES.items() if "current_allocation" in uses["write"]}
    assert allocations == {"portfolio_builder"}
