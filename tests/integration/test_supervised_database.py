"""The embedded database under its supervisor: broken, stuck or grown, it is started anew."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import psutil
import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from tests.support.instances import SECONDS, Instance, stub

pytestmark = pytest.mark.servers


def supervise_database(instance: Instance) -> tuple[subprocess.Popen[str], str]:
    """A supervisor of the embedded database alone, and its address."""
    database = stub("mongodb", "database")
    supervisor = instance.supervise(database)
    instance.wait_running()
    return supervisor, f"mongodb://127.0.0.1:{database.split(':')[1]}/?retryWrites=false"


def test_a_database_that_a_full_disk_broke_is_started_again_and_has_what_it_had(
    instance: Instance,
) -> None:
    _, address = supervise_database(instance)
    with MongoClient(address, serverSelectionTimeoutMS=1000) as client:
        rows = client["test"]["rows"]
        rows.insert_one({"_id": 1})
        broken = psutil.Process(instance.pid("mongodb"))
        broken.rlimit(psutil.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        with pytest.raises(PyMongoError):
            rows.insert_one({"_id": 2})
        broken.rlimit(psutil.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)  # there is room again

        def has_what_it_had() -> bool:
            with suppress(PyMongoError):
                return [row["_id"] for row in rows.find({"_id": 1})] == [1]
            return False

        instance.wait_for(lambda: instance.pid("mongodb") not in {0, broken.pid})
        instance.wait_for(has_what_it_had)
        rows.insert_one({"_id": 3})
        assert {1, 3} <= set(rows.distinct("_id"))


def test_a_database_whose_transactions_wait_for_each_other_is_started_again(
    instance: Instance,
) -> None:
    supervisor, address = supervise_database(instance)
    first = instance.pid("mongodb")
    with MongoClient(address, serverSelectionTimeoutMS=1000) as client:
        client["test"]["rows"].insert_many([{"_id": 1}, {"_id": 2}])
        with entangled(client["test"]["rows"]):
            instance.wait_for(lambda: instance.pid("mongodb") not in {0, first})

        def work_again() -> bool:
            with suppress(PyMongoError), client.start_session() as session:
                row = {"_id": 3}
                session.with_transaction(
                    lambda own: client["test"]["rows"].insert_one(row, session=own)
                )
                return True
            return False

        instance.wait_for(work_again)
    supervisor.terminate()
    said, _ = supervisor.communicate(timeout=SECONDS)
    assert "mongodb ends no transaction any more: it is killed" in said


@contextmanager
def entangled(rows: Collection[dict[str, Any]]) -> Iterator[None]:
    """Have a transaction, and a change of many rows beside it, wait for each other for ever."""
    client, change = rows.database.client, {"$inc": {"n": 1}}

    def in_vain(work: Callable[[], object]) -> None:
        with suppress(PyMongoError):  # until it is killed
            work()

    first, second = client.start_session(), client.start_session()
    first.start_transaction()
    second.start_transaction()
    with ThreadPoolExecutor(3) as threads:
        rows.update_one({"_id": 1}, change, session=first)
        for work in (
            lambda: rows.update_many({}, change),
            lambda: rows.update_one({"_id": 2}, change, session=first),
            lambda: rows.find_one({"_id": 2}, session=second),
        ):
            threads.submit(in_vain, work)
            time.sleep(0.5)
        yield


def test_a_database_that_grows_and_grows_is_started_anew_and_has_what_it_had(
    instance: Instance,
) -> None:
    supervisor, address = supervise_database(instance)
    first = instance.pid("mongodb")
    stored = 0
    with MongoClient(address, serverSelectionTimeoutMS=1000) as client:
        rows = client["test"]["rows"]

        def store_more() -> bool:
            nonlocal stored
            with suppress(PyMongoError):
                batch = [{"_id": stored + each, "said": "x" * 4096} for each in range(500)]
                rows.insert_many(batch)
                stored += len(batch)
            return instance.pid("mongodb") not in {0, first}

        instance.wait_for(store_more)

        def count() -> int:
            with suppress(PyMongoError):
                return rows.count_documents({})
            return 0

        instance.wait_for(lambda: count() >= stored)
    supervisor.terminate()
    said, _ = supervisor.communicate(timeout=SECONDS)
    assert "mongodb uses more than 90 MB of memory: it is started anew" in said
    assert "mongodb died (exit code 0)" in said
    assert not (instance.home.root / "incidents.txt").exists()
