"""What is kept of the order in which strategies send: counts, chains, what a person accepted."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import DeleteOne, ReplaceOne
from pymongo.client_session import ClientSession

from services.cerebro.gaps import Chain, Count, Ledger, chain_id
from services.common.audit import audit
from services.common.incidents import clear_incident
from services.common.store import Document, Store, from_document, to_document
from services.domain.errors import ConfigurationError
from services.domain.signals import Signal


class GapStore:
    """The collection `sequences`, and the incidents that tell of what is missing in it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ledger(self, signals: Sequence[Signal], session: ClientSession) -> Ledger:
        """What is known of the order in which the strategies of these signals send."""
        ids = {signal.strategy_id for signal in signals} | {
            chain_id(signal.strategy_id, leg) for signal in signals for leg in signal.legs
        }
        found = self._store["sequences"].find({"_id": {"$in": list(ids)}}, session=session)
        return Ledger({row["_id"]: _sent_before(row) for row in found})

    def save(self, ledger: Ledger, session: ClientSession) -> None:
        """Keep what the decided signals changed in it."""
        updates: list[ReplaceOne[Document] | DeleteOne] = []
        for (strategy_id, name), kept in ledger.changed.items():
            if kept is None:
                updates.append(DeleteOne({"_id": name}))
            else:
                row = {"strategy_id": strategy_id, **to_document(kept)}
                updates.append(ReplaceOne({"_id": name}, row, upsert=True))
        if updates:
            self._store["sequences"].bulk_write(updates, ordered=False, session=session)

    def resync(self, strategy_id: str, *, by: str) -> list[str]:
        """Accept what is missing: forget the strategy's count and chains, and clear the incidents.

        The next number and the next claim that come are where they begin again.

        Args:
            strategy_id: whose.
            by: who accepts it, for the audit log.

        Returns: what was forgotten, in sentences.

        Raises:
            ConfigurationError: there is no such strategy.
        """
        if self._store["strategies"].find_one({"_id": strategy_id}, {"_id": 1}) is None:
            raise ConfigurationError(f"there is no strategy named {strategy_id!r}")
        forgotten = self._store.transaction(lambda session: self._forget(strategy_id, by, session))
        for name in forgotten:
            clear_incident(self._store, kind="SIGNAL_GAP", key=name)
        clear_incident(self._store, kind="SEQUENCE_REPEATED", key=strategy_id)
        return [f"{name}: {words}" for name, words in forgotten.items()]

    def _forget(self, strategy_id: str, by: str, session: ClientSession) -> dict[str, str]:
        query = {"strategy_id": strategy_id}
        forgotten = {
            row["_id"]: _sent_before(row).in_words()
            for row in self._store["sequences"].find(query, session=session)
        }
        self._store["sequences"].delete_many(query, session=session)
        audit(
            self._store,
            "GAP_ACCEPTED",
            service="cerebro",
            by=by,
            facts={"strategy_id": strategy_id, "forgotten": list(forgotten.values())},
            session=session,
        )
        return forgotten

    def told(self, names: Sequence[str]) -> dict[str, str]:
        """The sentence of the open incident of each of these counts and chains that has one."""
        query = {"_id": {"$in": [f"SIGNAL_GAP|{name}" for name in names]}, "status": "OPEN"}
        return {row["key"]: row["sentence"] for row in self._store["incidents"].find(query)}


def _sent_before(row: Document) -> Count | Chain:
    return from_document(Count, row) if "last" in row else from_document(Chain, row)
