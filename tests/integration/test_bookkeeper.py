"""Books are closed in order: what is being booked is finished, and nothing is begun after."""

import threading

import pytest

from services.common.leases import Lease
from services.domain.errors import TransientError
from services.execution.bookkeeper import Bookkeeper
from tests.support.rows import SilentPublisher

pytestmark = pytest.mark.servers


@pytest.fixture
def lease(store):
    held = Lease(store, "account|A", ttl_seconds=5)
    assert held.try_acquire()
    yield held
    held.stop()


def test_closing_waits_for_what_is_being_booked_and_lets_nothing_begin(store, lease):
    books = Bookkeeper("A", store, SilentPublisher())
    begun, go_on, booked = threading.Event(), threading.Event(), []

    def work(session):
        store["checkpoints"].insert_one({"_id": "booked"}, session=session)
        begun.set()
        assert go_on.wait(10)
        return "booked"

    hand = threading.Thread(target=lambda: booked.append(books.transact(lease, work)))
    hand.start()
    assert begun.wait(10)
    closing = threading.Thread(target=books.close)
    closing.start()
    closing.join(0.2)
    assert closing.is_alive()
    go_on.set()
    for thread in (hand, closing):
        thread.join(10)
    assert booked == ["booked"]
    assert store["checkpoints"].find_one({"_id": "booked"})
    with pytest.raises(TransientError, match="A is closed here"):
        books.transact(lease, work)
