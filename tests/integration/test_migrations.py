"""A database made by an earlier version is brought to the layout of this one, or left alone."""

import pytest
from bson.decimal128 import Decimal128

from scripts import migrate as script
from services.common.indexes import INDEXES
from services.common.layout import Act, index_changes
from services.common.leases import Lease
from services.common.migrations import LAYOUT, check_layout, migrate, plan_of
from services.common.settings import CommonSettings
from services.common.store import Store
from services.domain.errors import ConfigurationError, TransientError

pytestmark = pytest.mark.servers
UNIQUE = ["strategy_name", "idempotency_key"]


@pytest.fixture
def early(connection):
    """A database as an early version left it: other indexes, no marks on orders, no layout."""
    settings = CommonSettings(
        **{**connection, "mongodb_database": f"m_{connection['mongodb_database']}"}
    )
    store = Store.connect(settings)
    raw = store["trading_signals_raw"]
    raw.create_index([(name, 1) for name in UNIQUE], unique=True)  # now partial
    raw.create_index([("received_on", 1)])  # of nobody any more
    store["orders"].create_index([("unknown", 1)])  # now partial
    store["equity_points"].create_index([("at", 1)], expireAfterSeconds=60)  # now two weeks
    store["controls"].insert_one({"_id": "GLOBAL", "trading_state": "ACTIVE"})
    raw.insert_one({"_id": "r1", "strategy_name": "S", "idempotency_key": "k"})
    store["orders"].insert_many(
        [
            {"_id": "waits", "working": True, "status": "PENDING", "quantity": Decimal128("1")},
            {"_id": "rests", "working": True, "status": "SUBMITTED"},
            {"_id": "asked", "working": True, "status": "UNKNOWN"},
            {"_id": "ended", "status": "FILLED"},
        ]
    )
    yield store
    store.client.drop_database(store.database.name)
    store.close()


def test_an_early_database_gets_indexes_and_marks_and_keeps_its_rows(early):
    done = migrate(early, by="test")
    assert {each.act for each in done.indexes} == {Act.CREATE, Act.REBUILD, Act.LEAVE}
    assert plan_of(early).is_empty
    assert [str(each) for each in index_changes(early)] == [
        "leave index of trading_signals_raw (received_on), which this version does not know"
    ]
    marks = {row["_id"]: (row.get("sent"), row.get("unknown")) for row in early["orders"].find()}
    assert marks == {
        "waits": (None, None),
        "rests": (True, None),
        "asked": (True, True),
        "ended": (None, None),
    }
    expires = {i.get("expireAfterSeconds") for i in early["equity_points"].list_indexes()}
    assert expires == {None, 14 * 86400}
    assert set(INDEXES) <= set(early.database.list_collection_names())
    assert migrate(early, by="test").is_empty


def test_a_dry_run_tells_all_and_changes_nothing(early, monkeypatch, capsys):
    before = early["trading_signals_raw"].index_information()
    monkeypatch.setattr("scripts.tool.load", lambda _: None)
    monkeypatch.setattr("scripts.tool.Store.connect", lambda _: Unclosed(early))
    assert script.main(["--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "would do: migration: mark orders that are at the broker" in said
    assert "would do: rebuild index of trading_signals_raw (strategy_name, idempotency_key" in said
    assert "was at layout 0" in said
    assert early["trading_signals_raw"].index_information() == before
    assert early["layout"].find_one() is None


def test_a_unique_index_is_never_missing_while_it_is_made_again(early, monkeypatch):
    """Whatever the moment, a second row of the same key is refused."""
    seen = []
    real = Store.__getitem__

    def watching(store, name):
        if name == "trading_signals_raw":
            information = real(store, name).index_information()
            keys = [(name, 1) for name in UNIQUE]
            seen.append(
                any(i.get("unique") and list(i["key"]) == keys for i in information.values())
            )
        return real(store, name)

    monkeypatch.setattr(Store, "__getitem__", watching)
    migrate(early, by="test")
    assert len(seen) >= 3
    assert all(seen)


def test_a_rebuild_that_was_cut_short_is_completed(early):
    raw = early["trading_signals_raw"]
    options = INDEXES["trading_signals_raw"][0][1]
    raw.create_index([(name, 1) for name in UNIQUE], name="beside", **options)
    migrate(early, by="test")
    named = [i["name"] for i in raw.list_indexes() if list(i["key"]) == UNIQUE]
    assert named == ["beside"]
    assert plan_of(early).is_empty


def test_rows_that_are_there_twice_stop_the_start_and_keep_the_old_index(early):
    raw = early["trading_signals_raw"]
    raw.drop_index("strategy_name_1_idempotency_key_1")
    raw.create_index([(name, 1) for name in UNIQUE])
    raw.insert_one({"_id": "r2", "strategy_name": "S", "idempotency_key": "k"})
    with pytest.raises(ConfigurationError, match=r"two rows have .*'idempotency_key': 'k'"):
        migrate(early, by="test")
    assert "strategy_name_1_idempotency_key_1" in raw.index_information()
    assert raw.count_documents({}) == 2


def test_nothing_is_migrated_under_what_trades(early):
    desk = Lease(early, "account|IB-1", ttl_seconds=30)
    assert desk.try_acquire()
    with pytest.raises(TransientError, match=r"services still work on it \(account\|IB-1\)"):
        migrate(early, by="test", patience_seconds=0.1)
    assert early["layout"].find_one() is None
    assert early["orders"].find_one({"sent": True}) is None


@pytest.mark.parametrize(
    ("number", "word"), [(LAYOUT + 1, "newer version"), (LAYOUT - 1, "stop all")]
)
def test_a_service_refuses_a_layout_that_is_not_its_own(store, number, word):
    store["layout"].insert_one({"_id": "layout", "number": number})
    with pytest.raises(ConfigurationError, match=word):
        check_layout(store)


def test_a_newer_database_is_never_migrated(store):
    store["layout"].insert_one({"_id": "layout", "number": LAYOUT + 1})
    with pytest.raises(ConfigurationError, match="newer version"):
        migrate(store, by="test")
    assert store["layout"].find_one()["number"] == LAYOUT + 1


class Unclosed:
    """A store that outlives the tool that was given it."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def __getitem__(self, name):
        return self._store[name]

    def close(self):
        """Not ours to close."""
