"""What MongoDB makes of values, filters and updates, as far as the road uses it; pure.

What is not known here raises, so that nothing is simulated that the database would do otherwise.
tests/integration/test_simulated_store.py holds it against the real one.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from bson import ObjectId
from bson.errors import InvalidDocument

MISSING = object()
_PLAIN = frozenset({str, int, float, bool, type(None), Decimal, ObjectId, bytes})


def stored(value):
    """A copy as it would come back from the database. Raises: InvalidDocument."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {key: stored(each) for key, each in value.items()}
    if kind is list or kind is tuple:
        return [stored(each) for each in value]
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.replace(microsecond=value.microsecond // 1000 * 1000)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum) and isinstance(value, str):
        return value.value
    raise InvalidDocument(f"cannot encode {value!r} of {kind}")


def copied(value):
    """A copy of what is stored."""
    kind = type(value)
    if kind is dict:
        return {key: copied(each) for key, each in value.items()}
    if kind is list:
        return [copied(each) for each in value]
    return value


def matches(document, query):
    """Whether a document is what a filter asks for."""
    for name, wanted in query.items():
        if name == "$or":
            if not any(matches(document, each) for each in wanted):
                return False
        elif name[0] == "$":
            raise NotImplementedError(f"filter {name}")
        elif type(wanted) is dict and wanted and next(iter(wanted))[0] == "$":
            found = _values(document, name)
            if not all(_holds(found, sign, each) for sign, each in wanted.items()):
                return False
        elif not _equals(_values(document, name), wanted):
            return False
    return True


def _values(document, name):
    """What a dotted name leads to; an array stands for itself and for what is in it."""
    if "." not in name:
        value = document.get(name, MISSING)
        return [value, *value] if type(value) is list else [value]
    first, rest = name.split(".", 1)
    value = document.get(first, MISSING)
    if type(value) is dict:
        return _values(value, rest)
    if type(value) is list:
        return [found for each in value if type(each) is dict for found in _values(each, rest)]
    return [MISSING]


def _equals(found, wanted):
    if wanted is None:
        return not found or any(value is None or value is MISSING for value in found)
    return any(_same(value, wanted) for value in found)


def _same(value, wanted):
    return value == wanted and (type(value) is bool) is (type(wanted) is bool)


def _holds(found, sign, wanted):
    if sign in _ORDER:
        return any(_compares(value, sign, wanted) for value in found)
    return _SIGNS[sign](found, wanted)


_SIGNS = {
    "$in": lambda found, wanted: any(_equals(found, each) for each in wanted),
    "$nin": lambda found, wanted: not any(_equals(found, each) for each in wanted),
    "$ne": lambda found, wanted: not _equals(found, wanted),
    "$exists": lambda found, wanted: any(each is not MISSING for each in found) is wanted,
    "$type": lambda found, wanted: any(isinstance(each, _TYPES[wanted]) for each in found),
    "$not": lambda found, wanted: not all(_holds(found, *each) for each in wanted.items()),
}
_TYPES = {"string": str, "objectId": ObjectId}
_ORDER = {
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
}


def _compares(value, sign, wanted):
    """Values of one kind only: a time is neither before nor after nothing."""
    if value is None or value is MISSING:
        return False
    try:
        return _ORDER[sign](value, wanted)
    except TypeError:
        return False


def shown(document, fields):
    """A copy with the fields that a projection names."""
    if not fields:
        return copied(document)
    if not any(fields.values()):
        return {key: copied(each) for key, each in document.items() if key not in fields}
    found = {"_id": document["_id"]}
    for name in fields:
        _show(document, found, name)
    return found


def _show(document, found, name):
    first, _, rest = name.partition(".")
    if first not in document:
        return
    if not rest:
        found[first] = copied(document[first])
    elif type(document[first]) is dict:
        _show(document[first], found.setdefault(first, {}), rest)
    elif type(document[first]) is list:
        raise NotImplementedError(f"projection {name} into an array")


def updated(document, update, *, fresh=False):
    """A document after an update; `fresh`: it is made by an upsert."""
    after = copied(document)
    for sign, changes in update.items():
        if sign == "$setOnInsert" and not fresh:
            continue
        change = _CHANGES[sign]
        for name, value in changes.items():
            place, key = _place(after, name, make=sign != "$unset")
            if place is not None:
                change(place, key, value)
    return after


def _place(document, name, *, make):
    *path, key = name.split(".")
    for step in path:
        if step not in document:
            if not make:
                return None, key
            document[step] = {}
        document = document[step]
        if type(document) is not dict:
            raise NotImplementedError(f"update of {name} through {document!r}")
    return document, key


def _set(place, key, value):
    place[key] = stored(value)


def _unset(place, key, _value):
    place.pop(key, None)


def _increase(place, key, value):
    place[key] = place.get(key, 0) + value


def _push(place, key, value):
    more = value["$each"] if type(value) is dict and "$each" in value else [value]
    place.setdefault(key, []).extend(stored(each) for each in more)


def _add_to_set(place, key, value):
    more = value["$each"] if type(value) is dict and "$each" in value else [value]
    kept = place.setdefault(key, [])
    for each in map(stored, more):
        if each not in kept:
            kept.append(each)


def _least(place, key, value):
    value = stored(value)
    if key not in place or value < place[key]:
        place[key] = value


def _most(place, key, value):
    value = stored(value)
    if key not in place or value > place[key]:
        place[key] = value


_CHANGES = {
    "$set": _set,
    "$setOnInsert": _set,
    "$unset": _unset,
    "$inc": _increase,
    "$push": _push,
    "$addToSet": _add_to_set,
    "$min": _least,
    "$max": _most,
}


def begun_by(query):
    """What an upsert starts from: the fields that its filter says are equal to something."""
    begun = {}
    for name, wanted in query.items():
        if type(wanted) is dict and wanted and next(iter(wanted))[0] == "$":
            continue
        place, key = _place(begun, name, make=True)
        place[key] = stored(wanted)
    return begun
