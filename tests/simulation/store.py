"""A MongoDB in memory behind pymongo's own calls: transactions, change streams, and faults.

`Store` of the services stands on it as on the real one, with its own transactions and error rules.
A transaction reads a snapshot and locks what it writes; whoever comes second is in conflict. Every
call asks `touch` first, which may let it fail before or after its effect, let another process run,
or let this one die; a transaction that its owner died in stays open until somebody kills it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from bson import ObjectId
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    NetworkTimeout,
    OperationFailure,
)

from services.common.indexes import INDEXES
from tests.simulation.documents import begun_by, copied, matches, shown, stored, updated

_DUPLICATE = 11000
_CONFLICT = 112
#: How often a client runs a transaction again by itself; the real one goes on for two minutes.
_ATTEMPTS = 4
#: A transaction that nobody ends is aborted by the server.
LIFETIME_SECONDS = 5.0


class Changed(NamedTuple):
    """What a write says of itself."""

    matched_count: int = 0
    modified_count: int = 0
    upserted_id: object = None
    deleted_count: int = 0
    inserted_ids: tuple = ()


class Memory:
    """The server, and the client that `Store` is given: any number of processes share one.

    Args:
        clock: of the simulation.
        touch: called with kind and name of every call; returns a fault, or None.
    """

    def __init__(self, clock, touch):
        self.clock = clock
        self.touch = touch
        self.collections = {}
        self.locks = {}
        self.admin = self
        self._sessions = {}
        self._numbers = 0

    def get_database(self, *_args, **_options):
        """This one."""
        return self

    def __getitem__(self, name):
        if name not in self.collections:
            self.collections[name] = Collection(self, name)
        return self.collections[name]

    def number(self):
        """The next of them all."""
        self._numbers += 1
        return self._numbers

    def new_id(self):
        """As the driver makes them, but the same for every run of a seed."""
        seconds = int(self.clock.time()).to_bytes(4, "big")
        return ObjectId(seconds + self.number().to_bytes(8, "big"))

    def start_session(self):
        """Of one client."""
        session = Session(self, {"id": self.number()})
        self._sessions[session.session_id["id"]] = session
        return session

    def command(self, name, sessions=()):
        """`killSessions`, or a ping."""
        action = self.touch("command", name)
        if action:
            raise AutoReconnect(f"{name}: connection refused")
        for each in sessions if name == "killSessions" else ():
            if each["id"] in self._sessions:
                self._sessions[each["id"]].abort()

    def close(self):
        """Of the client: the server stays."""

    def held_by_another(self, key, transaction):
        """Whether a transaction that is open has written this."""
        other = self.locks.get(key)
        if other is None or other is transaction:
            return False
        if self.clock.seconds - other.began_at > LIFETIME_SECONDS:
            other.abort()
            return False
        return True


class Transaction:
    """What one session has written and not committed."""

    def __init__(self, memory):
        self._memory = memory
        self.began_at = memory.clock.seconds
        self._snapshot = None
        self.written = defaultdict(dict)
        self.is_open = True

    @property
    def snapshot(self):
        """Everything as it was at the first call, not at the beginning."""
        if self._snapshot is None:
            collections = self._memory.collections
            self._snapshot = {name: each.share() for name, each in collections.items()}
        return self._snapshot

    def view(self, name):
        """A collection as this transaction sees it."""
        before = self.snapshot.get(name, {})
        if name not in self.written:
            return before
        seen = {**before, **self.written[name]}
        return {key: each for key, each in seen.items() if each is not None}

    def write(self, collection, key, document):
        """Lock a document and write it; None deletes it."""
        place = collection.name, key
        if not self.is_open:
            raise _transient(OperationFailure("the transaction was aborted", 251))
        moved = collection.documents.get(key) is not self.snapshot.get(collection.name, {}).get(key)
        if self._memory.held_by_another(place, self) or moved:
            raise _transient(OperationFailure(f"write conflict on {place}", _CONFLICT))
        self._memory.locks[place] = self
        self.written[collection.name][key] = document

    def commit(self):
        """All of it at once."""
        if not self.is_open:
            raise _transient(OperationFailure("the transaction was aborted", 251))
        for name, documents in self.written.items():
            for key, document in documents.items():
                self._memory[name].put(key, document)
        self._end()

    def abort(self):
        """None of it."""
        if self.is_open:
            self._end()

    def _end(self):
        self.is_open = False
        locks = self._memory.locks
        for place in [place for place, owner in locks.items() if owner is self]:
            del locks[place]


class Session:
    """As pymongo's, with its rules of what is tried again."""

    def __init__(self, memory, session_id):
        self._memory = memory
        self.session_id = session_id
        self.transaction = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_error):
        if kind is None or issubclass(kind, Exception):  # else its process has died in it
            self.end_session()

    def end_session(self):
        """Abort what is open."""
        self.abort()

    def abort(self):
        """End the transaction without an effect."""
        if self.transaction is not None:
            self.transaction.abort()
            self.transaction = None

    def with_transaction(self, work):
        """Run `work`, again where that may help; what a process dies in stays open."""
        for attempt in range(_ATTEMPTS):
            self.transaction = transaction = Transaction(self._memory)
            try:
                result = work(self)
                self._commit(transaction)
            except Exception as error:
                self.abort()
                again = getattr(error, "has_error_label", lambda _: False)
                if again("TransientTransactionError") and attempt + 1 < _ATTEMPTS:
                    continue
                raise
            self.transaction = None
            return result
        raise AssertionError("unreachable")

    def _commit(self, transaction):
        action = self._memory.touch("commit", "commit")
        if action == "conflict":
            raise _transient(OperationFailure("write conflict", _CONFLICT))
        if action == "fail":  # and so does every attempt to commit again
            raise AutoReconnect("commit: connection refused")
        transaction.commit()
        if action == "lost":
            raise NetworkTimeout("commit: timed out")
        if action == "die":
            self._memory.touch("die", "after commit")


