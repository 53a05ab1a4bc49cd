"""The demo adds what is missing and changes nothing that is there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from scripts import demo
from services.common.credentials import hash_key
from services.common.settings import CommonSettings
from services.common.store import Store, from_document
from services.domain.accounts import AccountSnapshot, Strategy


@pytest.fixture
def settings(connection: dict[str, Any]) -> CommonSettings:
    return CommonSettings(**connection)


def test_keys_are_given_out_once_and_stored_as_hashes(settings: CommonSettings, store: Store):
    keys = dict(demo.create(settings))
    assert set(keys) == {"SPX_1-D_Opt", "Forex", "Demo_Stocks"}
    for strategy_id, key in keys.items():
        found = store["strategies"].find_one({"credentials.key_hash": hash_key(key)})
        assert found["strategy_id"] == strategy_id
        assert key not in repr(found)
    assert dict(demo.create(settings)) == dict.fromkeys(keys)


def test_what_is_there_stays_as_it_is(settings: CommonSettings, store: Store):
    demo.create(settings)
    store["strategies"].update_one({"_id": "Forex"}, {"$set": {"status": "INACTIVE"}})
    store["current_allocation"].update_one({"_id": "current"}, {"$set": {"version": 7}})
    store["trading_accounts"].delete_one({"_id": "Mock-2"})
    demo.create(settings)
    assert store["strategies"].find_one({"_id": "Forex"})["status"] == "INACTIVE"
    assert store["current_allocation"].find_one({})["version"] == 7
    assert store["trading_accounts"].count_documents({}) == 2


def test_documents_are_what_the_domain_reads(settings: CommonSettings, store: Store):
    demo.create(settings)
    strategy = from_document(Strategy, store["strategies"].find_one({"_id": "Demo_Stocks"}))
    assert [(a.account_id, a.weight_ratio) for a in strategy.accounts] == [
        ("Mock-1", Decimal("0.5")),
        ("Mock-2", Decimal("0.5")),
    ]
    account = from_document(AccountSnapshot, store["trading_accounts"].find_one({"_id": "Mock-1"}))
    assert account.equity is None
    allocation = store["current_allocation"].find_one({"_id": "current"})
    assert sum(row["ratio"] for row in allocation["allocations"]) == 1
    assert store["allocation_history"].find_one({"_id": 1})["reason"] == allocation["reason"]
