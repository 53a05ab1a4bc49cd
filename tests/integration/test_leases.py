"""Leases: one owner, and the one before is locked out."""

import time

import pytest
from pymongo.errors import OperationFailure

from services.common.leases import Lease
from tests.support.desks import wait_for

pytestmark = pytest.mark.servers


def test_only_one_holds_it(store):
    first, second = (Lease(store, "x", ttl_seconds=30) for _ in range(2))
    assert first.try_acquire()
    assert not second.try_acquire()
    assert (first.held(), second.held()) == (True, False)


def test_taking_over_raises_the_epoch_and_fences_the_old_owner(store):
    first, second = (Lease(store, "x", ttl_seconds=0.2) for _ in range(2))
    assert first.try_acquire()
    wait_for(second.try_acquire)
    assert (first.epoch, second.epoch) == (1, 2)
    assert not first.try_acquire()


def test_release_lets_the_next_in_at_once(store):
    first, second = (Lease(store, "x", ttl_seconds=30) for _ in range(2))
    first.start()
    while not first.held():
        time.sleep(0.01)
    first.stop()
    assert second.try_acquire()


def test_renewing_keeps_the_epoch(store):
    lease = Lease(store, "x", ttl_seconds=30)
    assert lease.try_acquire()
    assert lease.try_acquire()
    assert lease.epoch == 1


def test_taking_over_aborts_the_transaction_that_the_owner_before_left_open(store):
    """Without it the row stays locked for a minute, and whoever writes it waits."""
    dead, heir = (Lease(store, "x", ttl_seconds=0.2) for _ in range(2))
    assert dead.try_acquire()
    store["positions"].insert_one({"_id": "p", "quantity": 1})
    dead.session.start_transaction()
    store["positions"].update_one({"_id": "p"}, {"$set": {"quantity": 2}}, session=dead.session)
    wait_for(heir.try_acquire)
    store["positions"].update_one({"_id": "p"}, {"$inc": {"quantity": 10}})
    assert store["positions"].find_one({"_id": "p"})["quantity"] == 11
    with pytest.raises(OperationFailure, match=r"NoSuchTransaction|aborted"):
        dead.session.commit_transaction()
