"""All queries of the gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from pymongo.errors import BulkWriteError, PyMongoError

from services.common.audit import audit
from services.common.credentials import SECRET_SHAPE
from services.common.kept import Kept
from services.common.store import Document, Store, are_repeats
from services.domain.signals import signal_id_for
from services.domain.words import SignalStatus

_AUDIT_TEXT = 300
_STRATEGY_SECONDS = 5.0
#: In the order of the road, for stages of one millisecond.
_STAGES = ("RECEIVED", "STANDARDIZED", "DECIDED", "SUBMITTED", "FIRST_FILL", "COMPLETED")
_EARLIER = {"content_hash": 1, "received_at": 1, "sent_at": 1, "paths": 1}


class GatewayStore:
    """Raw signals and audit lines in, the lives of signals out."""

    def __init__(self, store: Store) -> None:
        self.plain = store
        self._exists = Kept(self._find_strategy, seconds=_STRATEGY_SECONDS)

    def _find_strategy(self, strategy_id: str) -> bool | None:
        found = self.plain["strategies"].find_one({"_id": strategy_id}, {"_id": 1})
        return True if found else None

    def strategy_exists(self, strategy_id: str) -> bool:
        """Whether there is such a strategy, or was a moment ago."""
        return bool(self._exists(strategy_id))

    def insert_raw(self, raws: Sequence[Document]) -> list[Document | None]:
        """Store raw signals in one write; for each the earlier one where it is a repeat, or None.

        Raises:
            PyMongoError: it is not known which of them are stored; sent again they are repeats.
        """
        if not raws:
            return []
        try:
            self.plain["trading_signals_raw"].insert_many(raws, ordered=False)
        except BulkWriteError as error:
            if not are_repeats(error):
                raise
            failed = {each["index"] for each in error.details["writeErrors"]}
            return [
                self._collided_with(raw) if index in failed else None
                for index, raw in enumerate(raws)
            ]
        return [None] * len(raws)

    def _collided_with(self, raw: Document) -> Document:
        strategy_id, key = raw["strategy_name"], raw["idempotency_key"]
        earlier = self.find_raw(strategy_id, key) or self.plain["trading_signals_raw"].find_one(
            {"strategy_name": strategy_id, "idempotency_key": key}  # another collector's: all of it
        )
        if earlier is None:  # not majority-committed yet: neither new nor known to be the same
            raise PyMongoError("the first signal of a repeat cannot be read yet")
        return earlier

    def find_raw(self, strategy_id: str, key: str) -> Document | None:
        """The raw signal of a key that a door made.

        By our id of it, because no plan uses the partial index that keeps the key unique.
        """
        raws = self.plain["trading_signals_raw"]
        return raws.find_one({"signal_ids": signal_id_for(strategy_id, key)}, _EARLIER)

    def add_path(self, raw_id: object, path: Document) -> None:
        """Note that a signal came by one more door; once for each door."""
        self.plain["trading_signals_raw"].update_one(
            {"_id": raw_id, "paths.source": {"$ne": path["source"]}}, {"$push": {"paths": path}}
        )

    def life_of(self, signal_id: str, strategy_id: str) -> Document | None:
        """One signal of this strategy, as far as it has come; None where it has no such signal."""
        life = self.plain["signal_store"].find_one({"_id": signal_id})
        if life is not None and life["strategy_id"] != strategy_id:
            return None
        which = {"_id": life["raw_id"]} if life else {"signal_ids": signal_id}
        raw = self.plain["trading_signals_raw"].find_one(which, {"body": 0})
        if life is None:
            mine = raw is not None and raw["strategy_name"] == strategy_id
            return _received(raw, signal_id, strategy_id) if raw and mine else None
        orders = list(self.plain["orders"].find({"signal_id": signal_id}))
        counted = {"signal_id": signal_id, "void": {"$ne": True}}
        fills = list(self.plain["execution_confirmations"].find(counted))
        return _life(life, raw or {}, orders, fills)

    def audit(self, what: str, *, remote: str, facts: Mapping[str, Any]) -> None:
        """Remember a refusal: who, when, why; never the secret."""
        short = {
            name: SECRET_SHAPE.sub("[removed]", str(value))[:_AUDIT_TEXT]
            for name, value in facts.items()
        }
        audit(self.plain, what, service="signal_gateway", by=remote, facts=short)


def _received(raw: Document, signal_id: str, strategy_id: str) -> Document:
    return {
        "signal_id": signal_id,
        "strategy_id": strategy_id,
        "status": SignalStatus.RECEIVED,
        "paths": raw.get("paths", []),
        "stages": [{"name": "RECEIVED", "at": raw["received_at"], "since_arrival_ms": 0}],
    }


def _life(
    life: Document, raw: Document, orders: Sequence[Document], fills: Sequence[Document]
) -> Document:
    decision = life.get("decision") or {}
    signal = life.get("signal") or {}
    received_at = life["received_at"]
    passed = [(name, life["stages"].get(f"{name.lower()}_at")) for name in _STAGES]
    stages = sorted(((at, name) for name, at in passed if at is not None), key=itemgetter(0))
    return {
        "signal_id": life["signal_id"],
        "strategy_id": life["strategy_id"],
        "external_id": life.get("external_id"),
        "status": life["status"],
        "replay_of": signal.get("replay_of"),
        "paths": raw.get("paths", []),
        "warnings": signal.get("warnings", []),
        "stages": [
            {
                "name": name,
                "at": at,
                "since_arrival_ms": round((at - received_at).total_seconds() * 1000),
            }
            for at, name in stages
        ],
        "quarantine": life.get("quarantine"),
        "decision": decision or None,
        "orders": [_order(order) for order in orders],
        "fills": list(fills),
    }


def _order(row: Document) -> Document:
    """An order as its strategy may see it: flat, with how it stands."""
    return {**row["order"], **{name: value for name, value in row.items() if name != "order"}}