class Collection:
    """Documents by `_id`; each is replaced and never changed, so that a snapshot is a reference."""

    def __init__(self, memory, name):
        self._memory = memory
        self.name = name
        self.documents = {}
        self.version = 0
        self._is_shared = False
        #: Every document that was ever inserted, for change streams.
        self.inserted = []
        self._unique = [
            ([field for field, _ in keys], options.get("partialFilterExpression", {}))
            for keys, options in INDEXES.get(name, ())
            if options.get("unique")
        ]

    def share(self):
        """All documents as they are now, for a snapshot."""
        self._is_shared = True
        return self.documents

    def put(self, key, document):
        """Replace, insert or (None) delete, for everybody to see."""
        if self._is_shared:
            self.documents, self._is_shared = dict(self.documents), False
        self.version += 1
        if document is None:
            self.documents.pop(key, None)
            return
        if key not in self.documents:
            self.inserted.append(document)
        self.documents[key] = document

    # --- reading

    def find(self, query=None, fields=None, *, session=None, sort=None):
        """A cursor."""
        return Cursor(self, query or {}, fields, session).sort(sort or [])

    def find_one(self, query=None, fields=None, *, session=None, sort=None):
        """The first one, or None."""
        self._ask("find_one", session)
        found = self.select(query or {}, session)
        if sort:
            found = ordered(found, sort)
        return shown(found[0], fields) if found else None

    def count_documents(self, query, *, session=None):
        """How many there are."""
        self._ask("count", session)
        return len(self.select(query, session))

    def watch(self, _pipeline, *, resume_after=None, **_options):
        """What is inserted from now on, or since a token."""
        self._ask("watch", None)
        if resume_after and self._memory.touch("resume", self.name):
            raise _history_lost()
        return Changes(self, resume_after["number"] if resume_after else len(self.inserted))

    def select(self, query, session):
        """The documents themselves."""
        view = self._view(session)
        wanted = query.get("_id", self)
        if wanted is not self:
            if type(wanted) is not dict:
                rows = [view[wanted]] if wanted in view else []
            elif len(wanted) == 1 and "$in" in wanted:
                rows = [view[each] for each in dict.fromkeys(wanted["$in"]) if each in view]
            else:
                rows = list(view.values())
        else:
            rows = list(view.values())
        return [row for row in rows if matches(row, query)]

    def mixed(self, rows):
        """In whatever order: nobody has asked for one."""
        if len(rows) > 1 and self._memory.touch("order", self.name):
            rows.reverse()
        return rows

    def _view(self, session):
        transaction = session.transaction if session is not None else None
        return self.documents if transaction is None else transaction.view(self.name)

    def _ask(self, operation, session):
        inside = session is not None and session.transaction is not None
        action = self._memory.touch("read", f"{self.name}.{operation}")
        if action:
            error = AutoReconnect(f"{self.name}.{operation}: connection refused")
            raise _transient(error) if inside else error

    # --- writing

    def insert_one(self, document, *, session=None):
        """One."""
        return self._write("insert_one", session, lambda: self._insert(document, session))

    def insert_many(self, documents, *, ordered=True, session=None):
        """All; unordered: as many as can be."""
        work = [InsertOne(each) for each in documents]
        return self.bulk_write(work, ordered=ordered, session=session)

    def update_one(self, query, update, *, upsert=False, session=None):
        """The first that matches."""
        return self._write(
            "update_one", session, lambda: self._update(query, update, session, upsert=upsert)
        )

    def update_many(self, query, update, *, session=None):
        """Every one that matches."""
        return self._write(
            "update_many", session, lambda: self._update(query, update, session, many=True)
        )

    def replace_one(self, query, document, *, upsert=False, session=None):
        """The whole of one."""
        return self._write(
            "replace_one", session, lambda: self._replace(query, document, session, upsert=upsert)
        )

    def delete_one(self, query, *, session=None):
        """The first that matches."""
        return self._write("delete_one", session, lambda: self._delete(query, session, most=1))

    def delete_many(self, query, *, session=None):
        """Every one that matches."""
        return self._write("delete_many", session, lambda: self._delete(query, session))

    def bulk_write(self, requests, *, ordered=True, session=None):
        """Many writes in one call."""
        return self._write("bulk_write", session, lambda: self._bulk(requests, ordered, session))

    def _write(self, operation, session, work):
        """Carry out a call, or let it fail before or after its effect."""
        inside = session is not None and session.transaction is not None
        name = f"{self.name}.{operation}"
        action = self._memory.touch("inside" if inside else "write", name)
        if action == "conflict":
            raise _transient(OperationFailure(f"{name}: write conflict", _CONFLICT))
        if action == "fail":
            error = AutoReconnect(f"{name}: connection refused")
            raise _transient(error) if inside else error
        done = work()
        if action == "lost":
            error = NetworkTimeout(f"{name}: timed out")
            raise _transient(error) if inside else error
        if action == "die":
            self._memory.touch("die", f"after {name}")
        return done

    def _put(self, key, document, session):
        transaction = session.transaction if session is not None else None
        if document is not None:
            self._check_unique(key, document, self._view(session))
        if transaction is not None:
            transaction.write(self, key, document)
        elif self._memory.held_by_another((self.name, key), None):
            raise NetworkTimeout(f"{self.name}: timed out behind an open transaction")
        else:
            self.put(key, document)

    def _check_unique(self, key, document, view):
        for fields, only in self._unique:
            if not matches(document, only):
                continue
            mine = [document.get(field) for field in fields]
            for other, row in view.items():
                same = other != key and [row.get(field) for field in fields] == mine
                if same and matches(row, only):
                    raise DuplicateKeyError(f"{self.name} {mine}", _DUPLICATE)

    def _insert(self, document, session):
        document.setdefault("_id", self._memory.new_id())
        key = document["_id"]
        if key in self._view(session):
            raise DuplicateKeyError(f"{self.name} {key}", _DUPLICATE)
        self._put(key, stored(document), session)
        return Changed(inserted_ids=(key,))

    def _update(self, query, update, session, *, upsert=False, many=False):
        found = self.select(query, session)
        if not found and upsert:
            begun = updated(begun_by(query), update, fresh=True)
            begun.setdefault("_id", self._memory.new_id())
            self._insert(begun, session)
            return Changed(upserted_id=begun["_id"])
        modified = 0
        for row in found if many else found[:1]:
            after = updated(row, update)
            if after != row:
                modified += 1
                self._put(row["_id"], after, session)
        return Changed(len(found) if many else len(found[:1]), modified)

    def _replace(self, query, document, session, *, upsert=False):
        found = self.select(query, session)
        if not found:
            if upsert:
                self._insert({**begun_by(query), **document}, session)
            return Changed()
        after = stored({"_id": found[0]["_id"], **document})
        self._put(after["_id"], after, session)
        return Changed(1, int(after != found[0]))

    def _delete(self, query, session, *, most=None):
        found = self.select(query, session)[:most]
        for row in found:
            self._put(row["_id"], None, session)
        return Changed(deleted_count=len(found))

    def _bulk(self, requests, ordered, session):
        errors, modified, ids = [], 0, []
        for index, request in enumerate(requests):
            try:
                done = self._carry_out(request, session)
            except DuplicateKeyError as error:
                errors.append({"index": index, "code": _DUPLICATE, "errmsg": str(error)})
                if ordered:
                    break
            else:
                modified += done.modified_count
                ids += done.inserted_ids
        if errors:
            raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": []})
        return Changed(modified_count=modified, inserted_ids=tuple(ids))

    def _carry_out(self, request, session):
        if isinstance(request, InsertOne):
            return self._insert(request._doc, session)
        if isinstance(request, UpdateOne):
            upsert = bool(request._upsert)
            return self._update(request._filter, request._doc, session, upsert=upsert)
        if isinstance(request, ReplaceOne):
            upsert = bool(request._upsert)
            return self._replace(request._filter, request._doc, session, upsert=upsert)
        if isinstance(request, DeleteOne):
            return self._delete(request._filter, session, most=1)
        raise NotImplementedError(request)


