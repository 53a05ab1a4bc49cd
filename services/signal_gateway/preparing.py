"""What a signal must pass before it is stored: its name, its allowance, its meaning, its key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from services.common.incidents import raise_incident
from services.common.problems import Refusal
from services.common.store import Document
from services.domain.intake import Intake, moment_key, strategy_name_of, take_in
from services.domain.payloads import Payload, stored_text
from services.signal_gateway.arrivals import Door, raw_document
from services.signal_gateway.authentication import Caller
from services.signal_gateway.limits import RateLimits
from services.signal_gateway.store import GatewayStore

#: A signal with neither id nor time is a repeat while the same came within this time.
REPEAT_SECONDS = 60
_NO_IDENTITY = (
    f"neither signalID nor a time was sent: the same content within {REPEAT_SECONDS} s counts as "
    "a repeat"
)


class Prepared(NamedTuple):
    """A sound signal: its row, what it means, and what its sender should know."""

    raw: Document
    intake: Intake
    warnings: tuple[str, ...]


class Preparation:
    """Reads signals and refuses those that may not be stored; stores nothing itself."""

    def __init__(self, store: GatewayStore, limits: RateLimits) -> None:
        self._store = store
        self._limits = limits

    def prepare(self, payload: Payload, text: str, caller: Caller, door: Door) -> Prepared:
        """The row of a signal. Raises: Refusal, InvalidSignal: it may not be stored."""
        self.check_name(strategy_name_of(payload), caller)
        sent_at = _signed_at(caller) or door.sent_at
        intake = take_in(
            payload,
            strategy_id=caller.strategy_id,
            received_at=door.received_at,
            defaults=caller.signal_defaults,
            sent_at=sent_at,
        )
        if any(each.intent is None or not each.intent.reduces_risk for each in intake.signals):
            self._spend(caller, door)
        warnings = tuple(dict.fromkeys(each for one in intake.signals for each in one.warnings))
        if not intake.key:
            intake = intake.keyed(self._key_without_identity(intake, caller, door))
            warnings = (*warnings, _NO_IDENTITY)
        raw = raw_document(caller, door, key=intake.key, body=stored_text(text, payload))
        raw |= {
            "sent_at": sent_at,
            "content_hash": intake.content_hash,
            "signal_ids": [signal.signal_id for signal in intake.signals],
        }
        return Prepared(raw, intake, warnings)

    def _spend(self, caller: Caller, door: Door) -> None:
        try:
            self._limits.spend("strategy", caller.strategy_id)
        except Refusal as refusal:
            if door.source == "webhook":  # a charting tool does not send again after a 429
                raise_incident(
                    self._store.plain,
                    kind="RATE_LIMITED",
                    key=caller.strategy_id,
                    sentence=f"an alert of {caller.strategy_id} was refused: {refusal}",
                )
            raise

    def check_name(self, named: str | None, caller: Caller) -> None:
        """A sender may name its own strategy, or none. Raises: Refusal."""
        if named is None or named == caller.strategy_id:
            return
        if self._store.strategy_exists(named):
            raise Refusal(
                403, "STRATEGY_MISMATCH", f"this key does not belong to strategy {named!r}"
            )
        raise Refusal(
            404, "UNKNOWN_STRATEGY", f"there is no strategy {named!r}", field="strategy_name"
        )

    def _key_without_identity(self, intake: Intake, caller: Caller, door: Door) -> str:
        """What a repeat is known by where the sender gave nothing for it."""
        if door.repeat_key:
            return door.repeat_key
        # What was signed says when: then a replay, however late, falls into the same minute.
        moment = _signed_at(caller) or door.received_at
        before = moment_key(intake.content_hash, moment, seconds=REPEAT_SECONDS, back=1)
        earlier = self._store.find_raw(caller.strategy_id, before)
        if earlier is not None:
            age = (moment - (earlier.get("sent_at") or earlier["received_at"])).total_seconds()
            if age < REPEAT_SECONDS:
                return before
        return moment_key(intake.content_hash, moment, seconds=REPEAT_SECONDS)


def _signed_at(caller: Caller) -> datetime | None:
    return None if caller.signed_at is None else datetime.fromtimestamp(caller.signed_at, UTC)
