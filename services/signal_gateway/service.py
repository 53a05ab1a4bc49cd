"""What happens to what arrives at a door: read, store, answer; nothing is acknowledged unstored."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import pymongo
from pymongo.errors import PyMongoError

from services.common.clock import utc_now
from services.common.credentials import CredentialKind
from services.common.incidents import raise_incident
from services.common.logs import road
from services.common.problems import Refusal
from services.common.store import Document
from services.domain.errors import InvalidSignal
from services.domain.intake import moment_key, strategy_name_of, take_in
from services.domain.payloads import (
    READERS,
    Payload,
    read_anything,
    read_batch,
    secret_in,
    secret_of,
    stored_text,
    text_of,
    to_json,
    without_secrets,
)
from services.domain.signals import Signal, signal_id_for
from services.signal_gateway.arrivals import Door, Receipt, content_hash_of, raw_document
from services.signal_gateway.authentication import Authenticator, Caller, Claim
from services.signal_gateway.limits import RateLimits
from services.signal_gateway.lint import LintReport, lint
from services.signal_gateway.preparing import REPEAT_SECONDS, Preparation, Prepared
from services.signal_gateway.store import GatewayStore

_log = logging.getLogger(__name__)

R = TypeVar("R")


class GatewayService:
    """Receives signals for all strategies."""

    def __init__(
        self,
        store: GatewayStore,
        authenticator: Authenticator,
        limits: RateLimits,
        *,
        answer_seconds: float,
    ) -> None:
        self._answer_seconds = answer_seconds
        self._store = store
        self._authenticator = authenticator
        self._limits = limits
        self._preparation = Preparation(store, limits)

    def post(self, body: bytes, claim: Claim, *, remote: str) -> list[Receipt | Refusal] | Receipt:
        """Take one signal, or an array of them, from code.

        Returns:
            its receipt; for an array the receipt or the refusal of each signal, in order.

        Raises:
            Refusal: nothing was stored.
        """
        door = Door("api", "json", remote, utc_now())

        def receive() -> list[Receipt | Refusal] | Receipt:
            self._limits.spend("address", remote)
            caller = self._authenticator.by_headers(claim, body, remote=remote)
            text = text_of(body)
            found = read_batch(text)
            if isinstance(found, list):
                return self._receive_batch(found, caller, door)
            caller = caller or self._by_passphrase(secret_of(found), door)
            return self._receive(found, text, caller, door)

        return self._guarded(door, receive)

    def alert(self, body: bytes, *, token: str | None, remote: str) -> Receipt:
        """Take one alert: JSON or lines, with the token of the path or a passphrase inside.

        Nobody looks at the answer to an alert, so one that cannot be read is kept where its
        sender is known: ingestion quarantines it, and a person sees it.

        Raises:
            Refusal: it will not be traded, or was not stored.
        """
        door = Door("webhook", "text", remote, utc_now())

        def receive() -> Receipt:
            self._limits.spend("address", remote)
            caller = None
            if token:
                caller = self._authenticator.by_webhook_token(token, remote=remote)
                self._authenticator.check_sender(caller, remote)
            try:
                text = text_of(body)
            except InvalidSignal as error:
                if caller is not None:
                    self._keep_refused(body.decode("utf-8", "replace"), error, caller, door)
                raise
            return self._receive_text(text, caller, door)

        return self._guarded(door, receive)

    def letter(
        self, text: str, *, sender: str, repeat_key: str, sent_at: datetime | None = None
    ) -> Receipt:
        """Take one signal from an e-mail; the secret is in its text.

        Args:
            text: of the mail.
            sender: its address, for the records; it proves nothing.
            repeat_key: what a repeat of the mail is recognised by where the signal has no id.
            sent_at: when it was sent, by the sender's clock: a late mail is an old signal.

        Raises:
            Refusal: it will not be traded, or was not stored.
        """
        door = Door("email", "letter", sender, utc_now(), repeat_key, sent_at)
        return self._guarded(door, lambda: self._receive_text(text, None, door))

    def _guarded(self, door: Door, receive: Callable[[], R]) -> R:
        """Run it, refusals audited, within the time that charting tools wait for an answer.

        They send again after a 503, and never after no answer.
        """
        try:
            with pymongo.timeout(self._answer_seconds):
                return receive()
        except InvalidSignal as error:
            refusal = _refusal(error)
            self._audit(refusal, door.remote)
            raise refusal from error
        except Refusal as refusal:
            self._audit(refusal, door.remote)
            raise
        except PyMongoError as error:
            _log.warning("a signal could not be stored: %s", type(error).__name__)
            raise _not_stored() from error

    def _receive_batch(
        self, found: Sequence[dict[str, object] | InvalidSignal], caller: Caller | None, door: Door
    ) -> list[Receipt | Refusal]:
        prepared: list[Prepared | Refusal] = []
        for item in found:
            try:
                if isinstance(item, InvalidSignal):
                    raise item
                of_item = caller or self._by_passphrase(secret_of(item), door)
                text = to_json(without_secrets(item))
                prepared.append(self._preparation.prepare(item, text, of_item, door))
            except InvalidSignal as error:
                prepared.append(_refusal(error))
            except Refusal as refusal:
                prepared.append(refusal)
        answers = self._store_all(prepared)
        for answer in answers:
            if isinstance(answer, Refusal):
                self._audit(answer, door.remote)
        return answers

    def _receive_text(self, text: str, caller: Caller | None, door: Door) -> Receipt:
        payload: Payload | None = None
        try:
            payload = READERS[door.reader](text)
            caller = caller or self._by_passphrase(secret_of(payload), door)
            return self._receive(payload, text, caller, door)
        except InvalidSignal as error:
            if caller is None:
                caller = self._by_passphrase(secret_in(text), door)
            self._keep_refused(stored_text(text, payload), error, caller, door)
            raise

    def _receive(self, payload: Payload, text: str, caller: Caller, door: Door) -> Receipt:
        (answer,) = self._store_all([self._preparation.prepare(payload, text, caller, door)])
        if isinstance(answer, Refusal):
            raise answer
        return answer

    def _store_all(self, prepared: Sequence[Prepared | Refusal]) -> list[Receipt | Refusal]:
        """Store what is sound, in one write; each with its answer, in order."""
        stored = iter(
            self._store.insert_raw([each.raw for each in prepared if isinstance(each, Prepared)])
        )
        return [
            each if isinstance(each, Refusal) else self._answer(each, next(stored))
            for each in prepared
        ]

    def _answer(self, prepared: Prepared, earlier: Document | None) -> Receipt | Refusal:
        raw, intake = prepared.raw, prepared.intake
        source = raw["source"]
        *before, last = raw["signal_ids"]
        paths = [source]
        if earlier is None:
            road("RECEIVED", last, strategy=intake.strategy_id, source=source)
        elif content_hash_of(earlier, raw) != raw["content_hash"]:
            return self._key_reused(raw)
        else:
            paths = [path["source"] for path in earlier.get("paths", [{"source": "direct"}])]
            if source not in paths:
                paths.append(source)
                self._store.add_path(earlier["_id"], raw["paths"][0])
                road("CONFIRMED", last, strategy=intake.strategy_id, paths=" ".join(paths))
        return Receipt(
            signal_id=last,
            duplicate=earlier is not None,
            paths=tuple(paths),
            warnings=prepared.warnings,
            exit_signal_id=before[0] if before else None,
        )

    def _key_reused(self, raw: Document) -> Refusal:
        strategy_id, key = raw["strategy_name"], raw["idempotency_key"]
        sentence = (
            f"another signal with the id {key!r} was received before: "
            "a new signal needs a new signalID"
        )
        raise_incident(
            self._store.plain,
            kind="KEY_REUSED",
            key=f"{strategy_id}|{key}",
            sentence=f"{strategy_id} by {raw['source']}: {sentence}",
        )
        return Refusal(409, "KEY_REUSED", sentence, field="signalID")

    def _keep_refused(self, text: str, error: InvalidSignal, caller: Caller, door: Door) -> None:
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        key = door.repeat_key or moment_key(digest, door.received_at, seconds=REPEAT_SECONDS)
        raw = raw_document(caller, door, key=f"refused:{key}", body=text)
        raw |= {
            "signal_ids": [signal_id_for(caller.strategy_id, raw["idempotency_key"])],
            "refused": {"code": error.code, "sentence": str(error), "field": error.field},
        }
        self._store.insert_raw([raw])

    def _by_passphrase(self, secret: str | None, door: Door) -> Caller:
        remote = None if door.source == "email" else door.remote
        caller = self._authenticator.by_passphrase(secret, remote=remote)
        stolen_would_do = caller.kind is CredentialKind.WEBHOOK_TOKEN and door.source == "api"
        if door.source == "webhook" or stolen_would_do:
            self._authenticator.check_sender(caller, door.remote)
        return caller

    def lint(self, body: bytes, claim: Claim, *, remote: str) -> LintReport:
        """What would happen to this body; nothing is stored.

        Args:
            body: whatever would be sent, by any door.
            claim: with a key, the strategy's defaults and what it sent before count too.
            remote: address of the asker.

        Raises:
            Refusal: the key is wrong, or too much is asked.
        """
        self._limits.spend("lint", remote)
        caller = self._authenticator.by_headers(claim, body, remote=remote)
        now = utc_now()

        def read(payload: Payload) -> Sequence[Signal]:
            named = strategy_name_of(payload)
            owner = caller.strategy_id if caller else named or "(of the key)"
            if caller is not None:
                try:
                    self._preparation.check_name(named, caller)
                except Refusal as refusal:
                    raise InvalidSignal(
                        refusal.code, str(refusal), field="strategy_name"
                    ) from refusal
            defaults = caller.signal_defaults if caller else None
            return take_in(payload, strategy_id=owner, received_at=now, defaults=defaults).signals

        try:
            text = text_of(body)
        except InvalidSignal as error:
            raise _refusal(error) from error
        return lint(text, now=now, parse=read_anything, read=read)

    def life_of(self, signal_id: str, claim: Claim, *, remote: str) -> Document:
        """One signal of the asking strategy: its road, decision, orders, fills. Raises: Refusal."""
        self._limits.spend("address", remote)
        caller = self._authenticator.by_headers(claim, b"", remote=remote)
        if caller is None:
            raise Refusal(401, "MISSING_KEY", "send the strategy key as 'Authorization: Bearer …'")
        life = self._store.life_of(signal_id, caller.strategy_id)
        if life is None:
            raise Refusal(
                404,
                "UNKNOWN_SIGNAL",
                f"strategy {caller.strategy_id} has no signal {signal_id!r}",
            )
        return life

    def refuse_oversized(self, size: int, *, limit: int, remote: str) -> Refusal:
        """The refusal of a body over the limit, with its audit line."""
        refusal = Refusal(
            413, "BODY_TOO_LARGE", f"the body may have {limit} bytes, this one has {size} or more"
        )
        self._audit(refusal, remote)
        return refusal

    def _audit(self, refusal: Refusal, remote: str) -> None:
        """One line for each refusal, but none for a flood of them."""
        if refusal.status >= 500 or refusal.status == 429:
            return
        _log.info("refused %s from %s", refusal.code, remote)
        try:
            self._store.audit(
                "SIGNAL_REFUSED",
                remote=remote,
                facts={"code": refusal.code, "sentence": refusal, "field": refusal.field},
            )
        except PyMongoError as error:
            _log.warning("an audit line could not be stored: %s", type(error).__name__)


def _refusal(error: InvalidSignal) -> Refusal:
    return Refusal(400, error.code, str(error), field=error.field)


def _not_stored() -> Refusal:
    return Refusal(
        503, "NOT_STORED", "the signal was not stored, because the database does not answer: retry"
    )