class Cursor:
    """A question that is asked when the first answer is wanted."""

    def __init__(self, collection, query, fields, session):
        self._collection = collection
        self._query = query
        self._fields = fields
        self._session = session
        self._sort = []
        self._limit = None
        self._rows = None

    def sort(self, keys, direction=1):
        """By a field, or by several."""
        self._sort = [(keys, direction)] if isinstance(keys, str) else list(keys)
        return self

    def limit(self, most):
        """No more than so many."""
        self._limit = most
        return self

    def batch_size(self, _size):
        """All come at once here."""
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        """Nothing is kept for it."""

    def __iter__(self):
        return self

    def __next__(self):
        if self._rows is None:
            self._collection._ask("find", self._session)
            found = self._collection.select(self._query, self._session)
            found = ordered(found, self._sort) if self._sort else self._collection.mixed(found)
            self._rows = iter(found[: self._limit])
        return shown(next(self._rows), self._fields)


class Changes:
    """A change stream of inserts."""

    def __init__(self, collection, number):
        self._collection = collection
        self._number = number

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    @property
    def resume_token(self):
        """After what was read last."""
        return {"number": self._number}

    def try_next(self):
        """The next one; None where there is none yet."""
        collection = self._collection
        collection._ask("try_next", None)
        if self._number >= len(collection.inserted):
            return None
        fault = collection._memory.touch("change", collection.name)
        if fault == "history":
            raise _history_lost()
        if fault == "skip":
            self._number += 1
            return None
        document = collection.inserted[self._number]
        self._number += 1
        return {"fullDocument": copied(document)}


def ordered(rows, keys):
    """Sorted as MongoDB does: what is missing comes first."""
    for name, direction in reversed(keys):
        rows = sorted(
            rows,
            key=lambda row: (row.get(name) is not None, row.get(name) or 0),
            reverse=direction < 0,
        )
    return rows


def _history_lost():
    return OperationFailure("the resume point is no longer in the history", 286)


def _transient(error):
    error._add_error_label("TransientTransactionError")
    return error
