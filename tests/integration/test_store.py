"""Changing many rows beside somebody's transaction: both go on."""

import threading
import time

import pytest

from services.common.settings import CommonSettings
from services.common.store import Store
from tests.support.servers import start_database

pytestmark = pytest.mark.servers


@pytest.fixture
def own_store(tmp_path):
    """Of a database of its own: where this fails, nothing in it ends any more."""
    with start_database(tmp_path) as server:
        made = Store.connect(CommonSettings(mt_home=tmp_path, mongodb_uri=server.address))
        yield made
        made.close()


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda store: store.update_many("orders", {"working": True}, {"$inc": {"epoch": 1}}), 1),
        (lambda store: store.delete_many("orders", {"working": True}), 0),
    ],
    ids=["update", "delete"],
)
def test_many_rows_are_changed_beside_a_transaction_that_has_changed_one(own_store, change, left):
    orders = own_store["orders"]
    orders.insert_many([{"_id": name, "working": True, "epoch": 0} for name in ("a", "b", "c")])
    changed = []
    changing = threading.Thread(target=lambda: changed.append(change(own_store)))
    with own_store.client.start_session() as session, session.start_transaction():
        orders.update_one({"_id": "a"}, {"$set": {"text": "posted"}}, session=session)
        changing.start()
        time.sleep(0.5)  # it waits for the row
        assert changing.is_alive()
        orders.update_one({"_id": "b"}, {"$set": {"text": "posted"}}, session=session)
    changing.join(20)
    assert changed == [3]
    assert orders.count_documents({"epoch": 1, "working": True}) == 3 * left
