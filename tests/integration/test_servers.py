"""The servers of tests/support start, hold data over a crash, and leave nothing behind."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from services.common.settings import CommonSettings
from services.common.store import Store
from tests.support.servers import start_database


def test_a_store_keeps_decimals_exact(store: Store):
    store["positions"].insert_one({"_id": "p", "quantity": Decimal("0.10")})
    assert store["positions"].find_one({"_id": "p"}) == {"_id": "p", "quantity": Decimal("0.10")}


def test_an_acknowledged_write_survives_a_kill(tmp_path: Path):
    with start_database(tmp_path) as first:
        settings = CommonSettings(mongodb_uri=first.address, mt_home=tmp_path)
        store = Store.connect(settings)
        store["orders"].insert_one({"_id": "MT1"})
        store.close()
        first.kill()
    with start_database(tmp_path, port=first.port) as second:
        assert second.process.pid != first.process.pid
        store = Store.connect(settings)
        assert store["orders"].find_one({"_id": "MT1"}) == {"_id": "MT1"}
        store.close()
    assert second.process.poll() is not None
