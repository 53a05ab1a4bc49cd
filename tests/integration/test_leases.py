"""Leases: one owner, and the one before is locked out."""

import time

import pytest

from services.common.leases import Lease

pytestmark = pytest.mark.servers


def test_only_one_holds_it(store):
    first, second = (Lease(store, "x", ttl_seconds=30) for _ in range(2))
    assert first.try_acquire()
    assert not second.try_acquire()
    assert (first.held(), second.held()) == (True, False)


def test_taking_over_raises_the_epoch_and_fences_the_old_owner(store):
    first, second = (Lease(store, "x", ttl_seconds=0.2) for _ in range(2))
    assert first.try_acquire()
    time.sleep(0.3)
    assert second.try_acquire()
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
