"""The store of the simulation does what the real database does, as far as the road asks it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from bson.errors import InvalidDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure

from services.common.store import Store
from services.domain.errors import TransientError
from services.domain.words import OrderStatus
from tests.simulation.clock import VirtualClock
from tests.simulation.store import Memory

pytestmark = pytest.mark.servers

AT = datetime(2026, 11, 20, 15, 30, 0, 123456, tzinfo=UTC)
ROWS = [
    {"_id": "a", "n": 1, "at": AT, "status": OrderStatus.PENDING, "tags": ["x"], "deep": {"k": 1}},
    {"_id": "b", "n": 2, "at": None, "price": Decimal("1.500"), "list": [{"k": 1}, {"k": 2}]},
    {"_id": "c", "n": 3, "on": date(2026, 11, 20), "flag": True, "pair": ("p", "q")},
    {"_id": "d", "flag": 1, "deep": {"k": None}},
]
FILTERS = [
    {},
    {"_id": "a"},
    {"_id": {"$in": ["c", "a", "zz"]}},
    {"n": {"$gt": 1}},
    {"n": {"$gte": 1, "$lt": 3}},
    {"n": {"$lte": 2}},
    {"n": {"$ne": 2}},
    {"n": {"$nin": [1, 2]}},
    {"at": None},
    {"at": {"$lt": datetime(2027, 1, 1, tzinfo=UTC)}},
    {"at": {"$exists": False}},
    {"at": {"$exists": True}},
    {"n": {"$not": {"$gt": 2}}},
    {"status": {"$in": [OrderStatus.PENDING, OrderStatus.UNKNOWN]}},
    {"status": {"$type": "string"}},
    {"flag": True},
    {"flag": 1},
    {"deep.k": 1},
    {"deep.k": None},
    {"list.k": 2},
    {"list.k": {"$ne": 2}},
    {"tags": "x"},
    {"price": Decimal("1.5")},
    {"$or": [{"n": 1}, {"flag": True}]},
    {"at": {"$in": [None]}},
]
UPDATES = [
    {"$set": {"n": 5, "deep.k": 2, "new.path": "x"}},
    {"$unset": {"at": "", "deep.k": "", "nothing.there": ""}},
    {"$inc": {"n": 2, "count": 1}},
    {"$push": {"tags": {"a": 1}, "made": 1}},
    {"$addToSet": {"tags": {"$each": ["x", "y", "y"]}}},
    {"$addToSet": {"tags": "x"}},
    {"$min": {"n": 0, "least": AT}},
    {"$max": {"n": 0, "most": 2}},
    {"$setOnInsert": {"n": 9}, "$set": {"status": OrderStatus.FILLED}},
]


@pytest.fixture
def simulated():
    return Store(Memory(VirtualClock(), lambda _kind, _name: None), "simulation")


@pytest.fixture
def both(shared_store, simulated):
    shared_store["orders"].delete_many({})
    for each in (shared_store, simulated):
        each["orders"].insert_many([dict(row) for row in ROWS])
    return shared_store, simulated


def same(both, ask):
    """Ask both; what they agree on."""
    real, simulated = (ask(each) for each in both)
    assert simulated == real
    return real


def rows(store, query=None, fields=None):
    return sorted(store["orders"].find(query or {}, fields), key=lambda row: str(row["_id"]))


def test_filters_find_the_same(both):
    found = [same(both, lambda store, query=query: rows(store, query)) for query in FILTERS]
    assert sum(map(bool, found)) > len(FILTERS) / 2, "most find something, or they say little"


def test_projections_show_the_same(both):
    for fields in ({"n": 1}, {"deep.k": 1, "at": 1}, {"n": 0, "deep": 0}):
        same(both, lambda store, fields=fields: rows(store, None, fields))
    assert same(both, lambda store: rows(store, None, {"_id": 1})) == [{"_id": c} for c in "abcd"]


def test_order_and_limit_are_the_same(both):
    keys = [("n", 1), ("n", -1)]
    for key in keys:
        names = same(
            both, lambda store, key=key: [r["_id"] for r in store["orders"].find({}).sort([key])]
        )
        assert len(names) == len(ROWS)
    same(both, lambda store: list(store["orders"].find({}).sort("n").limit(2)))
    same(both, lambda store: store["orders"].find_one({"n": {"$gt": 0}}, sort=[("n", -1)]))


def test_updates_change_the_same_and_count_the_same(both):
    for number, update in enumerate(UPDATES):

        def change(store, number=number, update=update):
            orders = store["orders"]
            found = [
                orders.update_one({"_id": "a"}, update),
                orders.update_one({"_id": "b", "n": 77}, update),
                orders.update_one({"_id": f"new{number}", "kind": "k"}, update, upsert=True),
            ]
            return [(each.matched_count, each.modified_count) for each in found], rows(store)

        (first, second, _), _ = same(both, change)
        assert (first[0], second) == (1, (0, 0)), "the one is found, the other is not"


def test_bulk_writes_replacements_and_deletions_are_the_same(both):
    def change(store):
        orders = store["orders"]
        done = orders.bulk_write(
            [
                InsertOne({"_id": "e", "n": 1}),
                UpdateOne({"_id": "a"}, {"$set": {"n": 10}}),
                ReplaceOne({"_id": "b"}, {"n": 20}),
                ReplaceOne({"_id": "f"}, {"n": 30}, upsert=True),
                DeleteOne({"_id": "c"}),
            ],
            ordered=False,
        )
        many = orders.update_many({"n": {"$gte": 10}}, {"$inc": {"n": 1}})
        gone = orders.delete_many({"n": 11})
        return done.modified_count, many.modified_count, gone.deleted_count, rows(store)

    changed, many, gone, left = same(both, change)
    assert (changed, many, gone, [row["_id"] for row in left]) == (2, 3, 1, ["b", "d", "e", "f"])


def test_a_second_of_the_same_key_is_refused(both):
    def collide(store):
        with pytest.raises(DuplicateKeyError):
            store["orders"].insert_one({"_id": "a"})
        with pytest.raises(BulkWriteError) as refused:
            store["orders"].insert_many([{"_id": "x"}, {"_id": "a"}, {"_id": "y"}], ordered=False)
        errors = refused.value.details["writeErrors"]
        return [(each["index"], each["code"]) for each in errors], rows(store)

    same(both, collide)


def test_what_the_database_cannot_keep_is_refused(both):
    def refuse(store):
        with pytest.raises(InvalidDocument):
            store["orders"].insert_one({"_id": "set", "kept": frozenset({1})})
        return rows(store)

    same(both, refuse)


def test_a_transaction_is_all_or_nothing_and_sees_its_own(both):
    def fail(store):
        def work(session):
            store["orders"].update_one({"_id": "a"}, {"$set": {"n": 100}}, session=session)
            store["orders"].insert_one({"_id": "z"}, session=session)
            assert store["orders"].find_one({"_id": "a"}, session=session)["n"] == 100
            assert store["orders"].find_one({"_id": "z"}) is None
            raise LookupError

        with pytest.raises(LookupError):
            store.transaction(work)
        return rows(store)

    same(both, fail)


def test_whoever_comes_second_in_a_transaction_is_in_conflict(both):
    def cross(store):
        first, second = store.client.start_session(), store.client.start_session()
        codes = []

        def inner(session):
            try:
                store["orders"].update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=session)
            except OperationFailure as error:
                codes.append((error.code, error.has_error_label("TransientTransactionError")))
                raise TransientError("second") from error

        def outer(session):
            store["orders"].update_one({"_id": "a"}, {"$inc": {"n": 10}}, session=session)
            with pytest.raises(TransientError):
                store.transaction(inner, session=second)

        store.transaction(outer, session=first)
        return codes, store["orders"].find_one({"_id": "a"})["n"]

    assert same(both, cross) == ([(112, True)], 11)


def test_a_change_stream_tells_what_is_inserted_after_its_token(both):
    def follow(store):
        orders = store["orders"]
        pipeline = [{"$match": {"operationType": "insert"}}]
        told = []
        with orders.watch(pipeline, max_await_time_ms=200) as stream:
            orders.insert_one({"_id": "s1", "at": AT})
            orders.update_one({"_id": "s1"}, {"$set": {"n": 2}})
            told.append(_next(stream))
            token = stream.resume_token
        orders.insert_one({"_id": "s2"})
        with orders.watch(pipeline, resume_after=token, max_await_time_ms=200) as stream:
            told.append(_next(stream))
            told.append(stream.try_next())
        return told

    first, second, nothing = same(both, follow)
    assert ("s1" in str(first), "s2" in str(second), nothing) == (True, True, None)


def _next(stream):
    for _ in range(20):
        if (event := stream.try_next()) is not None:
            return event["fullDocument"]
    return None
