"""Finds a thing by its id, or by how its name begins.

Ids of signals and orders are looked up whole, ours and the sender's; the names of strategies,
accounts and instruments are few and kept for a moment, so that every letter typed costs nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from services.common.callers import Caller
from services.common.kept import Kept
from services.common.store import Document
from services.dashboard_creator.list_models import SearchAnswer, SearchHit
from services.dashboard_creator.list_rows import signal_row
from services.dashboard_creator.lists_store import ListStore
from services.dashboard_creator.road import instrument_in_words
from services.domain.instruments import Instrument

_MOST: Final = 20
_SECONDS: Final = 5.0


class _Names(NamedTuple):
    strategies: dict[str, str]
    accounts: list[Document]
    #: By key: the instrument in words, and who holds it.
    instruments: dict[str, tuple[str, set[str]]]


class Search:
    """One box for everything."""

    def __init__(self, store: ListStore) -> None:
        self._store = store
        self._names = Kept(self._load, seconds=_SECONDS)

    def find(self, text: str, caller: Caller) -> SearchAnswer:
        """At most 20 things that a caller may see."""
        wanted = text.strip()
        if not wanted:
            return SearchAnswer(hits=())
        names = self._names("all")
        hits = [*self._by_id(wanted, names, caller), *_by_name(wanted.lower(), names, caller)]
        return SearchAnswer(hits=tuple(hits[:_MOST]))

    def _by_id(self, wanted: str, names: _Names, caller: Caller) -> list[SearchHit]:
        mine = [each for each in names.strategies if caller.may_see(each)]
        signals = [
            _signal(row)
            for row in self._store.signals_called(wanted, mine)
            if caller.may_see(row["strategy_id"])
        ]
        fields = {"strategy_id": 1, "order": 1, "status": 1, "account_id": 1}
        orders = [
            _order(row)
            for row in self._store.orders_by_id([wanted, wanted.upper()], fields)
            if caller.may_see(row["strategy_id"])
        ]
        return [*signals, *orders]

    def _load(self, _which: str) -> _Names:
        instruments: dict[str, tuple[str, set[str]]] = {}
        for row in self._store.positions(open_only=False):
            instrument = Instrument.model_validate(row["instrument"])
            words = instrument_in_words(instrument)
            instruments.setdefault(instrument.key, (words, set()))[1].add(row["strategy_id"])
        return _Names(self._store.strategy_names(), self._store.account_names(), instruments)


def _signal(document: Document) -> SearchHit:
    row = signal_row(document, ())
    known = f" ({row.external_id})" if row.external_id else ""
    return SearchHit(
        kind="SIGNAL",
        hit_id=row.signal_id,
        title=f"{row.strategy_id}: {row.legs or 'a signal'}{known}",
        detail=f"{row.status}, {row.received_at:%Y-%m-%d %H:%M:%S} UTC",
    )


def _order(document: Document) -> SearchHit:
    order = document["order"]
    symbol = order["instrument"]["symbol"]
    return SearchHit(
        kind="ORDER",
        hit_id=document["_id"],
        title=f"{order['side']} {order['quantity']:f} {symbol} in {document['account_id']}",
        detail=f"{document['status']}, of {document['strategy_id']}",
    )


def _by_name(wanted: str, names: _Names, caller: Caller) -> list[SearchHit]:
    """Those that begin so, before those that only have it somewhere."""
    hits: list[tuple[tuple[int, str], SearchHit]] = []

    def add(kind: str, hit_id: str, title: str, detail: str) -> None:
        places = [text.lower().find(wanted) for text in (hit_id, title)]
        found = [place for place in places if place >= 0]
        if found:
            hit = SearchHit.model_validate(
                {"kind": kind, "hit_id": hit_id, "title": title, "detail": detail}
            )
            hits.append(((min(1, *found), hit_id), hit))

    for strategy_id, name in names.strategies.items():
        if caller.may_see(strategy_id):
            add("STRATEGY", strategy_id, name, "strategy")
    if caller.strategies is None:
        for row in names.accounts:
            detail = f"{row.get('account_type', '')} account at {row.get('broker', '')}".strip()
            add("ACCOUNT", row["_id"], row["_id"], detail)
    for key, (words, holders) in names.instruments.items():
        if any(caller.may_see(each) for each in holders):
            add("INSTRUMENT", key, words, key)
    return [hit for _, hit in sorted(hits, key=lambda each: each[0])]
