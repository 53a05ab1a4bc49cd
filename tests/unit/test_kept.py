"""Values that may be a moment old."""

from services.common.kept import Kept


class Source:
    """Finds the names it has, and counts how often it is asked."""

    def __init__(self, *names):
        self.names = set(names)
        self.asked = []

    def one(self, name):
        self.asked.append(name)
        return name.upper() if name in self.names else None

    def many(self, names):
        self.asked.append(sorted(names))
        return {name: name.upper() for name in names if name in self.names}


def test_what_was_found_is_kept_and_what_was_not_is_asked_for_each_time():
    source = Source("a")
    kept = Kept(source.one, seconds=60)
    assert [kept("a"), kept("a"), kept("b"), kept("b")] == ["A", "A", None, None]
    assert source.asked == ["a", "b", "b"]


def test_several_are_read_ahead_in_one_question():
    source = Source("a", "b", "c")
    kept = Kept(source.one, seconds=60)
    kept("c")
    kept.read_ahead({"a", "b", "c", "nobody"}, source.many)
    assert [kept("a"), kept("b"), kept("c"), kept("nobody")] == ["A", "B", "C", None]
    assert source.asked == ["c", ["a", "b", "nobody"], "nobody"]


def test_one_alone_is_not_read_ahead():
    source = Source("a")
    kept = Kept(source.one, seconds=60)
    kept.read_ahead({"a"}, source.many)
    assert source.asked == []


def test_what_is_not_kept_at_all_is_read_each_time():
    source = Source("a", "b")
    kept = Kept(source.one, seconds=0)
    kept.read_ahead({"a", "b"}, source.many)
    source.names.clear()
    assert kept("a") is None
