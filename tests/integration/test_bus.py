"""The bus layer: what raised is never acked, nothing ends a subscription, nothing is lost."""

import threading
import time

import pytest
from google.pubsub_v1 import SubscriberClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from services.common.bus import Publisher, Ring, create_topology, insecure_channel
from services.common.clock import utc_now
from services.common.dead_letters import discard_letter, replay_letter
from services.common.settings import CommonSettings
from services.common.signed import Signed
from services.common.subscriber import MAX_FAILURES, Subscriber
from services.common.sweeper import Sweeper
from services.common.topology import CEREBRO_SIGNALS, STANDARDIZED_SIGNALS
from services.domain.errors import (
    ConfigurationError,
    InvalidMessage,
    PartlyDone,
    TransientError,
)
from services.signal_ingestion.__main__ import UNDECIDED
from tests.support.rows import SilentPublisher

pytestmark = pytest.mark.servers


@pytest.fixture
def settings(bus_connection):
    made = CommonSettings(**bus_connection)
    create_topology(made)
    return made


@pytest.fixture
def publisher(settings):
    return Publisher(settings)


class Consumer:
    """A subscription whose handler does what the test says, and remembers what it was given."""

    def __init__(self, settings, store, behave, **options):
        self.batches = []
        self.deaths = []
        self._behave = behave
        self.subscriber = Subscriber(
            settings, store, CEREBRO_SIGNALS, self._handle, on_death=self.deaths.append, **options
        )

    def _handle(self, batch):
        names = [fields["signal_id"] for fields in batch]
        self.batches.append(names)
        self._behave(names)

    @property
    def given(self):
        return [name for batch in self.batches for name in batch]

    def __enter__(self):
        self.subscriber.start()
        return self

    def __exit__(self, *_):
        self.subscriber.stop()
        assert self.deaths == []


def ring(publisher, *names):
    rings = [Ring(name[0], {"signal_id": name}) for name in names]
    assert publisher.ring(STANDARDIZED_SIGNALS, rings)


