"""Group commit: many publications in one transaction, acks behind them, failures told apart."""

import sqlite3
import threading

import pytest

from services.pubsub_local.commits import GroupCommit
from services.pubsub_local.errors import Refused, not_found
from services.pubsub_local.journal import Journal, PendingRow


class Publication:
    def __init__(self, row_id, *, log, refused=None):
        self._row = PendingRow(row_id, 1, 0, b"body")
        self._log = log
        self._refused = refused

    def rows(self):
        if self._refused:
            raise self._refused
        return [self._row]

    def committed(self):
        self._log.append(self._row.row_id)


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.close()


def stored(journal):
    return {row.row_id: row.failures for row in journal.pending()}


def publish_while_busy(commits, publications):
    """All of them wait for the lock, so the first to get it writes for the others."""
    refused = []

    def publish(publication):
        try:
            commits.publish(publication)
        except Refused as error:
            refused.append(error)

    threads = [threading.Thread(target=publish, args=(each,)) for each in publications]
    with commits.exclusive:
        for thread in threads:
            thread.start()
        while len(commits._tickets) < len(threads):
            pass
    for thread in threads:
        thread.join()
    return refused


def test_one_transaction_serves_everybody_who_waits(journal, monkeypatch):
    log, writes = [], []
    write = journal.write
    monkeypatch.setattr(journal, "write", lambda *what: (writes.append(what), write(*what)))
    publications = [Publication(row_id, log=log) for row_id in range(1, 9)]
    assert publish_while_busy(GroupCommit(journal), publications) == []
    assert len(writes) == 1
    assert sorted(log) == list(stored(journal)) == list(range(1, 9))


def test_messages_are_delivered_in_the_order_they_are_written(journal, monkeypatch):
    log, written = [], []
    write = journal.write
    monkeypatch.setattr(
        journal, "write", lambda rows, *rest: (written.extend(rows), write(rows, *rest))
    )
    publications = [Publication(row_id, log=log) for row_id in range(1, 9)]
    publish_while_busy(GroupCommit(journal), publications)
    assert log == [row.row_id for row in written]


def test_a_refused_publication_does_not_spoil_the_others(journal):
    log = []
    bad = Publication(2, log=log, refused=not_found("topic"))
    refused = publish_while_busy(
        GroupCommit(journal), [Publication(1, log=log), bad, Publication(3, log=log)]
    )
    assert [error.code.name for error in refused] == ["NOT_FOUND"]
    assert sorted(log) == list(stored(journal)) == [1, 3]


def test_acks_and_failures_go_with_the_next_commit(journal):
    commits = GroupCommit(journal)
    for row_id in (1, 2):
        commits.publish(Publication(row_id, log=[]))
    commits.write_later(gone=[1], failed={2: 4})
    commits.publish(Publication(3, log=[]))
    assert stored(journal) == {2: 4, 3: 0}


def test_acks_are_written_when_nothing_else_is(journal):
    commits = GroupCommit(journal)
    commits.publish(Publication(1, log=[]))
    commits.start()
    commits.write_later(gone=[1])
    commits.stop()
    assert stored(journal) == {}


def test_a_failed_write_refuses_the_publisher_and_keeps_the_acks(journal, monkeypatch):
    commits = GroupCommit(journal)
    commits.publish(Publication(1, log=[]))
    commits.write_later(gone=[1])
    log = []

    def fail(*_):
        raise sqlite3.OperationalError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(journal, "write", fail)
        with pytest.raises(Refused, match="disk full") as caught:
            commits.publish(Publication(2, log=log))
    assert caught.value.code.name == "UNAVAILABLE"
    assert log == []
    commits.publish(Publication(3, log=log))
    assert stored(journal) == {3: 0}


def test_a_replaced_message_goes_in_the_same_transaction(journal):
    commits = GroupCommit(journal)
    commits.publish(Publication(1, log=[]))
    commits.publish(Publication(2, log=[]), replaced=[1])
    assert stored(journal) == {2: 0}


def test_a_start_is_counted_once_each(tmp_path):
    numbers = []
    for _ in range(3):
        journal = Journal(tmp_path)
        numbers.append(journal.count_start())
        journal.close()
    assert numbers == [1, 2, 3]
