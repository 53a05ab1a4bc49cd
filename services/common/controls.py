"""Kill switches and overrides as they are stored; what is missing or unreadable means HALTED."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial
from typing import Any, Final

from pydantic import ValidationError
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from services.common.audit import audit
from services.common.clock import doubted, utc_now
from services.common.scopes import (
    check_exists,
    check_signed,
    check_storable,
    faults_of,
    plain_scope_id,
    scope_of_row,
)
from services.common.store import Document, Store, to_document
from services.domain.errors import ConfigurationError, TransientError
from services.domain.risk import Control, scope_key, state_for
from services.domain.values import ZERO
from services.domain.words import Override, Scope, TradingState

_log = logging.getLogger(__name__)
#: `_id` of the row that holds for everything; the others have `Control.key`.
GLOBAL_CONTROL: Final = "global"
#: What counts where a word cannot be read.
_STRICTEST: Final[dict[str, Any]] = {
    "trading_state": TradingState.HALTED,
    "override": Override.NO_TRADE,
    "scale_ratio": ZERO,
}
#: Without an end that can be read there is none.
_SIGNATURE: Final = ("reason", "set_by", "set_at", "expires_at")
#: In place of a person, where an override has come to its end.
CLOCK: Final = "the clock"


def trading_state(store: Store, session: ClientSession | None = None) -> TradingState:
    """The state of trading as a whole. Raises: PyMongoError while the database does not answer."""
    return state_for(controls(store, session), {scope_key(Scope.GLOBAL)})[0]


def controls(store: Store, session: ClientSession | None = None) -> tuple[Control, ...]:
    """Every kill switch and override as it holds now, one a scope, the one of everything first.

    A word that cannot be read counts as the strictest and halts its scope; a row of which not even
    the scope can be read halts everything, and so does the lack of the switch of everything.

    Where this process's own clock is wrong, one more lets only exits through.

    Raises: PyMongoError while the database does not answer.
    """
    found = {scope_key(Scope.GLOBAL): _missing_switch()}
    broken, now = None, utc_now()
    for row in store["controls"].find({}, session=session):
        control = _read(row)
        if control is None:
            broken = _halted(f"the control {row['_id']!r} cannot be read")
        else:
            found[control.key] = control.at(now)
    if broken is not None:
        found[broken.key] = broken
    for control in found.values():
        if control.set_by == _UNREADABLE:
            _log.error("trading is HALTED for %s", control.in_words)
    return (*found.values(), *_of_the_clock())


def _of_the_clock() -> tuple[Control, ...]:
    doubt = doubted()
    if not doubt:
        return ()
    reducing = TradingState.REDUCING
    return (Control(scope=Scope.GLOBAL, trading_state=reducing, reason=doubt, set_by=CLOCK),)


#: In place of a person, where the system halts because it cannot know better.
_UNREADABLE: Final = "the system"


def _halted(reason: str) -> Control:
    return Control(
        scope=Scope.GLOBAL, trading_state=TradingState.HALTED, reason=reason, set_by=_UNREADABLE
    )


def _missing_switch() -> Control:
    return _halted("the kill switch is not in the database")


def _read(row: Document) -> Control | None:
    """A stored control; None where not even its scope can be read."""
    try:
        place = _place(row)
    except ConfigurationError:
        return None
    fields: dict[str, Any] = {}
    faults = []
    for name, strictest in _STRICTEST.items():
        if name in row or name == "trading_state":
            held = row.get(name)
            if _is_readable(name, held):
                fields[name] = held
            else:
                fields[name] = strictest
                faults.append(f"{name} holds {held!r}, which nobody can read")
    fields |= {name: row[name] for name in _SIGNATURE if _is_readable(name, row.get(name))}
    if faults:
        fields |= {"trading_state": TradingState.HALTED, "reason": "; ".join(faults)}
        fields["set_by"] = _UNREADABLE
    return Control(scope=place[0], scope_id=place[1], **fields)


def _place(row: Document) -> tuple[Scope, str]:
    """Scope and id of a row. Raises: ConfigurationError where its key is not theirs."""
    return (Scope.GLOBAL, "") if row["_id"] == GLOBAL_CONTROL else scope_of_row(row)


def _is_readable(name: str, held: object) -> bool:
    if held is None:
        return False
    try:
        Control.model_validate({"scope": Scope.GLOBAL, name: held})
    except ValidationError:
        return False
    return True


def set_control(  # noqa: PLR0913 - the three things a person may set, by name
    store: Store,
    scope: Scope,
    scope_id: str = "",
    *,
    by: str,
    reason: str,
    trading_state: TradingState | None = None,
    override: Override | None = None,
    scale_ratio: Any = None,  # noqa: ANN401 - a Decimal, or what a person typed for it
    expires_at: datetime | None = None,
) -> Control:
    """Set kill switch, override or scale of a scope; what is None stays, also by a release.

    Args:
        store: where it is kept; the audit log gets before and after in the same transaction.
        scope: what it is about.
        scope_id: which one; empty for GLOBAL.
        by: who sets it.
        reason: why; orders that are stopped say so.
        trading_state: the kill switch.
        override: what is allowed beside the switch.
        scale_ratio: 0 to 1; entries are made this much smaller.
        expires_at: when the override and the scale that hold then end; None = when a person ends
            them. Whoever sets one of the two sets the end of both.

    Returns: the control as it holds now.

    Raises:
        ConfigurationError: no such scope, a wrong value, or nobody and no reason named.
        TransientError: the database does not answer, or somebody else set it at the same time.
    """
    check_signed(by, reason)
    scope_id = plain_scope_id(scope, scope_id)
    given = {"trading_state": trading_state, "override": override, "scale_ratio": scale_ratio}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise ConfigurationError("nothing to set: name a trading state, an override or a scale")
    if override is not None or scale_ratio is not None:
        changes["expires_at"] = expires_at
    elif expires_at is not None:
        raise ConfigurationError("expires_at ends an override or a scale: name one of them, too")
    changes |= {"scope": scope, "scope_id": scope_id}
    changes |= {"reason": reason.strip(), "set_by": by.strip(), "set_at": utc_now()}
    try:
        return store.transaction(lambda session: _change(store, changes, session))
    except DuplicateKeyError as error:
        raise TransientError("somebody else set this control at the same time: look") from error


def set_trading_state(
    store: Store,
    place: tuple[Scope, str],
    state: TradingState,
    session: ClientSession,
    **signed: str,
) -> Control:
    """Set the kill switch of a scope inside a transaction of the caller's.

    Args:
        store: where it is kept.
        place: scope and id, the latter as `plain_scope_id` makes it.
        state: what holds from now on.
        session: of the transaction.
        signed: `by` and `reason`, not empty.

    Raises:
        ConfigurationError: no such scope.
    """
    changes: Document = {"trading_state": state, "scope": place[0], "scope_id": place[1]}
    changes |= {"reason": signed["reason"], "set_by": signed["by"], "set_at": utc_now()}
    return _change(store, changes, session)


def _change(store: Store, changes: Document, session: ClientSession) -> Control:
    scope, scope_id = changes["scope"], changes["scope_id"]
    row_id = GLOBAL_CONTROL if scope is Scope.GLOBAL else scope_key(scope, scope_id)
    row = store["controls"].find_one({"_id": row_id}, session=session)
    if row is None:
        check_exists(store, scope, scope_id, session)
    now = utc_now()
    before = _known(row, scope, now)
    try:
        after = Control.model_validate((to_document(before) if before else {}) | changes)
    except ValidationError as error:
        raise ConfigurationError(f"this control cannot be set: {faults_of(error)}") from error
    check_storable(after)
    if changes.get("expires_at") is not None and (after.at(after.expires_at or now) == after):
        raise ConfigurationError("nothing would end: neither an override nor a scale is set")
    if after.at(now) != after:
        raise ConfigurationError(f"expires_at must be later than now, was {after.expires_at}")
    store["controls"].replace_one({"_id": row_id}, to_document(after), upsert=True, session=session)
    facts = {"scope": scope, "scope_id": scope_id, "before": row, "after": to_document(after)}
    audit(store, "CONTROL_SET", service="operator", by=after.set_by, facts=facts, session=session)
    return after


def _known(row: Document | None, scope: Scope, now: datetime) -> Control | None:
    """What holds before a change; what is unreadable of it stays as strict as it is read."""
    if row is None:
        return _missing_switch() if scope is Scope.GLOBAL else None
    return (_read(row) or _halted("")).at(now)


def end_expired(store: Store, now: datetime) -> list[Control]:
    """Put on record that overrides have come to their end; whoever reads them knows by the time.

    Returns: the controls as they hold since. Raises: PyMongoError, TransientError.
    """
    ended = []
    for row in list(store["controls"].find({"expires_at": {"$lte": now}})):
        control = store.transaction(partial(_end, store, row["_id"], now))
        if control is not None:
            ended.append(control)
    return ended


def _end(store: Store, row_id: str, now: datetime, session: ClientSession) -> Control | None:
    row = store["controls"].find_one({"_id": row_id}, session=session)
    before = _read(row) if row else None
    if before is None or before.at(now) == before:
        return None
    after = before.at(now)
    store["controls"].replace_one({"_id": row_id}, to_document(after), session=session)
    facts = {
        "scope": before.scope,
        "scope_id": before.scope_id,
        "before": row,
        "after": to_document(after),
    }
    audit(store, "CONTROL_EXPIRED", service="operator", by=CLOCK, facts=facts, session=session)
    return after