def wait_for(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def settle():
    """Longer than the back-off of what would come again."""
    time.sleep(1.0)


def test_what_is_handled_does_not_come_again(settings, store, publisher):
    with Consumer(settings, store, lambda _: None) as consumer:
        ring(publisher, "a1", "a2")
        wait_for(lambda: sorted(consumer.given) == ["a1", "a2"])
        settle()
    assert sorted(consumer.given) == ["a1", "a2"]


def test_not_now_comes_again_until_it_is_now(settings, store, publisher):
    tries = []

    def behave(names):
        tries.append(names)
        if len(tries) < 3:
            raise TransientError("not now")

    with Consumer(settings, store, behave) as consumer:
        ring(publisher, "a1")
        wait_for(lambda: len(tries) == 3)
        settle()
    assert consumer.given == ["a1"] * 3
    assert store["dead_letters"].count_documents({}) == 0


def test_what_can_never_be_handled_is_recorded_at_once(settings, store, publisher):
    def behave(_):
        raise InvalidMessage("no such signal")

    with Consumer(settings, store, behave) as consumer:
        ring(publisher, "a1")
        wait_for(lambda: store["dead_letters"].count_documents({"status": "DEAD"}))
        settle()
    assert consumer.given == ["a1"]
    assert store["incidents"].count_documents({"kind": "DEAD_LETTER"}) == 1


def test_a_bug_is_tried_five_times_then_kept_with_its_error(settings, store, publisher):
    def behave(names):
        if "bad" in names:
            raise ZeroDivisionError("a bug")

    with Consumer(settings, store, behave) as consumer:
        ring(publisher, "bad")
        ring(publisher, "good")
        wait_for(lambda: store["dead_letters"].count_documents({"status": "DEAD"}))
    (letter,) = store["dead_letters"].find()
    assert letter["failures"] == MAX_FAILURES
    assert "ZeroDivisionError: a bug" in letter["error"]
    assert "bad" in letter["payload"]
    assert consumer.given.count("good") >= 1


def test_a_batch_with_one_bad_message_is_handled_one_by_one(settings, store, publisher):
    hold, done = threading.Event(), []

    def behave(names):
        if names == ["first"]:
            hold.wait(20)
        if "bad" in names:
            raise InvalidMessage("bad")
        done.extend(names)

    with Consumer(settings, store, behave) as consumer:
        ring(publisher, "first")
        wait_for(lambda: consumer.batches)
        ring(publisher, "a1", "bad", "a2")
        settle()  # they gather behind the first
        hold.set()
        wait_for(lambda: {"a1", "a2"} <= set(done))
    assert any(len(batch) == 3 for batch in consumer.batches)
    assert sorted(done) == ["a1", "a2", "first"]


def test_of_a_batch_only_those_that_wait_come_again(settings, store, publisher):
    hold = threading.Event()

    def behave(names):
        if names == ["first"]:
            hold.wait(20)
        elif len(names) > 1:
            raise PartlyDone("not now", waiting=frozenset({names.index("wait")}))

    with Consumer(settings, store, behave) as consumer:
        ring(publisher, "first")
        wait_for(lambda: consumer.batches)
        ring(publisher, "a1", "wait", "a2")
        settle()  # they gather behind the first
        hold.set()
        wait_for(lambda: consumer.given.count("wait") == 2)
        settle()
    assert [len(batch) for batch in consumer.batches] == [1, 3, 1]
    assert sorted(consumer.given) == ["a1", "a2", "first", "wait", "wait"]


def test_a_slow_key_delays_only_itself(settings, store, publisher):
    hold, done = threading.Event(), []

    def behave(names):
        if names[0].startswith("s"):
            hold.wait(20)
        done.extend(names)

    with Consumer(settings, store, behave, by_key=True):
        ring(publisher, "slow")
        settle()
        ring(publisher, "quick")
        wait_for(lambda: done == ["quick"])
        hold.set()
        wait_for(lambda: "slow" in done)
    assert done == ["quick", "slow"]


def test_stopping_lets_the_running_handler_finish_and_its_ack_leave(settings, store, publisher):
    begun, finish = threading.Event(), threading.Event()

    def behave(_):
        begun.set()
        finish.wait(20)

    consumer = Consumer(settings, store, behave)
    consumer.subscriber.start()
    ring(publisher, "a1")
    assert begun.wait(20)
    threading.Timer(0.3, finish.set).start()
    consumer.subscriber.stop()
    assert finish.is_set()
    with Consumer(settings, store, lambda _: None) as after:
        settle()
    assert after.given == []


def test_a_message_of_another_schema_is_dead_not_guessed(settings, store, publisher):
    publisher._client.publish(
        request={
            "topic": f"projects/{settings.project_id}/topics/{STANDARDIZED_SIGNALS}",
            "messages": [{"data": b'{"schema": "99", "signal_id": "x"}'}, {"data": b"not json"}],
        }
    )
    with Consumer(settings, store, lambda _: None) as consumer:
        wait_for(lambda: store["dead_letters"].count_documents({"status": "DEAD"}) == 2)
    assert consumer.given == []


def test_the_sweeper_rings_for_what_has_no_successor(store):
    old, now = utc_now().replace(year=2025), utc_now()
    store["signal_store"].insert_many(
        [
            {"_id": "lost", "signal_id": "lost", "strategy_id": "S", "undecided": True}
            | {"received_at": old},
            {"_id": "fresh", "signal_id": "fresh", "strategy_id": "S", "undecided": True}
            | {"received_at": now},
            {"_id": "done", "signal_id": "done", "strategy_id": "S", "received_at": old},
        ]
    )
    publisher = SilentPublisher()
    assert Sweeper(store, publisher, UNDECIDED).sweep() == 1
    fields = {"signal_id": "lost", "strategy_id": "S"}
    assert publisher.rung == [(STANDARDIZED_SIGNALS, "S", fields)]


def add_undecided(store, count):
    """So many signals of one moment long ago; their ids in order."""
    names = [f"S{number:04}" for number in range(count)]
    row = {"strategy_id": "S", "undecided": True}
    row["received_at"] = utc_now().replace(year=2025)
    store["signal_store"].insert_many([{"_id": name, "signal_id": name, **row} for name in names])
    return names


def test_of_a_backlog_nobody_is_rung_for_again_and_again(store):
    names = add_undecided(store, 120)
    publisher = SilentPublisher()
    sweeper = Sweeper(store, publisher, UNDECIDED)
    assert [sweeper.sweep(), sweeper.sweep()] == [120, 0]
    store["signal_store"].update_many({"_id": {"$in": names[10:]}}, {"$unset": {"undecided": ""}})
    assert [sweeper.sweep(), sweeper.sweep()] == [10, 10]  # few: each time, as they may be lost
    assert {fields["signal_id"] for _, _, fields in publisher.rung} == set(names)


def test_who_waits_behind_many_is_rung_for_as_well(store):
    """1,100 of one list came at one moment; a sweep looks at 500."""
    names = add_undecided(store, 1100)
    publisher = SilentPublisher()
    sweeper = Sweeper(store, publisher, UNDECIDED)
    assert [sweeper.sweep() for _ in range(6)] == [500, 500, 100, 0, 0, 0]
    assert [fields["signal_id"] for _, _, fields in publisher.rung] == names


def test_a_dead_letter_is_handled_again_when_a_person_wants_it(settings, store, publisher):
    cured = threading.Event()
    signed = Signed("olga", "the code is mended")

    def poisoned(names):
        if "bad" in names and not cured.is_set():
            raise InvalidMessage("poison")

    def letter():
        return store["dead_letters"].find_one({"status": {"$ne": "FAILING"}})

    def incident():
        return store["incidents"].find_one({"kind": "DEAD_LETTER"})["status"]

    with Consumer(settings, store, poisoned) as consumer:
        ring(publisher, "bad")
        wait_for(lambda: letter() and letter()["status"] == "DEAD")
        name = letter()["_id"]
        # Still poisoned, it dies again, and says so on the same letter.
        replay_letter(store, name, signed)
        with pytest.raises(ConfigurationError, match="REPLAYING, by olga"):
            replay_letter(store, name, signed)
        wait_for(lambda: letter()["status"] == "DEAD" and letter()["failures"] == 2)
        assert incident() == "OPEN"
        cured.set()
        replay_letter(store, name, signed)
        wait_for(lambda: letter()["status"] == "RECOVERED")
        wait_for(lambda: incident() == "CLEARED")
        assert consumer.given == ["bad"] * 3
    with pytest.raises(ConfigurationError, match="is RECOVERED"):
        discard_letter(store, name, signed)
    lines = list(store["audit_log"].find({"by": "olga"}))
    assert [line["what"] for line in lines] == ["DEAD_LETTER_REPLAYING"] * 2
    assert lines[0]["facts"]["before"] == {"status": "DEAD"}


def test_what_a_bus_has_forgotten_is_made_again(settings, store, publisher):
    channel = insecure_channel(settings.pubsub_host)
    forgotten = f"projects/{settings.project_id}/subscriptions/{CEREBRO_SIGNALS.name}"
    with Consumer(settings, store, lambda _: None) as consumer:
        with SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)) as client:
            client.delete_subscription(request={"subscription": forgotten})
        wait_for(lambda: consumer.deaths)  # its process ends, and is started again
        assert "ended: 404" in consumer.deaths.pop()
    with Consumer(settings, store, lambda _: None) as restarted:
        ring(publisher, "after")
        wait_for(lambda: restarted.given == ["after"])
