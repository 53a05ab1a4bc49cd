"""What happens to one posted body: authenticate, read, store, answer."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import Any, NamedTuple

from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.logs import road
from services.common.problems import Refusal
from services.common.store import Document
from services.domain.errors import InvalidSignal
from services.domain.signals import signal_id_for
from services.domain.standardize import (
    content_hash_of,
    idempotency_key_of,
    parse_json,
    standardize,
    strategy_name_of,
    text_of,
)
from services.signal_gateway.store import GatewayStore

_log = logging.getLogger(__name__)


class Receipt(NamedTuple):
    """The answer to a signal that is stored."""

    signal_id: str
    duplicate: bool


class GatewayService:
    """Receives signals for all strategies."""

    def __init__(self, store: GatewayStore) -> None:
        self._store = store

    def receive(self, body: bytes, *, bearer: str | None, remote: str) -> Receipt:
        """Take one signal, durably.

        Args:
            body: as it came.
            bearer: strategy key of the Authorization header; else `passphrase` of the body is it.
            remote: address of the sender, for the audit log.

        Raises:
            Refusal: nothing was stored.
        """
        try:
            return self._receive(body, bearer=bearer, remote=remote)
        except Refusal as refusal:
            self._audit(refusal, remote)
            raise
        except PyMongoError as error:
            _log.warning("a signal could not be stored: %s", type(error).__name__)
            raise _not_stored() from error

    def _receive(self, body: bytes, *, bearer: str | None, remote: str) -> Receipt:
        received_at = utc_now()
        try:
            payload = parse_json(body)
            strategy_id = self._authenticate(payload, bearer)
            key = idempotency_key_of(payload)
            signal_id = signal_id_for(strategy_id, key)
            standardize(payload, signal_id=signal_id, received_at=received_at)
        except InvalidSignal as error:
            raise Refusal(400, error.code, str(error), field=error.field) from error
        raw: Document = {
            "strategy_name": strategy_id,
            "idempotency_key": key,
            "content_hash": content_hash_of(payload),
            "signal_id": signal_id,
            "body": _without_secret(body, payload),
            "source": "api",
            "remote": remote,
            "received_at": received_at,
        }
        earlier = self._store.insert_raw(raw)
        if earlier is None:
            road("RECEIVED", signal_id, strategy=strategy_id, source="api")
            return Receipt(signal_id, duplicate=False)
        if earlier["content_hash"] != raw["content_hash"]:
            raise Refusal(
                409,
                "KEY_REUSED",
                f"another signal with the id {key!r} was received before: "
                "a new signal needs a new signalID",
                field="signalID",
            )
        return Receipt(signal_id, duplicate=True)

    def authenticate(self, bearer: str | None) -> str:
        """Whose key this is. Raises: Refusal."""
        if not bearer:
            raise Refusal(
                401, "MISSING_KEY", "send the strategy key as 'Authorization: Bearer <key>'"
            )
        try:
            strategy_id = self._store.strategy_of_key(bearer)
        except PyMongoError as error:
            raise _not_stored() from error
        if strategy_id is None:
            raise Refusal(401, "WRONG_KEY", "this strategy key is unknown or revoked")
        return strategy_id

    def _authenticate(self, payload: dict[str, Any], bearer: str | None) -> str:
        passphrase = payload.get("passphrase")
        in_body = passphrase if isinstance(passphrase, str) else None
        owner = self.authenticate(bearer or in_body)
        named = strategy_name_of(payload)
        if named == owner:
            return owner
        if self._store.strategy_exists(named):
            raise Refusal(
                403, "STRATEGY_MISMATCH", f"this key does not belong to strategy {named!r}"
            )
        raise Refusal(
            404, "UNKNOWN_STRATEGY", f"there is no strategy {named!r}", field="strategy_name"
        )

    def life_of(self, signal_id: str, *, bearer: str | None) -> Document:
        """One signal of the asking strategy, with its orders. Raises: Refusal."""
        owner = self.authenticate(bearer)
        try:
            found = self._store.find_signal(signal_id)
            if found is not None and found["strategy_id"] == owner:
                return _life(found, self._store.orders_of(signal_id))
            if found is None and self._store.raw_owner(signal_id, owner):
                return {"signal_id": signal_id, "strategy_id": owner, "status": "RECEIVED"}
        except PyMongoError as error:
            raise _not_stored() from error
        raise Refusal(404, "UNKNOWN_SIGNAL", f"strategy {owner} has no signal {signal_id!r}")

    def refuse_oversized(self, size: int, *, limit: int, remote: str) -> Refusal:
        """The refusal of a body over the limit, with its audit line."""
        refusal = Refusal(
            413, "BODY_TOO_LARGE", f"the body may have {limit} bytes, this one has {size} or more"
        )
        self._audit(refusal, remote)
        return refusal

    def _audit(self, refusal: Refusal, remote: str) -> None:
        if refusal.status >= 500:
            return
        _log.info("refused %s from %s: %s", refusal.code, remote, refusal)
        try:
            self._store.audit(
                "SIGNAL_REFUSED",
                remote=remote,
                facts={"code": refusal.code, "sentence": refusal, "field": refusal.field},
            )
        except PyMongoError as error:
            _log.warning("an audit line could not be stored: %s", type(error).__name__)


def _not_stored() -> Refusal:
    return Refusal(
        503, "NOT_STORED", "the signal was not stored, because the database does not answer: retry"
    )


def _without_secret(body: bytes, payload: dict[str, Any]) -> str:
    """The body as it came, or, where it carried the key, the same JSON without it.

    Numbers of a rewritten body become text, so that their digits stay exact.
    """
    if "passphrase" not in payload:
        return text_of(body)
    kept = {name: value for name, value in payload.items() if name != "passphrase"}
    return json.dumps(kept, default=_decimal_text)


def _decimal_text(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _life(found: Document, orders: list[Document]) -> Document:
    decision = found.get("decision") or {}
    return {
        "signal_id": found["signal_id"],
        "strategy_id": found["strategy_id"],
        "external_id": found.get("external_id"),
        "status": found["status"],
        "stages": found.get("stages", {}),
        "quarantine": found.get("quarantine"),
        "decision": {
            name: decision.get(name)
            for name in ("outcome", "code", "reason", "steps", "decided_at")
        }
        if decision
        else None,
        "orders": [
            {
                name: order.get(name)
                for name in (
                    "client_order_id",
                    "account_id",
                    "status",
                    "filled_quantity",
                    "avg_fill_price",
                    "text",
                )
            }
            | {"side": order["order"]["side"], "quantity": order["order"]["quantity"]}
            for order in orders
        ],
    }
